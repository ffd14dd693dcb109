//! Files of keys.

use std::io::{self, Write as _};
use std::path::Path;

/// Writes a new file that only the user can read.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    // So `tempfile` makes them.
    put(path, text, 0o600)
}

/// Writes a new file that everybody can read.
///
/// # Errors
/// As [`write_new`].
pub(super) fn write_new_public(path: &Path, text: &str) -> io::Result<()> {
    put(path, text, 0o644)
}

fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    let dir = path.parent().filter(|dir| *dir != Path::new(""));
    let mut file = tempfile::Builder::new()
        .prefix(".part-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist_noclobber(path).map_err(|e| e.error)?;
    Ok(())
}
