//! `arena run --invoke`.

use std::ffi::OsStr;

use crate::harness::{Outcome, Place, arena, sample};

fn invoke(name: &str, values: &[&str]) -> Outcome {
    let library = sample("library.wasm");
    let args = [
        OsStr::new("run"),
        OsStr::new("--invoke"),
        OsStr::new(name),
        library.as_os_str(),
    ];
    arena(args.into_iter().chain(values.iter().map(OsStr::new)))
}

#[test]
fn results_are_printed() {
    invoke("add", &["2", "3"]).prints("5\n");
    invoke("add", &["-2", "-3"]).prints("-5\n");
    invoke("add", &["0xff", "4294967295"]).prints("254\n");
    invoke("fib", &["50"]).prints("12586269025\n");
    invoke("hypot", &["3", "4"]).prints("5\n");
    invoke("hypot", &["-3e2", "4e+2"]).prints("500\n");
    invoke("hypot", &["inf", "0"]).prints("inf\n");
    invoke("mul_f32", &["0.5", "3"]).prints("1.5\n");
    invoke("count", &[]).prints("1\n");
}

#[test]
fn several_results_are_a_line_each_and_none_is_no_line() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module
            (func (export "swap") (param i32 i64) (result i64 i32) local.get 1 local.get 0)
            (func (export "nothing")))"#,
    );
    let call = |args: &[&str]| place.arena(args).outcome();
    call(&["run", "--invoke=swap", "m.wat", "1", "-2"]).prints("-2\n1\n");
    call(&["run", "--invoke=nothing", "m.wat"]).prints("");
}

#[test]
fn a_function_that_does_not_exist_is_named() {
    invoke("subtract", &["2", "3"]).fails(126, &["\"subtract\"", "arena inspect"]);
    // An export that is no function.
    invoke("memory", &[]).fails(126, &["\"memory\""]);
}

#[test]
fn values_are_checked_against_the_type() {
    invoke("add", &["2"]).fails(2, &["add", "2 values", "(i32, i32) -> i32"]);
    invoke("add", &["1", "2", "3"]).fails(2, &["2 values", "3 are given"]);
    invoke("add", &["2", "three"]).fails(2, &["\"three\"", "i32"]);
    invoke("add", &["2", "4294967296"]).fails(2, &["\"4294967296\"", "i32"]);
    invoke("add", &["1.5", "2"]).fails(2, &["\"1.5\"", "i32"]);
    invoke("hypot", &["x", "2"]).fails(2, &["\"x\"", "f64"]);
    invoke("fib", &[""]).fails(2, &["i64"]);
}

#[test]
fn a_function_that_traps_is_a_trap() {
    invoke("divide", &["1", "0"])
        .exits(134)
        .stderr_has("arena: trap: integer divide by zero\n   0: divide (function ");
}

#[test]
fn a_command_can_be_started_by_name() {
    let hello = sample("hello.wasm");
    arena([
        OsStr::new("run"),
        OsStr::new("--invoke=_start"),
        hello.as_os_str(),
    ])
    .prints("Hello from WebAssembly!\n");
}

#[test]
fn a_library_without_invoke_is_told_how() {
    arena([OsStr::new("run"), sample("library.wasm").as_os_str()])
        .fails(126, &["_start", "--invoke NAME"]);
}
