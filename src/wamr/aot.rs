//! What is particular to AOT files.

use std::ffi::{CStr, c_char};

use wamr_sys as sys;

use super::info::{Export, ExternType, Import, MemoryType, ModuleInfo};
use super::load_error::LoadError;
use super::loaded::Loaded;
use super::value::{FuncType, ValType};

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

    /// For code that this program has had compiled by its own compiler, and has kept where nobody
    /// else can change it unnoticed.
    #[must_use]
    pub fn compiled_here() -> AotTrust {
        AotTrust(())
    }
}

/// The beginning of an AOT file: WAMR's `aot_runtime.h`, `AOTTargetInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AotHeader {
    /// The version of the format.
    pub version: u32,
    /// The processor that the code is for, for example `x86_64`.
    pub target: String,
}

/// Checks that the file is of the version that WAMR loads.
pub(super) fn check_version(aot: &[u8]) -> Result<(), LoadError> {
    let version = AotHeader::read(aot)?.version;
    // SAFETY: the function only returns a constant.
    let wanted = unsafe { sys::wasm_runtime_get_current_package_version(sys::Wasm_Module_AoT) };
    if version == wanted {
        Ok(())
    } else {
        Err(LoadError::AotVersion { version, wanted })
    }
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
        let version = number(VERSION).ok_or(LoadError::CutOff)?;
        // The first section is the one about the target.
        if number(FIRST_SECTION).ok_or(LoadError::CutOff)? != 0 {
            return Err(LoadError::Wamr(
                "the AOT file does not say its target".to_owned(),
            ));
        }
        let target = aot.get(TARGET).ok_or(LoadError::CutOff)?;
        let target = target.split(|b| *b == 0).next().unwrap_or_default();
        Ok(AotHeader {
            version,
            target: String::from_utf8_lossy(target).into_owned(),
        })
    }
}

/// What a loaded module imports and exports, as WAMR has read it. It does not
/// tell the indices of functions, nor what custom sections there are.
pub(super) fn read_info(loaded: &Loaded) -> ModuleInfo {
    let module = loaded.handle();
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
    }
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
