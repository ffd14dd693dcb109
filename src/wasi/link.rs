//! The functions under the names and types by which modules import them.

use super::call::Call;
use super::config::Wasi;
use super::error::{Fail, Result};
use super::types::Abi;
use super::{clock, fd, path, poll, process, readdir, rw, sock};
use crate::wamr::{Caller, HostError, Imports};

/// Adds functions to a set: `name(parameter types) = function`, where the function takes the
/// call and the parameters. Each returns an error number, 0 for success.
macro_rules! functions {
    ($imports:ident, $module:expr; $($name:ident($($arg:ident: $type:ty),*) = $function:expr;)*) => {
        $(
            $imports.func(
                $module,
                stringify!($name),
                |caller: &Caller<'_, T>, $($arg: $type),*| {
                    errno($function(&Call::new(caller), $($arg),*))
                },
            );
        )*
    };
}

/// Adds WASI's functions under `wasi_snapshot_preview1` and `wasi_unstable`.
///
/// `T` is the instances' context, which has a [`Wasi`] in it.
pub fn add_to_imports<T: AsRef<Wasi> + Send + Sync + 'static>(imports: &mut Imports<T>) {
    add_common(imports, "wasi_unstable");
    functions! { imports, "wasi_unstable";
        fd_filestat_get(fd: u32, at: u32) =
            |c: &Call<'_>, fd, at| fd::fd_filestat_get(c, Abi::Snapshot0, fd, at);
        fd_seek(fd: u32, offset: i64, whence: u32, at: u32) =
            |c: &Call<'_>, fd, o, w, at| rw::fd_seek(c, Abi::Snapshot0, fd, o, w, at);
        path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, at: u32) =
            |c: &Call<'_>, fd, flags, path, len, at|
                path::path_filestat_get(c, Abi::Snapshot0, fd, flags, path, len, at);
        poll_oneoff(input: u32, output: u32, count: u32, number: u32) =
            |c: &Call<'_>, input, output, count, number|
                poll::poll_oneoff(c, Abi::Snapshot0, input, output, count, number);
    }

    add_common(imports, "wasi_snapshot_preview1");
    functions! { imports, "wasi_snapshot_preview1";
        fd_filestat_get(fd: u32, at: u32) =
            |c: &Call<'_>, fd, at| fd::fd_filestat_get(c, Abi::Preview1, fd, at);
        fd_seek(fd: u32, offset: i64, whence: u32, at: u32) =
            |c: &Call<'_>, fd, o, w, at| rw::fd_seek(c, Abi::Preview1, fd, o, w, at);
        path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, at: u32) =
            |c: &Call<'_>, fd, flags, path, len, at|
                path::path_filestat_get(c, Abi::Preview1, fd, flags, path, len, at);
        poll_oneoff(input: u32, output: u32, count: u32, number: u32) =
            |c: &Call<'_>, input, output, count, number|
                poll::poll_oneoff(c, Abi::Preview1, input, output, count, number);
        sock_accept(fd: u32, flags: u32, at: u32) = sock::sock_accept;
    }
}

/// What both versions have in common.
fn add_common<T: AsRef<Wasi> + Send + Sync + 'static>(imports: &mut Imports<T>, module: &str) {
    functions! { imports, module;
        args_get(pointers: u32, buffer: u32) = process::args_get;
        args_sizes_get(count: u32, size: u32) = process::args_sizes_get;
        environ_get(pointers: u32, buffer: u32) = process::environ_get;
        environ_sizes_get(count: u32, size: u32) = process::environ_sizes_get;
        clock_res_get(id: u32, at: u32) = clock::clock_res_get;
        clock_time_get(id: u32, precision: u64, at: u32) = clock::clock_time_get;
        fd_advise(fd: u32, offset: u64, length: u64, advice: u32) = fd::fd_advise;
        fd_allocate(fd: u32, offset: u64, length: u64) = fd::fd_allocate;
        fd_close(fd: u32) = fd::fd_close;
        fd_datasync(fd: u32) = fd::fd_datasync;
        fd_fdstat_get(fd: u32, at: u32) = fd::fd_fdstat_get;
        fd_fdstat_set_flags(fd: u32, flags: u32) = fd::fd_fdstat_set_flags;
        fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) = fd::fd_fdstat_set_rights;
        fd_filestat_set_size(fd: u32, size: u64) = fd::fd_filestat_set_size;
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) =
            fd::fd_filestat_set_times;
        fd_pread(fd: u32, list: u32, count: u32, offset: u64, size: u32) = rw::fd_pread;
        fd_prestat_get(fd: u32, at: u32) = fd::fd_prestat_get;
        fd_prestat_dir_name(fd: u32, path: u32, len: u32) = fd::fd_prestat_dir_name;
        fd_pwrite(fd: u32, list: u32, count: u32, offset: u64, size: u32) = rw::fd_pwrite;
        fd_read(fd: u32, list: u32, count: u32, size: u32) = rw::fd_read;
        fd_readdir(fd: u32, buffer: u32, room: u32, cookie: u64, size: u32) = readdir::fd_readdir;
        fd_renumber(from: u32, to: u32) = fd::fd_renumber;
        fd_sync(fd: u32) = fd::fd_sync;
        fd_tell(fd: u32, at: u32) = rw::fd_tell;
        fd_write(fd: u32, list: u32, count: u32, size: u32) = rw::fd_write;
        path_create_directory(fd: u32, path: u32, len: u32) = path::path_create_directory;
        path_filestat_set_times(
            fd: u32, lookup: u32, path: u32, len: u32, accessed: u64, modified: u64, flags: u32
        ) = path::path_filestat_set_times;
        path_link(
            from_fd: u32, lookup: u32, from: u32, from_len: u32, to_fd: u32, to: u32, to_len: u32
        ) = path::path_link;
        path_open(
            fd: u32, lookup: u32, path: u32, len: u32, open_flags: u32, base: u64,
            inheriting: u64, fd_flags: u32, at: u32
        ) = path::path_open;
        path_readlink(fd: u32, path: u32, len: u32, at: u32, room: u32, size: u32) =
            path::path_readlink;
        path_remove_directory(fd: u32, path: u32, len: u32) = path::path_remove_directory;
        path_rename(fd: u32, from: u32, from_len: u32, to_fd: u32, to: u32, to_len: u32) =
            path::path_rename;
        path_symlink(target: u32, target_len: u32, fd: u32, path: u32, len: u32) =
            path::path_symlink;
        path_unlink_file(fd: u32, path: u32, len: u32) = path::path_unlink_file;
        proc_raise(signal: u32) = process::proc_raise;
        random_get(at: u32, len: u32) = process::random_get;
        sched_yield() = process::sched_yield;
        sock_recv(fd: u32, list: u32, count: u32, flags: u32, size: u32, flags_at: u32) =
            sock::sock_recv;
        sock_send(fd: u32, list: u32, count: u32, flags: u32, size: u32) = sock::sock_send;
        sock_shutdown(fd: u32, how: u32) = sock::sock_shutdown;
    }
    // The one function without a result.
    imports.func(
        module,
        "proc_exit",
        |_: &Caller<'_, T>, status: i32| -> Result<(), HostError> { Err(HostError::Exit(status)) },
    );
}

/// The result of a function as the guest gets it.
fn errno(result: Result<()>) -> Result<i32, HostError> {
    match result {
        Ok(()) => Ok(0),
        Err(Fail::Errno(errno)) => Ok(i32::from(errno as u16)),
        Err(Fail::Host(error)) => Err(error),
    }
}
