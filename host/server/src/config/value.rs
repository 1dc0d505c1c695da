//! How one setting is written: as text, in the file and in the environment, and back.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use jiff::fmt::friendly::{Designator, SpanParser, SpanPrinter};

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// What to write, for the message to somebody who wrote something else.
    const EXPECTED: &'static str;

    /// Reads the text of an environment variable or a flag.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads a value of the file; a string unless the type says otherwise.
    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().and_then(Self::from_text)
    }

    /// Writes the value as it would stand in the file.
    fn to_toml(&self) -> toml::Value;
}

impl Value for String {
    const EXPECTED: &'static str = "text, such as \"name\"";

    fn from_text(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| text.to_owned())
    }

    fn to_toml(&self) -> toml::Value {
        self.clone().into()
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path, such as \"./data\"";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }

    fn to_toml(&self) -> toml::Value {
        self.display().to_string().into()
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an IP address and a port, such as \"127.0.0.1:8080\"";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn to_toml(&self) -> toml::Value {
        self.to_string().into()
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "a time with its unit, such as \"500ms\", \"10s\" or \"1h\"";

    fn from_text(text: &str) -> Option<Self> {
        SpanParser::new().parse_unsigned_duration(text).ok()
    }

    fn to_toml(&self) -> toml::Value {
        SpanPrinter::new().designator(Designator::Compact).unsigned_duration_to_string(self).into()
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_bool()
    }

    fn to_toml(&self) -> toml::Value {
        (*self).into()
    }
}

impl Value for u32 {
    const EXPECTED: &'static str = "a whole number, such as 64";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_integer().and_then(|number| number.try_into().ok())
    }

    fn to_toml(&self) -> toml::Value {
        (*self).into()
    }
}

impl Value for Vec<String> {
    const EXPECTED: &'static str = "a list of texts, such as [\"one\", \"two\"]";

    /// Reads texts with commas between them.
    fn from_text(text: &str) -> Option<Self> {
        text.split(',').map(|item| String::from_text(item.trim())).collect()
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_array()?.iter().map(String::from_toml).collect()
    }

    fn to_toml(&self) -> toml::Value {
        self.clone().into()
    }
}

/// A number of bytes, written with a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(pub(super) u64);

impl Size {
    /// Makes a size of `count` binary megabytes.
    pub(super) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// Makes a size of a number of bytes in memory.
    pub(super) fn of(bytes: usize) -> Self {
        Self(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// Returns the bytes, for memory of this machine.
    pub(super) fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Value for Size {
    const EXPECTED: &'static str = "a size with its unit, such as \"64KiB\" or \"8MiB\"";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(|ByteSize(bytes)| Self(bytes))
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::Integer(bytes) => u64::try_from(*bytes).ok().map(Self),
            other => other.as_str().and_then(Self::from_text),
        }
    }

    fn to_toml(&self) -> toml::Value {
        let (mut count, mut unit) = (self.0, "B");
        for larger in ["KiB", "MiB", "GiB"] {
            if count == 0 || count % 1024 != 0 {
                break;
            }
            (count, unit) = (count / 1024, larger);
        }
        format!("{count}{unit}").into()
    }
}

/// Makes an enum of words a setting.
macro_rules! words {
    ($type:ident: $expected:literal, $($variant:ident = $word:literal),*) => {
        impl $crate::config::value::Value for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn to_toml(&self) -> toml::Value {
                match self {
                    $(Self::$variant => $word.into(),)*
                }
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["500ms", "10s", "1h", "1h 30m", "0s"] {
            let time = Duration::from_text(text).expect("the text is a duration");
            assert_eq!(Duration::from_toml(&time.to_toml()), Some(time), "{text}");
        }
        for (text, bytes) in [("64MiB", 64 << 20), ("1KB", 1000), ("0", 0), ("1.5 KiB", 1536)] {
            let size = Size::from_text(text).expect("the text is a size");
            assert_eq!(size.0, bytes, "{text}");
            assert!(Size::from_toml(&size.to_toml()) == Some(size), "{text}");
        }
    }

    #[test]
    fn refuses_a_time_without_a_unit_and_a_negative_one() {
        for text in ["10", "-1s", "soon", ""] {
            assert_eq!(Duration::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn writes_the_shortest_form() {
        assert_eq!(Duration::from_millis(500).to_toml().as_str(), Some("500ms"));
        assert_eq!(Duration::from_secs(3600).to_toml().as_str(), Some("1h"));
        assert_eq!(Size::mib(2048).to_toml().as_str(), Some("2GiB"));
    }
}
