//! Sizes and times as an author writes them.

/// Reads `64KiB` as bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]).ok_or_else(|| {
        format!("`{text}` is not a size: write a whole number and `B`, `KiB`, `MiB` or `GiB`, like \"64KiB\"")
    })
}

/// Reads `2s` as milliseconds.
pub(crate) fn parse_millis(text: &str) -> Result<u64, String> {
    parse(text, &[("ms", 1), ("s", 1000), ("min", 60_000)])
        .filter(|millis| *millis > 0)
        .ok_or_else(|| format!("`{text}` is not a time: write a whole number and `ms`, `s` or `min`, like \"2s\""))
}

/// Reads the distance of a schedule, `5m`, as milliseconds.
pub(crate) fn parse_interval(text: &str) -> Result<u64, String> {
    let units = [("s", 1000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    parse(text, &units).filter(|millis| (1000..=366 * 86_400_000).contains(millis)).ok_or_else(|| {
        format!(
            "`{text}` is no time between two runs: write from \"1s\" to \"366d\", in `s`, `m`, `h` or `d`, like \"5m\""
        )
    })
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let unit_start = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_start);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::{parse_bytes, parse_interval, parse_millis};

    #[test]
    fn reads_numbers_with_units() {
        assert_eq!(parse_bytes("64KiB"), Ok(65_536));
        assert_eq!(parse_bytes("0 B"), Ok(0));
        assert_eq!(parse_millis("500ms"), Ok(500));
        assert_eq!(parse_millis("2min"), Ok(120_000));
        assert_eq!(parse_interval("5m"), Ok(300_000));
        assert_eq!(parse_interval("5min"), Ok(300_000));
        assert_eq!(parse_interval("366d"), Ok(31_622_400_000));
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "64", "KiB", "-1B", "1.5MiB", "64kb", "99999999999999999999B", "18446744073709551615GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        for text in ["0s", "2h", "2", "s"] {
            assert!(parse_millis(text).is_err(), "{text}");
        }
        for text in ["0s", "999ms", "367d", "1w", "5", "m", "8784h1m"] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }
}
