//! `arena run --profile`: in the interpreter, and in compiled code where
//! `ARENA_AOTC` names the compiler.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::harness::{Outcome, Place};

/// `$hot` does eight times as much as `$cold`, and neither calls anything;
/// `$host` only calls the host.
const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))
    (memory (export "memory") 1)
    (func $hot (param $n i32) (result i32) (local $x i32)
        (loop $again
            (local.set $x (i32.xor
                (i32.mul (local.get $x) (i32.const 1664525))
                (i32.shr_u (local.get $n) (i32.const 3))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x))
    (func $cold (param $n i32) (result i32) (local $x i32)
        (loop $again
            (local.set $x (i32.rotl (i32.add (local.get $x) (i32.const 77)) (local.get $n)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x))
    (func $work (param $n i32) (result i32)
        (i32.add
            (call $hot (i32.mul (local.get $n) (i32.const 8)))
            (call $cold (local.get $n))))
    (func $run (export "run") (param $n i32)
        (loop $again
            (i32.store (i32.const 0) (call $work (i32.const 1000)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $host (export "host") (param $n i32)
        (loop $again
            (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $fails (export "fails") (param $n i32)
        (call $run (local.get $n))
        unreachable)
    (func $stays (export "stays")
        (loop $again (drop (call $work (i32.const 1000))) (br $again)))
    (func (export "answer") (result i32) (i32.const 42)))"#;

/// The options and the file of each engine that there is, and how much faster
/// than the interpreter it is about.
fn engines(place: &Place) -> Vec<(&'static str, &'static str, u32)> {
    place.file("m.wat", MODULE);
    let mut engines = vec![("--engine=interpreter", "m.wat", 1)];
    match std::env::var_os("ARENA_AOTC") {
        None => eprintln!("ARENA_AOTC is not set: compiled code is not tested"),
        Some(compiler) => {
            let wasm = wat::parse_str(MODULE).unwrap();
            place.file("m.wasm", wasm);
            let output = Command::new(compiler)
                .args(["--target", &crate::program::arch()])
                .arg(place.path("m.wasm"))
                .arg("-o")
                .arg(place.path("m.aot"))
                .output()
                .expect("ARENA_AOTC names a program");
            assert!(output.status.success(), "{output:?}");
            engines.push(("--trust-aot", "m.aot", 10));
        }
    }
    engines
}

fn run(place: &Place, engine: (&str, &str, u32), options: &[&str], args: &[&str]) -> Outcome {
    let all = ["run", "--profile=out.svg", engine.0].into_iter();
    let all = all.chain(options.iter().copied());
    place
        .arena(all.chain([engine.1]).chain(args.iter().copied()))
        .outcome()
}

/// The samples of each stack, after a look at the picture.
fn samples(place: &Place) -> BTreeMap<String, u64> {
    let picture = fs::read_to_string(place.path("out.svg")).unwrap();
    assert!(picture.starts_with("<?xml"), "{picture}");
    assert!(picture.ends_with("</svg>\n"), "{picture}");
    let folded = fs::read_to_string(place.path("out.folded")).unwrap();
    let lines = folded.lines().map(|line| {
        let (stack, samples) = line.rsplit_once(' ').unwrap();
        (stack.to_owned(), samples.parse().unwrap())
    });
    lines.collect()
}

/// The stack with the most samples.
fn most(samples: &BTreeMap<String, u64>) -> &str {
    let most = samples.iter().max_by_key(|(_, samples)| **samples);
    most.map_or("", |(stack, _)| stack)
}

#[test]
fn the_function_that_takes_the_time_is_found() {
    let place = Place::new();
    for engine in engines(&place) {
        let times = (8_000 * engine.2).to_string();
        run(&place, engine, &["--invoke=run"], &[&times]).prints("");
        let samples = samples(&place);
        assert_eq!(most(&samples), "run;work;hot", "{engine:?}: {samples:?}");
    }
}

#[test]
fn time_in_host_functions_has_their_names() {
    let place = Place::new();
    for engine in engines(&place) {
        run(&place, engine, &["--invoke=host"], &["1000000"]).prints("");
        let samples = samples(&place);
        let host = "host;wasi_snapshot_preview1.clock_time_get";
        assert!(samples.contains_key(host), "{engine:?}: {samples:?}");
    }
}

#[test]
fn a_trap_and_a_timeout_leave_a_profile() {
    let place = Place::new();
    for engine in engines(&place) {
        let times = (4_000 * engine.2).to_string();
        run(&place, engine, &["--invoke=fails"], &[&times])
            .exits(134)
            .stderr_has("arena: trap: unreachable");
        let found = samples(&place);
        assert_eq!(most(&found), "fails;run;work;hot", "{engine:?}: {found:?}");

        run(
            &place,
            engine,
            &["--invoke=stays", "--timeout=1s", "--profile-rate=5000"],
            &[],
        )
        .exits(124);
        let found = samples(&place);
        assert!(
            found.keys().any(|stack| stack.starts_with("stays")),
            "{found:?}"
        );
    }
}

#[test]
fn ctrl_c_leaves_a_profile() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\08\00\00\00\03\00\00\00on\n")
            (func (export "_start")
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
                (loop $again (br $again))))"#,
    );
    let mut running = place.arena(["run", "--profile=out.svg", "m.wat"]).start();
    running.wait_for_line("on");
    running.signal(rustix::process::Signal::INT);
    running.wait().exits(130);
    samples(&place);
}

#[test]
fn names_are_text_in_the_picture() {
    let place = Place::new();
    place.file(
        "m.wat",
        r#"(module
            (func $f (@name "</title><script>a; b\n") (param $n i32)
                (loop $again
                    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (func (export "run") (param i32) (call $f (local.get 0))))"#,
    );
    let engine = ("--engine=interpreter", "m.wat", 1);
    run(&place, engine, &["--invoke=run"], &["30000000"]).prints("");
    let found = samples(&place);
    assert_eq!(
        most(&found),
        "run;</title><script>a: b\u{fffd}",
        "{found:?}"
    );
    let picture = fs::read_to_string(place.path("out.svg")).unwrap();
    assert_eq!(picture.matches("<script>").count(), 1);
}

#[test]
fn sleeping_is_neither_sampled_nor_disturbed() {
    let place = Place::new();
    // Prints what poll_oneoff returns, and how many events it has stored.
    place.file(
        "m.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "poll_oneoff"
                (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func $sleep (export "sleep") (result i32 i32)
                ;; One subscription to the monotonic clock, of 300 ms from now.
                (i32.store (i32.const 16) (i32.const 1))
                (i64.store (i32.const 24) (i64.const 300000000))
                (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))
                (i32.load (i32.const 128))))"#,
    );
    let engine = ("--engine=interpreter", "m.wat", 1);
    let options = ["--invoke=sleep", "--profile-rate=10000"];
    let outcome = run(&place, engine, &options, &[]);
    outcome.prints("0\n1\n");
    assert!(outcome.took.as_millis() >= 300, "{outcome:?}");
}

#[test]
fn a_profile_that_cannot_be_written_stops_the_run_before_it_begins() {
    let place = Place::new();
    place.file("m.wat", MODULE);
    let run = |options: &[&str]| {
        let all = ["run", "--invoke=answer"].iter().chain(options);
        place.arena(all.chain(&["m.wat"])).outcome()
    };
    run(&["--profile=none/out.svg"]).fails(1, &["none/out.svg", "No such file"]);
    place.make_dir("out.folded");
    run(&["--profile=out.svg"]).fails(1, &["out.folded", "directory"]);
    run(&["--profile=m.wat"]).fails(2, &["--profile", ".svg"]);
    run(&["--profile=ok.svg", "--profile-rate=0"]).fails(2, &["--profile-rate"]);
    run(&["--profile-rate=100"]).fails(2, &["--profile"]);
    run(&["--profile=ok.svg"]).prints("42\n");
    // A file that cannot be run leaves an older profile as it is.
    place.file("ok.folded", "old");
    place
        .arena(["run", "--profile=ok.svg", "none.wat"])
        .outcome()
        .fails(127, &["none.wat"]);
    assert_eq!(fs::read(place.path("ok.folded")).unwrap(), b"old");
}
