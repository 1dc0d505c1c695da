//! One schedule: a handler that runs by the clock.
//!
//! Whether a cron pattern and its zone are ones is not known here.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ManifestError, check_length, millis, read, unknown_fields};

/// The shortest distance between two runs.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest distance between two runs.
const EVERY_MAX: Duration = Duration::from_hours(366 * 24);

/// What happens to slots that passed while the server was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// Nothing.
    #[default]
    Skip,
    /// One run for all of them.
    Once,
}

/// When the slots of a schedule are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Timing {
    /// At equal distances.
    Every {
        /// From one to the next.
        #[serde(rename = "every_ms", serialize_with = "as_millis")]
        every: Duration,
    },
    /// Where a clock shows what a pattern says.
    Cron {
        /// The pattern, as it was written.
        #[serde(rename = "cron")]
        pattern: String,
        /// Name of the clock's time zone.
        zone: String,
    },
}

/// A handler that runs by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Name of the guest's function; unique in the manifest, and names the schedule for good.
    pub handler: String,
    /// When it runs.
    #[serde(flatten)]
    pub timing: Timing,
    /// What happens to slots that were missed.
    pub missed: Missed,
}

#[derive(Deserialize)]
struct Raw {
    handler: String,
    #[serde(rename = "every_ms", with = "millis", default)]
    every: Option<Duration>,
    cron: Option<String>,
    zone: Option<String>,
    #[serde(default)]
    missed: Missed,
}

const FIELDS: &[&str] = &["handler", "every_ms", "cron", "zone", "missed"];

/// Reads the manifest's `schedules`.
pub(super) fn read_all(values: Vec<Value>, warnings: &mut Vec<String>) -> Result<Vec<Schedule>, ManifestError> {
    let mut seen = HashSet::new();
    let mut schedules = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let place = format!("schedules[{at}]");
        warnings.extend(unknown_fields(&format!("{place}."), &value, FIELDS));
        let schedule = check(&place, read(place.clone(), value)?)?;
        if !seen.insert(schedule.handler.clone()) {
            return Err(ManifestError::invalid(place, format!("lists `{}` a second time", schedule.handler)));
        }
        schedules.push(schedule);
    }
    Ok(schedules)
}

fn check(place: &str, raw: Raw) -> Result<Schedule, ManifestError> {
    let Raw { handler, every, cron, zone, missed } = raw;
    check_length(&format!("{place}.handler"), &handler, 128)?;
    if handler.is_empty() {
        return Err(ManifestError::invalid(format!("{place}.handler"), "is empty: it names the schedule"));
    }
    let timing = match (every, cron) {
        (Some(every), None) if (EVERY_MIN..=EVERY_MAX).contains(&every) => Timing::Every { every },
        (Some(_), None) => {
            let reason = format!("must be {} to {}", EVERY_MIN.as_millis(), EVERY_MAX.as_millis());
            return Err(ManifestError::invalid(format!("{place}.every_ms"), reason));
        }
        (None, Some(pattern)) => {
            let zone = zone.unwrap_or_else(|| "UTC".to_owned());
            check_length(&format!("{place}.cron"), &pattern, 128)?;
            check_length(&format!("{place}.zone"), &zone, 64)?;
            Timing::Cron { pattern, zone }
        }
        _ => return Err(ManifestError::invalid(place, "needs one of `every_ms` and `cron`, and not both")),
    };
    Ok(Schedule { handler, timing, missed })
}

fn as_millis<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_millis().serialize(serializer)
}
