//! WASI preview 1: what a module gets of the host.
//!
//! A [`WasiConfig`] says what an instance gets, a [`Wasi`] is made of it and holds the
//! instance's descriptors; it is part of the instance's context. [`add_to_imports`] adds the
//! functions to a set of imports, for every context that has a `Wasi`.
//!
//! The interface is <https://github.com/WebAssembly/WASI/tree/wasi-0.1>, in both of its
//! versions: `wasi_snapshot_preview1`, and `wasi_unstable` (snapshot 0). What it leaves open is
//! done so:
//!
//! - A module reaches no file but those below its preopened directories. A path that leads out
//!   of its directory, also by a symbolic link, is refused with `EPERM`; so is making a link
//!   that begins with `/`.
//! - Rights are enforced. A directory preopened for reading only gives no right to change
//!   anything, and `ENOTCAPABLE` (76) to who asks for one.
//! - Every wait (for a pipe, a terminal, a socket, a FIFO's other end, a clock) ends at once
//!   when the instance is stopped. No wait costs CPU time.
//! - Every pointer and length is checked before anything is done: a bad one is `EFAULT`.
//! - The standard streams' open file descriptions may be shared with other processes, so
//!   their flags are not changed: a non-blocking standard input is non-blocking for the module
//!   alone.
//! - A directory may have files that are not the host's ([`VirtualDir`]): character devices without
//!   an offset. Reading one never waits. All buffers of a `fd_write` are one write.
//! - Of a descriptor that is subscribed in both directions, a poll waits for those only that it
//!   has. A virtual file that is subscribed so can always be written, which does not end a poll.
//! - A FIFO has the file type `unknown`; preview 1 has no number for it.

#![deny(unsafe_code)]

mod call;
mod clock;
mod config;
mod error;
mod fd;
mod iovec;
mod link;
mod lookup;
mod object;
mod path;
mod poll;
mod process;
mod readdir;
mod rw;
mod sock;
mod subscription;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod virtual_file;

pub use config::{Stream, Wasi, WasiConfig, WasiError};
pub use link::add_to_imports;
pub use virtual_file::{
    Access, EventWatch, Events, VirtualDir, VirtualError, VirtualFile, VirtualHandle,
};
