//! What an AOT file says of itself, without loading it.

use super::module::LoadError;

/// The beginning of an AOT file: WAMR's `aot_runtime.h`, `AOTTargetInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AotHeader {
    /// The version of the format.
    pub version: u32,
    /// The processor that the code is for, for example `x86_64`.
    pub target: String,
}

/// Where the parts of the header are, in bytes from the file's begin.
const VERSION: usize = 4;
const FIRST_SECTION: usize = 8;
const TARGET: std::ops::Range<usize> = 48..64;

impl AotHeader {
    /// Reads the header of an AOT file.
    ///
    /// # Errors
    /// When the file is not one, or is cut off within the header.
    pub fn read(aot: &[u8]) -> Result<AotHeader, LoadError> {
        if !aot.starts_with(b"\0aot") {
            return Err(LoadError::NotAModule);
        }
        let number = |at: usize| {
            let bytes = aot.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let cut_off = || LoadError::Wamr("the AOT file is cut off within its header".to_owned());
        let version = number(VERSION).ok_or_else(cut_off)?;
        // The first section is the one about the target.
        if number(FIRST_SECTION).ok_or_else(cut_off)? != 0 {
            return Err(LoadError::Wamr(
                "the AOT file does not say its target".to_owned(),
            ));
        }
        let target = aot.get(TARGET).ok_or_else(cut_off)?;
        let target = target.split(|b| *b == 0).next().unwrap_or_default();
        Ok(AotHeader {
            version,
            target: String::from_utf8_lossy(target).into_owned(),
        })
    }
}
