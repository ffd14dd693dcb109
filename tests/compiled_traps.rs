//! Compiled code traps where the interpreter does, whatever the compiler was asked for. `ARENA_AOTC`
//! names the compiler; without it only the interpreter is tested.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::path::Path;
use std::process::Command;
use std::thread;

use arena_runtime::wamr::{CallError, Engine, Imports, Instance, InstanceConfig, Module, TrapKind};

/// What each export does is said by [`WANTED`]. `$far` is an address behind the memory's end.
const MODULE: &str = r#"(module (memory 1) (table 1 funcref)
    (type $nothing (func))
    (global $far (mut i32) (i32.const 0x7ffffff0))
    (global $near (mut i32) (i32.const 16))
    (global $zero (mut i32) (i32.const 0))
    (func (export "oob load") (result i32) (i32.load (global.get $far)))
    (func (export "oob load8") (result i32) (i32.load8_s (i32.const -1)))
    (func (export "oob offset") (result i64) (i64.load offset=0xffffffff (i32.const -1)))
    (func (export "oob straddling") (result i32) (i32.load (i32.const 65533)))
    (func (export "oob store") (f64.store (global.get $far) (f64.const 1)))
    (func (export "oob fill") (memory.fill (i32.const 65530) (i32.const 0) (i32.const 7)))
    (func (export "oob copy") (memory.copy (global.get $far) (i32.const 0) (i32.const 1)))
    (func (export "oob unused i32") (drop (i32.load (global.get $far))))
    (func (export "oob unused constant") (drop (i32.load (i32.const 65536))))
    (func (export "oob unused i64") (drop (i64.load32_s (global.get $far))))
    (func (export "oob unused f32") (drop (f32.load (global.get $far))))
    (func (export "oob unused f64") (drop (f64.sqrt (f64.load (global.get $far)))))
    (func (export "oob unused in a variable") (local $value i32)
        (local.set $value (i32.load (global.get $far)))
        (local.set $value (i32.add (i32.const 1) (local.get $value))))
    (func (export "oob unused sum") (local $at i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $next (i32.le_u (local.get $at) (i32.const 65536)))))
    (func (export "oob unused twice") (local $at i32)
        (loop $next
            (drop (i32.load (local.get $at)))
            (drop (f32.load (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $next (i32.ne (local.get $at) (i32.const 0)))))
    (func (export "oob unused branch")
        (if (i32.load (global.get $far)) (then (drop (i32.const 1))) (else (nop))))
    (func (export "oob unused count") (local $left i32)
        (local.set $left (i32.load (global.get $far)))
        (loop $next
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $next (i32.gt_s (local.get $left) (i32.const 0)))))
    (func (export "oob unused times zero") (result i32)
        (i32.mul (i32.load (global.get $far)) (i32.const 0)))
    (func (export "oob unused difference") (result i32) (local $value i32)
        (local.set $value (i32.load (global.get $far)))
        (i32.sub (local.get $value) (local.get $value)))
    (func (export "oob unused bits") (result i32)
        (i32.and (i32.shl (i32.load (global.get $far)) (i32.const 8)) (i32.const 0xff)))
    (func (export "oob unused choice") (result i32)
        (select (i32.const 5) (i32.const 5) (i32.load (global.get $far))))
    (func $load (result i32) (i32.load (global.get $far)))
    (func (export "oob unused result") (drop (call $load)))
    (func $ignore (param i32) (result i32) (i32.const 7))
    (func (export "oob unused argument") (result i32) (call $ignore (i32.load (global.get $far))))
    (func (export "oob put back i32")
        (i32.store (global.get $far) (i32.load (global.get $far))))
    (func (export "oob put back i32 at") (local $at i32)
        (local.set $at (i32.add (i32.mul (global.get $near) (i32.const 4096)) (i32.const 4)))
        (i32.store (local.get $at) (i32.load (local.get $at))))
    (func (export "oob put back i64") (i64.store (i32.const 65529) (i64.load (i32.const 65529))))
    (func (export "oob put back byte")
        (i32.store8 (global.get $far) (i32.load8_u (global.get $far))))
    (func (export "oob put back f32")
        (f32.store (global.get $far) (f32.reinterpret_i32 (i32.load (global.get $far)))))
    (func (export "oob put back in a loop") (local $at i32)
        (loop $next
            (i64.store offset=8 (local.get $at) (i64.load offset=8 (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 65536)))))
    (func (export "oob overwritten")
        (i32.store (global.get $far) (i32.const 1)) (i32.store (global.get $far) (i32.const 2)))
    (func (export "zero div") (result i32) (i32.div_s (i32.const 1) (global.get $zero)))
    (func (export "zero rem") (result i64)
        (i64.rem_u (i64.const 1) (i64.extend_i32_u (global.get $zero))))
    (func (export "zero unused") (drop (i32.div_u (i32.const 1) (global.get $zero))))
    (func (export "zero constant") (drop (i32.div_u (i32.const 1) (i32.const 0))))
    (func (export "overflow div") (result i32)
        (i32.div_s (i32.shl (i32.const 1) (i32.const 31)) (i32.sub (global.get $zero) (i32.const 1))))
    (func (export "overflow trunc") (result i32)
        (i32.trunc_f32_s (f32.convert_i32_u (i32.sub (global.get $zero) (i32.const 1)))))
    (func (export "unreachable") (unreachable))
    (func (export "unreachable result") (result f64) (unreachable))
    (func (export "unreachable maybe") (if (global.get $near) (then (unreachable))))
    (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1)))
    (func $even (export "deep in turns") (result i64) (i64.add (call $odd) (i64.const 1)))
    (func $odd (result i64) (i64.mul (call $even) (i64.const 3)))
    (func (export "null") (call_indirect (type $nothing) (global.get $zero)))
    (func (export "element") (call_indirect (type $nothing) (global.get $near)))

    ;; These do not trap.
    (func (export "fine unused") (drop (i64.load (i32.const 65528))))
    (func (export "fine put back") (i64.store (i32.const 65528) (i64.load (i32.const 65528))))
    (func (export "fine fill") (memory.fill (i32.const 65536) (i32.const 0) (i32.const 0))))"#;

/// The same with vectors.
const VECTORS: &str = r#"(module (memory 1)
    (global $far (mut i32) (i32.const 0x7ffffff0))
    (func (export "oob v128") (result i32)
        (i32x4.extract_lane 3 (v128.load (global.get $far))))
    (func (export "oob v128 store") (v128.store (global.get $far) (v128.const i32x4 1 2 3 4)))
    (func (export "oob unused v128") (drop (v128.load (global.get $far))))
    (func (export "oob unused sum of v128") (local $sum v128)
        (local.set $sum (f32x4.add (local.get $sum) (v128.load (global.get $far)))))
    (func (export "oob unused splat") (drop (v128.load8_splat (global.get $far))))
    (func (export "oob unused extend") (drop (v128.load16x4_s (global.get $far))))
    (func (export "oob unused lane")
        (drop (v128.load32_lane 1 (global.get $far) (v128.const i32x4 1 2 3 4))))
    (func (export "oob unused zeros") (drop (v128.load64_zero (global.get $far))))
    (func (export "oob put back v128")
        (v128.store (global.get $far) (v128.load (global.get $far))))
    (func (export "fine put back v128")
        (v128.store (i32.const 65520) (v128.load (i32.const 65520)))))"#;

/// By the first word of an export's name.
const WANTED: [(&str, Option<TrapKind>); 8] = [
    ("oob", Some(TrapKind::MemoryOutOfBounds)),
    ("zero", Some(TrapKind::IntegerDivideByZero)),
    ("overflow", Some(TrapKind::IntegerOverflow)),
    ("unreachable", Some(TrapKind::Unreachable)),
    ("deep", Some(TrapKind::StackOverflow)),
    ("null", Some(TrapKind::UninitializedElement)),
    ("element", Some(TrapKind::UndefinedElement)),
    ("fine", None),
];

/// Calls every export in an instance of its own.
fn check(module: &Module<()>, how: &str) {
    for export in &module.info().exports {
        let name = &*export.name;
        let kind = name.split(' ').next().unwrap();
        let wanted = WANTED.iter().find(|(first, _)| *first == kind);
        let instance = Instance::new(module, (), InstanceConfig::default()).unwrap();
        let trap = match instance.call(name, &[]) {
            Ok(_) => None,
            Err(CallError::Trap(trap)) => Some(trap.kind()),
            Err(error) => panic!("{name}, {how}: {error}"),
        };
        assert_eq!(trap, wanted.unwrap().1, "{name}, {how}");
    }
}

fn check_compiled(compiler: &Path, text: &str, options: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (wasm, aot) = (dir.path().join("m.wasm"), dir.path().join("m.aot"));
    std::fs::write(&wasm, wat::parse_str(text).unwrap()).unwrap();
    let output = Command::new(compiler)
        .args(["--target", std::env::consts::ARCH])
        .args(options)
        .arg(&wasm)
        .arg("-o")
        .arg(&aot)
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {says}");
    let aot = std::fs::read(aot).unwrap();
    let engine = Engine::new().unwrap();
    // SAFETY: the compiler has just made it for this engine.
    let module = unsafe { Module::load_aot(&engine, &aot, &Imports::<()>::new()) }.unwrap();
    check(&module, &format!("{options:?}"));
}

#[test]
fn interpreted_code_traps() {
    let engine = Engine::new().unwrap();
    for text in [MODULE, VECTORS] {
        let wasm = wat::parse_str(text).unwrap();
        let module = Module::load(&engine, &wasm, &Imports::<()>::new()).unwrap();
        check(&module, "interpreted");
    }
}

/// The options that have nothing to do with each other take turns, so that each of their values meets
/// each level of optimization.
#[test]
fn compiled_code_traps_with_all_options() {
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        eprintln!("ARENA_AOTC is not set: not tested");
        return;
    };
    let cpus: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["--cpu=baseline", "--cpu=native"],
        _ => &["--cpu=baseline", "--cpu=rpi4"],
    };
    let segues: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["--segue", "--no-segue"],
        _ => &["--no-segue"],
    };
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for (i, level) in ["--opt=0", "--opt=1", "--opt=2", "--opt=3"]
        .iter()
        .enumerate()
    {
        for (j, segue) in segues.iter().enumerate() {
            for k in 0..2 {
                let mut options = vec![*level, *segue, cpus[(i + j + k) % 2]];
                if k == 1 {
                    options.push("--size");
                }
                if (j + k) % 2 == 1 {
                    options.extend(["--no-call-stack", "--no-names"]);
                }
                all.push((VECTORS, options.clone()));
                options.push(if (i + k) % 2 == 0 {
                    "--simd"
                } else {
                    "--no-simd"
                });
                all.push((MODULE, options));
            }
        }
    }
    let (some, others) = all.split_at(all.len() / 2);
    thread::scope(|scope| {
        for part in [some, others] {
            let compiler = Path::new(&compiler);
            scope.spawn(move || {
                for (text, options) in part {
                    check_compiled(compiler, text, options);
                }
            });
        }
    });
}
