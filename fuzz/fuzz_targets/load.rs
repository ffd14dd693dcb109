//! Any bytes as a module: loading must end in a module or an error.
#![no_main]

use arbitrary::Unstructured;
use arena_fuzz::{ENGINE, IMPORTS, exercise};
use arena_runtime::wamr::{Module, ModuleInfo};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let info = ModuleInfo::of_wasm(bytes);
    let loaded = Module::load(&ENGINE, bytes, &IMPORTS);
    assert!(info.is_ok() || loaded.is_err(), "an invalid module loads");
    if let Ok(module) = loaded {
        exercise(&module, &mut Unstructured::new(bytes));
    }
});
