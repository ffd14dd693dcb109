//! Modules with threads of their own: all share the channels.

use std::thread;
use std::time::Duration;

use arena_runtime::wamr::{CallError, TrapKind};
use arena_runtime::wasi::Stream;

use super::harness::{Running, config};
use super::wat_module;

/// A module whose thread does `thread` and whose main thread does `main`. `$say` writes a letter
/// as a line, `$open_in` and `$open_light` open channels for reading, `$poll` waits for one for
/// ever, `$take` takes a message of one and drops it.
fn module(thread: &str, main: &str) -> arena_runtime::wamr::Module<super::harness::Context> {
    wat_module(&format!(
        r#"(module
            (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
            (import "env" "memory" (memory 1 1 shared))
            (import "env" "ch_open" (func $open (param i32 i32 i32) (result i32)))
            (import "env" "ch_close" (func $close (param i32) (result i32)))
            (import "env" "ch_poll" (func $ch_poll (param i32 i32 i32) (result i32)))
            (import "env" "ch_read_msg" (func $read (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write"
                (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (data (i32.const 0) "/ch/in\00")
            (data (i32.const 16) "light\00")
            (func $open_in (result i32)
                (call $open (i32.const 0) (i32.const 0) (i32.const 0)))
            (func $open_light (result i32)
                (call $open (i32.const 16) (i32.const 0) (i32.const 0)))
            ;; Each waits with its own list, at the address that it gives.
            (func $poll (param $fd i32) (param $at i32) (result i32)
                (i32.store (local.get $at) (local.get $fd))
                (call $ch_poll (local.get $at) (i32.const 1) (i32.const 0)))
            (func $take (param $fd i32)
                (drop (call $read (local.get $fd) (i32.const 1024) (i32.const 64))))
            (func $say (param $letter i32) (param $at i32)
                (i32.store (local.get $at)
                    (i32.or (local.get $letter) (i32.const 0x0a00)))
                (i32.store offset=4 (local.get $at) (local.get $at))
                (i32.store offset=8 (local.get $at) (i32.const 2))
                (drop (call $fd_write (i32.const 1)
                    (i32.add (local.get $at) (i32.const 4)) (i32.const 1)
                    (i32.add (local.get $at) (i32.const 12)))))
            (func (export "wasi_thread_start") (param i32 i32) (local $fd i32) {thread})
            (func (export "_start") (local $fd i32)
                (if (i32.lt_s (call $spawn (i32.const 7)) (i32.const 0)) (then unreachable))
                {main}))"#
    ))
}

/// `t` and `m` when a thread has its message.
const THREAD: &str = "(local.set $fd (call $open_in))
    (call $say (i32.const 0x54) (i32.const 256))
    (loop $again
        (drop (call $poll (local.get $fd) (i32.const 128)))
        (call $take (local.get $fd))
        (call $say (i32.const 0x74) (i32.const 256))
        (br $again))";
const MAIN: &str = "(local.set $fd (call $open_light))
    (call $say (i32.const 0x4d) (i32.const 512))
    (loop $again
        (drop (call $poll (local.get $fd) (i32.const 192)))
        (call $take (local.get $fd))
        (call $say (i32.const 0x6d) (i32.const 512))
        (br $again))";

fn start(thread: &str, main: &str) -> Running {
    let module = module(thread, main);
    Running::start(&module, &[], config(), Stream::Null, |_, _| {})
}

fn both_wait(running: &Running) {
    let mut first = [running.line(), running.line()];
    first.sort();
    assert_eq!(first, ["M", "T"]);
    thread::sleep(Duration::from_millis(10));
}

#[test]
fn each_thread_waits_for_its_own_channel() {
    let running = start(THREAD, MAIN);
    both_wait(&running);
    for _ in 0..50 {
        running.publish("realm/test/in", "x");
        assert_eq!(running.line(), "t");
        running.publish("kitchen/light", "x");
        assert_eq!(running.line(), "m");
    }
    super::is_stopped(running);
}

#[test]
fn a_channel_that_another_thread_closes() {
    // The thread waits for a channel and ends with the result, -1, which the main thread
    // brings about by closing it.
    let running = start(
        "(local.set $fd (call $open_in))
         (call $say (i32.const 0x54) (i32.const 256))
         (if (i32.eq (call $poll (local.get $fd) (i32.const 128)) (i32.const -1))
             (then (call $exit (i32.const 5))))",
        "(local.set $fd (call $open_light))
         (call $say (i32.const 0x4d) (i32.const 512))
         (drop (call $poll (local.get $fd) (i32.const 192)))
         (drop (call $close (call $open_in)))
         (drop (call $poll (local.get $fd) (i32.const 192)))
         (call $take (local.get $fd))
         (drop (call $poll (local.get $fd) (i32.const 192)))",
    );
    both_wait(&running);
    running.publish("kitchen/light", "close it");
    let (ended, _) = running.end();
    assert!(matches!(ended, Ok(5)), "{ended:?}");
}

#[test]
fn a_trap_in_one_thread_ends_the_wait_of_another() {
    let running = start(
        "(local.set $fd (call $open_in))
         (call $say (i32.const 0x54) (i32.const 256))
         (drop (call $poll (local.get $fd) (i32.const 128)))
         unreachable",
        MAIN,
    );
    both_wait(&running);
    running.publish("realm/test/in", "trap");
    match running.end() {
        (Err(CallError::Trap(trap)), _) => assert_eq!(trap.kind(), TrapKind::Unreachable),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_end_of_the_main_thread_ends_waits() {
    let running = start(
        THREAD,
        "(local.set $fd (call $open_light))
         (call $say (i32.const 0x4d) (i32.const 512))
         (drop (call $poll (local.get $fd) (i32.const 192)))",
    );
    both_wait(&running);
    running.publish("kitchen/light", "end");
    let (ended, _) = running.end();
    assert!(matches!(ended, Ok(0)), "{ended:?}");
}
