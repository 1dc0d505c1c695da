//! `[rate_limit]` and `[plugin.<name>.rate_limit]`: how often callers may come.

use std::num::NonZero;

use backplane_auth::{Rate, RatePeriod};

use super::{
    place::Place,
    reader::{Reader, Section},
    route_selector::RouteSelector,
    value::Value,
};

/// Most requests in one period, and at once.
const COUNT_MAX: u32 = 1_000_000;

/// How often one caller, and one address, may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// One caller: a subject, or an address where nobody is signed in. Default as often as it likes.
    pub per_caller: Option<Rate>,
    /// One address, whoever calls from there. Default as often as it likes.
    pub per_address: Option<Rate>,
}

/// What holds for one plugin beside what holds for the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginRateLimits {
    /// For all its routes together.
    pub plugin: RateLimitConfig,
    /// For some of them.
    pub routes: Vec<RouteRateLimit>,
}

/// One line of `[plugin.<name>.rate_limit.routes]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRateLimit {
    /// Where it stands.
    pub place: Place,
    /// The routes that it is about, all of them together.
    pub selects: RouteSelector,
    /// How often callers may come there.
    pub limit: RateLimitConfig,
}

impl RateLimitConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self::read_keys(&mut section);
        section.close();
        config
    }

    fn read_keys(section: &mut Section<'_>) -> Self {
        Self { per_caller: section.optional("per_caller"), per_address: section.optional("per_address") }
    }
}

impl PluginRateLimits {
    /// Reads `table`, the table `name`.
    pub(super) fn read(reader: &mut Reader, name: &str, table: toml::Table) -> Self {
        let mut section = reader.file_section(name.to_owned(), table);
        let plugin = RateLimitConfig::read_keys(&mut section);
        let routes = section.take_table("routes");
        section.close();
        Self { plugin, routes: RouteRateLimit::read_all(reader, &format!("{name}.routes"), routes) }
    }
}

impl RouteRateLimit {
    fn read_all(reader: &mut Reader, name: &str, table: toml::Table) -> Vec<Self> {
        let mut limits = Vec::with_capacity(table.len());
        for (key, value) in table {
            let path = format!("{name}.{key:?}");
            match (RouteSelector::parse(&key), value) {
                (Ok(selects), toml::Value::Table(table)) if !table.is_empty() => {
                    let limit = RateLimitConfig::read(reader.file_section(path, table));
                    limits.push(Self { place: reader.place(name, key), selects, limit });
                }
                (Ok(_), value) => {
                    let message =
                        format!("{value} is not understood: write {{ per_caller = \"5/s\" }}, per_address, or both");
                    reader.refuse_in_file(&path, message);
                }
                (Err(reason), _) => reader.refuse_in_file(&path, reason),
            }
        }
        limits
    }
}

impl Value for Rate {
    const EXPECTED: &'static str = "a rate such as \"50/s\", \"600/m\" or \"1000/h burst 50\", of at most 1000000";

    fn from_text(text: &str) -> Option<Self> {
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let (count, period) = rate.split_once('/')?;
        let period = match period {
            "s" => RatePeriod::Second,
            "m" => RatePeriod::Minute,
            "h" => RatePeriod::Hour,
            _ => return None,
        };
        let count = parse_count(count)?;
        Some(Self { count, period, burst: burst.map_or(Some(count), parse_count)? })
    }

    fn to_toml(&self) -> toml::Value {
        let period = match self.period {
            RatePeriod::Second => "s",
            RatePeriod::Minute => "m",
            RatePeriod::Hour => "h",
        };
        match self.burst == self.count {
            true => format!("{}/{period}", self.count),
            false => format!("{}/{period} burst {}", self.count, self.burst),
        }
        .into()
    }
}

fn parse_count(text: &str) -> Option<NonZero<u32>> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|count: &NonZero<u32>| is_plain && count.get() <= COUNT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_reads_back_as_it_is_written() {
        for text in ["1/s", "600/m", "1000000/h", "50/s burst 200", "50/h burst 1"] {
            assert_eq!(Rate::from_text(text).expect("a rate").to_toml().as_str(), Some(text));
        }
        assert_eq!(Rate::from_text("5/s burst 5"), Rate::from_text("5/s"));
    }

    #[test]
    fn refuses_what_is_no_rate() {
        for text in [
            "",
            "5",
            "5/",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "1.5/s",
            "5/d",
            "5/ms",
            "5 / s",
            "1000001/s",
            "5/s burst",
            "5/s burst 0",
            "5/s burst 1000001",
            "5/s  burst 5",
            "4294967296/s",
        ] {
            assert_eq!(Rate::from_text(text), None, "{text}");
        }
    }
}
