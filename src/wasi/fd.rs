//! Descriptors themselves: closing, renumbering, status, times, size and synchronisation.

use std::num::NonZeroU64;

use rustix::fs::{
    Advice, FallocateFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fadvise, fallocate,
    fdatasync, fsync, ftruncate, futimens,
};

use super::call::Call;
use super::error::{Errno, Result};
use super::object::Object;
use super::types::{Abi, FdFlags, FdStat, FileStat, NANOS, Rights, TimeFlags};

pub(crate) fn fd_close(call: &Call<'_>, fd: u32) -> Result<()> {
    drop(call.wasi.table.remove(fd)?);
    Ok(())
}

pub(crate) fn fd_renumber(call: &Call<'_>, from: u32, to: u32) -> Result<()> {
    drop(call.wasi.table.renumber(from, to)?);
    Ok(())
}

pub(crate) fn fd_advise(
    call: &Call<'_>,
    fd: u32,
    offset: u64,
    length: u64,
    advice: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = entry.file(Rights::FD_ADVISE)?;
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    check_range(offset, length, Errno::Inval)?;
    Ok(fadvise(
        file.as_fd(),
        offset,
        NonZeroU64::new(length),
        advice,
    )?)
}

pub(crate) fn fd_allocate(call: &Call<'_>, fd: u32, offset: u64, length: u64) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = entry.file(Rights::FD_ALLOCATE)?;
    if length == 0 {
        return Err(Errno::Inval.into());
    }
    check_range(offset, length, Errno::Fbig)?;
    Ok(fallocate(
        file.as_fd(),
        FallocateFlags::empty(),
        offset,
        length,
    )?)
}

/// Linux has signed offsets, and the end of a range must be one, too.
fn check_range(offset: u64, length: u64, otherwise: Errno) -> Result<(), Errno> {
    match offset.checked_add(length) {
        Some(end) if i64::try_from(end).is_ok() => Ok(()),
        _ => Err(otherwise),
    }
}

pub(crate) fn fd_sync(call: &Call<'_>, fd: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    entry.require(Rights::FD_SYNC)?;
    match entry.object.host_fd() {
        Some(fd) => Ok(fsync(fd)?),
        None => Ok(()),
    }
}

pub(crate) fn fd_datasync(call: &Call<'_>, fd: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    entry.require(Rights::FD_DATASYNC)?;
    match entry.object.host_fd() {
        Some(fd) => Ok(fdatasync(fd)?),
        None => Ok(()),
    }
}

pub(crate) fn fd_fdstat_get(call: &Call<'_>, fd: u32, at: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    call.memory.check(at, FdStat::SIZE)?;
    let stat = FdStat {
        filetype: entry.object.filetype(),
        flags: entry.object.flags(),
        base: entry.base,
        inheriting: entry.inheriting,
    };
    Ok(call.memory.write(at, &stat.encode())?)
}

pub(crate) fn fd_fdstat_set_flags(call: &Call<'_>, fd: u32, flags: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    entry.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    let flags = FdFlags::exact(flags).ok_or(Errno::Inval)?;
    match &*entry.object {
        Object::File(file) => file.set_flags(flags),
        Object::Virtual(file) => {
            file.set_flags(flags);
            Ok(())
        }
        // None of them means anything there.
        Object::Dir(_) | Object::VirtualDir(_) if flags == FdFlags::EMPTY => Ok(()),
        Object::Dir(_) | Object::VirtualDir(_) => Err(Errno::NotSup.into()),
    }
}

pub(crate) fn fd_fdstat_set_rights(
    call: &Call<'_>,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Result<()> {
    let (base, inheriting) = (Rights::truncated(base), Rights::truncated(inheriting));
    Ok(call.wasi.table.set_rights(fd, base, inheriting)?)
}

pub(crate) fn fd_filestat_get(call: &Call<'_>, abi: Abi, fd: u32, at: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    entry.require(Rights::FD_FILESTAT_GET)?;
    call.memory.check(at, FileStat::size_in(abi))?;
    Ok(call.memory.write(at, &entry.object.stat()?.encode(abi))?)
}

pub(crate) fn fd_filestat_set_size(call: &Call<'_>, fd: u32, size: u64) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let file = entry.file(Rights::FD_FILESTAT_SET_SIZE)?;
    Ok(ftruncate(file.as_fd(), size)?)
}

pub(crate) fn fd_filestat_set_times(
    call: &Call<'_>,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    entry.require(Rights::FD_FILESTAT_SET_TIMES)?;
    let times = timestamps(accessed, modified, flags)?;
    let fd = entry.object.host_fd().ok_or(Errno::Perm)?;
    Ok(futimens(fd, &times)?)
}

/// The times to set, given in nanoseconds since 1970.
///
/// # Errors
/// `EINVAL` for unknown flags, or when a time is to be the given one and now.
pub(crate) fn timestamps(accessed: u64, modified: u64, flags: u32) -> Result<Timestamps, Errno> {
    let flags = TimeFlags::exact(flags).ok_or(Errno::Inval)?;
    let time = |nanos: u64, given: TimeFlags, now: TimeFlags| match (
        flags.contains(given),
        flags.contains(now),
    ) {
        (true, true) => Err(Errno::Inval),
        (true, false) => timespec(nanos),
        (false, true) => Ok(Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        }),
        (false, false) => Ok(Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        }),
    };
    Ok(Timestamps {
        last_access: time(accessed, TimeFlags::ATIM, TimeFlags::ATIM_NOW)?,
        last_modification: time(modified, TimeFlags::MTIM, TimeFlags::MTIM_NOW)?,
    })
}

fn timespec(nanos: u64) -> Result<Timespec, Errno> {
    Ok(Timespec {
        tv_sec: (nanos / NANOS).try_into().map_err(|_| Errno::Inval)?,
        tv_nsec: (nanos % NANOS).try_into().map_err(|_| Errno::Inval)?,
    })
}

pub(crate) fn fd_prestat_get(call: &Call<'_>, fd: u32, at: u32) -> Result<()> {
    let name = call.wasi.table.get(fd)?.preopen.ok_or(Errno::Badf)?;
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    // The tag is 0, for a directory.
    let mut prestat = vec![0; 4];
    prestat.extend(length.to_le_bytes());
    Ok(call.memory.write(at, &prestat)?)
}

pub(crate) fn fd_prestat_dir_name(call: &Call<'_>, fd: u32, path: u32, length: u32) -> Result<()> {
    let name = call.wasi.table.get(fd)?.preopen.ok_or(Errno::Badf)?;
    call.memory.check(path, length)?;
    if name.len() > length as usize {
        return Err(Errno::NameTooLong.into());
    }
    Ok(call.memory.write(path, name.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let times = timestamps(1_500_000_000, 7, 1).unwrap();
        assert_eq!(
            (times.last_access.tv_sec, times.last_access.tv_nsec),
            (1, 500_000_000)
        );
        assert_eq!(times.last_modification.tv_nsec, UTIME_OMIT);
        assert_eq!(
            timestamps(0, 0, 8).unwrap().last_modification.tv_nsec,
            UTIME_NOW
        );
        assert_eq!(timestamps(0, 0, 3).err(), Some(Errno::Inval));
        assert_eq!(timestamps(0, 0, 12).err(), Some(Errno::Inval));
        assert_eq!(timestamps(0, 0, 16).err(), Some(Errno::Inval));
        assert!(timestamps(u64::MAX, u64::MAX, 5).is_ok());
    }

    #[test]
    fn ranges() {
        assert!(check_range(0, i64::MAX as u64, Errno::Fbig).is_ok());
        assert_eq!(
            check_range(1, i64::MAX as u64, Errno::Fbig),
            Err(Errno::Fbig)
        );
        assert_eq!(check_range(u64::MAX, 1, Errno::Inval), Err(Errno::Inval));
    }
}
