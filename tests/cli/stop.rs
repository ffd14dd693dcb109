//! What ends a module from outside: time-outs and signals.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Place, arena, sample};

#[test]
fn a_timeout_ends_a_loop() {
    let outcome = arena([
        OsStr::new("run"),
        OsStr::new("--timeout=200ms"),
        sample("endless-loop.wasm").as_os_str(),
    ]);
    outcome.exits(124).has_message(&["time"]);
    assert!(outcome.took >= Duration::from_millis(200));
}

#[test]
fn a_timeout_ends_a_sleep() {
    let outcome = arena([
        OsStr::new("run"),
        OsStr::new("--timeout=0.2"),
        sample("sleep.wasm").as_os_str(),
        OsStr::new("600"),
    ]);
    outcome.exits(124).has_message(&["time"]);
}

#[test]
fn a_timeout_ends_a_read() {
    let mut run = Place::new().arena([
        OsStr::new("run"),
        OsStr::new("--timeout=200ms"),
        sample("cat.wasm").as_os_str(),
    ]);
    let (reader, writer) = std::io::pipe().unwrap();
    run.command.stdin(reader);
    run.outcome().fails(124, &["time"]);
    drop(writer);
}

#[test]
fn a_timeout_ends_a_write_that_nobody_reads() {
    let place = Place::new();
    place.file("big", vec![0; 1 << 20]);
    let mut run = place.arena([
        OsStr::new("run"),
        OsStr::new("--timeout=500ms"),
        sample("cat.wasm").as_os_str(),
    ]);
    let (reader, writer) = std::io::pipe().unwrap();
    run.command
        .stdin(std::fs::File::open(place.path("big")).unwrap())
        .stdout(writer);
    run.outcome().exits(124).has_message(&["time"]);
    drop(reader);
}

#[test]
fn a_timeout_that_is_not_reached_changes_nothing() {
    for time in ["60s", "1h", "1m30s", "1e18"] {
        arena([
            OsStr::new("run"),
            OsStr::new("--timeout"),
            OsStr::new(time),
            sample("hello.wasm").as_os_str(),
        ])
        .prints("Hello from WebAssembly!\n");
    }
}

#[test]
fn no_time_at_all_is_a_timeout() {
    arena([
        OsStr::new("run"),
        OsStr::new("--timeout=0s"),
        sample("endless-loop.wasm").as_os_str(),
    ])
    .exits(124);
}

#[test]
fn a_timeout_ends_a_start_function() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module (func $f (loop br 0)) (start $f) (func (export "_start")))"#,
    );
    place
        .arena(["run", "--timeout=200ms", "m.wat"])
        .outcome()
        .fails(124, &["time"]);
}

#[test]
fn ctrl_c_ends_a_loop() {
    let mut running = Place::new()
        .arena([OsStr::new("run"), sample("endless-loop.wasm").as_os_str()])
        .start();
    running.wait_for_line("looping");
    running.signal(Signal::INT);
    running.wait().exits(130).has_message(&["Ctrl-C"]);
}

#[test]
fn ctrl_c_ends_a_sleep() {
    let mut running = Place::new()
        .arena([
            OsStr::new("run"),
            sample("sleep.wasm").as_os_str(),
            OsStr::new("600"),
        ])
        .start();
    running.wait_for_line("sleeping 600 s");
    running.signal(Signal::INT);
    running.wait().exits(130).has_message(&["Ctrl-C"]);
}

#[test]
fn ctrl_c_ends_a_read() {
    let mut run = Place::new().arena([OsStr::new("run"), sample("cat.wasm").as_os_str()]);
    run.command.stdin(Stdio::piped());
    let running = run.start();
    // The module says nothing before it reads.
    let emulated = crate::program::is_emulated();
    std::thread::sleep(Duration::from_millis(if emulated { 3000 } else { 300 }));
    running.signal(Signal::INT);
    running.wait().exits(130).has_message(&["Ctrl-C"]);
}

#[test]
fn sigterm_ends_a_module() {
    let mut running = Place::new()
        .arena([OsStr::new("run"), sample("endless-loop.wasm").as_os_str()])
        .start();
    running.wait_for_line("looping");
    running.signal(Signal::TERM);
    running.wait().exits(143).has_message(&["SIGTERM"]);
}
