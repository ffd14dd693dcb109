//! Files of keys.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// The rights of a file that only its owner can use: none of these.
pub(super) const OF_OTHERS: u32 = 0o077;

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
    let dir = dir.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".part-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    // Nobody can make it again: it is on the disk before anybody hears of it.
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|e| e.error)?;
    // Not every file system does that for directories.
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}
