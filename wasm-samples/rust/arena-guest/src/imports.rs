//! The functions that the runtime offers, as they are. What is safe about them is said where they
//! are called.

use std::ffi::{c_char, c_int, c_uint};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    pub(crate) fn ch_open(path: *const c_char, flags: c_int, mode: c_int) -> c_int;
    pub(crate) fn ch_close(fd: c_int) -> c_int;
    pub(crate) fn ch_write_msg(fd: c_int, buf: *const u8, size: usize) -> c_int;
    pub(crate) fn ch_read_msg(fd: c_int, buf: *mut u8, size: usize) -> c_int;
    pub(crate) fn ch_poll(chs: *mut c_int, nchs: c_int, timeout: c_int) -> c_int;
    pub(crate) fn runtime_get_uuid(buf: *mut u8) -> c_int;
    pub(crate) fn module_get_uuid(buf: *mut u8) -> c_int;
    pub(crate) fn period_start();
    pub(crate) fn period_end();
    pub(crate) fn period_yield();
    pub(crate) fn period_set_flags(flags: c_int);
}

/// `struct pollfd` of wasi-libc, which `std` links.
#[repr(C)]
pub(crate) struct PollFd {
    pub(crate) fd: c_int,
    pub(crate) events: i16,
    pub(crate) revents: i16,
}

/// `POLLIN` of wasi-libc.
pub(crate) const POLLIN: i16 = 1;

unsafe extern "C" {
    pub(crate) fn poll(fds: *mut PollFd, count: c_uint, timeout: c_int) -> c_int;
}
