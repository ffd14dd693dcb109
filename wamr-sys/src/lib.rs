//! Raw bindings to WAMR (wasm-micro-runtime), which the build script compiles
//! from source, and to a thin C shim over its internals (`shim/`).
//!
//! Nothing here is safe to call without reading `wasm_export.h` and
//! `shim/arena_wamr.h`; the engine in `arena-runtime` is the safe layer.
#![no_std]
#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    clippy::useless_transmute
)]

#[cfg(not(feature = "bindgen"))]
include!("bindings.rs");
#[cfg(feature = "bindgen")]
include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
