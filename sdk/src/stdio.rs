//! A guest's standard output and error: lines of its log.
//!
//! `println!` becomes a line of level info, `eprintln!` and a panic's message one of level error. In a component these
//! end in libc's `write` and `writev`, and a panic asks `getenv` whether to print a backtrace. libc's own three bring
//! streams, polling and terminals along: eighteen imports of a small plugin's twenty, which the host would join to
//! every instance. So this module defines the three itself, the linker finds them first, and libc's stay out.
//!
//! It does not know streams: a plugin that opens some by itself still imports what they need.

use std::{borrow::Cow, mem::take};

/// Longest line; a longer one is written in parts.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Collects bytes until a line is whole.
#[derive(Debug)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self { begun: Vec::new() }
    }

    /// Adds bytes, and hands on every line that is whole.
    pub(crate) fn push(&mut self, bytes: &[u8], mut write: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(LINE_BYTES_MAX) {
                if self.begun.len() + piece.len() > LINE_BYTES_MAX {
                    self.flush(&mut write);
                }
                // What is said when memory has run out goes out as it comes, and needs none.
                match self.begun.try_reserve(piece.len()) {
                    Ok(()) => self.begun.extend_from_slice(piece),
                    Err(_) => {
                        self.flush(&mut write);
                        write_line(piece, &mut write);
                    }
                }
            }
            if part.ends_with(b"\n") {
                self.flush(&mut write);
            }
        }
    }

    /// Hands on what is begun of a line.
    pub(crate) fn flush(&mut self, write: impl FnMut(&str)) {
        if !self.begun.is_empty() {
            write_line(&take(&mut self.begun), write);
        }
    }
}

fn write_line(bytes: &[u8], mut write: impl FnMut(&str)) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    };
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.is_empty() {
        write(text);
    }
}

#[cfg(target_arch = "wasm32")]
pub(crate) use in_a_component::flush;

#[cfg(target_arch = "wasm32")]
mod in_a_component {
    #![expect(unsafe_code, reason = "libc's functions take pointers, and are found by their names")]

    use std::{
        ffi::{c_char, c_int},
        ptr,
        slice::from_raw_parts,
        sync::Mutex,
    };

    use super::Lines;
    use crate::log::{self, Level};

    static STDOUT: Mutex<Lines> = Mutex::new(Lines::new());
    static STDERR: Mutex<Lines> = Mutex::new(Lines::new());

    /// One part of what is written (POSIX, `<sys/uio.h>`).
    #[repr(C)]
    struct Part {
        start: *const u8,
        length: usize,
    }

    /// Hands on what is begun of a line when the handler has ended.
    pub(crate) fn flush() {
        for (lines, level) in [(&STDOUT, Level::Info), (&STDERR, Level::Error)] {
            if let Ok(mut lines) = lines.try_lock() {
                lines.flush(|line| log::write(level, line, &[]));
            }
        }
    }

    /// Returns whether `descriptor` is one of the two.
    fn push(descriptor: c_int, bytes: &[u8]) -> bool {
        let (lines, level) = match descriptor {
            1 => (&STDOUT, Level::Info),
            2 => (&STDERR, Level::Error),
            _ => return false,
        };
        // Taken only by a write within a write, which loses its line rather than the call.
        if let Ok(mut lines) = lines.try_lock() {
            lines.push(bytes, |line| log::write(level, line, &[]));
        }
        true
    }

    /// Writes to standard output or error (POSIX `write`); there are no other descriptors to write to.
    ///
    /// # Safety
    /// `start` points to `length` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn write(descriptor: c_int, start: *const u8, length: usize) -> isize {
        // SAFETY: by the contract of the function.
        unsafe { writev(descriptor, &Part { start, length }, 1) }
    }

    /// Writes several parts (POSIX `writev`).
    ///
    /// # Safety
    /// `parts` points to `count` parts, and each of them to as many bytes as it says.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn writev(descriptor: c_int, parts: *const Part, count: c_int) -> isize {
        let mut written = 0;
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: by the contract of the function.
            let bytes = unsafe {
                let part = &*parts.add(at);
                if part.length == 0 { &[] } else { from_raw_parts(part.start, part.length) }
            };
            if !push(descriptor, bytes) {
                return -1;
            }
            written += bytes.len();
        }
        isize::try_from(written).unwrap_or(isize::MAX)
    }

    /// Finds no variable (POSIX `getenv`): a plugin has no environment.
    #[unsafe(no_mangle)]
    extern "C" fn getenv(_name: *const c_char) -> *mut c_char {
        ptr::null_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `pieces`, and returns the lines that came of them, with one more for what was begun.
    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut written) = (Lines::new(), Vec::new());
        for piece in pieces {
            lines.push(piece, |line| written.push(line.to_owned()));
        }
        lines.flush(|line| written.push(line.to_owned()));
        written
    }

    #[test]
    fn joins_pieces_to_lines() {
        assert_eq!(lines(&[b"a", b" b\nc\r\n", b"", b"\n\nd"]), ["a b", "c", "d"]);
    }

    #[test]
    fn writes_a_long_line_in_parts() {
        let long = vec![b'x'; LINE_BYTES_MAX * 2 + 5];
        let parts: Vec<_> = lines(&[&long, b"y\n"]).iter().map(String::len).collect();
        assert_eq!(parts, [LINE_BYTES_MAX, LINE_BYTES_MAX, 6]);
        let (most, rest) = long.split_at(LINE_BYTES_MAX - 1);
        let parts: Vec<_> = lines(&[most, &rest[..3]]).iter().map(String::len).collect();
        assert_eq!(parts, [LINE_BYTES_MAX - 1, 3]);
    }

    #[test]
    fn writes_what_is_not_text_as_well_as_it_can_be() {
        assert_eq!(lines(&[b"a\xFFb\n"]), ["a\u{FFFD}b"]);
    }
}
