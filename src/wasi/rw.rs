//! Reading, writing and the offset of descriptors.

use std::io;

use bytes::Bytes;
use rustix::event::PollFlags;
use rustix::fs::{SeekFrom, seek};

use super::call::Call;
use super::error::{Errno, Result};
use super::iovec::{MAX_RANGES, gather, read_ranges, scatter, total};
use super::object::{File, Object};
use super::types::{Abi, Rights};
use super::virtual_file::OpenVirtual;

pub(crate) fn fd_read(call: &Call<'_>, fd: u32, list: u32, count: u32, size: u32) -> Result<()> {
    read(call, fd, list, count, None, size)
}

pub(crate) fn fd_pread(
    call: &Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: u64,
    size: u32,
) -> Result<()> {
    read(call, fd, list, count, Some(offset), size)
}

pub(crate) fn fd_write(call: &Call<'_>, fd: u32, list: u32, count: u32, size: u32) -> Result<()> {
    write(call, fd, list, count, None, size)
}

pub(crate) fn fd_pwrite(
    call: &Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: u64,
    size: u32,
) -> Result<()> {
    write(call, fd, list, count, Some(offset), size)
}

/// Reads into the listed buffers and stores how many bytes were read at `size`.
fn read(
    call: &Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: Option<u64>,
    size: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    if let (Object::Virtual(file), None) = (&*entry.object, offset) {
        entry.require(Rights::FD_READ)?;
        return read_virtual(call, file, list, count, size);
    }
    let file = entry.file(Rights::FD_READ)?;
    check_offset(file, offset)?;
    if offset.is_some() {
        entry.require(Rights::FD_SEEK)?;
    }
    call.memory.check(size, 4)?;
    let ranges = read_ranges(call, list, count)?;
    let done = if ranges.is_empty() {
        0
    } else {
        call.transfer(file, PollFlags::IN, || {
            call.memory
                .read_from(file.as_fd(), &ranges, offset)
                .map_err(fault)?
        })?
    };
    store(call, size, done)
}

/// Writes from the listed buffers and stores how many bytes were written at `size`.
fn write(
    call: &Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: Option<u64>,
    size: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    if let (Object::Virtual(file), None) = (&*entry.object, offset) {
        entry.require(Rights::FD_WRITE)?;
        return write_virtual(call, file, list, count, size);
    }
    let file = entry.file(Rights::FD_WRITE)?;
    check_offset(file, offset)?;
    if offset.is_some() {
        entry.require(Rights::FD_SEEK)?;
    }
    call.memory.check(size, 4)?;
    let mut ranges = read_ranges(call, list, count)?;
    if file.can_block() && file.is_nonblocking_for_guest_only() {
        // A pipe that is ready does not wait for so much.
        shorten(&mut ranges, PIPE_BUF);
    }
    let done = if ranges.is_empty() {
        0
    } else {
        call.transfer(file, PollFlags::OUT, || {
            call.memory
                .write_to(file.as_fd(), &ranges, offset)
                .map_err(fault)?
        })?
    };
    store(call, size, done)
}

fn read_virtual(
    call: &Call<'_>,
    file: &OpenVirtual,
    list: u32,
    count: u32,
    size: u32,
) -> Result<()> {
    call.memory.check(size, 4)?;
    let ranges = read_ranges(call, list, count)?;
    let data = match total(&ranges) {
        0 => Bytes::new(),
        room => file.handle().read(room)?,
    };
    scatter(call, &ranges, &data)?;
    store(call, size, data.len())
}

/// All buffers are one write, and nothing of it is done if they are too much for that.
fn write_virtual(
    call: &Call<'_>,
    file: &OpenVirtual,
    list: u32,
    count: u32,
    size: u32,
) -> Result<()> {
    call.memory.check(size, 4)?;
    let ranges = read_ranges(call, list, count)?;
    let wanted = total(&ranges);
    // Buffers may overlap, so that there is more in them than there is memory.
    let limit = usize::try_from(call.memory.size()).unwrap_or(usize::MAX);
    if wanted > limit || ranges.len() == MAX_RANGES {
        return Err(Errno::MsgSize.into());
    }
    if wanted > 0 {
        let data = gather(call, &ranges, limit)?;
        file.handle().write(data.into())?;
    }
    store(call, size, wanted)
}

/// What a pipe that is ready takes without waiting, in bytes (`pipe(7)`).
const PIPE_BUF: u32 = 4096;

/// Keeps the first `limit` bytes.
fn shorten(ranges: &mut Vec<(u32, u32)>, limit: u32) {
    let mut left = limit;
    ranges.retain_mut(|(_, len)| {
        *len = left.min(*len);
        left -= *len;
        *len > 0
    });
}

/// Offsets are unsigned in WASI and signed in Linux.
fn check_offset(file: &File, offset: Option<u64>) -> Result<(), Errno> {
    match offset {
        Some(_) if !file.is_seekable() => Err(Errno::Spipe),
        Some(offset) if i64::try_from(offset).is_err() => Err(Errno::Inval),
        _ => Ok(()),
    }
}

fn fault<E>(_: E) -> io::Error {
    rustix::io::Errno::FAULT.into()
}

/// Stores a length. Linux transfers less than 2 GiB in one call, so it always fits.
pub(crate) fn store(call: &Call<'_>, at: u32, length: usize) -> Result<()> {
    let length = u32::try_from(length).map_err(|_| Errno::Overflow)?;
    Ok(call.memory.write_u32(at, length)?)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whence {
    Set,
    Current,
    End,
}

impl Whence {
    fn decode(abi: Abi, number: u32) -> Result<Self, Errno> {
        let numbered = match abi {
            Abi::Snapshot0 => [Self::Current, Self::End, Self::Set],
            Abi::Preview1 => [Self::Set, Self::Current, Self::End],
        };
        let at = usize::try_from(number).map_err(|_| Errno::Inval)?;
        numbered.get(at).copied().ok_or(Errno::Inval)
    }
}

pub(crate) fn fd_seek(
    call: &Call<'_>,
    abi: Abi,
    fd: u32,
    offset: i64,
    whence: u32,
    at: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = seekable(entry.file(Rights::EMPTY)?)?;
    let whence = Whence::decode(abi, whence)?;
    // Asking where the offset is, is a right of its own.
    if !(whence == Whence::Current && offset == 0 && entry.base.contains(Rights::FD_TELL)) {
        entry.require(Rights::FD_SEEK)?;
    }
    call.memory.check(at, 8)?;
    let to = match whence {
        Whence::Set => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        Whence::Current => SeekFrom::Current(offset),
        Whence::End => SeekFrom::End(offset),
    };
    Ok(call.memory.write_u64(at, seek(file.as_fd(), to)?)?)
}

pub(crate) fn fd_tell(call: &Call<'_>, fd: u32, at: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = seekable(entry.file(Rights::EMPTY)?)?;
    if !entry.base.contains(Rights::FD_SEEK) {
        entry.require(Rights::FD_TELL)?;
    }
    call.memory.check(at, 8)?;
    Ok(call
        .memory
        .write_u64(at, seek(file.as_fd(), SeekFrom::Current(0))?)?)
}

/// A pipe has no offset, whatever the rights are: that is what a guest's libc wants to know.
fn seekable(file: &File) -> Result<&File, Errno> {
    if file.is_seekable() {
        Ok(file)
    } else {
        Err(Errno::Spipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_shortened() {
        let mut ranges = vec![(0, 3), (100, 4), (200, 5)];
        shorten(&mut ranges, 5);
        assert_eq!(ranges, [(0, 3), (100, 2)]);
        shorten(&mut ranges, 5);
        assert_eq!(ranges, [(0, 3), (100, 2)]);
    }

    #[test]
    fn whence_differs_between_the_versions() {
        assert_eq!(Whence::decode(Abi::Preview1, 0), Ok(Whence::Set));
        assert_eq!(Whence::decode(Abi::Preview1, 2), Ok(Whence::End));
        assert_eq!(Whence::decode(Abi::Snapshot0, 0), Ok(Whence::Current));
        assert_eq!(Whence::decode(Abi::Snapshot0, 2), Ok(Whence::Set));
        assert_eq!(Whence::decode(Abi::Preview1, 3), Err(Errno::Inval));
        assert_eq!(Whence::decode(Abi::Snapshot0, 257), Err(Errno::Inval));
    }
}
