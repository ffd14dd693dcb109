//! What the engine's operations cost: `cargo bench --bench engine`.
//!
//! AOT code is measured as well when `ARENA_AOTC` names the AOT compiler.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]
#![allow(missing_docs, reason = "programs have no documentation")]

mod guests;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use arena_runtime::wamr::{Engine, Imports, Instance, InstanceConfig, Module};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use guests::Context;

fn main() {
    divan::main();
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().expect("the first engine"));
static IMPORTS: LazyLock<Imports<Context>> = LazyLock::new(guests::imports);

/// How modules are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "printed as they are")]
enum Mode {
    interpreter,
    aot,
}

fn modes() -> Vec<Mode> {
    match AOT.is_empty() {
        true => vec![Mode::interpreter],
        false => vec![Mode::interpreter, Mode::aot],
    }
}

/// The modules by name: 0.2, 5 and 29 KB.
static WASM: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| {
    HashMap::from([
        ("small", guests::small()),
        ("hello", guests::sample("hello")),
        ("compute", guests::sample("compute")),
    ])
});

/// The same, compiled; empty without a compiler.
static AOT: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| {
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        return HashMap::new();
    };
    let modules = WASM.iter();
    modules
        .map(|(name, wasm)| (*name, compile(compiler.as_ref(), wasm)))
        .collect()
});

fn compile(compiler: &Path, wasm: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (from, to) = (dir.path().join("a.wasm"), dir.path().join("a.aot"));
    std::fs::write(&from, wasm).expect("a new file");
    let status = Command::new(compiler)
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "ARENA_AOTC ({}) does not compile a module",
        compiler.display()
    );
    std::fs::read(to).expect("what the compiler has made")
}

fn load(mode: Mode, name: &str) -> Module<Context> {
    let loaded = match mode {
        Mode::interpreter => Module::load(&ENGINE, &WASM[name], &IMPORTS),
        // SAFETY: made of a valid module by the compiler that belongs to this
        // engine.
        Mode::aot => unsafe { Module::load_aot(&ENGINE, &AOT[name], &IMPORTS) },
    };
    loaded.expect("the module is sound")
}

fn instantiate(module: &Module<Context>) -> Instance<Context> {
    Instance::new(module, Context::new(), InstanceConfig::default()).expect("memory for it")
}

#[divan::bench(args = modes())]
fn load_and_unload_hello_5kb(bencher: Bencher<'_, '_>, mode: Mode) {
    load(mode, "hello");
    bencher.bench_local(|| load(mode, "hello"));
}

#[divan::bench(args = modes())]
fn load_and_unload_compute_29kb(bencher: Bencher<'_, '_>, mode: Mode) {
    load(mode, "compute");
    bencher.bench_local(|| load(mode, "compute"));
}

#[divan::bench(args = modes())]
fn instantiate_and_drop_small(bencher: Bencher<'_, '_>, mode: Mode) {
    let module = load(mode, "small");
    bencher.bench_local(|| drop(instantiate(&module)));
}

#[divan::bench(args = modes())]
fn instantiate_run_and_drop_hello(bencher: Bencher<'_, '_>, mode: Mode) {
    let module = load(mode, "hello");
    bencher.bench_local(|| instantiate(&module).start());
}

#[divan::bench(args = modes())]
fn call_empty_export(bencher: Bencher<'_, '_>, mode: Mode) {
    let instance = instantiate(&load(mode, "small"));
    let empty = instance.func::<(), ()>("empty").expect("it exists");
    bencher.bench_local(|| empty.call(()));
}

/// The same on a thread that is set up once instead of for each call.
#[divan::bench(args = modes())]
fn call_empty_export_entered(bencher: Bencher<'_, '_>, mode: Mode) {
    let instance = instantiate(&load(mode, "small"));
    let empty = instance.func::<(), ()>("empty").expect("it exists");
    let _thread = ENGINE.enter_thread().expect("memory for a signal stack");
    bencher.bench_local(|| empty.call(()));
}

#[divan::bench(args = modes())]
fn call_with_values_entered(bencher: Bencher<'_, '_>, mode: Mode) {
    let instance = instantiate(&load(mode, "small"));
    let add = instance.func::<(i64, i64), i64>("add").expect("it exists");
    let _thread = ENGINE.enter_thread().expect("memory for a signal stack");
    bencher.bench_local(|| add.call(black_box((1, 2))));
}

/// From wasm; the items are the calls, of which one loop makes 1,000.
#[divan::bench(args = modes())]
fn call_empty_host_function_1000_times(bencher: Bencher<'_, '_>, mode: Mode) {
    const CALLS: u32 = 1000;
    let instance = instantiate(&load(mode, "small"));
    let calls = instance.func::<u32, ()>("calls").expect("it exists");
    let _thread = ENGINE.enter_thread().expect("memory for a signal stack");
    bencher
        .counter(ItemsCount::new(CALLS))
        .bench_local(|| calls.call(CALLS));
}

#[divan::bench(args = [8, 64 * 1024])]
fn read_guest_memory(bencher: Bencher<'_, '_>, length: usize) {
    let instance = instantiate(&load(Mode::interpreter, "small"));
    let mut bytes = vec![0; length];
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| instance.memory().read(0, black_box(&mut bytes)));
}

#[divan::bench(args = [8, 64 * 1024])]
fn write_guest_memory(bencher: Bencher<'_, '_>, length: usize) {
    let instance = instantiate(&load(Mode::interpreter, "small"));
    let bytes = vec![1; length];
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| instance.memory().write(0, black_box(&bytes)));
}
