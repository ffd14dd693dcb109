//! `arena run --stats`.

use serde_json::Value;

use crate::harness::{Outcome, Place};

const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $clocks (param $n i32)
        (loop $again
            (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "_start")
        (drop (memory.grow (i32.const 2)))
        (call $clocks (i32.const 7))
        (call $exit (i32.const 3)))
    (func (export "fails") (call $clocks (i32.const 2)) unreachable)
    (func (export "stays") (loop $again (br $again))))"#;

fn run(options: &[&str]) -> Outcome {
    let place = Place::new();
    place.file("m.wat", MODULE);
    let all = ["run"].iter().chain(options);
    place.arena(all.chain(&["m.wat"])).outcome()
}

/// What `--stats=json` has written in the line that is one of its own.
fn stats(outcome: &Outcome) -> Value {
    let line = outcome.stderr.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap()).unwrap()
}

#[test]
fn figures_for_scripts() {
    let outcome = run(&["--stats=json"]);
    outcome.exits(3);
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    let stats = stats(&outcome);
    assert!(
        stats["engine"].as_str().unwrap().ends_with("interpreter"),
        "{stats}"
    );
    assert_eq!(stats["peak_linear_memory"], 3 * 65_536);
    assert!(
        stats["peak_resident_memory"].as_u64().unwrap() > 65_536,
        "{stats}"
    );
    let time = |name: &str| stats[name].as_u64().unwrap();
    let parts = time("load_us") + time("instantiate_us") + time("run_us");
    assert!(parts <= time("wall_us"), "{stats}");
    assert!(
        stats["user_us"].is_u64() && stats["system_us"].is_u64(),
        "{stats}"
    );
    let instructions = &stats["instructions"];
    assert!(
        instructions.is_null() || instructions.as_u64() > Some(0),
        "{stats}"
    );
    let calls: Vec<_> = stats["host_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| {
            (
                call["name"].as_str().unwrap(),
                call["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(calls, [("clock_time_get", 7), ("proc_exit", 1)]);
    assert_eq!(stats["host_calls"][0]["module"], "wasi_snapshot_preview1");
}

#[test]
fn figures_for_people() {
    let outcome = run(&["--stats"]);
    outcome
        .exits(3)
        .stderr_has("interpreter\n")
        .stderr_has("wall time:")
        .stderr_has("  instantiate:")
        .stderr_has("linear memory:    192.0 KiB\n")
        .stderr_has("host calls:       8\n");
    let row = outcome
        .stderr
        .lines()
        .find(|line| line.contains("clock_time_get"));
    let columns: Vec<_> = row.unwrap().split_whitespace().collect();
    assert_eq!(columns[..2], ["wasi_snapshot_preview1.clock_time_get", "7"]);
}

#[test]
fn a_trap_and_a_timeout_have_figures_too() {
    let outcome = run(&["--stats=json", "--invoke=fails"]);
    outcome.exits(134).stderr_has("arena: trap: unreachable");
    assert_eq!(stats(&outcome)["host_calls"][0]["count"], 2);
    let outcome = run(&["--stats=json", "--invoke=stays", "--timeout=300ms"]);
    outcome.exits(124).stderr_has("its time is over");
    assert_eq!(stats(&outcome)["host_calls"], Value::Array(Vec::new()));
}

#[test]
fn nothing_is_told_that_was_not_asked_for() {
    let outcome = run(&[]);
    outcome.exits(3);
    assert_eq!(outcome.stderr, "");
    run(&["--stats=xml"]).fails(2, &["--stats"]);
    // Without a module there are no figures.
    let place = Place::new();
    place
        .arena(["run", "--stats", "none.wat"])
        .outcome()
        .fails(127, &["none.wat"]);
}
