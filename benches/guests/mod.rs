//! The modules that the benchmarks run.

#![allow(dead_code, reason = "not every benchmark uses all")]

use std::path::Path;

use arena_runtime::wamr::Imports;
use arena_runtime::wasi::{Wasi, WasiConfig, add_to_imports};

/// One page of memory, and functions that do next to nothing.
pub(crate) const SMALL: &str = r#"(module
    (import "host" "empty" (func $host))
    (memory (export "memory") 1)
    (func (export "empty"))
    (func (export "add") (param i64 i64) (result i64)
        (i64.add (local.get 0) (local.get 1)))
    (func (export "touch") (i32.store (i32.const 0) (i32.const 1)))
    (func (export "calls") (param $n i32)
        (loop $again
            (call $host)
            (br_if $again
                (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

/// The context of the instances: what WASI needs.
pub(crate) struct Context(Wasi);

impl Context {
    /// Without arguments and directories; the streams lead nowhere.
    pub(crate) fn new() -> Context {
        Context(Wasi::new(WasiConfig::new()).expect("nothing in it can fail to open"))
    }
}

impl AsRef<Wasi> for Context {
    fn as_ref(&self) -> &Wasi {
        &self.0
    }
}

/// WASI, and the host function of `SMALL`.
pub(crate) fn imports() -> Imports<Context> {
    let mut imports = Imports::new();
    add_to_imports(&mut imports);
    imports.func(
        "host",
        "empty",
        |_: &arena_runtime::wamr::Caller<'_, Context>| {},
    );
    imports
}

/// A sample of `wasm-samples/`.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build");
    let path = samples.join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|e| {
        eprintln!(
            "{}: {e}\nBuild the samples first: scripts/build-samples",
            path.display()
        );
        std::process::exit(1)
    })
}

/// `SMALL` in binary form.
pub(crate) fn small() -> Vec<u8> {
    wat::parse_str(SMALL).expect("SMALL is well-formed")
}
