//! Who the module is, and where.

use std::ffi::c_int;

use crate::{Error, imports};

/// 36 characters and a NUL.
const SIZE: usize = 37;

/// The uuid of the runtime, 36 characters.
///
/// # Errors
/// [`Error::Uuid`].
pub fn runtime_uuid() -> Result<String, Error> {
    // SAFETY: `text` passes a buffer of the size that the function writes.
    text(|buffer| unsafe { imports::runtime_get_uuid(buffer.as_mut_ptr()) })
}

/// The uuid of this module, 36 characters.
///
/// # Errors
/// [`Error::Uuid`].
pub fn module_uuid() -> Result<String, Error> {
    // SAFETY: as above.
    text(|buffer| unsafe { imports::module_get_uuid(buffer.as_mut_ptr()) })
}

fn text(get: impl FnOnce(&mut [u8; SIZE]) -> c_int) -> Result<String, Error> {
    let mut buffer = [0; SIZE];
    if get(&mut buffer) != 0 {
        return Err(Error::Uuid);
    }
    let text = buffer.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8(text.to_vec()).map_err(|_| Error::Uuid)
}
