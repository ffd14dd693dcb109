//! Valid modules, made by wasm-smith of the proposals that are switched on:
//! whatever they do, they stay within their limits.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use arena_fuzz::{ENGINE, IMPORTS, IMPORTS_TEXT, exercise};
use arena_runtime::wamr::{LoadError, Module, enabled_features};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let mut input = Unstructured::new(bytes);
    let Ok(wasm) = generate(&mut input) else {
        return Corpus::Reject;
    };
    match Module::load(&ENGINE, &wasm, &IMPORTS) {
        Ok(module) => exercise(&module, &mut input),
        // What WAMR has no room for although it is valid.
        Err(LoadError::Wamr(_) | LoadError::TooManyConstants { .. }) => {}
        Err(error) => panic!("a valid module does not load: {error}"),
    }
    Corpus::Keep
});

fn generate(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let mut module = wasm_smith::Module::new(config(input)?, input)?;
    // Most modules end by themselves, which is faster than to be stopped.
    if input.ratio(15, 16)? {
        let _ = module.ensure_termination(1000);
    }
    Ok(module.to_bytes())
}

/// The module whose imports wasm-smith chooses from.
static OFFERED: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(IMPORTS_TEXT).expect("it is well-formed"));

fn config(input: &mut Unstructured<'_>) -> arbitrary::Result<wasm_smith::Config> {
    let on = |name: &str| enabled_features().contains(&name);
    Ok(wasm_smith::Config {
        available_imports: Some(OFFERED.clone()),
        allow_start_export: input.ratio(1, 8)?,
        export_everything: true,
        generate_custom_sections: input.ratio(1, 8)?,
        max_instructions: 300,
        max_funcs: 10,
        max_globals: 10,
        max_imports: 4,
        max_memories: 1,
        max_memory32_bytes: 512 * 1024,
        max_tables: input.int_in_range(1..=4)?,
        max_table_elements: 1000,
        min_funcs: 1,
        bulk_memory_enabled: on("bulk-memory"),
        multi_value_enabled: on("multivalue"),
        reference_types_enabled: on("reference-types"),
        saturating_float_to_int_enabled: on("nontrapping-fptoint"),
        sign_extension_ops_enabled: on("sign-ext"),
        simd_enabled: on("simd128"),
        threads_enabled: on("threads"),
        compact_imports_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        wide_arithmetic_enabled: false,
        ..wasm_smith::Config::default()
    })
}
