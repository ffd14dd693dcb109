//! `--max-memory` and `--stack-size`.

use std::ffi::OsStr;

use crate::harness::{Place, arena, sample};

#[test]
fn memory_grows_to_the_limit_and_no_further() {
    let run = |limit: &str| {
        arena([
            OsStr::new("run"),
            OsStr::new("--max-memory"),
            OsStr::new(limit),
            sample("trap-memory-exhaustion.wasm").as_os_str(),
        ])
    };
    run("16MiB")
        .exits(134)
        .stderr_has("out of memory after 15 MiB");
    run("8388608")
        .exits(134)
        .stderr_has("out of memory after 7 MiB");
}

#[test]
fn a_module_that_begins_with_more_is_refused() {
    let place = Place::new();
    place.file("m.wat", r#"(module (memory 100) (func (export "_start")))"#);
    let run = |limit: &str| {
        place
            .arena(["run", "--max-memory", limit, "m.wat"])
            .outcome()
    };
    run("1MiB").fails(126, &["6553600", "1048576", "--max-memory"]);
    run("6553599").fails(126, &["6553599"]);
    run("0").fails(2, &["64KiB"]);
    run("6553600").prints("");
}

#[test]
fn a_larger_stack_holds_a_deeper_recursion() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module (func $down (export "down") (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0))
                (then (i32.const 42))
                (else (call $down (i32.sub (local.get 0) (i32.const 1)))))))"#,
    );
    let run = |size: &str, depth: &str| {
        place
            .arena(["run", "--stack-size", size, "--invoke=down", "m.wat", depth])
            .outcome()
    };
    run("16KiB", "10").prints("42\n");
    run("64KiB", "20000")
        .exits(134)
        .stderr_has("stack overflow");
    run("16MiB", "20000").prints("42\n");
}
