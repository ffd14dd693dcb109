//! Files that are made.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Replaces the file in one step. What is no regular file, a device or a pipe, is written to.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        return io::stdout().lock().write_all(bytes);
    }
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes)),
        _ => {
            let dir = path.parent().filter(|dir| *dir != Path::new(""));
            let mut file = tempfile::Builder::new()
                .prefix(".arena-")
                // As a plain `open` would: the umask takes away what the user does not want.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(dir.unwrap_or(Path::new(".")))?;
            file.write_all(bytes)?;
            file.persist(path)?;
            Ok(())
        }
    }
}
