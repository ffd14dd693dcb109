//! What is done by path, below a directory that the guest has.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, fstat, linkat, mkdirat, openat, readlinkat_raw, renameat,
    symlinkat, unlinkat, utimensat,
};

use super::call::Call;
use super::error::{Errno, Result};
use super::fd::timestamps;
use super::lookup::{locate, open_options, place, read_path};
use super::object::{Dir, Object};
use super::rw::store;
use super::table::{AnyDir, Entry};
use super::types::{Abi, FdFlags, FileStat, LookupFlags, OpenFlags, Rights};
use super::virtual_file::{Found, VirtualDir};

pub(crate) fn path_create_directory(call: &Call<'_>, fd: u32, path: u32, len: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.dir(Rights::PATH_CREATE_DIRECTORY)?;
    let path = read_path(call, path, len)?;
    let place = place(dir.handle(), &path)?;
    Ok(mkdirat(
        place.parent(),
        place.name,
        Mode::from_raw_mode(0o777),
    )?)
}

pub(crate) fn path_remove_directory(call: &Call<'_>, fd: u32, path: u32, len: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.dir(Rights::PATH_REMOVE_DIRECTORY)?;
    let path = read_path(call, path, len)?;
    let place = place(dir.handle(), &path)?;
    Ok(unlinkat(place.parent(), place.name, AtFlags::REMOVEDIR)?)
}

pub(crate) fn path_unlink_file(call: &Call<'_>, fd: u32, path: u32, len: u32) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.dir(Rights::PATH_UNLINK_FILE)?;
    let path = read_path(call, path, len)?;
    let place = place(dir.handle(), &path)?;
    Ok(unlinkat(place.parent(), place.name, AtFlags::empty())?)
}

pub(crate) fn path_filestat_get(
    call: &Call<'_>,
    abi: Abi,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    at: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.any_dir(Rights::PATH_FILESTAT_GET)?;
    let follow = follows(lookup)?;
    let path = read_path(call, path, len)?;
    call.memory.check(at, FileStat::size_in(abi))?;
    let stat = match dir {
        AnyDir::Host(dir) => FileStat::from(&fstat(locate(dir.handle(), &path, follow)?)?),
        AnyDir::Virtual(dir) => match dir.find(&path)? {
            Found::Dir => dir.stat(),
            Found::File(file) => file.stat(),
        },
    };
    Ok(call.memory.write(at, &stat.encode(abi))?)
}

#[allow(clippy::too_many_arguments, reason = "preview 1 has as many")]
pub(crate) fn path_filestat_set_times(
    call: &Call<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.dir(Rights::PATH_FILESTAT_SET_TIMES)?;
    let follow = follows(lookup)?;
    let times = timestamps(accessed, modified, flags)?;
    let path = read_path(call, path, len)?;
    let located = locate(dir.handle(), &path, follow)?;
    match utimensat(&located, EMPTY, &times, AtFlags::EMPTY_PATH) {
        // Linux before 5.8 can do it only by a name, which /proc has.
        Err(rustix::io::Errno::INVAL) => Ok(utimensat(
            CWD,
            proc_name(located.as_fd()),
            &times,
            AtFlags::empty(),
        )?),
        done => Ok(done?),
    }
}

const EMPTY: &CStr = c"";

/// The name of what is opened as a place only. Following it ends at the place itself, even if
/// that is a link.
fn proc_name(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[allow(clippy::too_many_arguments, reason = "preview 1 has as many")]
pub(crate) fn path_link(
    call: &Call<'_>,
    from_fd: u32,
    lookup: u32,
    from: u32,
    from_len: u32,
    to_fd: u32,
    to: u32,
    to_len: u32,
) -> Result<()> {
    let (from_entry, to_entry) = (call.wasi.table.get(from_fd)?, call.wasi.table.get(to_fd)?);
    let from_dir = from_entry.dir(Rights::PATH_LINK_SOURCE)?;
    let to_dir = to_entry.dir(Rights::PATH_LINK_TARGET)?;
    let follow = follows(lookup)?;
    let from = read_path(call, from, from_len)?;
    let to = read_path(call, to, to_len)?;
    let to = place(to_dir.handle(), &to)?;
    if !follow && !from.ends_with('/') {
        let from = place(from_dir.handle(), &from)?;
        return Ok(linkat(
            from.parent(),
            from.name,
            to.parent(),
            to.name,
            AtFlags::empty(),
        )?);
    }
    // A link of the guest's may lead anywhere, so the kernel must not follow it by itself.
    let located = locate(from_dir.handle(), &from, follow)?;
    let name = proc_name(located.as_fd());
    Ok(linkat(
        CWD,
        name,
        to.parent(),
        to.name,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

pub(crate) fn path_rename(
    call: &Call<'_>,
    from_fd: u32,
    from: u32,
    from_len: u32,
    to_fd: u32,
    to: u32,
    to_len: u32,
) -> Result<()> {
    let (from_entry, to_entry) = (call.wasi.table.get(from_fd)?, call.wasi.table.get(to_fd)?);
    let from_dir = from_entry.dir(Rights::PATH_RENAME_SOURCE)?;
    let to_dir = to_entry.dir(Rights::PATH_RENAME_TARGET)?;
    let from = read_path(call, from, from_len)?;
    let to = read_path(call, to, to_len)?;
    let from = place(from_dir.handle(), &from)?;
    let to = place(to_dir.handle(), &to)?;
    Ok(renameat(from.parent(), from.name, to.parent(), to.name)?)
}

pub(crate) fn path_symlink(
    call: &Call<'_>,
    target: u32,
    target_len: u32,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.dir(Rights::PATH_SYMLINK)?;
    let target = read_path(call, target, target_len)?;
    let path = read_path(call, path, len)?;
    // It would lead out of every directory, and mean something else to the host.
    if target.starts_with('/') {
        return Err(Errno::Perm.into());
    }
    let place = place(dir.handle(), &path)?;
    Ok(symlinkat(target, place.parent(), place.name)?)
}

pub(crate) fn path_readlink(
    call: &Call<'_>,
    fd: u32,
    path: u32,
    len: u32,
    at: u32,
    room: u32,
    size: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let dir = entry.any_dir(Rights::PATH_READLINK)?;
    let path = read_path(call, path, len)?;
    call.memory.check(at, room)?;
    call.memory.check(size, 4)?;
    let dir = match dir {
        AnyDir::Host(dir) => dir,
        // What is there is no link.
        AnyDir::Virtual(dir) => return Err(dir.find(&path).err().unwrap_or(Errno::Inval).into()),
    };
    let located = locate(dir.handle(), &path, false)?;
    let mut buffer = [0u8; 4096];
    let length = match readlinkat_raw(&located, EMPTY, &mut buffer[..]) {
        Ok(length) => length,
        // What is no link has no empty name either.
        Err(rustix::io::Errno::NOENT) => return Err(Errno::Inval.into()),
        Err(err) => return Err(err.into()),
    };
    // A buffer that is too small gets the beginning.
    let length = length.min(room as usize);
    call.memory
        .write(at, buffer.get(..length).unwrap_or_default())?;
    store(call, size, length)
}

#[allow(clippy::too_many_arguments, reason = "preview 1 has as many")]
pub(crate) fn path_open(
    call: &Call<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    open_flags: u32,
    base: u64,
    inheriting: u64,
    fd_flags: u32,
    at: u32,
) -> Result<()> {
    let entry = call.wasi.table.get(fd)?;
    let follow = follows(lookup)?;
    let open_flags = OpenFlags::exact(open_flags).ok_or(Errno::Inval)?;
    let fd_flags = FdFlags::exact(fd_flags).ok_or(Errno::Inval)?;
    let dir = entry.any_dir(Rights::PATH_OPEN | needed_to_open(open_flags))?;
    let (base, inheriting) = granted(&entry, base, inheriting, fd_flags)?;
    let path = read_path(call, path, len)?;
    call.memory.check(at, 4)?;
    call.wasi.table.check_room()?;

    let object = match dir {
        AnyDir::Host(dir) => open_host(call, dir, &path, follow, open_flags, base, fd_flags)?,
        AnyDir::Virtual(dir) => open_virtual(dir, &path, open_flags, base, fd_flags)?,
    };
    let applicable = object.applicable();
    let opened = Entry {
        base: base & applicable,
        inheriting: match &object {
            Object::Dir(_) | Object::VirtualDir(_) => inheriting,
            Object::File(_) if applicable.contains(Rights::SOCK_ACCEPT) => inheriting,
            Object::File(_) | Object::Virtual(_) => Rights::EMPTY,
        },
        object: Arc::new(object),
        preopen: None,
        read_only: entry.read_only,
    };
    let fd = call.wasi.table.insert(opened)?;
    Ok(call.memory.write_u32(at, fd)?)
}

fn open_host(
    call: &Call<'_>,
    dir: &Dir,
    path: &str,
    follow: bool,
    open_flags: OpenFlags,
    base: Rights,
    fd_flags: FdFlags,
) -> Result<Object> {
    if open_flags.contains(OpenFlags::DIRECTORY) {
        // What is no directory is neither created nor cut off to become one.
        if open_flags.contains(OpenFlags::CREAT) {
            return Err(Errno::Inval.into());
        }
        let opened = reopen_dir(locate(dir.handle(), path, follow)?)?;
        if open_flags.contains(OpenFlags::TRUNC) {
            return Err(Errno::IsDir.into());
        }
        return Ok(Object::Dir(opened));
    }
    let read = base.intersects(Rights::FD_READ | Rights::FD_READDIR);
    let write = base.intersects(Rights::WRITES_DATA);
    let options = open_options(read, write, host_flags(open_flags, fd_flags), follow);
    // A FIFO waits for its other end.
    let opened = call.blocking(|| dir.handle().open_with(path, &options))?;
    Ok(Object::opened(opened.into_std().into(), fd_flags)?)
}

/// There is nothing to cut off in a virtual file, and none can be made.
fn open_virtual(
    dir: &Arc<VirtualDir>,
    path: &str,
    open_flags: OpenFlags,
    base: Rights,
    fd_flags: FdFlags,
) -> Result<Object, Errno> {
    let creates = open_flags.contains(OpenFlags::CREAT);
    if creates && open_flags.contains(OpenFlags::DIRECTORY) {
        return Err(Errno::Inval);
    }
    let found = match dir.find(path) {
        Err(Errno::NoEnt) if creates && !path.is_empty() => return Err(Errno::Acces),
        Ok(_) if creates && open_flags.contains(OpenFlags::EXCL) => return Err(Errno::Exist),
        found => found?,
    };
    match found {
        Found::File(_) if open_flags.contains(OpenFlags::DIRECTORY) => Err(Errno::NotDir),
        Found::File(file) => Ok(Object::Virtual(file.open(base, fd_flags)?)),
        Found::Dir if creates || open_flags.contains(OpenFlags::TRUNC) => Err(Errno::IsDir),
        Found::Dir if base.intersects(Rights::WRITES_DATA) => Err(Errno::IsDir),
        Found::Dir => Ok(Object::VirtualDir(Arc::clone(dir))),
    }
}

/// Opens a directory that was opened as a place only, so that it can be listed; one that must
/// not be read stays a place.
fn reopen_dir(place: OwnedFd) -> Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(&place, c".", flags, Mode::empty()) {
        Ok(fd) => Ok(Dir::new(fd, true)),
        Err(rustix::io::Errno::ACCESS) if is_dir(place.as_fd())? => Ok(Dir::new(place, false)),
        Err(err) => Err(err.into()),
    }
}

fn is_dir(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(rustix::fs::FileType::from_raw_mode(fstat(fd)?.st_mode).is_dir())
}

/// The rights that a directory must give for these ways of opening.
fn needed_to_open(flags: OpenFlags) -> Rights {
    let mut rights = Rights::EMPTY;
    if flags.contains(OpenFlags::CREAT) {
        rights = rights | Rights::PATH_CREATE_FILE;
    }
    if flags.contains(OpenFlags::TRUNC) {
        rights = rights | Rights::PATH_FILESTAT_SET_SIZE;
    }
    rights
}

/// The rights of a descriptor to be opened through `entry`.
///
/// # Errors
/// `ENOTCAPABLE` when `entry` does not hand on one of them.
fn granted(
    entry: &Entry,
    base: u64,
    inheriting: u64,
    flags: FdFlags,
) -> Result<(Rights, Rights), Errno> {
    let (mut base, mut inheriting) = (Rights::truncated(base), Rights::truncated(inheriting));
    if entry.read_only {
        // Libraries ask for the right to set times, to rename and so on with every file they
        // open for reading. Only who asks to write is refused at once.
        base = base & !(Rights::WRITES & !Rights::WRITES_DATA);
        inheriting = inheriting & !Rights::WRITES;
    }
    let mut needed = base | inheriting;
    if flags.contains(FdFlags::DSYNC) {
        needed = needed | Rights::FD_DATASYNC;
    }
    if flags.intersects(FdFlags::SYNC | FdFlags::RSYNC) {
        needed = needed | Rights::FD_SYNC;
    }
    if entry.inheriting.contains(needed) {
        Ok((base, inheriting))
    } else {
        Err(Errno::NotCapable)
    }
}

fn host_flags(open: OpenFlags, fd: FdFlags) -> OFlags {
    let mut flags = OFlags::CLOEXEC | OFlags::NOCTTY;
    flags.set(OFlags::CREATE, open.contains(OpenFlags::CREAT));
    flags.set(OFlags::EXCL, open.contains(OpenFlags::EXCL));
    flags.set(OFlags::TRUNC, open.contains(OpenFlags::TRUNC));
    flags.set(OFlags::APPEND, fd.contains(FdFlags::APPEND));
    flags.set(OFlags::NONBLOCK, fd.contains(FdFlags::NONBLOCK));
    if fd.intersects(FdFlags::SYNC | FdFlags::RSYNC) {
        flags |= OFlags::SYNC;
    } else if fd.contains(FdFlags::DSYNC) {
        flags |= OFlags::DSYNC;
    }
    flags
}

fn follows(lookup: u32) -> Result<bool, Errno> {
    let flags = LookupFlags::exact(lookup).ok_or(Errno::Inval)?;
    Ok(flags.contains(LookupFlags::SYMLINK_FOLLOW))
}
