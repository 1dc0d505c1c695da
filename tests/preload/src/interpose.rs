//! The functions of the C library that are stood before, and nothing else that is unsafe.
//!
//! Each does what the one in the C library does, by the system call itself. None allocates or takes a lock that a signal
//! could find taken; `errno` is set by `libc::syscall`.

#![expect(unsafe_code, reason = "a function that replaces one of the C library has its raw pointers")]

use std::{
    ffi::CStr,
    mem::MaybeUninit,
    ptr, slice,
    sync::{
        OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use libc::{c_int, c_long, c_void, clockid_t, iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

use crate::{DIGITS, Event, digits, line, markers};

/// What the test orders. It is a file that both processes have mapped.
#[repr(C)]
struct Control {
    clock_ahead_ms: AtomicI64,
    syncs_fail: AtomicI64,
    writes_fail: AtomicI64,
    uptime_ahead_ms: AtomicI64,
}

/// Replaces `write`.
///
/// # Safety
///
/// As for `write`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(file: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    if refuses_writes() && is_file(file) {
        return fail(libc::ENOSPC);
    }
    // SAFETY: as for `write`, whose arguments these are.
    unsafe { around(file, bytes, length, || libc::syscall(libc::SYS_write, file, bytes, length)) }
}

/// Replaces `pwrite`.
///
/// # Safety
///
/// As for `pwrite`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite(file: c_int, bytes: *const c_void, length: size_t, at: libc::off_t) -> ssize_t {
    if refuses_writes() && is_file(file) {
        return fail(libc::ENOSPC);
    }
    // SAFETY: as for `pwrite`, whose arguments these are.
    unsafe { around(file, bytes, length, || libc::syscall(libc::SYS_pwrite64, file, bytes, length, at)) }
}

/// Replaces `pwrite64`.
///
/// # Safety
///
/// As for `pwrite64`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite64(
    file: c_int,
    bytes: *const c_void,
    length: size_t,
    at: libc::off64_t,
) -> ssize_t {
    // SAFETY: as for `pwrite64`, whose arguments these are.
    unsafe { pwrite(file, bytes, length, at) }
}

/// Replaces `send`.
///
/// # Safety
///
/// As for `send`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn send(socket: c_int, bytes: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: as for `send`, whose arguments these are.
    unsafe { sendto(socket, bytes, length, flags, ptr::null(), 0) }
}

/// Replaces `sendto`.
///
/// # Safety
///
/// As for `sendto`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendto(
    socket: c_int,
    bytes: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    let call = || unsafe {
        // SAFETY: as for `sendto`, whose arguments these are.
        libc::syscall(libc::SYS_sendto, socket, bytes, length, flags, address, address_length)
    };
    // SAFETY: the caller vouches for `bytes` and `length`.
    unsafe { around(socket, bytes, length, call) }
}

/// Replaces `sendmsg`.
///
/// # Safety
///
/// As for `sendmsg`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendmsg(socket: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller vouches for the message and its parts.
    unsafe { note_sent(socket, (*message).msg_iov, (*message).msg_iovlen) };
    // SAFETY: as for `sendmsg`, whose arguments these are.
    unsafe { libc::syscall(libc::SYS_sendmsg, socket, message, flags) as ssize_t }
}

/// Replaces `writev`.
///
/// # Safety
///
/// As for `writev`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(file: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller vouches for the parts.
    unsafe { note_sent(file, parts, size_t::try_from(count).unwrap_or_default()) };
    // SAFETY: as for `writev`, whose arguments these are.
    unsafe { libc::syscall(libc::SYS_writev, file, parts, count) as ssize_t }
}

/// Replaces `fdatasync`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(libc::SYS_fdatasync, file)
}

/// Replaces `fsync`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fsync(file: c_int) -> c_int {
    sync(libc::SYS_fsync, file)
}

/// Replaces `clock_gettime`.
///
/// # Safety
///
/// As for `clock_gettime`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: as for `clock_gettime`, whose arguments these are.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } as c_int;
    let ahead = control().map_or(0, |control| match clock {
        libc::CLOCK_REALTIME => control.clock_ahead_ms.load(Ordering::Relaxed),
        libc::CLOCK_MONOTONIC => control.uptime_ahead_ms.load(Ordering::Relaxed),
        _ => 0,
    });
    if result == 0 && ahead != 0 {
        // SAFETY: the call above wrote a time there.
        let time = unsafe { &mut *time };
        let nanos = time.tv_nsec + ahead.rem_euclid(1000) * 1_000_000;
        time.tv_sec += ahead.div_euclid(1000) + nanos / 1_000_000_000;
        time.tv_nsec = nanos % 1_000_000_000;
    }
    result
}

/// Makes a call that writes `bytes`, and notes their markers: before it for a socket, after it for a write-ahead log.
///
/// # Safety
///
/// `bytes` are readable for `length`, where that is not 0.
unsafe fn around(file: c_int, bytes: *const c_void, length: size_t, call: impl FnOnce() -> c_long) -> ssize_t {
    if journal().is_none() || length == 0 {
        return call() as ssize_t;
    }
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) };
    let is_marked = markers(bytes).next().is_some();
    if is_marked && is_socket(file) {
        markers(bytes).for_each(|marker| note(Event::Send, marker));
    }
    let result = call() as ssize_t;
    if is_marked && is_wal(file) {
        // SQLite writes the rest of what a call left over in another call.
        let written = bytes.get(..usize::try_from(result).unwrap_or_default()).unwrap_or_default();
        markers(written).for_each(|marker| note(Event::Wal, marker));
    }
    result
}

/// Notes the markers in parts that are about to be sent.
///
/// # Safety
///
/// There are `count` parts, each readable.
unsafe fn note_sent(socket: c_int, parts: *const iovec, count: size_t) {
    if journal().is_none() || count == 0 || !is_socket(socket) {
        return;
    }
    // SAFETY: the caller vouches for it.
    for part in unsafe { slice::from_raw_parts(parts, count) } {
        if part.iov_len > 0 {
            // SAFETY: the caller vouches for it.
            let bytes = unsafe { slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) };
            markers(bytes).for_each(|marker| note(Event::Send, marker));
        }
    }
}

fn sync(call: c_long, file: c_int) -> c_int {
    static SYNCS: AtomicU64 = AtomicU64::new(0);

    let is_wal = is_wal(file);
    if is_wal && control().is_some_and(|control| control.syncs_fail.load(Ordering::Relaxed) != 0) {
        return fail(libc::EIO) as c_int;
    }
    let number = digits(SYNCS.fetch_add(1, Ordering::Relaxed));
    if is_wal {
        if call == libc::SYS_fsync {
            note(Event::Full, number);
        }
        note(Event::Begin, number);
    }
    // SAFETY: both calls take a descriptor and touch no memory.
    let result = unsafe { libc::syscall(call, file) } as c_int;
    if is_wal && result == 0 {
        note(Event::End, number);
    }
    result
}

fn fail(error: c_int) -> ssize_t {
    // SAFETY: the C library answers with this thread's own variable.
    unsafe { *libc::__errno_location() = error };
    -1
}

fn refuses_writes() -> bool {
    control().is_some_and(|control| control.writes_fail.load(Ordering::Relaxed) != 0)
}

fn is_socket(file: c_int) -> bool {
    kind(file) == libc::S_IFSOCK
}

fn is_file(file: c_int) -> bool {
    kind(file) == libc::S_IFREG
}

fn kind(file: c_int) -> libc::mode_t {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `status` has room for one.
    let result = unsafe { libc::fstat(file, status.as_mut_ptr()) };
    // SAFETY: zeroes are a status too, of no kind of file.
    if result == 0 { unsafe { status.assume_init() }.st_mode & libc::S_IFMT } else { 0 }
}

/// Returns whether a descriptor is a write-ahead log: SQLite names it after the database.
fn is_wal(file: c_int) -> bool {
    const FOLDER: &[u8] = b"/proc/self/fd/";

    // What is left of the place is the zero that ends it.
    let mut place = [0; FOLDER.len() + DIGITS + 1];
    let number = digits(u64::try_from(file).unwrap_or_default());
    let zeroes = number.iter().take(DIGITS - 1).take_while(|digit| **digit == b'0').count();
    place.iter_mut().zip(FOLDER.iter().chain(number.iter().skip(zeroes))).for_each(|(to, from)| *to = *from);
    let mut target = [0_u8; 4096];
    // SAFETY: the path ends with a zero, and the target has room for what is said.
    let length = unsafe { libc::readlink(place.as_ptr().cast(), target.as_mut_ptr().cast(), target.len()) };
    target.get(..usize::try_from(length).unwrap_or_default()).is_some_and(|target| target.ends_with(b"-wal"))
}

/// Appends a line to the journal, in one write, so that the lines of all threads are in one order.
fn note(event: Event, number: [u8; DIGITS]) {
    if let Some(journal) = journal() {
        let line = line(event, number);
        // SAFETY: the line is readable for its length.
        unsafe { libc::syscall(libc::SYS_write, journal, line.as_ptr(), line.len()) };
    }
}

fn journal() -> Option<c_int> {
    static JOURNAL: OnceLock<Option<c_int>> = OnceLock::new();
    *JOURNAL.get_or_init(|| open(c"PRELOAD_JOURNAL", libc::O_WRONLY | libc::O_APPEND))
}

fn control() -> Option<&'static Control> {
    static CONTROL: OnceLock<Option<&'static Control>> = OnceLock::new();
    *CONTROL.get_or_init(|| {
        let file = open(c"PRELOAD_CONTROL", libc::O_RDWR)?;
        // SAFETY: a mapping of a place that the kernel chooses overlaps nothing.
        let place = unsafe {
            let (access, length) = (libc::PROT_READ | libc::PROT_WRITE, size_of::<Control>());
            libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, file, 0)
        };
        // SAFETY: the test made the file as long as a page before it started the server, a page is aligned for
        // anything, any bytes are four integers, and the mapping stays to the end of the process.
        (place != libc::MAP_FAILED).then(|| unsafe { &*place.cast::<Control>() })
    })
}

/// Opens the file that an environment variable names.
fn open(variable: &CStr, flags: c_int) -> Option<c_int> {
    // SAFETY: the server does not change its environment, and the name ends with a zero.
    let path = unsafe { libc::getenv(variable.as_ptr()) };
    if path.is_null() {
        return None;
    }
    // SAFETY: a variable's value ends with a zero.
    let file = unsafe { libc::open(path, flags | libc::O_CLOEXEC) };
    (file >= 0).then_some(file)
}
