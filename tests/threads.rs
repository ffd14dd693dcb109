//! Modules that start threads of their own (wasi-threads).
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]
#![cfg(feature = "wasi-threads")]

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use arena_runtime::wamr::{
    CallError, Caller, Engine, HostError, Imports, Instance, InstanceConfig, Module, TrapKind, Val,
};

/// What the host functions of these tests see.
struct Context {
    notes: Mutex<Vec<i32>>,
    stream: UnixStream,
}

/// A module that starts a thread; `thread` is that thread's body, whose local
/// 1 is the argument, and `main` what the main thread does after it.
fn instance(thread: &str, main: &str) -> (Instance<Context>, UnixStream) {
    let text = format!(
        r#"(module
            (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
            (import "env" "memory" (memory 1 1 shared))
            (import "env" "note" (func $note (param i32)))
            (import "env" "exit" (func $exit (param i32)))
            (import "env" "read" (func $read))
            (func (export "wasi_thread_start") (param i32 i32) {thread})
            (func $wait
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
            (func $wake
                (i32.atomic.store (i32.const 0) (i32.const 1))
                (drop (memory.atomic.notify (i32.const 0) (i32.const 9))))
            (func (export "run") (result i32)
                (if (i32.lt_s (call $spawn (i32.const 7)) (i32.const 0)) (then unreachable))
                {main}
                (i32.const 0)))"#
    );
    let mut imports = Imports::<Context>::new();
    imports
        .func("env", "note", |caller: &Caller<'_, Context>, note: i32| {
            caller.data().notes.lock().unwrap().push(note);
        })
        .func("env", "exit", |_: &Caller<'_, Context>, status: i32| {
            Err::<(), _>(HostError::Exit(status))
        })
        .func("env", "read", |caller: &Caller<'_, Context>| {
            let mut stream = &caller.data().stream;
            match caller.blocking(|| stream.read(&mut [0; 1])) {
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
        });
    let engine = Engine::new().unwrap();
    let module = Module::load(&engine, &wat::parse_str(text).unwrap(), &imports).unwrap();
    let (stream, other) = UnixStream::pair().unwrap();
    let context = Context {
        notes: Mutex::default(),
        stream,
    };
    let instance = Instance::new(&module, context, InstanceConfig::default()).unwrap();
    (instance, other)
}

fn kind(result: Result<Vec<Val>, CallError>) -> TrapKind {
    match result {
        Err(CallError::Trap(trap)) => trap.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn threads_share_memory_and_context() {
    let (instance, _other) = instance("(call $note (local.get 1)) (call $wake)", "(call $wait)");
    assert_eq!(instance.call("run", &[]).unwrap(), [Val::I32(0)]);
    assert_eq!(*instance.data().notes.lock().unwrap(), [7]);
    assert_eq!(instance.memory().read_u32(0).unwrap(), 1);
}

#[test]
fn a_stop_ends_all_threads() {
    for (thread, main) in [
        ("(loop br 0)", "(loop br 0)"),
        ("(call $read)", "(loop br 0)"),
        ("(loop br 0)", "(call $read)"),
        ("(call $read)", "(call $read)"),
    ] {
        let (instance, _other) = instance(thread, main);
        let stop = instance.stop_handle();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            stop.stop();
        });
        let begin = Instant::now();
        assert_eq!(
            kind(instance.call("run", &[])),
            TrapKind::Stopped,
            "{thread}, {main}"
        );
        drop(instance);
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{thread}, {main}"
        );
        stopper.join().unwrap();
    }
}

#[test]
fn an_exit_or_trap_of_one_thread_ends_the_others() {
    for main in ["(loop br 0)", "(call $read)", "(call $wait)"] {
        let (exiting, _other) = instance("(call $exit (i32.const 5))", main);
        assert_eq!(kind(exiting.call("run", &[])), TrapKind::Exit(5), "{main}");
        let (trapping, _other) = instance("unreachable", main);
        assert_eq!(
            kind(trapping.call("run", &[])),
            TrapKind::Unreachable,
            "{main}"
        );
    }
}

#[test]
fn dropping_an_instance_ends_its_threads() {
    for thread in ["(loop br 0)", "(call $read)"] {
        let (instance, _other) = instance(thread, "");
        assert_eq!(instance.call("run", &[]).unwrap(), [Val::I32(0)]);
        drop(instance);
    }
}

/// WAMR has one lock for all shared memories of the process; a trap must not
/// leave it locked.
#[test]
fn atomic_traps_leave_other_modules_running() {
    let text = r#"(module
        (memory 1 2 shared)
        (func (export "load") (drop (i32.atomic.load8_u (i32.const 65536))))
        (func (export "store") (i64.atomic.store (i32.const 65528) (i64.const 1))
            (i64.atomic.store (i32.const 131064) (i64.const 1)))
        (func (export "add") (drop (i32.atomic.rmw.add (i32.const -4) (i32.const 1))))
        (func (export "cas") (drop
            (i64.atomic.rmw32.cmpxchg_u offset=8 (i32.const 65536) (i64.const 1) (i64.const 2))))
        (func (export "wait") (drop
            (memory.atomic.wait32 (i32.const 65536) (i32.const 1) (i64.const 0))))
        (func (export "notify") (drop (memory.atomic.notify (i32.const 65536) (i32.const 1))))
        (func (export "fine") (result i32)
            (drop (i32.atomic.rmw8.add_u (i32.const 0) (i32.const 1)))
            (memory.grow (i32.const 1))))"#;
    let engine = Engine::new().unwrap();
    let wasm = wat::parse_str(text).unwrap();
    let module = Module::load(&engine, &wasm, &Imports::<()>::new()).unwrap();
    for name in ["load", "store", "add", "cas", "wait", "notify"] {
        let bad = Instance::new(&module, (), InstanceConfig::default()).unwrap();
        assert_eq!(
            kind(bad.call(name, &[])),
            TrapKind::MemoryOutOfBounds,
            "{name}"
        );
        let other = Instance::new(&module, (), InstanceConfig::default()).unwrap();
        assert_eq!(other.call("fine", &[]).unwrap(), [Val::I32(1)], "{name}");
    }
}

#[test]
fn a_thread_start_of_another_type_is_refused() {
    let results = "i64 ".repeat(200);
    let values = "(i64.const 0x414141414141) ".repeat(200);
    for start in [
        format!("(param i32 i32) (result {results}) {values}"),
        "(param i64 i64 i64 i64)".to_owned(),
        "(param i32)".to_owned(),
    ] {
        let text = format!(
            r#"(module
                (import "wasi" "thread-spawn" (func (param i32) (result i32)))
                (import "env" "memory" (memory 1 1 shared))
                (func (export "wasi_thread_start") {start}))"#
        );
        let engine = Engine::new().unwrap();
        let wasm = wat::parse_str(text).unwrap();
        let error = Module::load(&engine, &wasm, &Imports::<()>::new()).unwrap_err();
        assert!(
            error.to_string().contains("wasi_thread_start"),
            "{start}: {error}"
        );
    }
}

#[test]
fn start_functions_that_trap_or_start_threads_are_contained() {
    for start in [
        // Traps in the instances of threads, after the first one.
        "(if (i32.atomic.rmw.add (i32.const 8) (i32.const 1)) (then unreachable))",
        // Starts threads, each of which would start more.
        "(drop (call $spawn (i32.const 1)))",
        // Fills the stack in the instances of threads.
        "(if (i32.atomic.rmw.add (i32.const 8) (i32.const 1)) (then (call $start)))",
    ] {
        let text = format!(
            r#"(module
                (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
                (import "env" "memory" (memory 1 1 shared))
                (func $start {start})
                (start $start)
                (func (export "wasi_thread_start") (param i32 i32))
                (func $deep (param i32) (result i32)
                    (if (result i32) (local.get 0)
                        (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
                        (else (call $spawn (i32.const 7)))))
                (func (export "run") (result i32) (call $deep (i32.const 20))))"#
        );
        let engine = Engine::new().unwrap();
        let imports = Imports::<()>::new();
        let module = Module::load(&engine, &wat::parse_str(text).unwrap(), &imports).unwrap();
        for _ in 0..20 {
            // Whether it traps or not: the process goes on.
            if let Ok(instance) = Instance::new(&module, (), InstanceConfig::default()) {
                let _ = instance.call("run", &[]);
            }
        }
    }
}

#[test]
fn a_thread_of_a_start_function_is_stopped() {
    let wasm = wat::parse_str(
        r#"(module
            (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
            (memory (export "memory") 1 1 shared)
            (func (export "wasi_thread_start") (param i32 i32) (loop (br 0)))
            (func $start (drop (call $spawn (i32.const 5))))
            (start $start))"#,
    )
    .unwrap();
    let engine = Engine::new().unwrap();
    let module = Module::load(&engine, &wasm, &Imports::<()>::new()).unwrap();
    let config = InstanceConfig::default();
    let stop = config.stop.clone();
    let maker = std::thread::spawn(move || Instance::new(&module, (), config).map(drop));
    std::thread::sleep(Duration::from_millis(50));
    stop.stop();
    // With or without an instance, but in time.
    let _ = maker.join().unwrap();
}
