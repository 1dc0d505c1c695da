//! Stands between the server and the C library, for what neither a file nor a request shows a test.
//!
//! A test starts the server with `LD_PRELOAD` set to this library, and two files:
//!
//! - `PRELOAD_JOURNAL` gets a line for each event, in the order of the events: a marker was written to a write-ahead log
//!   (`wal`), a sync of one began and ended well (`begin`, `end`, and `full` before it if it is one of the file's times,
//!   too), a marker is about to be sent to a client (`send`). A marker is the text `proof-` and eight digits, which the
//!   test puts into what it stores.
//! - `PRELOAD_CONTROL` holds four integers of 64 bits, which the test changes while the server runs: milliseconds that the
//!   time of day is ahead, whether syncs of write-ahead logs fail, whether writes to files fail, and milliseconds that
//!   the clock is ahead which only ever goes on. The kernel's own timers do not know of either.
//!
//! Without them everything is as without the library. What the server does by itself, without the C library, is not
//! seen; the SQLite, the sockets and the clock of a Rust program all go through it.

// A test's own binary must not have its functions replaced.
#[cfg(not(test))]
mod interpose;

/// What comes before a marker's digits.
const PREFIX: &[u8] = b"proof-";

/// Length of a marker's number.
const DIGITS: usize = 8;

/// Returns the numbers of all markers in `bytes`.
fn markers(bytes: &[u8]) -> impl Iterator<Item = [u8; DIGITS]> {
    let number = |window: &[u8]| <[u8; DIGITS]>::try_from(window.strip_prefix(PREFIX)?).ok();
    bytes
        .windows(PREFIX.len() + DIGITS)
        .filter_map(number)
        .filter(|digits: &[u8; DIGITS]| digits.iter().all(u8::is_ascii_digit))
}

/// Returns a line of the journal. It is made without the allocator, which a caller of `write` may not expect to run.
fn line(event: Event, digits: [u8; DIGITS]) -> [u8; 15] {
    let mut line = *b"      00000000\n";
    let name = event.name();
    line.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    line.iter_mut().skip(6).zip(digits).for_each(|(to, from)| *to = from);
    line
}

/// Returns the digits of a number, the lower ones.
fn digits(mut number: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    digits
}

/// What happened.
#[derive(Clone, Copy)]
enum Event {
    /// A marker was written to a write-ahead log.
    Wal,
    /// The next sync is `fsync`, which writes the file's times, too.
    Full,
    /// A sync of a write-ahead log begins.
    Begin,
    /// It ended, and well.
    End,
    /// A marker is about to be sent.
    Send,
}

impl Event {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Wal => b"wal",
            Self::Full => b"full",
            Self::Begin => b"begin",
            Self::End => b"end",
            Self::Send => b"send",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_marker() {
        let found = |text: &str| markers(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(found("a proof-00000001 and proof-12345678"), [*b"00000001", *b"12345678"]);
        assert!(found("proof-0000001 proof-x0000001 proof-").is_empty());
    }

    #[test]
    fn a_line_names_event_and_number() {
        assert_eq!(&line(Event::Begin, digits(42)), b"begin 00000042\n");
        assert_eq!(&line(Event::Full, digits(42)), b"full  00000042\n");
        assert_eq!(&line(Event::Wal, digits(1_234_567_890)), b"wal   34567890\n");
        assert_eq!(&line(Event::End, digits(0)), b"end   00000000\n");
        assert_eq!(&line(Event::Send, digits(7)), b"send  00000007\n");
    }
}
