//! Makes a disk slower than it is, for all programs alike.
//!
//! A program that is started with `LD_PRELOAD` set to this library waits in `fsync` and `fdatasync` for the time that
//! the disk takes, and then for `SLOW_DISK_MICROSECONDS` more. It has the processor as little meanwhile as while it
//! waits for a disk. A program that calls the kernel without the C library is not slowed.
//!
//! It stands before nothing else: `tests/preload`, which stands before the same functions, looks at every write and
//! clock besides, and that would be measured too.

#![expect(unsafe_code, reason = "what replaces a function of the C library keeps its name, and calls the kernel")]

use std::{ffi::CStr, sync::OnceLock, thread, time::Duration};

use libc::{c_int, c_long};

/// Replaces `fdatasync`.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(libc::SYS_fdatasync, file)
}

/// Replaces `fsync`.
#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    sync(libc::SYS_fsync, file)
}

fn sync(call: c_long, file: c_int) -> c_int {
    // SAFETY: both calls take a descriptor and touch no memory.
    let result = unsafe { libc::syscall(call, file) };
    if result == 0 {
        // Nothing after the call may change its `errno`, which nobody reads when it went well.
        thread::sleep(delay());
    }
    c_int::try_from(result).unwrap_or(-1)
}

fn delay() -> Duration {
    static DELAY: OnceLock<Duration> = OnceLock::new();
    *DELAY.get_or_init(|| {
        // SAFETY: the name ends with a zero, and no program under measurement changes its environment.
        let value = unsafe { libc::getenv(c"SLOW_DISK_MICROSECONDS".as_ptr()) };
        if value.is_null() {
            return Duration::ZERO;
        }
        // SAFETY: a variable's value ends with a zero.
        let value = unsafe { CStr::from_ptr(value) };
        let microseconds = value.to_str().ok().and_then(|value| value.parse().ok());
        Duration::from_micros(microseconds.unwrap_or_default())
    })
}
