//! How often callers may come: what the operator allows the server, a plugin, and lines about some of its routes.
//!
//! Each line has buckets of its own, one for each caller and one for each address, and all requests that a line is about
//! share them. They are made once, when the server starts, so that no change of the live plugins gives anybody a full
//! bucket. They are in memory and bounded, as [`RateLimiter`] says. What no line is about costs nothing.
//!
//! This module does not know routes.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use backplane_auth::{Principal, RateLimiter, TooOften, origin_of};
use backplane_runtime::PluginName;

use crate::{
    config::{Config, PluginConfig, RateLimitConfig},
    problem::{ApiError, ApiResult, codes},
};

/// What one line of the configuration allows.
#[derive(Debug)]
pub struct RateLimit {
    per_caller: Option<RateLimiter>,
    per_address: Option<RateLimiter>,
}

/// Whose bucket a request takes from.
#[derive(Hash)]
enum Counted<'a> {
    Subject(&'a str),
    /// Nobody knows who calls: everybody there is one caller.
    Origin(IpAddr),
}

impl RateLimit {
    /// Makes the buckets of a line; of one that says nothing there are none.
    fn new(config: &RateLimitConfig) -> Option<Arc<Self>> {
        if config.per_caller.is_none() && config.per_address.is_none() {
            return None;
        }
        let limiter = |rate: Option<_>| rate.map(RateLimiter::new);
        Some(Arc::new(Self { per_caller: limiter(config.per_caller), per_address: limiter(config.per_address) }))
    }

    /// Lets a request pass, or says when to come again.
    ///
    /// # Errors
    /// `too_many_requests` when the caller or the address comes too often.
    pub fn admit(&self, caller: Option<&Principal>, address: IpAddr) -> ApiResult<()> {
        let origin = origin_of(address);
        if let Some(limiter) = &self.per_caller {
            let who = caller.map_or(Counted::Origin(origin), |caller| Counted::Subject(caller.subject()));
            limiter.admit(who).map_err(|error| refuse("this caller sends more requests than it may", error))?;
        }
        if let Some(limiter) = &self.per_address {
            limiter.admit(origin).map_err(|error| refuse("this address sends more requests than it may", error))?;
        }
        Ok(())
    }

    fn forget_idle(&self) {
        [&self.per_caller, &self.per_address].into_iter().flatten().for_each(RateLimiter::forget_idle);
    }
}

fn refuse(detail: &'static str, TooOften { retry_after }: TooOften) -> ApiError {
    ApiError::new(codes::TOO_MANY_REQUESTS, detail).with_retry_after(retry_after)
}

/// What holds for one plugin.
#[derive(Debug, Default)]
pub struct PluginLimits {
    /// For all its routes together.
    pub plugin: Option<Arc<RateLimit>>,
    /// For each line about some of them, in the order of the configuration.
    pub lines: Vec<Option<Arc<RateLimit>>>,
}

impl PluginLimits {
    /// Makes the buckets of what is said about a plugin.
    pub fn new(config: &PluginConfig) -> Self {
        let lines = config.rate_limit.routes.iter().map(|line| RateLimit::new(&line.limit)).collect();
        Self { plugin: RateLimit::new(&config.rate_limit.plugin), lines }
    }
}

/// All lines.
#[derive(Debug, Default)]
pub struct RateLimits {
    /// For every request that a plugin or the host's own API answers.
    pub server: Option<Arc<RateLimit>>,
    plugins: BTreeMap<PluginName, PluginLimits>,
}

impl RateLimits {
    /// Makes the buckets of what the operator says.
    pub fn new(config: &Config) -> Self {
        let plugins = config.plugin.iter().map(|(name, plugin)| (name.clone(), PluginLimits::new(plugin)));
        Self { server: RateLimit::new(&config.rate_limit), plugins: plugins.collect() }
    }

    /// Returns what holds for a plugin, if anything does.
    pub fn of_plugin(&self, name: &PluginName) -> Option<&PluginLimits> {
        self.plugins.get(name)
    }

    /// Gives the memory back of callers that have not come for a while.
    pub fn forget_idle(&self) {
        let of_plugins = self.plugins.values().flat_map(|plugin| plugin.lines.iter().chain([&plugin.plugin]));
        of_plugins.chain([&self.server]).flatten().for_each(|limit| limit.forget_idle());
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZero, time::Duration};

    use axum::response::IntoResponse as _;
    use backplane_auth::{Names, PrincipalKind, PrincipalParts, Rate, RatePeriod};
    use http::header::RETRY_AFTER;
    use tokio::time::advance;

    use super::*;

    fn limit(per_caller: Option<u32>, per_address: Option<u32>) -> Arc<RateLimit> {
        let rate = |count: u32| {
            let count = NonZero::new(count).expect("not zero");
            Rate { count, period: RatePeriod::Minute, burst: count }
        };
        let config = RateLimitConfig { per_caller: per_caller.map(rate), per_address: per_address.map(rate) };
        RateLimit::new(&config).expect("a line that says something")
    }

    fn caller(subject: &str) -> Principal {
        Principal::new(PrincipalParts {
            subject: subject.into(),
            kind: PrincipalKind::User,
            roles: Names::default(),
            scopes: Names::default(),
            session: None,
            claims: "{}".into(),
        })
    }

    /// Returns how many of ten requests pass.
    fn passed(limit: &RateLimit, subject: Option<&str>, address: &str) -> usize {
        let (caller, address) = (subject.map(caller), address.parse().expect("an address"));
        (0..10).filter(|_| limit.admit(caller.as_ref(), address).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_is_a_subject_wherever_it_calls_from() {
        let limit = limit(Some(3), None);
        assert_eq!(passed(&limit, Some("ada"), "192.0.2.1"), 3);
        assert_eq!(passed(&limit, Some("ada"), "192.0.2.2"), 0);
        assert_eq!(passed(&limit, Some("bob"), "192.0.2.1"), 3);
        advance(Duration::from_secs(20)).await;
        assert_eq!(passed(&limit, Some("ada"), "192.0.2.2"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_not_signed_in_is_one_caller_for_each_address() {
        let limit = limit(Some(3), None);
        assert_eq!(passed(&limit, None, "192.0.2.1"), 3);
        assert_eq!(passed(&limit, None, "192.0.2.2"), 3);
        assert_eq!(passed(&limit, Some("192.0.2.1"), "192.0.2.1"), 3);
        assert_eq!((passed(&limit, None, "2001:db8::1"), passed(&limit, None, "2001:db8::2")), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_counted_whoever_calls() {
        let limit = limit(None, Some(3));
        assert_eq!((passed(&limit, Some("ada"), "192.0.2.1"), passed(&limit, Some("bob"), "192.0.2.1")), (3, 0));
        assert_eq!((passed(&limit, None, "::ffff:192.0.2.1"), passed(&limit, None, "192.0.2.2")), (0, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn tells_when_to_come_again() {
        let limit = limit(None, Some(1));
        let address = "192.0.2.1".parse().expect("an address");
        assert!(limit.admit(None, address).is_ok());
        advance(Duration::from_millis(100)).await;
        let error = limit.admit(None, address).expect_err("too often");
        assert_eq!((error.status().as_u16(), error.code()), (429, "too_many_requests"));
        assert_eq!(error.into_response().headers()[RETRY_AFTER], "60");
    }

    #[test]
    fn what_no_line_is_about_has_no_buckets() {
        let limits = RateLimits::new(&Config::default());
        assert!(limits.server.is_none() && limits.plugins.is_empty());
    }
}
