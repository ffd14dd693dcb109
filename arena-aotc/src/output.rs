//! Writing the result: whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Replaces the file in one step, so that a reader sees the old or the new one and never a part.
/// What is not a regular file ("-", a device, a pipe) is written to.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let outcome = if path == Path::new("-") {
        io::stdout().lock().write_all(bytes)
    } else {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                File::create(path).and_then(|mut file| file.write_all(bytes))
            }
            _ => replace(path, bytes),
        }
    };
    outcome.map_err(|error| Error::Internal(format!("cannot write {}: {error}", path.display())))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".arena-aotc-")
        // As a plain `open` would: the umask takes away what the user does not want.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
