//! The runtime's uuid, which stays the same from start to start.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::system::{DirLock, DirLockError};

/// The name of the file in the state directory.
const FILE: &str = "runtime-uuid";

/// The uuid, and the hold on the state directory that it is kept in: two runtimes with one
/// uuid would take each other's modules.
#[derive(Debug)]
pub(super) struct Identity {
    uuid: Uuid,
    _lock: DirLock,
}

/// Why the runtime has no uuid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Another runtime uses the directory.
    #[error(
        "another runtime uses the state directory {}; give this one its own: --state-dir DIR",
        dir.display()
    )]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// The directory or a file in it cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What cannot be used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no uuid; remove it, and a new one is made", path.display())]
    NotAUuid {
        /// The file.
        path: PathBuf,
    },
}

impl Identity {
    /// The uuid that is kept in `dir`; a new one, kept from now on, if there is none.
    pub(super) fn open(dir: &Path) -> Result<Identity, IdentityError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { path, source }
        };
        let lock = DirLock::take(dir).map_err(|error| match error {
            DirLockError::InUse => IdentityError::InUse {
                dir: dir.to_owned(),
            },
            DirLockError::Io { path, source } => IdentityError::Io { path, source },
        })?;
        let path = dir.join(FILE);
        let uuid = match fs::read_to_string(&path) {
            Ok(text) => text
                .trim()
                .parse()
                .map_err(|_| IdentityError::NotAUuid { path })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let uuid = Uuid::new_v4();
                write(dir, &path, uuid).map_err(at(&path))?;
                uuid
            }
            Err(e) => return Err(at(&path)(e)),
        };
        Ok(Identity { uuid, _lock: lock })
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.uuid
    }
}

/// In one step, so that a full disk leaves no half a uuid.
fn write(dir: &Path, path: &Path, uuid: Uuid) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(file, "{uuid}")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("deep/state");
        let first = Identity::open(&state).unwrap().uuid();
        assert_eq!(Identity::open(&state).unwrap().uuid(), first);
        assert_ne!(Identity::open(dir.path()).unwrap().uuid(), first);
    }

    #[test]
    fn belongs_to_one_runtime_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::open(dir.path()).unwrap();
        let error = Identity::open(dir.path()).unwrap_err();
        assert!(matches!(error, IdentityError::InUse { .. }), "{error}");
        drop(first);
        assert!(Identity::open(dir.path()).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "nonsense\n").unwrap();
        let error = Identity::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("holds no uuid"), "{error}");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Identity::open(&file).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
