//! Files that are on no disk, for the standard streams of the compiler.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use rustix::fs::{MemfdFlags, memfd_create};

/// An empty file in memory.
pub(super) fn empty(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

/// A file in memory with these contents, to be read from its beginning.
///
/// # Errors
/// When the system has no memory or descriptor left.
pub fn holding(name: &str, contents: &[u8]) -> io::Result<File> {
    let mut file = empty(name)?;
    file.write_all(contents)?;
    file.rewind()?;
    Ok(file)
}

/// All that was written, at most `limit` bytes of it.
pub(super) fn contents(mut file: File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len().min(limit);
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))
        .map_err(io::Error::other)?;
    file.rewind()?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
