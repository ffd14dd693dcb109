//! The text that WAMR gives with a failure.

use std::ffi::{CStr, c_char};

/// A buffer for WAMR to write an error's text to.
pub(super) struct ErrorBuffer([c_char; 256]);

/// What WAMR puts before each text.
const PREFIXES: [&str; 4] = [
    "WASM module load failed: ",
    "AOT module load failed: ",
    "WASM module instantiate failed: ",
    "AOT module instantiate failed: ",
];

impl ErrorBuffer {
    pub(super) fn new() -> ErrorBuffer {
        ErrorBuffer([0; 256])
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr()
    }

    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The text, without the words that WAMR puts before each.
    pub(super) fn text(&self) -> String {
        // SAFETY: char arrays are byte arrays; the slice is the buffer's own.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<u8>(), self.0.len()) };
        let text = CStr::from_bytes_until_nul(bytes)
            .unwrap_or_default()
            .to_string_lossy();
        let text = text.trim();
        let short = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
        short.unwrap_or(text).to_owned()
    }
}
