//! Directories that one process uses at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A hold on a directory, until it is dropped or the process ends in any way.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: Flock<File>,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum DirLockError {
    /// Somebody else has it.
    InUse,
    /// The directory, or the file in it, cannot be used.
    Io { path: PathBuf, source: io::Error },
}

impl DirLock {
    /// Takes hold of a directory, which is made if it is not there.
    pub(crate) fn take(dir: &Path) -> Result<DirLock, DirLockError> {
        let at = |path: &Path, source| DirLockError::Io {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(|e| at(dir, e))?;
        let path = dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| at(&path, e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(DirLock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(DirLockError::InUse),
            Err((_, error)) => Err(at(&path, error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("deep/er");
        let first = DirLock::take(&deep).unwrap();
        let second = DirLock::take(&deep).unwrap_err();
        assert!(matches!(second, DirLockError::InUse), "{second:?}");
        drop(first);
        DirLock::take(&deep).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DirLock::take(file.path()).unwrap_err();
        assert!(
            matches!(&error, DirLockError::Io { path, .. } if path == file.path()),
            "{error:?}"
        );
    }
}
