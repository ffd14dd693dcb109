//! Code in WAMR's hands, and what has to live as long.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use wamr_sys as sys;

use super::engine::Engine;
use super::error_buffer::ErrorBuffer;
use super::host::HostFunc;
use super::load_error::LoadError;
use super::natives::{Registered, Resolved};

/// A module that WAMR has loaded; it is unloaded when this is dropped.
pub(super) struct Loaded {
    handle: NonNull<sys::WASMModuleCommon>,
    // In the order in which they are dropped, after `handle` is unloaded.
    _buffer: Buffer,
    _functions: Vec<Arc<HostFunc>>,
    engine: Engine,
}

// SAFETY: WAMR does not change a module after it is loaded, but for what it
// protects itself; loading and unloading, which use lists of the process, are
// serialised by the engine's lock.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

/// The file's bytes. WAMR changes them while it loads, and keeps pointers into
/// them for as long as the module lives.
struct Buffer(*mut [u8]);

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: made from a box by `Loaded::new`, and not used by WAMR any
        // more: the module is unloaded before its buffer is dropped.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Loaded {
    /// Hands a copy of the bytes to WAMR, which resolves imports among
    /// `functions`. WebAssembly must have been validated; AOT code is trusted.
    pub(super) fn new(
        engine: &Engine,
        bytes: &[u8],
        functions: Resolved,
    ) -> Result<Loaded, LoadError> {
        let size = u32::try_from(bytes.len()).map_err(|_| LoadError::TooLarge)?;
        let buffer = Buffer(Box::into_raw(bytes.to_vec().into_boxed_slice()));
        let mut error = ErrorBuffer::new();
        let loading = engine.lock_loading();
        let handle = {
            let _registered = Registered::new(&functions)?;
            // SAFETY: the buffer is `size` bytes, writable, and lives as long
            // as the module; the error buffer is as long as said. The engine
            // is initialised, and no other thread uses the list of natives.
            unsafe {
                sys::wasm_runtime_load(buffer.0.cast(), size, error.as_mut_ptr(), error.size())
            }
        };
        drop(loading);
        let handle = NonNull::new(handle).ok_or_else(|| LoadError::Wamr(error.text()))?;
        // SAFETY: the module was just loaded and has no instance.
        unsafe { sys::arena_hide_constructors(handle.as_ptr()) };
        Ok(Loaded {
            handle,
            _buffer: buffer,
            _functions: functions
                .into_iter()
                .map(|(_, function)| function)
                .collect(),
            engine: engine.clone(),
        })
    }

    pub(super) fn handle(&self) -> sys::wasm_module_t {
        self.handle.as_ptr()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The contents of the custom section `name`.
    pub(super) fn custom_section(&self, name: &str) -> Option<&[u8]> {
        let name = CString::new(name).ok()?;
        let mut length = 0;
        // SAFETY: the module is loaded, and the name is a C string; the
        // section that is returned lies in the module's buffer, which nobody
        // writes to after loading.
        unsafe {
            let start = sys::wasm_runtime_get_custom_section(
                self.handle.as_ptr(),
                name.as_ptr(),
                &raw mut length,
            );
            (!start.is_null()).then(|| std::slice::from_raw_parts(start, length as usize))
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let _loading = self.engine.lock_loading();
        // SAFETY: loaded by `new`, and no instance is left, since each holds
        // its module.
        unsafe { sys::wasm_runtime_unload(self.handle.as_ptr()) };
    }
}
