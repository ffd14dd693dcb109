//! Flags, rights and the layout of records, as WASI preview 1 and snapshot 0 define them.

use std::ops::{BitAnd, BitOr, Not};

use rustix::fs::Stat;

/// Which of the two versions of the interface a call came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    /// `wasi_unstable`: other subscriptions, file status and whence numbers.
    Snapshot0,
    /// `wasi_snapshot_preview1`.
    Preview1,
}

macro_rules! flags {
    (
        $(#[$meta:meta])*
        $name:ident($int:ty) { $($flag:ident = $bit:literal),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name($int);

        #[allow(dead_code, reason = "the list is the specification's, not only what is used")]
        impl $name {
            $(pub(crate) const $flag: Self = Self(1 << $bit);)*
            pub(crate) const EMPTY: Self = Self(0);
            pub(crate) const ALL: Self = Self(0 $(| (1 << $bit))*);

            pub(crate) const fn bits(self) -> $int {
                self.0
            }

            /// The flags among these bits; bits without a meaning are dropped.
            pub(crate) const fn truncated(bits: $int) -> Self {
                Self(bits & Self::ALL.0)
            }

            /// None when a bit without a meaning is set, as in a parameter that was
            /// declared wider than the flags are.
            pub(crate) fn exact(bits: u32) -> Option<Self> {
                let bits = <$int>::try_from(bits).ok()?;
                (bits & !Self::ALL.0 == 0).then_some(Self(bits))
            }

            pub(crate) const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            pub(crate) const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            pub(crate) const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }
        }

        impl BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl BitAnd for $name {
            type Output = Self;
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl Not for $name {
            type Output = Self;
            fn not(self) -> Self {
                Self(!self.0 & Self::ALL.0)
            }
        }
    };
}

flags! {
    /// What a descriptor may be used for.
    Rights(u64) {
        FD_DATASYNC = 0,
        FD_READ = 1,
        FD_SEEK = 2,
        FD_FDSTAT_SET_FLAGS = 3,
        FD_SYNC = 4,
        FD_TELL = 5,
        FD_WRITE = 6,
        FD_ADVISE = 7,
        FD_ALLOCATE = 8,
        PATH_CREATE_DIRECTORY = 9,
        PATH_CREATE_FILE = 10,
        PATH_LINK_SOURCE = 11,
        PATH_LINK_TARGET = 12,
        PATH_OPEN = 13,
        FD_READDIR = 14,
        PATH_READLINK = 15,
        PATH_RENAME_SOURCE = 16,
        PATH_RENAME_TARGET = 17,
        PATH_FILESTAT_GET = 18,
        PATH_FILESTAT_SET_SIZE = 19,
        PATH_FILESTAT_SET_TIMES = 20,
        FD_FILESTAT_GET = 21,
        FD_FILESTAT_SET_SIZE = 22,
        FD_FILESTAT_SET_TIMES = 23,
        PATH_SYMLINK = 24,
        PATH_REMOVE_DIRECTORY = 25,
        PATH_UNLINK_FILE = 26,
        POLL_FD_READWRITE = 27,
        SOCK_SHUTDOWN = 28,
        SOCK_ACCEPT = 29,
    }
}

impl Rights {
    /// What has a meaning for a pipe or a terminal.
    pub(crate) const STREAM: Self = Self::FD_READ
        .union(Self::FD_WRITE)
        .union(Self::FD_DATASYNC)
        .union(Self::FD_SYNC)
        .union(Self::FD_FDSTAT_SET_FLAGS)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::POLL_FD_READWRITE);

    /// To read or to write.
    pub(crate) const STREAM_DATA: Self = Self::FD_READ.union(Self::FD_WRITE);

    /// What has a meaning for a socket.
    pub(crate) const SOCKET: Self = Self::STREAM
        .union(Self::SOCK_SHUTDOWN)
        .union(Self::SOCK_ACCEPT);

    /// What has a meaning for a device with an offset.
    pub(crate) const DEVICE: Self = Self::STREAM.union(Self::FD_SEEK).union(Self::FD_TELL);

    /// What has a meaning for a regular file.
    pub(crate) const FILE: Self = Self::DEVICE
        .union(Self::FD_ADVISE)
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_SET_SIZE);

    /// What has a meaning for a directory.
    pub(crate) const DIRECTORY: Self = Self::FD_FDSTAT_SET_FLAGS
        .union(Self::FD_SYNC)
        .union(Self::FD_ADVISE)
        .union(Self::PATH_CREATE_DIRECTORY)
        .union(Self::PATH_CREATE_FILE)
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_OPEN)
        .union(Self::FD_READDIR)
        .union(Self::PATH_READLINK)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_GET)
        .union(Self::PATH_FILESTAT_SET_SIZE)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE)
        .union(Self::POLL_FD_READWRITE);

    /// What changes the content of an open file.
    pub(crate) const WRITES_DATA: Self = Self::FD_WRITE
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_SET_SIZE);

    /// What changes anything on the host's disks. A link or a new name made elsewhere would
    /// be a way round the protection, so their sources are among them.
    pub(crate) const WRITES: Self = Self::WRITES_DATA
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::PATH_CREATE_DIRECTORY)
        .union(Self::PATH_CREATE_FILE)
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_SET_SIZE)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE);
}

flags! {
    /// How a descriptor reads and writes.
    FdFlags(u16) { APPEND = 0, DSYNC = 1, NONBLOCK = 2, RSYNC = 3, SYNC = 4 }
}

flags! {
    /// How `path_open` opens.
    OpenFlags(u16) { CREAT = 0, DIRECTORY = 1, EXCL = 2, TRUNC = 3 }
}

flags! {
    /// How a path is looked up.
    LookupFlags(u32) { SYMLINK_FOLLOW = 0 }
}

flags! {
    /// Which times to set, and to what.
    TimeFlags(u16) { ATIM = 0, ATIM_NOW = 1, MTIM = 2, MTIM_NOW = 3 }
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileType {
    /// Also a FIFO: preview 1 has no number for it.
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDgram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl From<rustix::fs::FileType> for FileType {
    fn from(kind: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType as Host;
        match kind {
            Host::RegularFile => Self::RegularFile,
            Host::Directory => Self::Directory,
            Host::Symlink => Self::SymbolicLink,
            Host::CharacterDevice => Self::CharacterDevice,
            Host::BlockDevice => Self::BlockDevice,
            // The name of a socket does not tell its kind; nearly all are streams.
            Host::Socket => Self::SocketStream,
            Host::Fifo | Host::Unknown => Self::Unknown,
        }
    }
}

/// `filestat`: what is known about a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileStat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) filetype: FileType,
    pub(crate) nlink: u64,
    pub(crate) size: u64,
    /// Times in nanoseconds since 1970, those before it as 0.
    pub(crate) atim: u64,
    pub(crate) mtim: u64,
    pub(crate) ctim: u64,
}

#[allow(
    clippy::useless_conversion,
    reason = "the fields' types differ between processors"
)]
#[allow(clippy::unnecessary_fallible_conversions, reason = "the same")]
impl From<&Stat> for FileStat {
    fn from(stat: &Stat) -> Self {
        Self {
            dev: u64::try_from(stat.st_dev).unwrap_or(0),
            ino: u64::try_from(stat.st_ino).unwrap_or(0),
            filetype: rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
            nlink: u64::try_from(stat.st_nlink).unwrap_or(0),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            atim: nanoseconds(
                stat.st_atime.into(),
                u64::try_from(stat.st_atime_nsec).unwrap_or(0),
            ),
            mtim: nanoseconds(
                stat.st_mtime.into(),
                u64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            ctim: nanoseconds(
                stat.st_ctime.into(),
                u64::try_from(stat.st_ctime_nsec).unwrap_or(0),
            ),
        }
    }
}

/// One number from a host's time: 0 before 1970, and the largest there is from 2554 on.
pub(crate) fn nanoseconds(seconds: i64, nanos: u64) -> u64 {
    u64::try_from(seconds).map_or(0, |s| s.saturating_mul(NANOS).saturating_add(nanos))
}

/// Nanoseconds in a second.
pub(crate) const NANOS: u64 = 1_000_000_000;

impl FileStat {
    pub(crate) const fn size_in(abi: Abi) -> u32 {
        match abi {
            Abi::Snapshot0 => 56,
            Abi::Preview1 => 64,
        }
    }

    pub(crate) fn encode(&self, abi: Abi) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend(self.dev.to_le_bytes());
        out.extend(self.ino.to_le_bytes());
        out.push(self.filetype as u8);
        match abi {
            // 32 bits of links right after the type.
            Abi::Snapshot0 => {
                out.extend([0; 3]);
                out.extend(u32::try_from(self.nlink).unwrap_or(u32::MAX).to_le_bytes());
            }
            Abi::Preview1 => {
                out.extend([0; 7]);
                out.extend(self.nlink.to_le_bytes());
            }
        }
        for field in [self.size, self.atim, self.mtim, self.ctim] {
            out.extend(field.to_le_bytes());
        }
        out
    }
}

/// `fdstat`: what is known about a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FdStat {
    pub(crate) filetype: FileType,
    pub(crate) flags: FdFlags,
    pub(crate) base: Rights,
    pub(crate) inheriting: Rights,
}

impl FdStat {
    pub(crate) const SIZE: u32 = 24;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.filetype as u8, 0];
        out.extend(self.flags.bits().to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.base.bits().to_le_bytes());
        out.extend(self.inheriting.bits().to_le_bytes());
        out
    }
}

/// `dirent`: what stands before each name in a directory listing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirEnt {
    /// The cookie of the entry after this one.
    pub(crate) next: u64,
    pub(crate) ino: u64,
    pub(crate) name_len: u32,
    pub(crate) filetype: FileType,
}

impl DirEnt {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        out.extend(self.next.to_le_bytes());
        out.extend(self.ino.to_le_bytes());
        out.extend(self.name_len.to_le_bytes());
        out.extend([self.filetype as u8, 0, 0, 0]);
        out
    }
}

/// The little-endian number at that place of a record; 0 behind its end.
pub(crate) fn number<const N: usize>(record: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    if let Some(from) = record.get(at..at.saturating_add(N)) {
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
    }
    u64::from_le_bytes(bytes)
}

/// The 32-bit number at that place of a record.
pub(crate) fn number32(record: &[u8], at: usize) -> u32 {
    u32::try_from(number::<4>(record, at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat() -> FileStat {
        FileStat {
            dev: 1,
            ino: 2,
            filetype: FileType::RegularFile,
            nlink: 3,
            size: 4,
            atim: 5,
            mtim: 6,
            ctim: 7,
        }
    }

    #[test]
    fn file_status_in_preview_1() {
        let bytes = stat().encode(Abi::Preview1);
        assert_eq!(bytes.len(), 64);
        assert_eq!(bytes[16], 4);
        assert_eq!(bytes[24], 3);
        assert_eq!(bytes[32], 4);
        assert_eq!(bytes[56], 7);
    }

    #[test]
    fn file_status_in_snapshot_0() {
        let bytes = stat().encode(Abi::Snapshot0);
        assert_eq!(bytes.len(), 56);
        assert_eq!(bytes[16], 4);
        assert_eq!(bytes[20], 3);
        assert_eq!(bytes[24], 4);
        assert_eq!(bytes[48], 7);
    }

    #[test]
    fn flags_beyond_the_known_ones_are_seen() {
        assert_eq!(OpenFlags::exact(15), Some(OpenFlags::ALL));
        assert_eq!(OpenFlags::exact(16), None);
        assert_eq!(OpenFlags::exact(0x1_0000), None);
        assert_eq!(Rights::truncated(u64::MAX), Rights::ALL);
        assert_eq!(Rights::ALL.bits(), 0x3fff_ffff);
    }

    #[test]
    fn times_outside_of_the_range_are_clamped() {
        assert_eq!(nanoseconds(-1, 999), 0);
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
        assert_eq!(nanoseconds(i64::MAX, 5), u64::MAX);
    }

    #[test]
    fn numbers_in_records() {
        let record = [1, 2, 3, 4, 5];
        assert_eq!(number::<2>(&record, 1), 0x0302);
        assert_eq!(number32(&record, 1), 0x0504_0302);
        assert_eq!(number::<8>(&record, 1), 0);
        assert_eq!(number32(&record, usize::MAX), 0);
    }
}
