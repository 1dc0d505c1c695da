//! What a version of a plugin handles: its manifest's subscriptions and schedules as the driver takes them.

use backplane_events::{Missed, ParsePatternError, ParseTimingError, Pattern, ScheduleSpec, SubscriptionSpec, Timing};
use backplane_runtime::{
    Manifest,
    manifest::{self, Schedule, Subscription},
};

/// What a version handles.
#[derive(Debug, Clone, Default)]
pub struct Declaration {
    /// Which events.
    pub subscriptions: Vec<SubscriptionSpec>,
    /// When it runs by the clock.
    pub schedules: Vec<ScheduleSpec>,
}

/// What a plugin may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared<'a> {
    /// A subscription, by its pattern.
    Pattern(&'a str),
    /// A schedule, by its handler.
    Handler(&'a str),
}

/// Why a version cannot handle what it wants to.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// A pattern is none.
    #[error("the manifest subscribes to topics that there cannot be")]
    Pattern(#[from] ParsePatternError),
    /// A schedule cannot be.
    #[error("schedule `{handler}` cannot be")]
    Timing {
        /// Whose.
        handler: String,
        /// Why.
        #[source]
        source: ParseTimingError,
    },
}

impl Declaration {
    /// Reads what a manifest says.
    ///
    /// # Errors
    /// When a schedule has a pattern or a zone that is none.
    pub fn of(manifest: &Manifest) -> Result<Self, DeclarationError> {
        Ok(Self {
            subscriptions: manifest.subscriptions.iter().map(subscription).collect::<Result<_, _>>()?,
            schedules: manifest.schedules.iter().map(schedule).collect::<Result<_, _>>()?,
        })
    }

    /// Returns whether something is a part of it.
    pub fn has(&self, declared: &Declared<'_>) -> bool {
        match declared {
            Declared::Pattern(pattern) => self.subscriptions.iter().any(|spec| spec.pattern.as_str() == *pattern),
            Declared::Handler(handler) => self.schedules.iter().any(|spec| *spec.handler == **handler),
        }
    }

    /// Returns whether it handles nothing.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty() && self.schedules.is_empty()
    }
}

fn subscription(declared: &Subscription) -> Result<SubscriptionSpec, DeclarationError> {
    Ok(SubscriptionSpec { pattern: Pattern::new(declared.pattern.as_str())?, attempts: declared.attempts })
}

fn schedule(declared: &Schedule) -> Result<ScheduleSpec, DeclarationError> {
    let timing = match &declared.timing {
        manifest::Timing::Every { every } => Timing::every(*every),
        manifest::Timing::Cron { pattern, zone } => Timing::cron(pattern, zone),
    };
    let missed = match declared.missed {
        manifest::Missed::Skip => Missed::Skip,
        manifest::Missed::Once => Missed::Once,
    };
    let handler = declared.handler.as_str();
    match timing {
        Ok(timing) => Ok(ScheduleSpec { handler: handler.into(), timing, missed }),
        Err(source) => Err(DeclarationError::Timing { handler: handler.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(more: &str) -> Result<Declaration, String> {
        let json = format!(r#"{{"api":"1.0","name":"a","version":"0.0.1",{more}}}"#);
        let manifest = Manifest::from_json(json.as_bytes()).expect("a manifest").manifest;
        Declaration::of(&manifest).map_err(|error| crate::problem::Chain(&error).to_string())
    }

    #[test]
    fn takes_what_a_manifest_says() {
        let declared = declared(
            r#""subscriptions":[{"pattern":"a.*","attempts":3}],
               "schedules":[{"handler":"x","every_ms":5000},{"handler":"y","cron":"0 3 * * *","zone":"Europe/Berlin","missed":"once"}]"#,
        );
        let Declaration { subscriptions, schedules } = declared.expect("it can be");
        assert_eq!(subscriptions, [SubscriptionSpec { pattern: Pattern::new("a.*").expect("one"), attempts: 3 }]);
        let [x, y] = schedules.as_slice() else { panic!("{schedules:?}") };
        assert_eq!((&*x.handler, x.missed), ("x", Missed::Skip));
        assert_eq!(
            (&*y.handler, y.missed, y.timing.to_string()),
            ("y", Missed::Once, "cron 0 3 * * * in Europe/Berlin".into())
        );
    }

    #[test]
    fn says_what_is_wrong_with_a_schedule() {
        let why = declared(r#""schedules":[{"handler":"x","cron":"0 3 31 2 *"}]"#).expect_err("it never comes");
        assert!(why.contains("schedule `x` cannot be") && why.contains("never comes"), "{why}");
        let why = declared(r#""schedules":[{"handler":"x","cron":"0 3 * * *","zone":"Mars"}]"#).expect_err("no zone");
        assert!(why.contains("`Mars` is not a time zone"), "{why}");
    }
}
