//! Imports: which host functions a module gets, and how WAMR learns of them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;

use wamr_sys as sys;

use super::host::{HostFunc, Imports, trampoline};
use super::info::{ExternType, Import, ModuleInfo};
use super::load_error::LoadError;
use super::value::{FuncType, ValType};

/// The host functions that the imports name, with their modules.
pub(super) type Resolved = Vec<(String, Arc<HostFunc>)>;

/// Finds what a module imports.
pub(super) fn resolve<T: Send + Sync + 'static>(
    info: &ModuleInfo,
    offered: &Imports<T>,
) -> Result<Resolved, LoadError> {
    check_thread_start(info)?;
    let mut resolved = Vec::new();
    for import in &info.imports {
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

/// WAMR calls this export in each thread that a module starts, with buffers for
/// the type that it should have.
fn check_thread_start(info: &ModuleInfo) -> Result<(), LoadError> {
    const START: &str = "wasi_thread_start";
    let wanted = FuncType {
        params: vec![ValType::I32, ValType::I32],
        results: Vec::new(),
    };
    match info.exported_func(START) {
        Some(ty) if *ty != wanted && info.imports.iter().any(threads_import) => {
            Err(LoadError::ExportType {
                name: START.to_owned(),
                actual: ty.to_string(),
                wanted: wanted.to_string(),
            })
        }
        _ => Ok(()),
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

/// Host functions in WAMR's list of natives, while a module is loaded. The
/// engine's loading lock is held meanwhile.
pub(super) struct Registered {
    groups: Vec<(CString, Vec<sys::NativeSymbol>)>,
}

impl Registered {
    /// Enters the functions into WAMR's list.
    pub(super) fn new(functions: &Resolved) -> Result<Registered, LoadError> {
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
