//! `arena run --channel`: modules with channels, without a supervisor.

use std::path::{Path, PathBuf};

use crate::harness::{Place, arena};

fn guest(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/guests/build/ch")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run scripts/build-samples --tests",
        path.display()
    );
    path
}

#[test]
fn channels_within_the_process() {
    let guest = guest("waits.wasm");
    let guest = guest.to_str().unwrap();
    let args = [
        "run",
        "--channel",
        "/ch/out=realm/out:w",
        "--channel",
        "/ch/both=realm/both",
        guest,
        "write",
    ];
    arena(args).prints("alone: 1 1\nboth: 0\nsomething: 1 1\n");
}

/// Without a channel, a module sees what it always saw.
#[test]
fn no_directories_for_who_has_no_channels() {
    let place = Place::new();
    place.file(
        "first.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "fd_prestat_get"
                (func $prestat (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "first") (result i32) (call $prestat (i32.const 3) (i32.const 0))))"#,
    );
    let run = |options: &[&str]| {
        let mut args = vec!["run"];
        args.extend(options);
        args.extend(["--invoke", "first", "first.wat"]);
        place.arena(args).outcome()
    };
    run(&[]).prints("8\n");
    run(&["--channel", "light=realm/light"]).prints("0\n");
}

#[test]
fn channels_that_cannot_be() {
    for (channel, why) in [
        ("light", "PATH=TOPIC"),
        ("=realm/x", "PATH=TOPIC"),
        ("light=", "PATH=TOPIC"),
        ("light=a/#/b", "wildcard"),
    ] {
        arena(["run", "--channel", channel, "x.wasm"]).fails(2, &["--channel", why]);
    }
    let place = Place::new();
    place.file("x.wat", r#"(module (func (export "_start")))"#);
    let run = |channels: &[&str]| {
        let mut args = vec!["run", "x.wat"];
        args.extend(channels.iter().flat_map(|channel| ["--channel", channel]));
        place.arena(args).outcome()
    };
    run(&["light=realm/proc/reg"]).fails(2, &["realm/proc/reg", "light"]);
    run(&["light=a", "light=b"]).fails(2, &["light"]);
    run(&["light=a", "light=a"]).prints("");
}

/// Why a module does not get a channel is said once, on stderr.
#[test]
fn a_refusal_is_told() {
    let place = Place::new();
    place.file(
        "open.wat",
        r#"(module
            (import "env" "ch_open" (func $open (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "elsewhere/\1b[31mred\00")
            (func (export "open") (result i32)
                (drop (call $open (i32.const 0) (i32.const 0) (i32.const 0)))
                (call $open (i32.const 0) (i32.const 0) (i32.const 0))))"#,
    );
    let outcome = place
        .arena([
            "run",
            "--channel",
            "light=realm/light",
            "--invoke",
            "open",
            "open.wat",
        ])
        .outcome();
    assert_eq!(outcome.stdout(), "-1\n");
    let told: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(told.len(), 1, "{}", outcome.stderr);
    assert!(told[0].contains("elsewhere/") && told[0].contains("realm"));
    assert!(!told[0].contains('\x1b'), "not printable");
}
