//! Sockets: those that the host hands over, and what they accept.

use std::io;
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketFlags, accept_with, recv, send, shutdown};

use super::call::Call;
use super::error::{Errno, Fail, Result};
use super::iovec::{gather, read_ranges, scatter, total};
use super::object::{File, Object};
use super::rw::store;
use super::table::Entry;
use super::types::{FdFlags, FileType, Rights};

/// What one call transfers at most, in bytes: more than the largest datagram.
const MAX_TRANSFER: usize = 256 * 1024;

const PEEK: u32 = 1;
const WAITALL: u32 = 2;
const DATA_TRUNCATED: u16 = 1;

fn socket(entry: &Entry, rights: Rights) -> Result<&File, Errno> {
    if let Object::Virtual(_) = &*entry.object {
        return Err(Errno::NotSock);
    }
    let file = entry.file(Rights::EMPTY)?;
    if !matches!(
        file.filetype(),
        FileType::SocketStream | FileType::SocketDgram
    ) {
        return Err(Errno::NotSock);
    }
    entry.require(rights)?;
    Ok(file)
}

pub(crate) fn sock_accept(call: &Call<'_>, fd: u32, flags: u32, at: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = socket(&entry, Rights::SOCK_ACCEPT)?;
    let flags = FdFlags::exact(flags).ok_or(Errno::Inval)?;
    if !FdFlags::NONBLOCK.contains(flags) {
        return Err(Errno::Inval.into());
    }
    call.memory.check(at, 4)?;
    call.wasi.table.check_room()?;
    let mut host_flags = SocketFlags::CLOEXEC;
    host_flags.set(SocketFlags::NONBLOCK, flags.contains(FdFlags::NONBLOCK));
    let accepted = call.transfer(file, PollFlags::IN, || {
        accept_with(file.as_fd(), host_flags).map_err(io::Error::from)
    })?;
    let object = Object::opened(accepted, flags)?;
    let accepted = Entry {
        base: entry.inheriting & object.applicable() & !Rights::SOCK_ACCEPT,
        inheriting: Rights::EMPTY,
        object: Arc::new(object),
        preopen: None,
        read_only: false,
    };
    let fd = call.wasi.table.insert(accepted)?;
    Ok(call.memory.write_u32(at, fd)?)
}

#[allow(clippy::too_many_arguments, reason = "preview 1 has as many")]
pub(crate) fn sock_recv(
    call: &Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    flags: u32,
    size: u32,
    flags_at: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = socket(&entry, Rights::FD_READ)?;
    if flags & !(PEEK | WAITALL) != 0 {
        return Err(Errno::Inval.into());
    }
    call.memory.check(size, 4)?;
    call.memory.check(flags_at, 2)?;
    let ranges = read_ranges(call, list, count)?;
    let mut buffer = vec![0; total(&ranges).min(MAX_TRANSFER)];
    let mut host_flags = RecvFlags::empty();
    host_flags.set(RecvFlags::PEEK, flags & PEEK != 0);
    let is_dgram = file.filetype() == FileType::SocketDgram;
    // For a datagram the length is then the whole one; a stream would drop data.
    host_flags.set(RecvFlags::TRUNC, is_dgram);
    let all = flags & WAITALL != 0 && !is_dgram;
    // Peeking gives the same bytes again, so there the kernel has to wait for all of them.
    host_flags.set(RecvFlags::WAITALL, all && flags & PEEK != 0);

    let mut done = 0;
    let mut truncated = false;
    // Nothing to put data into: an empty datagram is taken, a stream is left alone.
    while is_dgram || done < buffer.len() {
        let rest = buffer.get_mut(done..).unwrap_or_default();
        let received = call.transfer(file, PollFlags::IN, || {
            recv(file.as_fd(), &mut *rest, host_flags).map_err(io::Error::from)
        });
        match received {
            Ok((got, whole)) => {
                done += got;
                truncated = whole > got;
                if got == 0 || !all || flags & PEEK != 0 {
                    break;
                }
            }
            // What has come is not to be lost.
            Err(Fail::Errno(_)) if done > 0 => break,
            Err(fail) => return Err(fail),
        }
    }
    scatter(call, &ranges, buffer.get(..done).unwrap_or_default())?;
    call.memory
        .write_u16(flags_at, if truncated { DATA_TRUNCATED } else { 0 })?;
    store(call, size, done)
}

pub(crate) fn sock_send(
    call: &Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    flags: u32,
    size: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = socket(&entry, Rights::FD_WRITE)?;
    // None are defined.
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    call.memory.check(size, 4)?;
    let ranges = read_ranges(call, list, count)?;
    if file.filetype() == FileType::SocketDgram && total(&ranges) > MAX_TRANSFER {
        return Err(Errno::MsgSize.into());
    }
    let data = gather(call, &ranges, MAX_TRANSFER)?;
    let sent = call.transfer(file, PollFlags::OUT, || {
        send(file.as_fd(), &data, SendFlags::NOSIGNAL).map_err(io::Error::from)
    })?;
    store(call, size, sent)
}

pub(crate) fn sock_shutdown(call: &Call<'_>, fd: u32, how: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = socket(&entry, Rights::SOCK_SHUTDOWN)?;
    let how = match how {
        1 => Shutdown::Read,
        2 => Shutdown::Write,
        3 => Shutdown::Both,
        _ => return Err(Errno::Inval.into()),
    };
    Ok(shutdown(file.as_fd(), how)?)
}
