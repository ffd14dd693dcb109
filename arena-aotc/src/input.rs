//! Reading the module.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// More than any module that a device can hold; a bound, so that an endless stream ends.
const MAX_BYTES: u64 = 256 << 20;

/// Reads the whole file, or standard input for "-".
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let count = if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    }
    .map_err(|error| Error::Input(format!("cannot read it: {error}")))?;
    if count as u64 > MAX_BYTES {
        return Err(Error::Input(format!("larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}
