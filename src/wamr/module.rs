//! Modules: loaded code, ready to be instantiated.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use wamr_sys as sys;

use super::engine::Engine;
use super::host::{HostFunc, Imports, trampoline};
use super::info::{Export, ExternType, Import, MemoryType, ModuleInfo, ModuleKind};
use super::trap::Frame;
use super::value::{FuncType, ValType};
use super::{features, names};

/// A loaded module.
///
/// It owns its code and a share of the host functions that it imports, and can
/// be instantiated any number of times, on any threads at the same time.
/// Instances keep their module alive. Cloning is cheap.
pub struct Module<T> {
    inner: Arc<Inner>,
    _context: std::marker::PhantomData<fn(&T)>,
}

struct Inner {
    handle: NonNull<sys::WASMModuleCommon>,
    kind: ModuleKind,
    info: ModuleInfo,
    names: OnceLock<HashMap<u32, String>>,
    // In the order in which they are dropped, after `handle` is unloaded.
    _buffer: Buffer,
    _functions: Vec<Arc<HostFunc>>,
    engine: Engine,
}

// SAFETY: WAMR does not change a module after it is loaded, but for what it
// protects itself; loading and unloading, which use lists of the process, are
// serialised by the engine's lock.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// The word of whoever starts the program that an AOT file is what WAMR's
/// compiler made of a valid module. Its code runs with all rights of the
/// process, so this is as much as running a native program.
#[derive(Clone, Copy, Debug)]
pub struct AotTrust(());

impl AotTrust {
    /// To be made only where the user has said so, for this file or its
    /// source: by a flag, a setting or a signature.
    #[must_use]
    pub fn given_by_user() -> AotTrust {
        AotTrust(())
    }
}

/// The file's bytes. WAMR changes them while it loads, and keeps pointers into
/// them for as long as the module lives.
struct Buffer(*mut [u8]);

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: made from a box by `Module::load_bytes`, and not used by
        // WAMR any more: the module is unloaded before its buffer is dropped.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is nothing in the file.
    #[error("the file is empty")]
    Empty,
    /// The file begins like nothing we know.
    #[error("the file is not a WebAssembly module: it does not begin with \\0asm or \\0aot")]
    NotAModule,
    /// The file is a WebAssembly component.
    #[error(
        "the file is a WebAssembly component; this runtime runs core modules \
         (target wasm32-wasip1, not wasm32-wasip2)"
    )]
    Component,
    /// The file is of another version of the binary format.
    #[error("the module is of an unknown version of the binary format; version 1 is known")]
    Version,
    /// The module is not valid.
    #[error("the module is not valid: {message} (at byte {offset})")]
    Invalid {
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        message: String,
    },
    /// The module needs proposals that are not switched on.
    #[error("the module needs {features}, which this runtime does not have")]
    FeatureOff {
        /// Their names, separated by commas.
        features: String,
    },
    /// One function has more constants than the interpreter's table holds.
    #[error(
        "function {function} has {cells} words of different constants, \
         more than the interpreter can hold; keep such data in memory instead of code"
    )]
    TooManyConstants {
        /// The function's index.
        function: u32,
        /// The size of its constants in 32-bit words.
        cells: usize,
    },
    /// The module wants something that nobody offers.
    #[error("the module imports \"{module}\" \"{name}\" ({wanted}), which does not exist here")]
    MissingImport {
        /// The name of the module it is wanted from.
        module: String,
        /// Its name there.
        name: String,
        /// What is wanted.
        wanted: String,
    },
    /// The module wants a host function with another type.
    #[error("the module imports \"{module}\" \"{name}\" as {wanted}, and it is {offered} here")]
    ImportType {
        /// The name of the module it is wanted from.
        module: String,
        /// Its name there.
        name: String,
        /// The type that the module gives it.
        wanted: String,
        /// The type that it has.
        offered: String,
    },
    /// The file is native code, and the caller does not say that it is trusted.
    #[error(
        "the file is AOT code, which is native and can do anything; it is loaded only when it is trusted"
    )]
    UntrustedAot,
    /// This build has no loader for AOT files.
    #[error("the file is AOT code, and this runtime was built without the feature `aot`")]
    NoAot,
    /// The file is larger than 4 GiB.
    #[error("the file is larger than a module can be")]
    TooLarge,
    /// WAMR does not take the file.
    #[error("WAMR does not load the module: {0}")]
    Wamr(String),
}

impl<T: Send + Sync + 'static> Module<T> {
    /// Loads a WebAssembly binary, after checking that it is valid and that
    /// `imports` has everything it wants.
    ///
    /// # Errors
    /// When it is not valid, wants something else, or does not fit in memory.
    pub fn load(engine: &Engine, wasm: &[u8], imports: &Imports<T>) -> Result<Self, LoadError> {
        let info = ModuleInfo::of_wasm(wasm)?;
        let functions = resolve(&info.imports, imports)?;
        let inner = Inner::load(engine, wasm, ModuleKind::Wasm, info, functions)?;
        Ok(Module::from_inner(inner))
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
        let functions = imports.iter().map(|(_, f)| Arc::clone(f)).collect();
        let names = imports
            .iter()
            .map(|(module, f)| (module.to_owned(), Arc::clone(f)));
        let mut inner = Inner::load_bytes(engine, aot, ModuleKind::Aot, names.collect())?;
        inner._functions = functions;
        inner.info = inner.read_info();
        resolve(&inner.info.imports, imports)?;
        Ok(Module::from_inner(inner))
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

    fn from_inner(inner: Inner) -> Self {
        Module {
            inner: Arc::new(inner),
            _context: std::marker::PhantomData,
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
        self.inner.custom_section(name)
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn handle(&self) -> sys::wasm_module_t {
        self.inner.handle.as_ptr()
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
            _context: std::marker::PhantomData,
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

/// The host functions that the imports name, with their modules.
type Resolved = Vec<(String, Arc<HostFunc>)>;

/// Finds what a module imports.
fn resolve<T: Send + Sync + 'static>(
    wanted: &[Import],
    offered: &Imports<T>,
) -> Result<Resolved, LoadError> {
    let mut resolved = Vec::new();
    for import in wanted {
        if let Some(function) = resolve_one(import, offered)? {
            resolved.push((import.module.clone(), Arc::clone(function)));
        }
    }
    Ok(resolved)
}

fn resolve_one<'i, T: Send + Sync + 'static>(
    import: &Import,
    offered: &'i Imports<T>,
) -> Result<Option<&'i Arc<HostFunc>>, LoadError> {
    let missing = || LoadError::MissingImport {
        module: import.module.clone(),
        name: import.name.clone(),
        wanted: import.ty.to_string(),
    };
    match &import.ty {
        ExternType::Func(ty) => {
            if threads_import(import) {
                return Ok(None);
            }
            let function = offered
                .find(&import.module, &import.name)
                .ok_or_else(missing)?;
            if function.ty != *ty {
                return Err(LoadError::ImportType {
                    module: import.module.clone(),
                    name: import.name.clone(),
                    wanted: ty.to_string(),
                    offered: function.ty.to_string(),
                });
            }
            Ok(Some(function))
        }
        // WAMR makes the memory of this name itself.
        ExternType::Memory(_) if import.module == "env" && import.name == "memory" => Ok(None),
        _ => Err(missing()),
    }
}

/// The one function that WAMR has itself: wasi-threads' way to start a thread.
fn threads_import(import: &Import) -> bool {
    cfg!(feature = "wasi-threads")
        && import.module == "wasi"
        && import.name == "thread-spawn"
        && import.ty
            == ExternType::Func(FuncType {
                params: vec![ValType::I32],
                results: vec![ValType::I32],
            })
}

/// Whether a module that wants `import` can be loaded with `offered`.
#[must_use]
pub fn provides<T: Send + Sync + 'static>(offered: &Imports<T>, import: &Import) -> bool {
    resolve_one(import, offered).is_ok()
}

impl Inner {
    fn load(
        engine: &Engine,
        wasm: &[u8],
        kind: ModuleKind,
        info: ModuleInfo,
        functions: Resolved,
    ) -> Result<Inner, LoadError> {
        let mut inner = Inner::load_bytes(engine, wasm, kind, functions)?;
        inner.info = info;
        Ok(inner)
    }

    /// Hands the bytes to WAMR, which resolves imports among `functions`.
    fn load_bytes(
        engine: &Engine,
        bytes: &[u8],
        kind: ModuleKind,
        functions: Resolved,
    ) -> Result<Inner, LoadError> {
        let size = u32::try_from(bytes.len()).map_err(|_| LoadError::TooLarge)?;
        let buffer = Buffer(Box::into_raw(bytes.to_vec().into_boxed_slice()));
        let mut error: [c_char; 256] = [0; 256];
        let loading = engine.lock_loading();
        let handle = {
            let _registered = Registered::new(&functions)?;
            // SAFETY: the buffer is `size` bytes, writable, and lives as long
            // as the module; the error buffer is as long as said. The engine
            // is initialised, and no other thread uses the list of natives.
            unsafe {
                sys::wasm_runtime_load(
                    buffer.0.cast(),
                    size,
                    error.as_mut_ptr(),
                    error_size(&error),
                )
            }
        };
        drop(loading);
        let handle = NonNull::new(handle).ok_or_else(|| LoadError::Wamr(error_text(&error)))?;
        // SAFETY: the module was just loaded and has no instance.
        unsafe { sys::arena_hide_constructors(handle.as_ptr()) };
        Ok(Inner {
            handle,
            kind,
            info: ModuleInfo {
                imports: Vec::new(),
                exports: Vec::new(),
                memories: Vec::new(),
                custom_sections: Vec::new(),
                features: Vec::new(),
            },
            names: OnceLock::new(),
            _buffer: buffer,
            _functions: functions
                .into_iter()
                .map(|(_, function)| function)
                .collect(),
            engine: engine.clone(),
        })
    }

    /// What WAMR knows of the module: for AOT files, which only it can read.
    fn read_info(&self) -> ModuleInfo {
        let module = self.handle.as_ptr();
        let mut memories = Vec::new();
        let mut imports = Vec::new();
        let mut exports = Vec::new();
        // SAFETY: the module is loaded; indices are below the counts that WAMR
        // gives; strings and types in what it fills in live as long as the
        // module, and the union's field is the one that its kind names.
        unsafe {
            for index in 0..sys::wasm_runtime_get_import_count(module) {
                let mut import = sys::wasm_import_t::default();
                sys::wasm_runtime_get_import_type(module, index, &raw mut import);
                imports.push(Import {
                    module: text(import.module_name),
                    name: text(import.name),
                    ty: extern_type(
                        import.kind,
                        || import.u.func_type,
                        || import.u.memory_type,
                        || import.u.global_type,
                    ),
                });
            }
            for index in 0..sys::wasm_runtime_get_export_count(module) {
                let mut export = sys::wasm_export_t::default();
                sys::wasm_runtime_get_export_type(module, index, &raw mut export);
                exports.push(Export {
                    name: text(export.name),
                    ty: extern_type(
                        export.kind,
                        || export.u.func_type,
                        || export.u.memory_type,
                        || export.u.global_type,
                    ),
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                });
            }
            let initial = sys::arena_module_initial_pages(module);
            if initial > 0 {
                memories.push(MemoryType {
                    initial,
                    maximum: None,
                    shared: false,
                });
            }
        }
        ModuleInfo {
            imports,
            exports,
            memories,
            custom_sections: Vec::new(),
            features: Vec::new(),
        }
    }

    fn custom_section(&self, name: &str) -> Option<&[u8]> {
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

    fn name(&self, func_index: u32) -> Option<String> {
        self.names
            .get_or_init(|| {
                self.custom_section("name")
                    .map(names::of_section)
                    .unwrap_or_default()
            })
            .get(&func_index)
            .cloned()
            .or_else(|| {
                let export = self.info.exports.iter().find(|export| {
                    self.kind == ModuleKind::Wasm
                        && export.index == func_index
                        && matches!(export.ty, ExternType::Func(_))
                });
                export.map(|export| export.name.clone())
            })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _loading = self.engine.lock_loading();
        // SAFETY: loaded by `load_bytes`, and no instance is left, since each
        // holds its module.
        unsafe { sys::wasm_runtime_unload(self.handle.as_ptr()) };
    }
}

/// Host functions in WAMR's list of natives, while a module is loaded. The
/// engine's loading lock is held meanwhile.
struct Registered {
    groups: Vec<(CString, Vec<sys::NativeSymbol>)>,
}

impl Registered {
    fn new(functions: &Resolved) -> Result<Registered, LoadError> {
        let mut groups = BTreeMap::<&str, Vec<sys::NativeSymbol>>::new();
        for (module, function) in functions {
            groups.entry(module).or_default().push(sys::NativeSymbol {
                symbol: function.name.as_ptr(),
                func_ptr: trampoline as *mut _,
                // Types are compared in Rust, and pointers stay the guest's.
                signature: std::ptr::null(),
                attachment: Arc::as_ptr(function).cast_mut().cast(),
            });
        }
        let mut registered = Registered { groups: Vec::new() };
        for (module, symbols) in groups {
            let Ok(module) = CString::new(module) else {
                continue;
            };
            registered.groups.push((module, symbols));
            if let Some((module, symbols)) = registered.groups.last_mut() {
                let count = u32::try_from(symbols.len()).unwrap_or(u32::MAX);
                // SAFETY: the strings and the array stay in place until they
                // are unregistered: the vector's elements move, but not what
                // they point to. The loading lock is held.
                if !unsafe {
                    sys::wasm_runtime_register_natives_raw(
                        module.as_ptr(),
                        symbols.as_mut_ptr(),
                        count,
                    )
                } {
                    registered.groups.pop();
                    return Err(LoadError::Wamr("the system refuses memory".to_owned()));
                }
            }
        }
        Ok(registered)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        for (module, symbols) in &mut self.groups {
            // SAFETY: registered by `new` with these pointers; the loading
            // lock is held. Modules that were loaded have copied what they
            // need, and keep the functions themselves alive.
            unsafe {
                sys::wasm_runtime_unregister_natives(module.as_ptr(), symbols.as_mut_ptr());
            }
        }
    }
}

pub(super) fn error_size(buffer: &[c_char]) -> u32 {
    u32::try_from(buffer.len()).unwrap_or(u32::MAX)
}

/// The text in a buffer that WAMR has filled, without the words that it puts
/// before each.
pub(super) fn error_text(buffer: &[c_char]) -> String {
    // SAFETY: char arrays are byte arrays; the slice is the buffer's own.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), buffer.len()) };
    let text = CStr::from_bytes_until_nul(bytes)
        .unwrap_or_default()
        .to_string_lossy();
    let text = text.trim();
    let short = [
        "WASM module load failed: ",
        "AOT module load failed: ",
        "WASM module instantiate failed: ",
        "AOT module instantiate failed: ",
    ]
    .iter()
    .find_map(|prefix| text.strip_prefix(prefix));
    short.unwrap_or(text).to_owned()
}

/// # Safety
/// `string` is a C string or null.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}

/// # Safety
/// `kind` is from WAMR, and the closure that it names returns a valid type.
unsafe fn extern_type(
    kind: sys::wasm_import_export_kind_t,
    func: impl FnOnce() -> sys::wasm_func_type_t,
    memory: impl FnOnce() -> sys::wasm_memory_type_t,
    global: impl FnOnce() -> sys::wasm_global_type_t,
) -> ExternType {
    // SAFETY: as the caller says; indices are below WAMR's counts.
    unsafe {
        match kind {
            sys::WASM_IMPORT_EXPORT_KIND_FUNC => {
                let ty = func();
                let params = (0..sys::wasm_func_type_get_param_count(ty)).filter_map(|i| {
                    ValType::from_kind(sys::wasm_func_type_get_param_valkind(ty, i))
                });
                // The one type that WAMR has no number for as a result, though
                // it has as a parameter, is externref.
                let results = (0..sys::wasm_func_type_get_result_count(ty)).map(|i| {
                    ValType::from_kind(sys::wasm_func_type_get_result_valkind(ty, i))
                        .unwrap_or(ValType::ExternRef)
                });
                ExternType::Func(FuncType {
                    params: params.collect(),
                    results: results.collect(),
                })
            }
            sys::WASM_IMPORT_EXPORT_KIND_MEMORY => {
                let ty = memory();
                ExternType::Memory(MemoryType {
                    initial: sys::wasm_memory_type_get_init_page_count(ty).into(),
                    maximum: Some(sys::wasm_memory_type_get_max_page_count(ty).into()),
                    shared: sys::wasm_memory_type_get_shared(ty),
                })
            }
            sys::WASM_IMPORT_EXPORT_KIND_GLOBAL => {
                let ty = global();
                match ValType::from_kind(sys::wasm_global_type_get_valkind(ty)) {
                    Some(value) => ExternType::Global {
                        ty: value,
                        mutable: sys::wasm_global_type_get_mutable(ty),
                    },
                    None => ExternType::Tag,
                }
            }
            _ => ExternType::Table,
        }
    }
}

/// The names of the proposals that modules may use.
#[must_use]
pub fn enabled_features() -> Vec<&'static str> {
    features::enabled()
}
