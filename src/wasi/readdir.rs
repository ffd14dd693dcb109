//! Listing directories.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::PoisonError;

use rustix::fs::{AtFlags, FileType as HostFileType, RawDir, RawDirEntry, SeekFrom, seek, statat};

use super::call::Call;
use super::error::{Errno, Result};
use super::object::Dir;
use super::rw::store;
use super::table::AnyDir;
use super::types::{DirEnt, FileType, Rights};
use super::virtual_file::VirtualDir;

/// Fills the guest's buffer with entries from the one that the cookie names on. The last one
/// is cut where the buffer ends, so that less than a full buffer means the end.
///
/// Cookies are the host's own (`d_off`): they stay valid when entries come and go, and nothing
/// has to be kept between two calls.
pub(crate) fn fd_readdir(
    call: &Call<'_>,
    fd: u32,
    buffer: u32,
    room: u32,
    cookie: u64,
    size: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.any_dir(Rights::FD_READDIR)?;
    call.memory.check(buffer, room)?;
    call.memory.check(size, 4)?;
    if i64::try_from(cookie).is_err() {
        return Err(Errno::Inval.into());
    }
    let dir = match dir {
        AnyDir::Host(dir) => dir,
        AnyDir::Virtual(dir) => return list_virtual(call, dir, buffer, room, cookie, size),
    };

    let _listing = dir.listing().lock().unwrap_or_else(PoisonError::into_inner);
    seek(dir.handle(), SeekFrom::Start(cookie))?;
    let mut used = 0;
    // No more than the guest can take: what is read ahead is read again in the next call.
    let mut bytes = vec![MaybeUninit::uninit(); (room as usize).clamp(1024, 32 * 1024)];
    let mut entries = RawDir::new(dir.handle().as_fd(), &mut bytes);
    while used < room {
        if entries.is_buffer_empty() {
            call.check_stop()?;
        }
        let Some(entry) = entries.next() else { break };
        let record = encode(dir, &entry?)?;
        used += put(call, buffer + used, room - used, &record)?;
    }
    store(call, size, used as usize)
}

/// Its cookies count the entries.
fn list_virtual(
    call: &Call<'_>,
    dir: &VirtualDir,
    buffer: u32,
    room: u32,
    cookie: u64,
    size: u32,
) -> Result<()> {
    let mut used = 0;
    let skip = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (next, listed) in (1..).zip(dir.list()).skip(skip) {
        if used == room {
            break;
        }
        let header = DirEnt {
            next,
            ino: listed.ino,
            name_len: u32::try_from(listed.name.len()).map_err(|_| Errno::NameTooLong)?,
            filetype: listed.filetype,
        };
        let mut record = header.encode();
        record.extend_from_slice(listed.name.as_bytes());
        used += put(call, buffer + used, room - used, &record)?;
    }
    store(call, size, used as usize)
}

/// Writes as much of a record as there is room for, and returns how much that is.
fn put(call: &Call<'_>, at: u32, room: u32, record: &[u8]) -> Result<u32> {
    let fits = record.len().min(room as usize);
    call.memory
        .write(at, record.get(..fits).unwrap_or_default())?;
    Ok(u32::try_from(fits).map_err(|_| Errno::Overflow)?)
}

fn encode(dir: &Dir, entry: &RawDirEntry<'_>) -> Result<Vec<u8>> {
    let name = entry.file_name().to_bytes();
    let filetype = match entry.file_type() {
        // Some file systems do not say; what is gone meanwhile stays unknown.
        HostFileType::Unknown => statat(dir.handle(), entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_or(HostFileType::Unknown, |stat| {
                HostFileType::from_raw_mode(stat.st_mode)
            }),
        known => known,
    };
    let header = DirEnt {
        next: entry.next_entry_cookie(),
        ino: entry.ino(),
        name_len: u32::try_from(name.len()).map_err(|_| Errno::NameTooLong)?,
        filetype: FileType::from(filetype),
    };
    let mut record = header.encode();
    record.extend_from_slice(name);
    Ok(record)
}
