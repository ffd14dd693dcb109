//! Damaged and foreign files: an error that says something, never a crash.

#![allow(
    clippy::unwrap_used,
    reason = "a step of a test that fails is the test's failure"
)]

use std::path::Path;
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use arena_runtime::wamr::{
    Engine, ExternType, Imports, Instance, InstanceConfig, Limits, LoadError, Module, ModuleInfo,
    StopHandle, Val, ValType,
};
use proptest::prelude::*;

/// Modules with every kind of section and of control flow.
const SOUND: &[&str] = &[
    r#"(module $every_section
        (type $step (func (param i32) (result i32)))
        (import "host" "none" (func $none))
        (table 3 5 funcref)
        (memory (export "memory") 1 2)
        (global $g (export "g") (mut i64) (i64.const -1))
        (start $begin)
        (elem (i32.const 0) $up $down)
        (elem $later func $up)
        (data (i32.const 8) "abcdefgh")
        (data $more "more")
        (func $begin (call $none))
        (func $up (type $step) (i32.add (local.get 0) (i32.const 1)))
        (func $down (type $step) (i32.sub (local.get 0) (i32.const 1)))
        (func (export "walk") (param $n i32) (result i32)
            (local $x i32)
            (loop $again
                (local.set $x (call_indirect (type $step)
                    (local.get $x) (i32.and (local.get $n) (i32.const 1))))
                (br_if $again (i32.gt_s
                    (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
            (local.get $x))
        (func (export "fill") (param i32 i32)
            (memory.init $more (local.get 0) (i32.const 0) (i32.const 4))
            (memory.fill (local.get 1) (i32.const 7) (i32.const 300))
            (table.init $later (i32.const 2) (i32.const 0) (i32.const 1))
            (global.set $g (i64.load offset=4 (local.get 0)))
            (drop (memory.grow (i32.const 1)))))"#,
    r#"(module $control
        (func $deep (export "deep") (param i32) (result i32)
            (call $deep (i32.add (local.get 0) (i32.const 1))))
        (func (export "switch") (param i32) (result i32)
            (block $a (block $b (block $c
                (br_table $a $b $c (local.get 0))) (return (i32.const 3)))
                (return (i32.const 2)))
            (if (result i32) (local.get 0)
                (then (i32.div_s (i32.const 9) (local.get 0)))
                (else (unreachable))))
        (func (export "floats") (param f32 f64) (result f64 f32)
            (f64.sqrt (f64.promote_f32 (local.get 0)))
            (f32.demote_f64 (f64.nearest (local.get 1)))))"#,
];

fn encode(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());
static IMPORTS: LazyLock<Imports<()>> = LazyLock::new(|| {
    let mut imports = Imports::new();
    imports.func("host", "none", |_: &arena_runtime::wamr::Caller<'_, ()>| {});
    imports
});

/// Stops a module some time after it has begun.
fn stop_soon(stop: &StopHandle) {
    static STOPPER: LazyLock<Sender<(Instant, StopHandle)>> = LazyLock::new(|| {
        let (sender, handles) = channel::<(Instant, StopHandle)>();
        std::thread::spawn(move || {
            for (at, handle) in handles {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                handle.stop();
            }
        });
        sender
    });
    let at = Instant::now() + Duration::from_millis(50);
    STOPPER.send((at, stop.clone())).unwrap();
}

/// Loads the bytes and, if that works, runs what the module exports. Returns
/// the error of loading.
fn survive(bytes: &[u8]) -> Option<LoadError> {
    let module = match Module::load(&ENGINE, bytes, &IMPORTS) {
        Ok(module) => module,
        Err(error) => {
            check_message(&error);
            return Some(error);
        }
    };
    let stop = StopHandle::new();
    stop_soon(&stop);
    let config = InstanceConfig {
        limits: Limits {
            memory: Some(256 * 1024),
            stack: 16 * 1024,
        },
        stop,
    };
    match Instance::new(&module, (), config) {
        Ok(instance) => call_all(&instance),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    None
}

fn call_all(instance: &Instance<()>) {
    for export in &instance.module().info().exports {
        if let ExternType::Func(ty) = &export.ty {
            let args: Vec<Val> = ty.params.iter().map(|ty| zero(*ty)).collect();
            let _ = instance.call(&export.name, &args);
        }
    }
    assert!(instance.memory().size() <= 256 * 1024);
}

fn zero(ty: ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(0),
        ValType::I64 => Val::I64(0),
        ValType::F32 => Val::F32(0.0),
        ValType::F64 => Val::F64(0.0),
        ValType::V128 => Val::V128(0),
        ValType::FuncRef => Val::FuncRef(None),
        ValType::ExternRef => Val::ExternRef(None),
    }
}

fn check_message(error: &LoadError) {
    assert!(!error.to_string().is_empty());
}

/// Where sections end: a module that is cut there can still be valid.
fn section_ends(wasm: &[u8]) -> Vec<usize> {
    let sections = wasmparser::Parser::new(0).parse_all(wasm);
    let ends = sections.filter_map(|payload| payload.unwrap().as_section());
    ends.map(|(_, range)| usize::try_from(range.end).unwrap())
        .chain([8])
        .collect()
}

#[test]
fn files_that_are_cut_off() {
    for text in SOUND {
        let wasm = encode(text);
        let ends = section_ends(&wasm);
        assert_eq!(survive(&wasm), None);
        for length in 0..wasm.len() {
            let error = survive(&wasm[..length]);
            assert!(
                error.is_some() || ends.contains(&length),
                "{length} of {} bytes load",
                wasm.len()
            );
        }
    }
}

#[test]
fn files_with_one_wrong_bit() {
    for text in SOUND {
        let mut wasm = encode(text);
        for at in 0..wasm.len() {
            for bit in 0..8 {
                wasm[at] ^= 1 << bit;
                survive(&wasm);
                wasm[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn files_that_are_something_else() {
    let load = |bytes: &[u8]| survive(bytes).expect("no module");
    assert_eq!(load(b""), LoadError::Empty);
    for foreign in [
        b"\0".as_slice(),
        b"\0as",
        b"\0asn\x01\0\0\0",
        b"\x7fELF\x02\x01\x01\0",
        b"#!/bin/sh\nexit 0\n",
        b"(module)",
        b"MZ\x90\0",
        &[0; 4096],
        &[0xff; 4096],
    ] {
        assert_eq!(load(foreign), LoadError::NotAModule, "{foreign:?}");
    }
    assert_eq!(load(b"\0asm"), LoadError::CutOff);
    assert_eq!(load(b"\0asm\x02\0\0\0"), LoadError::Version);
    assert_eq!(load(b"\0asm\0\0\0\x01"), LoadError::Version);
    assert_eq!(load(b"\0asm\x0d\0\x01\0"), LoadError::Component);
    assert_eq!(load(b"\0aot\x05\0\0\0"), LoadError::UntrustedAot);
}

#[test]
fn sizes_and_counts_that_lie() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    for section in 0..=13u8 {
        for body in [
            &huge[..],
            &[5, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
            &[0],
            &[1, 1],
            &[2, 1, 0xff],
        ] {
            let bytes = [b"\0asm\x01\0\0\0", &[section][..], body].concat();
            assert!(survive(&bytes).is_some(), "section {section}: {body:?}");
        }
    }
}

#[test]
fn text_that_is_cut_off() {
    for text in SOUND {
        for length in 0..text.len() {
            if let Ok(wasm) = wat::parse_str(&text[..length]) {
                survive(&wasm);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes: Vec<u8>) {
        prop_assert!(survive(&bytes).is_some());
    }

    #[test]
    fn random_sections(
        sections in proptest::collection::vec((0u8..14, proptest::collection::vec(any::<u8>(), 0..40)), 1..6)
    ) {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for (id, body) in sections {
            bytes.push(id);
            bytes.push(u8::try_from(body.len()).unwrap());
            bytes.extend(body);
        }
        survive(&bytes);
    }

    #[test]
    fn several_wrong_bytes(
        which in 0..SOUND.len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut wasm = encode(SOUND[which]);
        for (at, byte) in changes {
            let at = at.index(wasm.len());
            wasm[at] = byte;
        }
        let info = ModuleInfo::of_wasm(&wasm);
        let error = survive(&wasm);
        prop_assert!(info.is_ok() || error.is_some());
    }
}

/// Whole AOT files are trusted; those that were not copied completely, or that
/// another version made, are refused. Needs the compiler, `ARENA_AOTC`.
#[test]
fn aot_files_that_are_cut_off_or_of_another_version() {
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        eprintln!("skipped: ARENA_AOTC does not name the AOT compiler");
        return;
    };
    let aot = compile_aot(compiler.as_ref(), &encode(SOUND[0]));
    // SAFETY: made by the compiler just now; what is changed below is refused
    // before any of its code could run.
    let load = |bytes: &[u8]| unsafe { Module::load_aot(&ENGINE, bytes, &IMPORTS) }.map(|_| ());
    load(&aot).unwrap();
    let code_end = aot_code_end(&aot);
    assert!(code_end > 1000, "{code_end}");
    for length in 0..aot.len() {
        match load(&aot[..length]) {
            Err(error) => check_message(&error),
            // What follows are names.
            Ok(()) => assert_eq!(length, code_end, "of {}", aot.len()),
        }
    }
    for at in 0..8 {
        let mut other = aot.clone();
        other[at] ^= 1;
        check_message(&load(&other).unwrap_err());
    }
}

/// Where the last section ends that code needs: the relocations, number 5.
fn aot_code_end(aot: &[u8]) -> usize {
    let number = |at: usize| u32::from_le_bytes(aot[at..at + 4].try_into().unwrap());
    let mut at = 8;
    loop {
        let (kind, size) = (number(at), number(at + 4));
        at += 8 + size as usize;
        if kind == 5 {
            return at;
        }
        at = at.next_multiple_of(4);
    }
}

fn compile_aot(compiler: &Path, wasm: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a.wasm"), dir.path().join("a.aot"));
    std::fs::write(&from, wasm).unwrap();
    let status = std::process::Command::new(compiler)
        .args(["--target", std::env::consts::ARCH])
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .status()
        .unwrap();
    assert!(status.success(), "{} fails", compiler.display());
    std::fs::read(to).unwrap()
}
