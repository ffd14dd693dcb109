//! Files that are not the host's: what whoever makes the instance offers by their side.
//!
//! A [`VirtualDir`] is preopened like a directory of the host, has a fixed set of files, and
//! nothing in it can be made, renamed or removed. Its files look like character devices: without
//! an offset, so that libraries read and write them as they come.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use bytes::Bytes;

use super::error::{Errno, Result};
use super::types::{FdFlags, FileStat, FileType, Rights};

/// What a virtual file is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// To read it.
    pub read: bool,
    /// To write it.
    pub write: bool,
}

impl Access {
    /// Reading only.
    pub const READ: Self = Self {
        read: true,
        write: false,
    };
    /// Writing only.
    pub const WRITE: Self = Self {
        read: false,
        write: true,
    };
    /// Both.
    pub const READ_WRITE: Self = Self {
        read: true,
        write: true,
    };

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        (self.read || !other.read) && (self.write || !other.write)
    }

    fn of(rights: Rights) -> Self {
        Self {
            read: rights.contains(Rights::FD_READ),
            write: rights.contains(Rights::FD_WRITE),
        }
    }

    fn rights(self) -> Rights {
        let mut rights = Rights::FD_DATASYNC
            | Rights::FD_SYNC
            | Rights::FD_FDSTAT_SET_FLAGS
            | Rights::FD_FILESTAT_GET
            | Rights::POLL_FD_READWRITE;
        if self.read {
            rights = rights | Rights::FD_READ;
        }
        if self.write {
            rights = rights | Rights::FD_WRITE;
        }
        rights
    }
}

/// Why something cannot be done with a virtual file. The guest gets an error number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VirtualError {
    /// It is not for that (`EACCES`).
    #[error("not allowed")]
    Access,
    /// There is no room for more data at the moment (`ENOBUFS`).
    #[error("no room")]
    NoRoom,
    /// Less room in the buffer than a record takes (`EINVAL`).
    #[error("a buffer that is too small")]
    TooSmall,
    /// More data than one write may have (`EMSGSIZE`).
    #[error("too much data")]
    TooLarge,
    /// More open files than allowed (`EMFILE`).
    #[error("too many open files")]
    TooMany,
    /// It is never done (`ENOTSUP`).
    #[error("not supported")]
    NotSupported,
}

impl From<VirtualError> for Errno {
    fn from(error: VirtualError) -> Self {
        match error {
            VirtualError::Access => Self::Acces,
            VirtualError::NoRoom => Self::NoBufs,
            VirtualError::TooSmall => Self::Inval,
            VirtualError::TooLarge => Self::MsgSize,
            VirtualError::NotSupported => Self::NotSup,
            VirtualError::TooMany => Self::Mfile,
        }
    }
}

/// A file in a [`VirtualDir`].
pub trait VirtualFile: Send + Sync + fmt::Debug {
    /// What it can be opened for.
    fn access(&self) -> Access;

    /// Opens it, for no more than [`VirtualFile::access`] says.
    ///
    /// # Errors
    /// The guest gets its error number from `path_open`.
    fn open(&self, access: Access) -> Result<Box<dyn VirtualHandle>, VirtualError>;
}

/// An open [`VirtualFile`], closed when it is dropped. No call waits; threads of the guest may
/// make several at the same time.
pub trait VirtualHandle: Send + Sync + fmt::Debug {
    /// Takes at most `max` bytes; none if there is nothing at the moment.
    ///
    /// # Errors
    /// The guest gets its error number.
    fn read(&self, max: usize) -> Result<Bytes, VirtualError>;

    /// Writes all of the data. One call of the guest is one call here.
    ///
    /// # Errors
    /// The guest gets its error number.
    fn write(&self, data: Bytes) -> Result<(), VirtualError>;

    /// How many bytes a read would take; `None` if a guest that waits for data is to wait on.
    fn readable(&self) -> Option<u64>;

    /// What tells that [`VirtualHandle::readable`] may have changed; `None` if it does not.
    fn events(&self) -> Option<&dyn Events>;
}

/// Tells of changes of one or more virtual files. A call that waits for several of them uses it
/// once, if they give the same reference.
pub trait Events {
    /// Begins to watch.
    ///
    /// # Errors
    /// The host's.
    fn watch(&self) -> io::Result<Box<dyn EventWatch + '_>>;
}

/// A descriptor that becomes readable with each event, until it is cleared.
pub trait EventWatch: AsFd {
    /// Makes the descriptor unreadable until the next event.
    fn clear(&self);
}

/// A directory of virtual files, for [`WasiConfig::preopen_virtual`](super::WasiConfig::preopen_virtual).
#[derive(Clone, Debug)]
pub struct VirtualDir {
    ino: u64,
    files: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
struct Node {
    ino: u64,
    file: Arc<dyn VirtualFile>,
}

/// Guests take two files of the same number for the same file.
static NEXT_INO: AtomicU64 = AtomicU64::new(1);

fn next_ino() -> u64 {
    NEXT_INO.fetch_add(1, Ordering::Relaxed)
}

/// What a path means in a virtual directory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// The directory itself.
    Dir,
    File(FoundFile<'a>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundFile<'a>(&'a Node);

/// An entry of a listing.
pub(crate) struct Listed<'a> {
    pub(crate) name: &'a str,
    pub(crate) ino: u64,
    pub(crate) filetype: FileType,
}

impl Default for VirtualDir {
    fn default() -> Self {
        Self {
            ino: next_ino(),
            files: BTreeMap::new(),
        }
    }
}

impl VirtualDir {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, in place of one of that name. No path leads to a name with a slash.
    pub fn file(&mut self, name: impl Into<String>, file: Arc<dyn VirtualFile>) -> &mut Self {
        let ino = next_ino();
        self.files.insert(name.into(), Node { ino, file });
        self
    }

    /// # Errors
    /// `ENOENT`, `ENOTDIR`, and `EPERM` when the path leads out of the directory.
    pub(crate) fn find(&self, path: &str) -> Result<Found<'_>, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEnt);
        }
        if path.starts_with('/') {
            return Err(Errno::Perm);
        }
        let mut levels = path.split('/').filter(|level| !matches!(*level, "" | "."));
        let node = match levels.next() {
            None => return Ok(Found::Dir),
            Some("..") => return Err(Errno::Perm),
            Some(name) => self.files.get(name).ok_or(Errno::NoEnt)?,
        };
        // A file has nothing below it, not even itself.
        let is_last = path
            .rsplit('/')
            .next()
            .is_some_and(|last| !matches!(last, "" | "."));
        if levels.next().is_some() || !is_last {
            return Err(Errno::NotDir);
        }
        Ok(Found::File(FoundFile(node)))
    }

    /// All that is in it.
    pub(crate) fn list(&self) -> impl Iterator<Item = Listed<'_>> {
        let dots = [".", ".."].map(|name| Listed {
            name,
            ino: self.ino,
            filetype: FileType::Directory,
        });
        let files = self.files.iter().map(|(name, node)| Listed {
            name,
            ino: node.ino,
            filetype: FileType::CharacterDevice,
        });
        dots.into_iter().chain(files)
    }

    pub(crate) fn stat(&self) -> FileStat {
        stat(self.ino, FileType::Directory)
    }
}

impl FoundFile<'_> {
    pub(crate) fn stat(self) -> FileStat {
        stat(self.0.ino, FileType::CharacterDevice)
    }

    /// Opens the file for what the rights say.
    ///
    /// # Errors
    /// `EACCES` when it is not for that, and its own.
    pub(crate) fn open(self, rights: Rights, flags: FdFlags) -> Result<OpenVirtual, Errno> {
        let access = Access::of(rights);
        if !self.0.file.access().contains(access) {
            return Err(Errno::Acces);
        }
        Ok(OpenVirtual {
            handle: self.0.file.open(access)?,
            ino: self.0.ino,
            access,
            flags: AtomicU16::new(flags.bits()),
        })
    }
}

fn stat(ino: u64, filetype: FileType) -> FileStat {
    FileStat {
        dev: 0,
        ino,
        filetype,
        nlink: 1,
        size: 0,
        atim: 0,
        mtim: 0,
        ctim: 0,
    }
}

/// An open virtual file, as a descriptor stands for it.
#[derive(Debug)]
pub(crate) struct OpenVirtual {
    handle: Box<dyn VirtualHandle>,
    ino: u64,
    access: Access,
    /// The flags that the guest sees; none changes anything.
    flags: AtomicU16,
}

impl OpenVirtual {
    /// What somebody has opened already.
    pub(crate) fn new(handle: Box<dyn VirtualHandle>, access: Access) -> Self {
        Self {
            handle,
            ino: next_ino(),
            access,
            flags: AtomicU16::new(FdFlags::EMPTY.bits()),
        }
    }

    pub(crate) fn handle(&self) -> &dyn VirtualHandle {
        &*self.handle
    }

    pub(crate) fn applicable(&self) -> Rights {
        self.access.rights()
    }

    pub(crate) fn stat(&self) -> FileStat {
        stat(self.ino, FileType::CharacterDevice)
    }

    pub(crate) fn flags(&self) -> FdFlags {
        FdFlags::truncated(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn set_flags(&self, flags: FdFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nothing(Access);

    impl VirtualFile for Nothing {
        fn access(&self) -> Access {
            self.0
        }
        fn open(&self, access: Access) -> Result<Box<dyn VirtualHandle>, VirtualError> {
            Ok(Box::new(Nothing(access)))
        }
    }

    impl VirtualHandle for Nothing {
        fn read(&self, _max: usize) -> Result<Bytes, VirtualError> {
            Ok(Bytes::new())
        }
        fn write(&self, _data: Bytes) -> Result<(), VirtualError> {
            Err(VirtualError::NoRoom)
        }
        fn readable(&self) -> Option<u64> {
            None
        }
        fn events(&self) -> Option<&dyn Events> {
            None
        }
    }

    fn dir() -> VirtualDir {
        let mut dir = VirtualDir::new();
        dir.file("data", Arc::new(Nothing(Access::READ)))
            .file("a.", Arc::new(Nothing(Access::READ_WRITE)));
        dir
    }

    #[test]
    fn paths() {
        let dir = dir();
        for path in ["data", "./data", ".//./data", "a."] {
            assert!(matches!(dir.find(path), Ok(Found::File(_))), "{path}");
        }
        for path in [".", "./", ".//."] {
            assert!(matches!(dir.find(path), Ok(Found::Dir)), "{path}");
        }
        for (path, errno) in [
            ("", Errno::NoEnt),
            ("Data", Errno::NoEnt),
            ("...", Errno::NoEnt),
            ("none/data", Errno::NoEnt),
            ("data/", Errno::NotDir),
            ("data/.", Errno::NotDir),
            ("data/..", Errno::NotDir),
            ("data/data", Errno::NotDir),
            ("a./.", Errno::NotDir),
            ("..", Errno::Perm),
            ("./../data", Errno::Perm),
            ("/data", Errno::Perm),
        ] {
            assert_eq!(dir.find(path).err(), Some(errno), "{path}");
        }
    }

    #[test]
    fn files_are_numbered_apart() {
        let (one, two) = (dir(), dir());
        let mut seen: Vec<u64> = one.list().chain(two.list()).map(|l| l.ino).collect();
        assert_eq!(seen.len(), 8);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn a_file_is_opened_for_what_it_is() {
        let dir = dir();
        let Ok(Found::File(file)) = dir.find("data") else {
            panic!("not found")
        };
        let opened = file.open(Rights::FILE & !Rights::WRITES, FdFlags::NONBLOCK);
        let rights = opened.unwrap().applicable();
        assert!(rights.contains(Rights::FD_READ));
        assert!(!rights.intersects(Rights::FD_WRITE | Rights::FD_SEEK));
        for rights in [Rights::FD_WRITE, Rights::FD_READ | Rights::FD_WRITE] {
            assert_eq!(file.open(rights, FdFlags::EMPTY).err(), Some(Errno::Acces));
        }
    }
}
