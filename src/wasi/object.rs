//! What a descriptor stands for: an open file of the host, or a directory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;

use super::error::{Errno, Result};
use super::types::{FdFlags, FileStat, FileType, Rights};
use super::virtual_file::{OpenVirtual, VirtualDir};

/// What a descriptor stands for. Every call matches on it.
#[derive(Debug)]
pub(crate) enum Object {
    /// A file, a device, a pipe or a socket.
    File(File),
    /// A directory.
    Dir(Dir),
    /// A file that is not the host's.
    Virtual(OpenVirtual),
    /// A directory of such files.
    VirtualDir(Arc<VirtualDir>),
}

impl Object {
    /// The object behind a newly opened file of the host, which had these flags asked for.
    pub(crate) fn opened(fd: OwnedFd, flags: FdFlags) -> io::Result<Self> {
        let filetype = filetype_of(fd.as_fd())?;
        if filetype == FileType::Directory {
            return Ok(Self::Dir(Dir::new(fd, true)));
        }
        Ok(Self::File(File {
            terminal: filetype == FileType::CharacterDevice && rustix::termios::isatty(&fd),
            fd,
            filetype,
            shared: false,
            flags: AtomicU16::new(flags.bits()),
        }))
    }

    /// A standard stream, whose open file description other processes may have, too.
    pub(crate) fn stream(fd: OwnedFd, as_terminal: bool) -> io::Result<Self> {
        let filetype = filetype_of(fd.as_fd())?;
        if filetype == FileType::Directory {
            return Ok(Self::Dir(Dir::new(fd, true)));
        }
        let mut flags = FdFlags::EMPTY;
        if fcntl_getfl(&fd)?.contains(OFlags::APPEND) {
            flags = flags | FdFlags::APPEND;
        }
        Ok(Self::File(File {
            terminal: as_terminal || rustix::termios::isatty(&fd),
            filetype: if as_terminal {
                FileType::CharacterDevice
            } else {
                filetype
            },
            fd,
            shared: true,
            flags: AtomicU16::new(flags.bits()),
        }))
    }

    /// The host's descriptor; a virtual file has none.
    pub(crate) fn host_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(file) => Some(file.fd.as_fd()),
            Self::Dir(dir) => Some(dir.handle.as_fd()),
            Self::Virtual(_) | Self::VirtualDir(_) => None,
        }
    }

    pub(crate) fn filetype(&self) -> FileType {
        match self {
            Self::File(file) => file.filetype,
            Self::Dir(_) | Self::VirtualDir(_) => FileType::Directory,
            Self::Virtual(file) => file.stat().filetype,
        }
    }

    /// The rights that have a meaning here.
    pub(crate) fn applicable(&self) -> Rights {
        match self {
            Self::Dir(dir) if dir.listable => Rights::DIRECTORY,
            Self::Dir(_) => Rights::DIRECTORY & !(Rights::FD_READDIR | Rights::FD_SYNC),
            // With the rights to change it: who tries is told that it is not permitted.
            Self::VirtualDir(_) => Rights::DIRECTORY,
            Self::Virtual(file) => file.applicable(),
            Self::File(file) if file.terminal => Rights::STREAM,
            Self::File(file) => match file.filetype {
                FileType::RegularFile => Rights::FILE,
                FileType::BlockDevice | FileType::CharacterDevice => Rights::DEVICE,
                FileType::SocketStream | FileType::SocketDgram => Rights::SOCKET,
                _ => Rights::STREAM,
            },
        }
    }

    pub(crate) fn flags(&self) -> FdFlags {
        match self {
            Self::File(file) => file.flags(),
            Self::Virtual(file) => file.flags(),
            Self::Dir(_) | Self::VirtualDir(_) => FdFlags::EMPTY,
        }
    }

    pub(crate) fn stat(&self) -> Result<FileStat> {
        let fd = match self {
            Self::File(file) => file.as_fd(),
            Self::Dir(dir) => dir.handle.as_fd(),
            Self::Virtual(file) => return Ok(file.stat()),
            Self::VirtualDir(dir) => return Ok(dir.stat()),
        };
        let mut stat = FileStat::from(&fstat(fd)?);
        stat.filetype = self.filetype();
        Ok(stat)
    }
}

fn filetype_of(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    let filetype = FileType::from(rustix::fs::FileType::from_raw_mode(fstat(fd)?.st_mode));
    if filetype == FileType::SocketStream && socket_type(fd)? == SocketType::DGRAM {
        return Ok(FileType::SocketDgram);
    }
    Ok(filetype)
}

/// An open file of the host that is not a directory.
#[derive(Debug)]
pub(crate) struct File {
    fd: OwnedFd,
    filetype: FileType,
    /// Looks like a terminal to the guest: no offset.
    terminal: bool,
    /// Others may hold the same open file description, so its flags are not changed: a shell
    /// would find its terminal non-blocking.
    shared: bool,
    /// The flags that the guest sees.
    flags: AtomicU16,
}

impl File {
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn filetype(&self) -> FileType {
        self.filetype
    }

    /// Whether reading or writing may have to wait for somebody else.
    pub(crate) fn can_block(&self) -> bool {
        !matches!(self.filetype, FileType::RegularFile | FileType::BlockDevice) || self.terminal
    }

    pub(crate) fn is_seekable(&self) -> bool {
        !self.terminal
            && matches!(
                self.filetype,
                FileType::RegularFile | FileType::BlockDevice | FileType::CharacterDevice
            )
    }

    pub(crate) fn flags(&self) -> FdFlags {
        FdFlags::truncated(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.flags().contains(FdFlags::NONBLOCK)
    }

    /// The guest does not want to wait, but the host would.
    pub(crate) fn is_nonblocking_for_guest_only(&self) -> bool {
        self.shared && self.is_nonblocking()
    }

    /// Sets the flags, exactly these. Linux cannot make an open file synchronous.
    pub(crate) fn set_flags(&self, flags: FdFlags) -> Result<()> {
        let changed = (flags & !self.flags()) | (self.flags() & !flags);
        if changed.intersects(FdFlags::DSYNC | FdFlags::RSYNC | FdFlags::SYNC)
            || self.shared && changed.contains(FdFlags::APPEND)
        {
            return Err(Errno::NotSup.into());
        }
        if !self.shared {
            let mut host = fcntl_getfl(&self.fd)?;
            host.set(OFlags::APPEND, flags.contains(FdFlags::APPEND));
            host.set(OFlags::NONBLOCK, flags.contains(FdFlags::NONBLOCK));
            fcntl_setfl(&self.fd, host)?;
        }
        self.flags.store(flags.bits(), Ordering::Relaxed);
        Ok(())
    }
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    handle: cap_std::fs::Dir,
    /// Opened for reading, not only as a place in the tree.
    listable: bool,
    /// Held while a listing is read: the host's offset in the directory is part of it.
    listing: Mutex<()>,
}

impl Dir {
    pub(crate) fn new(fd: OwnedFd, listable: bool) -> Self {
        Self {
            handle: cap_std::fs::Dir::from_std_file(fd.into()),
            listable,
            listing: Mutex::new(()),
        }
    }

    pub(crate) fn handle(&self) -> &cap_std::fs::Dir {
        &self.handle
    }

    pub(crate) fn listing(&self) -> &Mutex<()> {
        &self.listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary() -> OwnedFd {
        tempfile::tempfile().unwrap().into()
    }

    #[test]
    fn a_regular_file() {
        let object = Object::opened(temporary(), FdFlags::EMPTY).unwrap();
        assert_eq!(object.filetype(), FileType::RegularFile);
        assert_eq!(object.applicable(), Rights::FILE);
        let Object::File(file) = object else {
            panic!("not a file")
        };
        assert!(!file.can_block());
        file.set_flags(FdFlags::APPEND | FdFlags::NONBLOCK).unwrap();
        let host = fcntl_getfl(&file.fd).unwrap();
        assert!(host.contains(OFlags::APPEND | OFlags::NONBLOCK));
        assert!(file.set_flags(FdFlags::SYNC).is_err());
        assert!(file.is_nonblocking());
    }

    #[test]
    fn the_flags_of_a_shared_stream_stay() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let object = Object::stream(reader.into(), false).unwrap();
        assert_eq!(object.filetype(), FileType::Unknown);
        let Object::File(file) = object else {
            panic!("not a file")
        };
        assert!(file.can_block() && !file.is_seekable());
        file.set_flags(FdFlags::NONBLOCK).unwrap();
        assert!(file.is_nonblocking());
        assert!(!fcntl_getfl(&file.fd).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_pipe_as_a_terminal() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let object = Object::stream(writer.into(), true).unwrap();
        assert_eq!(object.filetype(), FileType::CharacterDevice);
        assert!(!object.applicable().contains(Rights::FD_SEEK));
    }

    #[test]
    fn a_datagram_socket() {
        let (socket, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let object = Object::opened(socket.into(), FdFlags::EMPTY).unwrap();
        assert_eq!(object.filetype(), FileType::SocketDgram);
    }
}
