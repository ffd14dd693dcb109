//! The stack on which a thread handles faults.

use std::io;
use std::ptr;

/// An alternate signal stack of the calling thread, large enough for WAMR's
/// handler: the one that Rust gives its threads is 8 KiB, of which the kernel
/// alone may take more than half. Restores the previous one when dropped.
///
/// Its pages become resident only when a fault is handled.
pub(super) struct AltStack {
    base: *mut libc::c_void,
    previous: libc::stack_t,
}

const GUARD: usize = 4096 * 4;
const SIZE: usize = 64 * 1024;

impl AltStack {
    /// Installs a new stack for the calling thread.
    pub(super) fn install() -> io::Result<AltStack> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                GUARD + SIZE,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut stack = AltStack {
            base,
            previous: libc::stack_t {
                ss_sp: ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: 0,
            },
        };
        // SAFETY: within the mapping that `stack` owns.
        let start = unsafe { base.byte_add(GUARD) };
        let new = libc::stack_t {
            ss_sp: start,
            ss_flags: 0,
            ss_size: SIZE,
        };
        // SAFETY: the upper part of the mapping becomes accessible, and stays
        // mapped for as long as it is the thread's signal stack, see drop().
        let failed = unsafe {
            libc::mprotect(start, SIZE, libc::PROT_READ | libc::PROT_WRITE) != 0
                || libc::sigaltstack(&raw const new, &raw mut stack.previous) != 0
        };
        if failed {
            let error = io::Error::last_os_error();
            stack.unmap();
            std::mem::forget(stack);
            return Err(error);
        }
        Ok(stack)
    }

    fn unmap(&mut self) {
        // SAFETY: the mapping is this value's own, and no longer in use.
        unsafe { libc::munmap(self.base, GUARD + SIZE) };
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // SAFETY: the thread is not on this stack, since handlers do not drop
        // anything; the previous stack was valid when it was replaced, and
        // belongs to this thread.
        unsafe { libc::sigaltstack(&raw const self.previous, ptr::null_mut()) };
        self.unmap();
    }
}
