//! Rust declarations for WAMR's public header and the shim's, by bindgen.
//!
//! Shared by the build script (feature `bindgen`) and the test that proves the
//! committed file current.

use std::path::Path;

/// The bindings' source text, for the headers under `core` and `shim`.
pub fn generate(core: &Path, shim: &Path) -> Result<String, String> {
    let bindings = bindgen::Builder::default()
        .header(shim.join("wrapper.h").display().to_string())
        .clang_args([
            format!("-I{}", shim.display()),
            format!("-I{}", core.join("iwasm/include").display()),
        ])
        .allowlist_function("(wasm|arena)_.*")
        .allowlist_type("(wasm|arena)_.*|NativeSymbol|RuntimeInitArgs|LoadArgs")
        .allowlist_var("WASM_.*")
        // These take a va_list, whose type differs between processors.
        .blocklist_function("wasm_runtime_call_wasm_v")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .use_core()
        .derive_default(true)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .rust_target(bindgen::RustTarget::stable(85, 0).map_err(|e| e.to_string())?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true)
        .formatter(bindgen::Formatter::Prettyplease)
        .generate()
        .map_err(|e| {
            format!(
                "bindgen cannot read WAMR's headers: {e}\n  On Debian: apt-get install libclang-dev"
            )
        })?;
    Ok(bindings.to_string())
}
