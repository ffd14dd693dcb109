//! Module files from the node's own directory, and no way out of it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

/// Why a file of the directory is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// There is no such file here; another place may have it.
    #[error("there is no file \"{name}\" in {}", dir.display())]
    NotFound { name: String, dir: PathBuf },
    #[error("\"{0}\" leads out of the directory of modules; give a name relative to it")]
    Outside(String),
    #[error("\"{0}\" is not a regular file")]
    NotAFile(String),
    #[error("\"{name}\" is larger than the {limit} bytes that it may have")]
    TooLarge { name: String, limit: u64 },
    #[error("cannot read \"{name}\": {source}")]
    Io { name: String, source: io::Error },
}

/// Reads `name`, a path relative to `dir`.
///
/// cap-std walks it: neither `..` nor a symbolic link leads out.
pub(super) fn read(dir: &Path, name: &str, limit: u64) -> Result<Vec<u8>, FileError> {
    let io = |source| FileError::Io {
        name: name.to_owned(),
        source,
    };
    if Path::new(name).is_absolute() {
        return Err(FileError::Outside(name.to_owned()));
    }
    let not_found = || FileError::NotFound {
        name: name.to_owned(),
        dir: dir.to_owned(),
    };
    let root = match Dir::open_ambient_dir(dir, cap_std::ambient_authority()) {
        Ok(root) => root,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(not_found()),
        Err(e) => return Err(io(e)),
    };
    let mut options = OpenOptions::new();
    // A FIFO must not keep the thread waiting for its other end.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    let file = root.open_with(name, &options).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => not_found(),
        // cap-std's word for a path that leads outside has no error number.
        io::ErrorKind::PermissionDenied if e.raw_os_error().is_none() => {
            FileError::Outside(name.to_owned())
        }
        _ => io(e),
    })?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile(name.to_owned()));
    }
    let too_large = || FileError::TooLarge {
        name: name.to_owned(),
        limit,
    };
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    bytes.reserve_exact(usize::try_from(metadata.len()).unwrap_or(0));
    // It may grow while it is read.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn dir() -> tempfile::TempDir {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let dir = outside.path().join("apps");
        fs::create_dir_all(dir.join("sub")).unwrap();
        fs::write(dir.join("a.wasm"), "module").unwrap();
        fs::write(dir.join("sub/b.wasm"), "other").unwrap();
        symlink("../secret", dir.join("link")).unwrap();
        symlink(outside.path().join("secret"), dir.join("absolute")).unwrap();
        symlink("..", dir.join("up")).unwrap();
        symlink("sub/b.wasm", dir.join("inside")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("fifo"), 0o600.into()).unwrap();
        outside
    }

    #[test]
    fn reads_what_is_inside() {
        let outside = dir();
        let dir = outside.path().join("apps");
        assert_eq!(read(&dir, "a.wasm", 100).unwrap(), b"module");
        assert_eq!(read(&dir, "sub/b.wasm", 100).unwrap(), b"other");
        assert_eq!(read(&dir, "inside", 100).unwrap(), b"other");
        assert_eq!(read(&dir, "sub/../a.wasm", 6).unwrap(), b"module");
    }

    #[test]
    fn no_way_out() {
        let outside = dir();
        let dir = outside.path().join("apps");
        for name in [
            "../secret",
            "link",
            "absolute",
            "up/secret",
            "/etc/passwd",
            "sub/../../secret",
        ] {
            assert!(
                matches!(read(&dir, name, 100), Err(FileError::Outside(_))),
                "{name}: {:?}",
                read(&dir, name, 100)
            );
        }
    }

    #[test]
    fn what_is_no_module_file() {
        let outside = dir();
        let dir = outside.path().join("apps");
        for name in ["fifo", "sub", "."] {
            assert!(
                matches!(read(&dir, name, 100), Err(FileError::NotAFile(_))),
                "{name}: {:?}",
                read(&dir, name, 100)
            );
        }
        for name in ["none", "a.wasm/b", "none/none"] {
            assert!(
                matches!(read(&dir, name, 100), Err(FileError::NotFound { .. })),
                "{name}"
            );
        }
        assert!(matches!(
            read(&dir, "", 100),
            Err(FileError::NotFound { .. } | FileError::NotAFile(_))
        ));
        assert!(matches!(
            read(&dir, "a.wasm", 5),
            Err(FileError::TooLarge { .. })
        ));
        assert!(matches!(read(&dir, "a\0b", 5), Err(FileError::Io { .. })));
        let nowhere = Path::new("/no/such/dir");
        assert!(matches!(
            read(nowhere, "a", 5),
            Err(FileError::NotFound { .. })
        ));
    }
}
