//! Files that are made.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Replaces the file in one step; who may read and write it stays as it is. What is no regular file,
/// a device or a pipe, is written to.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        return io::stdout().lock().write_all(bytes);
    }
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes)),
        found => {
            // A link stays one.
            let real = found.as_ref().ok().and_then(|_| path.canonicalize().ok());
            let path = real.as_deref().unwrap_or(path);
            let dir = path.parent().filter(|dir| *dir != Path::new(""));
            let mut file = tempfile::Builder::new()
                .prefix(".arena-")
                // As a plain `open` would: the umask takes away what the user does not want.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(dir.unwrap_or(Path::new(".")))?;
            if let Ok(found) = found {
                resemble(file.as_file(), &found)?;
            }
            file.write_all(bytes)?;
            // Else a crash could leave an empty file in the place of what was there.
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        }
    }
}

/// Gives a file the mode of another one, and its owner as far as one may.
fn resemble(file: &File, other: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = other.mode() & 0o777;
    if (own.uid(), own.gid()) != (other.uid(), other.gid())
        && fchown(file, Some(other.uid()), Some(other.gid())).is_err()
    {
        // What was for that group is for nobody.
        mode &= 0o707;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_its_mode_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        symlink("file", &link).unwrap();
        write(&path, b"1").unwrap();
        for mode in [0o600, 0o755, 0o440] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let before = path.metadata().unwrap();
            write(&link, &mode.to_string().into_bytes()).unwrap();
            let after = path.metadata().unwrap();
            assert_eq!(after.mode() & 0o7777, mode);
            assert_ne!(after.ino(), before.ino(), "it is another file");
            assert!(link.is_symlink());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"288");
    }
}
