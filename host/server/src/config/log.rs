//! `[log]`: what is logged, and how a line looks.

use super::{reader::Reader, value::words};

/// Settings of the log, which goes to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How a line looks. Default `auto`.
    pub format: LogFormat,
    /// Which lines are written: a level, or levels by target as in `info,guest=debug`. Default `info`.
    pub filter: String,
    /// Which requests are logged. Default `failed`.
    pub access: AccessLog,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// A line for people.
    Text,
    /// One JSON object for each line.
    Json,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// None.
    Off,
    /// Those answered with a 5xx status.
    Failed,
    /// Every one.
    All,
}

words!(LogFormat: "\"auto\", \"text\" or \"json\"", Auto = "auto", Text = "text", Json = "json");
words!(AccessLog: "\"off\", \"failed\" or \"all\"", Off = "off", Failed = "failed", All = "all");

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned(), access: AccessLog::Failed }
    }
}

impl LogConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let mut log = reader.section("log");
        let config = Self {
            format: log.get("format", default.format),
            filter: log.get("filter", default.filter),
            access: log.get("access", default.access),
        };
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&config.filter) {
            log.refuse("filter", format!("{error}: write a level, or levels by target as in \"info,guest=debug\""));
        }
        log.close();
        config
    }
}
