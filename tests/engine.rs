//! The engine through its public face: modules, instances, calls, traps.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arena_runtime::wamr::{
    CallError, Caller, Engine, HostError, Imports, Instance, InstanceConfig, InstantiateError,
    Limits, LoadError, Module, StopHandle, TrapKind, Val,
};

fn module_with<T: Send + Sync + 'static>(text: &str, imports: &Imports<T>) -> Module<T> {
    let engine = Engine::new().unwrap();
    Module::load(&engine, &wat::parse_str(text).unwrap(), imports).unwrap()
}

fn instance(text: &str) -> Instance<()> {
    let module = module_with(text, &Imports::<()>::new());
    Instance::new(&module, (), InstanceConfig::default()).unwrap()
}

fn trap_kind(instance: &Instance<()>, name: &str) -> TrapKind {
    match instance.call(name, &[]) {
        Err(CallError::Trap(trap)) => trap.kind(),
        other => panic!("{name} did not trap: {other:?}"),
    }
}

#[test]
fn calls_with_every_type() {
    let instance = instance(
        r#"(module
            (func (export "all") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
                local.get 3 local.get 2 local.get 1 local.get 0))"#,
    );
    let args = [
        Val::I32(-1),
        Val::I64(i64::MIN),
        Val::F32(1.5),
        Val::F64(-2.25),
    ];
    let results = instance.call("all", &args).unwrap();
    assert_eq!(results, [args[3], args[2], args[1], args[0]]);
}

#[test]
fn typed_calls_are_checked_when_they_are_made() {
    let instance = instance(
        r#"(module (func (export "add") (param i64 i64) (result i64)
            (i64.add (local.get 0) (local.get 1))))"#,
    );
    let add = instance.func::<(i64, u64), u64>("add").unwrap();
    assert_eq!(add.call((-1, 3)).unwrap(), 2);
    let wrong = instance.func::<(i32,), i64>("add").unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "the function \"add\" is (i64, i64) -> i64, not (i32) -> i64"
    );
    assert!(matches!(
        instance.call("add", &[Val::I32(1)]),
        Err(CallError::Type { .. })
    ));
    assert!(matches!(
        instance.call("sub", &[]),
        Err(CallError::NoFunction(_))
    ));
}

#[test]
fn an_export_without_a_name_is_not_a_constructor() {
    // WAMR must not run constructors by itself, so it does not see their names.
    let instance = instance(
        r#"(module
            (func (export "") (result i32) i32.const 7)
            (func (export "__wasm_call_ctors") (export "__post_instantiate")
                (result i64 i64 i64 i64)
                i64.const 1 i64.const 2 i64.const 3 i64.const 4))"#,
    );
    assert_eq!(instance.call("", &[]).unwrap(), [Val::I32(7)]);
}

#[test]
fn traps_have_kinds_and_leave_the_instance_usable() {
    let instance = instance(
        r#"(module
            (memory 1)
            (table 2 funcref)
            (elem (i32.const 0) $one)
            (type $none (func))
            (func $one (result i32) i32.const 1)
            (func (export "unreachable") unreachable)
            (func (export "load") (drop (i32.load (i32.const 65536))))
            (func (export "far") (drop (i32.load offset=4294967295 (i32.const -1))))
            (func (export "divide") (drop (i32.div_s (i32.const 1) (i32.const 0))))
            (func (export "overflow") (drop (i32.div_s (i32.const -2147483648) (i32.const -1))))
            (func (export "convert") (drop (i32.trunc_f32_s (f32.const nan))))
            (func (export "type") (call_indirect (type $none) (i32.const 0)))
            (func (export "null") (call_indirect (type $none) (i32.const 1)))
            (func (export "undefined") (call_indirect (type $none) (i32.const 9)))
            (func $r (export "recurse") call $r)
            (func (export "fine") (result i32) i32.const 7))"#,
    );
    for (name, kind) in [
        ("unreachable", TrapKind::Unreachable),
        ("load", TrapKind::MemoryOutOfBounds),
        ("far", TrapKind::MemoryOutOfBounds),
        ("divide", TrapKind::IntegerDivideByZero),
        ("overflow", TrapKind::IntegerOverflow),
        ("convert", TrapKind::InvalidConversionToInteger),
        ("type", TrapKind::IndirectCallTypeMismatch),
        ("null", TrapKind::UninitializedElement),
        ("undefined", TrapKind::UndefinedElement),
        ("recurse", TrapKind::StackOverflow),
    ] {
        assert_eq!(trap_kind(&instance, name), kind, "{name}");
        assert_eq!(instance.call("fine", &[]).unwrap(), [Val::I32(7)]);
    }
}

#[test]
fn traps_carry_the_call_stack_with_names() {
    let instance = instance(
        r#"(module
            (memory 1)
            (func $inner (param i32) (drop (i32.load (local.get 0))))
            (func $middle (call $inner (i32.const -4)))
            (func (export "outer") call $middle))"#,
    );
    let Err(CallError::Trap(trap)) = instance.call("outer", &[]) else {
        panic!("no trap")
    };
    let frames: Vec<String> = trap.frames().iter().map(ToString::to_string).collect();
    assert_eq!(
        frames,
        [
            "inner (function 0)",
            "middle (function 1)",
            "outer (function 2)"
        ]
    );
}

#[test]
fn host_functions_see_context_memory_and_arguments() {
    let mut imports = Imports::<AtomicU32>::new();
    imports
        .func(
            "env",
            "sum",
            |caller: &Caller<'_, AtomicU32>, at: u32, length: u32| {
                let bytes = caller.memory().read_vec(at, length)?;
                let sum = bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
                caller.data().fetch_add(sum, Ordering::SeqCst);
                Ok::<u32, HostError>(sum)
            },
        )
        .func(
            "env",
            "mix",
            |_: &Caller<'_, AtomicU32>, a: i32, b: i64, c: f32, d: f64| {
                f64::from(a) + b as f64 + f64::from(c) + d
            },
        );
    let module = module_with(
        r#"(module
            (import "env" "sum" (func $sum (param i32 i32) (result i32)))
            (import "env" "mix" (func $mix (param i32 i64 f32 f64) (result f64)))
            (memory 1)
            (data (i32.const 8) "\01\02\03")
            (func (export "sum") (param i32 i32) (result i32)
                (call $sum (local.get 0) (local.get 1)))
            (func (export "mix") (result f64)
                (call $mix (i32.const -1) (i64.const 10) (f32.const 0.5) (f64.const 0.25))))"#,
        &imports,
    );
    let instance = Instance::new(&module, AtomicU32::new(0), InstanceConfig::default()).unwrap();
    let sum = instance.func::<(u32, u32), u32>("sum").unwrap();
    assert_eq!(sum.call((8, 3)).unwrap(), 6);
    assert_eq!(instance.data().load(Ordering::SeqCst), 6);
    assert_eq!(instance.call("mix", &[]).unwrap(), [Val::F64(9.75)]);
    for (at, length) in [(65_536, 1), (u32::MAX, u32::MAX), (0, 65_537), (65_535, 2)] {
        assert_eq!(
            sum.call((at, length)).unwrap_err().kind(),
            TrapKind::MemoryOutOfBounds
        );
    }
    assert_eq!(sum.call((65_536, 0)).unwrap(), 0);
}

#[test]
fn errors_and_panics_of_host_functions_are_traps() {
    let mut imports = Imports::<()>::new();
    imports
        .func("env", "fail", |_: &Caller<'_, ()>| {
            Err::<(), _>(HostError::Trap("no such light".to_owned()))
        })
        .func("env", "panic", |_: &Caller<'_, ()>| {
            if true {
                panic!("a fault of the host");
            }
        })
        .func("env", "exit", |_: &Caller<'_, ()>, status: i32| {
            Err::<(), _>(HostError::Exit(status))
        });
    let module = module_with(
        r#"(module
            (import "env" "fail" (func $fail))
            (import "env" "panic" (func $panic))
            (import "env" "exit" (func $exit (param i32)))
            (func (export "fail") call $fail)
            (func (export "panic") call $panic)
            (func (export "_start") (call $exit (i32.const 42)) unreachable))"#,
        &imports,
    );
    let instance = Instance::new(&module, (), InstanceConfig::default()).unwrap();
    let trap = |name| match instance.call(name, &[]) {
        Err(CallError::Trap(trap)) => trap,
        other => panic!("{other:?}"),
    };
    assert_eq!(trap("fail").kind(), TrapKind::HostFunction);
    assert_eq!(trap("fail").message(), "no such light");
    assert!(trap("panic").message().contains("a fault of the host"));
    assert_eq!(instance.start().unwrap(), 42);
    assert_eq!(instance.start().unwrap(), 42);
}

#[test]
fn imports_are_checked_by_name_and_type() {
    let engine = Engine::new().unwrap();
    let mut imports = Imports::<()>::new();
    imports.func("env", "f", |_: &Caller<'_, ()>, _a: i32| {});
    let load =
        |text: &str| Module::load(&engine, &wat::parse_str(text).unwrap(), &imports).unwrap_err();
    assert_eq!(
        load(r#"(module (import "env" "g" (func)))"#).to_string(),
        r#"the module imports "env" "g" (function () -> ()), which does not exist here"#
    );
    assert_eq!(
        load(r#"(module (import "env" "f" (func (param i64))))"#).to_string(),
        r#"the module imports "env" "f" as (i64) -> (), and it is (i32) -> () here"#
    );
    assert!(matches!(
        load(r#"(module (import "env" "t" (table 1 funcref)))"#),
        LoadError::MissingImport { .. }
    ));
}

#[test]
fn memory_is_limited_from_the_start() {
    let text = r#"(module (memory 4)
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let module = module_with(text, &Imports::<()>::new());
    let with = |memory| {
        let limits = Limits {
            memory: Some(memory),
            ..Limits::default()
        };
        Instance::new(
            &module,
            (),
            InstanceConfig {
                limits,
                ..InstanceConfig::default()
            },
        )
    };
    assert_eq!(
        with(4 * 65_536 - 1).unwrap_err(),
        InstantiateError::Memory {
            initial: 4 * 65_536,
            limit: 4 * 65_536 - 1
        }
    );
    let instance = with(6 * 65_536).unwrap();
    let grow = instance.func::<i32, i32>("grow").unwrap();
    assert_eq!(grow.call(2).unwrap(), 4);
    assert_eq!(grow.call(1).unwrap(), -1);
    assert_eq!(instance.memory().size(), 6 * 65_536);
}

#[test]
fn a_loop_is_stopped_at_any_moment() {
    let module = module_with(
        r#"(module (func (export "spin") (loop br 0)))"#,
        &Imports::<()>::new(),
    );
    for delay in [0, 0, 0, 0, 1, 10, 100, 1_000, 20_000] {
        let stop = StopHandle::new();
        let config = InstanceConfig {
            stop: stop.clone(),
            ..InstanceConfig::default()
        };
        let module = module.clone();
        let runner = std::thread::spawn(move || match Instance::new(&module, (), config) {
            Ok(instance) => match instance.call("spin", &[]) {
                Err(CallError::Trap(trap)) => trap.kind(),
                other => panic!("{other:?}"),
            },
            Err(InstantiateError::Trap(trap)) => trap.kind(),
            Err(other) => panic!("{other}"),
        });
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(delay) {
            std::hint::spin_loop();
        }
        stop.stop();
        assert_eq!(
            runner.join().unwrap(),
            TrapKind::Stopped,
            "after {delay} µs"
        );
    }
}

#[test]
fn a_start_function_is_stopped() {
    let module = module_with(
        "(module (func $spin (loop br 0)) (start $spin))",
        &Imports::<()>::new(),
    );
    let stop = StopHandle::new();
    let other = stop.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        other.stop();
    });
    let config = InstanceConfig {
        stop,
        ..InstanceConfig::default()
    };
    match Instance::new(&module, (), config) {
        Err(InstantiateError::Trap(trap)) => assert_eq!(trap.kind(), TrapKind::Stopped),
        other => panic!("{other:?}"),
    }
    stopper.join().unwrap();
}

#[test]
fn a_blocking_host_call_is_stopped() {
    let (mine, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut imports = Imports::<std::os::unix::net::UnixStream>::new();
    imports.func(
        "env",
        "read",
        |caller: &Caller<'_, std::os::unix::net::UnixStream>| {
            use std::io::Read;
            let mut stream = caller.data();
            caller
                .blocking(|| stream.read(&mut [0; 8]).map(|_| ()))?
                .map_err(|e| HostError::Trap(e.to_string()))
        },
    );
    let module = module_with(
        r#"(module (import "env" "read" (func $read)) (func (export "read") call $read))"#,
        &imports,
    );
    let instance = Instance::new(&module, mine, InstanceConfig::default()).unwrap();
    let stop = instance.stop_handle();
    let runner = std::thread::spawn(move || instance.call("read", &[]).unwrap_err());
    std::thread::sleep(Duration::from_millis(20));
    let begin = Instant::now();
    stop.stop();
    let CallError::Trap(trap) = runner.join().unwrap() else {
        panic!()
    };
    assert_eq!(trap.kind(), TrapKind::Stopped);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn one_module_serves_many_threads() {
    let module = Arc::new(module_with(
        r#"(module (memory 1)
            (func (export "count") (result i32)
                (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
                (i32.load (i32.const 0))))"#,
        &Imports::<()>::new(),
    ));
    let threads: Vec<_> = (0..32)
        .map(|_| {
            let module = Arc::clone(&module);
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let instance = Instance::new(&module, (), InstanceConfig::default()).unwrap();
                    let count = instance.func::<(), i32>("count").unwrap();
                    for expected in 1..=20 {
                        assert_eq!(count.call(()).unwrap(), expected);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn one_instance_calls_another_from_a_host_function() {
    let inner =
        instance(r#"(module (memory 1) (func (export "bad") (drop (i32.load (i32.const -1)))))"#);
    let mut imports = Imports::<std::sync::Mutex<Instance<()>>>::new();
    imports.func(
        "env",
        "inner",
        |caller: &Caller<'_, std::sync::Mutex<Instance<()>>>| {
            let inner = caller.data().lock().unwrap();
            i32::from(inner.call("bad", &[]).is_err())
        },
    );
    let module = module_with(
        r#"(module (import "env" "inner" (func $inner (result i32))) (memory 1)
            (func (export "both") (result i32) call $inner)
            (func (export "bad") call $inner drop (drop (i32.load (i32.const -1)))))"#,
        &imports,
    );
    let outer = Instance::new(
        &module,
        std::sync::Mutex::new(inner),
        InstanceConfig::default(),
    )
    .unwrap();
    assert_eq!(outer.call("both", &[]).unwrap(), [Val::I32(1)]);
    assert!(matches!(outer.call("bad", &[]), Err(CallError::Trap(_))));
}

/// AOT tests need the compiler program, which needs LLVM.
fn compiled(text: &str) -> Option<Vec<u8>> {
    let compiler = std::env::var_os("ARENA_AOTC")?;
    let dir = tempfile::tempdir().unwrap();
    let (wasm, aot) = (dir.path().join("m.wasm"), dir.path().join("m.aot"));
    std::fs::write(&wasm, wat::parse_str(text).unwrap()).unwrap();
    let status = std::process::Command::new(compiler)
        .args(["--target", std::env::consts::ARCH])
        .arg(&wasm)
        .arg("-o")
        .arg(&aot)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    Some(std::fs::read(aot).unwrap())
}

/// Compiled code finds its memory by a register of the thread, which a call into another instance
/// changes.
#[test]
fn a_host_function_may_run_another_instance_and_return_to_compiled_code() {
    // The memory holds 1 in the outer instance, 2 in the inner one, and has another one be made.
    let Some(inner) = compiled(
        r#"(module (memory 1) (data (i32.const 0) "\02") (start $read)
            (func $read (drop (i32.load (i32.const 0))))
            (func (export "value") (result i32) (i32.load (i32.const 0)))
            (func (export "trap") (result i32) (i32.load (i32.const -1))))"#,
    ) else {
        return;
    };
    let outer = compiled(
        r#"(module (import "env" "inner" (func $inner (param i32) (result i32)))
            (memory 1) (data (i32.const 0) "\01")
            (func (export "both") (param i32) (result i32)
                (i32.store (i32.const 4) (call $inner (local.get 0)))
                (i32.add (i32.mul (i32.load (i32.const 4)) (i32.const 10))
                    (i32.load (i32.const 0)))))"#,
    )
    .unwrap();
    let engine = Engine::new().unwrap();
    // SAFETY: the compiler program has made both for this engine.
    let inner = unsafe { Module::load_aot(&engine, &inner, &Imports::<()>::new()) }.unwrap();
    let mut imports = Imports::<Module<()>>::new();
    imports.func(
        "env",
        "inner",
        |caller: &Caller<'_, Module<()>>, how: i32| {
            let instance = Instance::new(caller.data(), (), InstanceConfig::default()).unwrap();
            let name = if how == 1 { "trap" } else { "value" };
            match instance.call(name, &[]).as_deref() {
                Ok([Val::I32(value)]) => *value,
                _ => 9,
            }
        },
    );
    // SAFETY: as above.
    let outer = unsafe { Module::load_aot(&engine, &outer, &imports) }.unwrap();
    let outer = Instance::new(&outer, inner, InstanceConfig::default()).unwrap();
    for _ in 0..3 {
        assert_eq!(outer.call("both", &[Val::I32(0)]).unwrap(), [Val::I32(21)]);
        assert_eq!(outer.call("both", &[Val::I32(1)]).unwrap(), [Val::I32(91)]);
    }
}

#[test]
fn a_loop_in_aot_code_is_stopped_at_any_moment() {
    // With and without memory access, deep in recursion, with host calls.
    for body in [
        "(func (export \"spin\") (loop br 0))",
        "(func (export \"spin\") (loop (i32.store (i32.const 8) (i32.const 1)) br 0))",
        "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (loop br 0))))
         (func (export \"spin\") (call $deep (i32.const 1000)))",
        "(func (export \"spin\") (loop (call $host) br 0))",
    ] {
        let text = format!("(module (import \"env\" \"host\" (func $host)) (memory 1) {body})");
        let Some(aot) = compiled(&text) else { return };
        let engine = Engine::new().unwrap();
        let mut imports = Imports::<()>::new();
        imports.func("env", "host", |_: &Caller<'_, ()>| {
            std::hint::black_box(vec![0u8; 4096]);
        });
        // SAFETY: the compiler program has made it for this engine.
        let module = unsafe { Module::load_aot(&engine, &aot, &imports) }.unwrap();
        for delay in [0, 0, 1, 10, 100, 1_000, 20_000] {
            let stop = StopHandle::new();
            let config = InstanceConfig {
                stop: stop.clone(),
                ..InstanceConfig::default()
            };
            let module = module.clone();
            let runner = std::thread::spawn(move || {
                match Instance::new(&module, (), config) {
                    Ok(instance) => match instance.call("spin", &[]) {
                        Err(CallError::Trap(trap)) => trap.kind(),
                        other => panic!("{other:?}"),
                    },
                    Err(InstantiateError::Trap(trap)) => trap.kind(),
                    Err(other) => panic!("{other}"),
                }
            });
            std::thread::sleep(Duration::from_micros(delay));
            stop.stop();
            assert_eq!(runner.join().unwrap(), TrapKind::Stopped);
        }
    }
}

#[test]
fn a_start_function_may_instantiate_another_module() {
    let inner = module_with(
        "(module (global $g (mut i32) (i32.const 0)) (func $s (global.set $g (i32.const 1))) (start $s))",
        &Imports::<()>::new(),
    );
    let mut imports = Imports::<Module<()>>::new();
    imports.func("env", "inner", |caller: &Caller<'_, Module<()>>| {
        Instance::new(caller.data(), (), InstanceConfig::default()).unwrap();
    });
    let module = module_with(
        r#"(module (import "env" "inner" (func $inner))
            (func $s call $inner) (start $s)
            (func (export "spin") (loop br 0)))"#,
        &imports,
    );
    let instance = Instance::new(&module, inner, InstanceConfig::default()).unwrap();
    let stop = instance.stop_handle();
    stop.stop();
    assert!(matches!(
        instance.call("spin", &[]),
        Err(CallError::Trap(_))
    ));
}

#[test]
fn aot_recursion_leaves_stack_for_host_functions() {
    let Some(aot) = compiled(
        r#"(module (import "env" "host" (func $host))
            (func $deep (export "deep") (call $host) (call $deep)))"#,
    ) else {
        return;
    };
    let engine = Engine::new().unwrap();
    let mut imports = Imports::<()>::new();
    imports.func("env", "host", |_: &Caller<'_, ()>| {
        std::hint::black_box([1u8; 48 * 1024]);
    });
    // SAFETY: the compiler program has made it for this engine.
    let module = unsafe { Module::load_aot(&engine, &aot, &imports) }.unwrap();
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(move || {
            let instance = Instance::new(&module, (), InstanceConfig::default()).unwrap();
            match instance.call("deep", &[]) {
                Err(CallError::Trap(trap)) => {
                    assert_eq!(trap.kind(), TrapKind::StackOverflow);
                    let frame = &trap.frames()[1];
                    assert_eq!(frame.name.as_deref(), Some("deep"));
                }
                other => panic!("{other:?}"),
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn tables_and_types_are_limited() {
    let engine = Engine::new().unwrap();
    let load = |text: &str| {
        let wasm = wat::parse_str(text).unwrap();
        Module::load(&engine, &wasm, &Imports::<()>::new()).unwrap_err()
    };
    assert!(matches!(
        load("(module (table 400000000 funcref))"),
        LoadError::TablesTooLarge { .. }
    ));
    let types: String = (0..20_001).map(|_| "(type (func))").collect();
    assert!(matches!(
        load(&format!("(module {types})")),
        LoadError::TooManyTypes { .. }
    ));
}

#[test]
fn a_limit_below_a_page_is_a_limit() {
    let module = module_with(
        "(module (memory 0) (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))",
        &Imports::<()>::new(),
    );
    let limits = Limits {
        memory: Some(1),
        ..Limits::default()
    };
    let config = InstanceConfig {
        limits,
        ..InstanceConfig::default()
    };
    let instance = Instance::new(&module, (), config).unwrap();
    let grow = instance.func::<i32, i32>("grow").unwrap();
    assert_eq!(grow.call(2).unwrap(), -1);
}

#[test]
fn references_to_functions_that_do_not_exist_are_refused() {
    let text = r#"(module
        (table 1 funcref)
        (type $t (func (result i32)))
        (func $seven (result i32) i32.const 7)
        (elem declare func $seven)
        (func (export "callref") (param funcref) (result i32)
            (table.set (i32.const 0) (local.get 0))
            (call_indirect (type $t) (i32.const 0))))"#;
    let engine = Engine::new().unwrap();
    let imports = Imports::<()>::new();
    let wasm = wat::parse_str(text).unwrap();
    let mut modules = vec![Module::load(&engine, &wasm, &imports).unwrap()];
    if let Some(aot) = compiled(text) {
        // SAFETY: the compiler program has made it for this engine.
        modules.push(unsafe { Module::load_aot(&engine, &aot, &imports) }.unwrap());
    }
    for module in modules {
        let instance = Instance::new(&module, (), InstanceConfig::default()).unwrap();
        for index in [2, 1000, 0x7fff_ffff] {
            assert!(matches!(
                instance.call("callref", &[Val::FuncRef(Some(index))]),
                Err(CallError::FuncRef { .. })
            ));
        }
        let seven = instance.call("callref", &[Val::FuncRef(Some(0))]);
        assert_eq!(seven.unwrap(), [Val::I32(7)]);
    }
}

#[test]
fn one_handle_stops_several_instances_whose_threads_may_be_gone() {
    let Some(aot) =
        compiled(r#"(module (func (export "nop")) (func (export "spin") (loop br 0)))"#)
    else {
        return;
    };
    let engine = Engine::new().unwrap();
    // SAFETY: the compiler program has made it for this engine.
    let module = unsafe { Module::load_aot(&engine, &aot, &Imports::<()>::new()) }.unwrap();
    let stop = StopHandle::new();
    let config = || InstanceConfig {
        stop: stop.clone(),
        ..InstanceConfig::default()
    };
    let spinning = Instance::new(&module, (), config()).unwrap();
    let spinner = std::thread::spawn(move || spinning.call("spin", &[]).unwrap_err());
    std::thread::sleep(Duration::from_millis(20));
    let idle = Instance::new(&module, (), config()).unwrap();
    let idle = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            idle.call("nop", &[]).unwrap();
            idle
        })
        .unwrap()
        .join()
        .unwrap();
    stop.stop();
    let CallError::Trap(trap) = spinner.join().unwrap() else {
        panic!()
    };
    assert_eq!(trap.kind(), TrapKind::Stopped);
    assert!(idle.call("nop", &[]).is_err());
}
