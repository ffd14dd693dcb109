//! Faults in host code end the process at once, with a word of what happened.
//!
//! Each test runs one of the ignored tests below, which does not survive, in a
//! child process: several of its threads are set up for modules, which is when
//! WAMR's own fault handler would forward a fault to itself for ever.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

#[path = "support/program.rs"]
mod program;

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use arena_runtime::wamr::{Caller, Engine, Imports, Instance, InstanceConfig, Module};

/// Runs an ignored test of this file, and returns how it ended and what it
/// wrote to stderr.
fn child(test: &str) -> (ExitStatus, String) {
    let mut child = program::command(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{test} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut stderr = String::new();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    (status, stderr)
}

/// Calls `fault` in a host function, from a guest that has memory, on a thread
/// of its own, while others are set up for modules too.
fn in_a_guest(fault: fn()) {
    let engine = Engine::new().unwrap();
    let all_set_up = Arc::new(Barrier::new(5));
    for _ in 0..4 {
        let engine = engine.clone();
        let all_set_up = Arc::clone(&all_set_up);
        std::thread::spawn(move || {
            let _thread = engine.enter_thread().unwrap();
            all_set_up.wait();
            std::thread::sleep(Duration::from_secs(120));
        });
    }
    all_set_up.wait();
    let mut imports = Imports::<()>::new();
    imports.func("env", "fault", move |_: &Caller<'_, ()>| fault());
    let wasm = wat::parse_str(
        r#"(module (import "env" "fault" (func $fault)) (memory 1)
            (func (export "bad") (drop (i32.load (i32.const -1))))
            (func (export "run") call $fault))"#,
    )
    .unwrap();
    let module = Module::load(&engine, &wasm, &imports).unwrap();
    std::thread::spawn(move || {
        let instance = Instance::new(&module, (), InstanceConfig::default()).unwrap();
        // A fault that is the module's own is a trap, before and after.
        instance.call("bad", &[]).unwrap_err();
        instance.call("run", &[])
    })
    .join()
    .unwrap()
    .unwrap();
}

fn dereference_null() {
    let address = std::hint::black_box(8 as *const u8);
    // SAFETY: none; this is the fault that the test is about.
    unsafe { address.read_volatile() };
}

fn overflow_the_stack() {
    #[expect(unconditional_recursion, reason = "it is the fault")]
    fn descend(depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 512]);
        descend(depth + 1) + frame[7]
    }
    std::hint::black_box(descend(0));
}

#[test]
#[ignore = "does not survive; run by the tests below"]
fn null_in_a_host_function() {
    in_a_guest(dereference_null);
}

#[test]
#[ignore = "does not survive; run by the tests below"]
fn null_on_a_plain_thread() {
    let engine = Engine::new().unwrap();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let engine = engine.clone();
            std::thread::spawn(move || drop(engine.enter_thread().unwrap()))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    dereference_null();
}

#[test]
#[ignore = "does not survive; run by the tests below"]
fn overflow_in_a_host_function() {
    in_a_guest(overflow_the_stack);
}

#[test]
#[ignore = "does not survive; run by the tests below"]
fn overflow_on_a_plain_thread() {
    let engine = Engine::new().unwrap();
    drop(engine.enter_thread().unwrap());
    overflow_the_stack();
}

#[test]
fn a_null_dereference_ends_the_process_with_a_message() {
    for test in ["null_in_a_host_function", "null_on_a_plain_thread"] {
        let (status, stderr) = child(test);
        assert_eq!(status.signal(), Some(libc::SIGSEGV), "{test}: {stderr}");
        assert!(
            stderr.contains("arena: fatal: SIGSEGV in native code at address 0x8\n"),
            "{test}: {stderr}"
        );
    }
}

#[test]
fn a_stack_overflow_in_rust_has_rusts_own_message() {
    for test in ["overflow_in_a_host_function", "overflow_on_a_plain_thread"] {
        let (status, stderr) = child(test);
        assert_eq!(status.signal(), Some(libc::SIGABRT), "{test}: {stderr}");
        assert!(
            stderr.contains("has overflowed its stack"),
            "{test}: {stderr}"
        );
    }
}

#[test]
fn a_thread_setup_touches_no_stack_pages() {
    let engine = Engine::new().unwrap();
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
    };
    let all_set_up = Arc::new(Barrier::new(33));
    let measured = Arc::new(Barrier::new(33));
    let before = resident();
    let threads: Vec<_> = (0..32)
        .map(|_| {
            let engine = engine.clone();
            let all_set_up = Arc::clone(&all_set_up);
            let measured = Arc::clone(&measured);
            std::thread::Builder::new()
                .stack_size(4 * 1024 * 1024)
                .spawn(move || {
                    let _thread = engine.enter_thread().unwrap();
                    all_set_up.wait();
                    measured.wait();
                })
                .unwrap()
        })
        .collect();
    all_set_up.wait();
    let grown = resident().saturating_sub(before);
    measured.wait();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(
        grown < 32 * 256,
        "32 threads of 4 MiB stack took {grown} KiB"
    );
}
