//! Traps: a message, the wasm call stack, and 134.

use crate::harness::{Outcome, Place, run};

/// The lines on stderr from our message on.
fn report(outcome: &Outcome) -> Vec<String> {
    outcome.exits(134);
    outcome
        .stderr
        .lines()
        .skip_while(|line| !line.starts_with("arena: trap: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_kind_of_trap_has_its_message_and_a_call_stack() {
    for (sample, message) in [
        ("trap-unreachable.wasm", "unreachable"),
        ("trap-out-of-bounds.wasm", "out of bounds memory access"),
        ("trap-divide-by-zero.wasm", "integer divide by zero"),
        ("trap-indirect-call.wasm", "indirect call type mismatch"),
        ("trap-stack-overflow.wasm", "stack overflow"),
        ("panic-rust.wasm", "unreachable"),
    ] {
        let outcome = run(sample, &[]);
        let report = report(&outcome);
        assert!(report[0].contains(message), "{sample}: {report:?}");
        assert!(report[1].starts_with("   0: "), "{sample}: {report:?}");
        // What was written before the trap is not lost.
        outcome.stdout_has("about to ");
    }
}

#[test]
fn the_call_stack_names_functions() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module
            (func $inner unreachable)
            (func $outer call $inner)
            (func (export "_start") call $outer))"#,
    );
    assert_eq!(
        report(&place.arena(["run", "m.wat"]).outcome()),
        [
            "arena: trap: unreachable",
            "   0: inner (function 0)",
            "   1: outer (function 1)",
            "   2: _start (function 2)"
        ]
    );
}

#[test]
fn a_recursion_is_folded() {
    let place = Place::new();
    place.file("m.wat", r#"(module (func $f (export "_start") call $f))"#);
    let report = report(&place.arena(["run", "m.wat"]).outcome());
    assert_eq!(report.len(), 4, "{report:?}");
    assert_eq!(
        report[1..3],
        ["   0: f (function 0)", "      and the same 63 times more"]
    );
    assert!(report[3].ends_with(" outer frames"), "{report:?}");
}

#[test]
fn rust_names_are_readable() {
    run("panic-rust.wasm", &[])
        .exits(134)
        .stderr_has(": panic_rust::main (function ");
}

#[test]
fn names_do_not_steer_the_terminal() {
    let place = Place::new();
    place.file(
        "m.wat",
        "(module (func (export \"_start\") call $f) (func $f (@name \"\\1b[2J\\n\\07\") unreachable))",
    );
    let outcome = place.arena(["run", "m.wat"]).outcome();
    assert_eq!(
        report(&outcome)[1],
        "   0: \u{fffd}[2J\u{fffd}\u{fffd} (function 1)"
    );
}

#[test]
fn a_trap_in_the_start_function_is_one_too() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#,
    );
    let report = report(&place.arena(["run", "m.wat"]).outcome());
    assert_eq!(report[0], "arena: trap: unreachable");
}
