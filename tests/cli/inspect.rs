//! `arena inspect`.

use std::ffi::OsStr;

use serde_json::{Value, json};

use crate::harness::{Place, arena, sample};

fn inspect(name: &str) -> String {
    let outcome = arena([OsStr::new("inspect"), sample(name).as_os_str()]);
    outcome.exits(0);
    outcome.stdout()
}

#[test]
fn a_command_is_described() {
    let text = inspect("hello.wasm");
    let size = std::fs::metadata(sample("hello.wasm")).unwrap().len();
    assert!(
        text.starts_with(&format!("kind:     wasm, {size} bytes\n")),
        "{text}"
    );
    for part in [
        "\nmemory:   128.0 KiB\n",
        "\nimports (",
        "\n  provided  wasi_snapshot_preview1.fd_write: function (i32, i32, i32, i32) -> i32\n",
        "\nexports (2):\n",
        "\n  memory: memory of 2 pages\n",
        "\n  _start: function () -> ()\n",
        "\ncustom sections (",
        "\n  name: ",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("MISSING"), "{text}");
}

const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
    (import "arena" "shine" (func (param i32 f64)))
    (import "env" "base" (global i64))
    (memory (export "memory") 2 16)
    (global (export "level") (mut f32) (f32.const 0))
    (table (export "table") 3 funcref)
    (func (export "extend") (param i32) (result i32) (i32.extend8_s (local.get 0)))
    (@custom "notes" "12345"))"#;

#[test]
fn text_names_what_is_missing_and_needed() {
    let place = Place::new();
    place.file("m.wat", MODULE);
    let outcome = place.arena(["inspect", "m.wat"]).outcome();
    outcome
        .exits(0)
        .stdout_has("memory:   128.0 KiB, at most 1.0 MiB\n")
        .stdout_has("features: mutable-globals, sign-ext\n")
        .stdout_has("  provided  wasi_snapshot_preview1.sched_yield: function () -> i32\n")
        .stdout_has("  MISSING   arena.shine: function (i32, f64) -> ()\n")
        .stdout_has("  MISSING   env.base: global i64\n")
        .stdout_has("  notes: 5 bytes\n");
}

#[test]
fn json_has_all_of_it() {
    let place = Place::new();
    place.file("m.wat", MODULE);
    let outcome = place.arena(["inspect", "--json", "m.wat"]).outcome();
    outcome.exits(0);
    let mut json: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert!(json["size"].take().as_u64().unwrap() > 100);
    let custom = json["custom_sections"].take();
    assert!(
        custom
            .as_array()
            .unwrap()
            .contains(&json!({"name": "notes", "size": 5}))
    );
    assert_eq!(
        json,
        json!({
            "kind": "wasm",
            "size": null,
            "signatures": [],
            "imports": [
                {
                    "module": "wasi_snapshot_preview1",
                    "name": "sched_yield",
                    "type": "function () -> i32",
                    "provided": true
                },
                {
                    "module": "arena",
                    "name": "shine",
                    "type": "function (i32, f64) -> ()",
                    "provided": false
                },
                {"module": "env", "name": "base", "type": "global i64", "provided": false}
            ],
            "exports": [
                {"name": "memory", "type": "memory of 2 pages, at most 16"},
                {"name": "level", "type": "global mut f32"},
                {"name": "table", "type": "table"},
                {"name": "extend", "type": "function (i32) -> i32"}
            ],
            "memories": [
                {"initial_bytes": 131_072, "maximum_bytes": 1_048_576, "shared": false}
            ],
            "features": ["mutable-globals", "sign-ext"],
            "custom_sections": null
        })
    );
}

#[test]
fn what_inspect_marks_as_provided_is_what_run_accepts() {
    for name in [
        "hello.wasm",
        "files.wasm",
        "hello-rust.wasm",
        "clock-random.wasm",
    ] {
        assert!(!inspect(name).contains("MISSING"), "{name}");
    }
}

#[test]
fn names_do_not_steer_the_terminal() {
    let place = Place::new();
    place.file("m.wat", "(module (func (export \"\\1b[2J\\n\")))");
    place
        .arena(["inspect", "m.wat"])
        .outcome()
        .exits(0)
        .stdout_has("  \u{fffd}[2J\u{fffd}: function");
}
