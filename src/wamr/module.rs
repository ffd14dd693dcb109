//! Modules: loaded code, ready to be instantiated.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use wamr_sys as sys;

use super::aot::{self, AotTrust};
use super::engine::Engine;
use super::host::Imports;
use super::info::{ExternType, ModuleInfo, ModuleKind};
use super::load_error::LoadError;
use super::loaded::Loaded;
use super::trap::Frame;
use super::{names, natives};

/// A loaded module.
///
/// It owns its code and a share of the host functions that it imports, and can
/// be instantiated any number of times, on any threads at the same time.
/// Instances keep their module alive. Cloning is cheap.
pub struct Module<T> {
    inner: Arc<Inner>,
    _context: PhantomData<fn(&T)>,
}

struct Inner {
    loaded: Loaded,
    kind: ModuleKind,
    info: ModuleInfo,
    /// The name section of an AOT file, which WAMR does not keep.
    aot_names: Option<Box<[u8]>>,
    names: OnceLock<HashMap<u32, String>>,
}

impl<T: Send + Sync + 'static> Module<T> {
    /// Loads a WebAssembly binary, after checking that it is valid and that
    /// `imports` has everything it wants.
    ///
    /// # Errors
    /// When it is not valid, wants something else, or does not fit in memory.
    pub fn load(engine: &Engine, wasm: &[u8], imports: &Imports<T>) -> Result<Self, LoadError> {
        let info = ModuleInfo::of_wasm(wasm)?;
        let functions = natives::resolve(&info, imports)?;
        let loaded = Loaded::new(engine, wasm, functions)?;
        Ok(Module::new(loaded, ModuleKind::Wasm, info, None))
    }

    /// Loads an AOT file: native code that WAMR's compiler made of a module.
    ///
    /// # Safety
    /// The file must be what WAMR's compiler, of this version and with options
    /// that fit this engine (bounds checks by hardware, stack checks by
    /// software), made of a valid module: its code runs in this process with
    /// all of its rights, and WAMR does not defend itself against a false one.
    ///
    /// # Errors
    /// When it is for another processor or version of WAMR, wants something
    /// that `imports` does not have, or does not fit in memory.
    pub unsafe fn load_aot(
        engine: &Engine,
        aot: &[u8],
        imports: &Imports<T>,
    ) -> Result<Self, LoadError> {
        if ModuleKind::of(aot)? != ModuleKind::Aot {
            return Err(LoadError::NotAModule);
        }
        if !cfg!(feature = "aot") {
            return Err(LoadError::NoAot);
        }
        aot::check_version(aot)?;
        // Which of them it imports is known only when it is loaded.
        let functions = imports
            .iter()
            .map(|(module, function)| (module.to_owned(), Arc::clone(function)))
            .collect();
        let loaded = Loaded::new(engine, aot, functions)?;
        let info = aot::read_info(&loaded);
        natives::resolve(&info, imports)?;
        let names = names::aot_section(aot).map(Into::into);
        Ok(Module::new(loaded, ModuleKind::Aot, info, names))
    }

    /// Loads an AOT file that the user of the program vouches for.
    ///
    /// # Errors
    /// As [`Module::load_aot`].
    pub fn load_trusted_aot(
        engine: &Engine,
        aot: &[u8],
        imports: &Imports<T>,
        _trust: AotTrust,
    ) -> Result<Self, LoadError> {
        // SAFETY: not checkable; the user has taken it upon himself that the
        // file is what it has to be, and `AotTrust` documents that.
        unsafe { Module::load_aot(engine, aot, imports) }
    }

    fn new(
        loaded: Loaded,
        kind: ModuleKind,
        info: ModuleInfo,
        aot_names: Option<Box<[u8]>>,
    ) -> Self {
        Module {
            inner: Arc::new(Inner {
                loaded,
                kind,
                info,
                aot_names,
                names: OnceLock::new(),
            }),
            _context: PhantomData,
        }
    }
}

impl<T> Module<T> {
    /// The kind of the file that the module was loaded from.
    #[must_use]
    pub fn kind(&self) -> ModuleKind {
        self.inner.kind
    }

    /// What the module imports and exports.
    #[must_use]
    pub fn info(&self) -> &ModuleInfo {
        &self.inner.info
    }

    /// The contents of the custom section `name`; of the last one if there are
    /// several.
    #[must_use]
    pub fn custom_section(&self, name: &str) -> Option<&[u8]> {
        self.inner.loaded.custom_section(name)
    }

    pub(super) fn engine(&self) -> &Engine {
        self.inner.loaded.engine()
    }

    pub(super) fn handle(&self) -> sys::wasm_module_t {
        self.inner.loaded.handle()
    }

    /// Where the module's own functions begin in its native code, the first
    /// one's place first, and then where the last one ends. Empty for modules
    /// that are not AOT code.
    pub(super) fn code_offsets(&self) -> Vec<u32> {
        // SAFETY: the module is loaded; no room for offsets, and then as much
        // as there are.
        unsafe {
            let count = sys::arena_code_offsets(self.handle(), std::ptr::null_mut(), 0);
            let mut offsets = vec![0; count as usize];
            sys::arena_code_offsets(self.handle(), offsets.as_mut_ptr(), count);
            offsets
        }
    }

    pub(super) fn frame(&self, func_index: u32) -> Frame {
        Frame {
            func_index,
            name: self.inner.name(func_index),
        }
    }
}

impl<T> Clone for Module<T> {
    fn clone(&self) -> Self {
        Module {
            inner: Arc::clone(&self.inner),
            _context: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Module<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("kind", &self.inner.kind)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn name(&self, func_index: u32) -> Option<String> {
        let names = self.names.get_or_init(|| {
            let in_wasm = || self.loaded.custom_section("name").map(names::of_section);
            let in_aot = self.aot_names.as_deref().map(names::of_aot_section);
            in_aot.or_else(in_wasm).unwrap_or_default()
        });
        let named = names.get(&func_index).map(|name| names::plain(name));
        named.or_else(|| {
            let export = self.info.exports.iter().find(|export| {
                self.kind == ModuleKind::Wasm
                    && export.index == func_index
                    && matches!(export.ty, ExternType::Func(_))
            });
            export.map(|export| export.name.clone())
        })
    }
}
