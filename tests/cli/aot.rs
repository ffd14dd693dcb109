//! Code compiled ahead of time. `ARENA_AOTC` names the compiler; without it
//! only what needs none is tested.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Outcome, Place, sample};

/// Compiles a sample into `NAME.aot`; `None` without a compiler.
pub(crate) fn compiled(place: &Place, name: &str) -> Option<PathBuf> {
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        eprintln!("ARENA_AOTC is not set: not tested");
        return None;
    };
    let aot = place.path(name).with_extension("aot");
    let output = Command::new(compiler)
        .args(["--target", &crate::program::arch()])
        .arg(sample(name))
        .arg("-o")
        .arg(&aot)
        .output()
        .expect("ARENA_AOTC names a program");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(aot)
}

fn run(place: &Place, options: &[&str], file: &OsStr, args: &[&str]) -> Outcome {
    let all = [OsStr::new("run")]
        .into_iter()
        .chain(options.iter().map(OsStr::new))
        .chain([file])
        .chain(args.iter().map(OsStr::new));
    place.arena(all).outcome()
}

#[test]
fn native_code_is_not_run_unless_it_is_trusted() {
    let place = Place::new();
    place.file("m.aot", b"\0aot\x03\0\0\0 whatever follows");
    let file = OsStr::new("m.aot");
    run(&place, &[], file, &[]).fails(126, &["native", "--trust-aot"]);
    run(&place, &["--engine=aot"], file, &[]).fails(126, &["--trust-aot"]);
    run(&place, &["--engine=fast"], file, &[]).fails(126, &["--engine"]);
    run(&place, &["--trust-aot"], file, &[]).fails(126, &["m.aot"]);
}

#[test]
fn a_false_aot_file_is_refused() {
    let place = Place::new();
    for content in [
        &b"\0aot"[..],
        b"\0aot\x05\0",
        b"\0aot\xff\xff\xff\xff",
        b"\0aot\0\0\0\0",
    ] {
        place.file("m.aot", content);
        run(&place, &["--trust-aot"], OsStr::new("m.aot"), &[]).fails(126, &["m.aot"]);
        place
            .arena(["inspect", "m.aot"])
            .outcome()
            .fails(126, &["m.aot"]);
    }
}

#[test]
fn trusted_code_runs() {
    let place = Place::new();
    let Some(hello) = compiled(&place, "hello.wasm") else {
        return;
    };
    let hello = hello.as_os_str();
    run(&place, &[], hello, &[]).fails(126, &["--trust-aot"]);
    run(&place, &["--trust-aot"], hello, &[]).prints("Hello from WebAssembly!\n");
    run(&place, &["--trust-aot", "--engine=aot"], hello, &[]).prints("Hello from WebAssembly!\n");
}

#[test]
fn compiled_functions_are_called_and_trap() {
    let place = Place::new();
    let Some(library) = compiled(&place, "library.wasm") else {
        return;
    };
    let library = library.as_os_str();
    run(
        &place,
        &["--trust-aot", "--invoke=add"],
        library,
        &["2", "3"],
    )
    .prints("5\n");
    run(
        &place,
        &["--trust-aot", "--invoke=hypot"],
        library,
        &["3", "4"],
    )
    .prints("5\n");
    run(
        &place,
        &["--trust-aot", "--invoke=divide"],
        library,
        &["1", "0"],
    )
    .exits(134)
    .stderr_has("integer divide by zero");
}

#[test]
fn compiled_code_traps_as_interpreted_code_does() {
    for (name, says) in [
        ("trap-divide-by-zero.wasm", "integer divide by zero"),
        ("trap-out-of-bounds.wasm", "out of bounds memory access"),
        ("trap-unreachable.wasm", "unreachable"),
    ] {
        let place = Place::new();
        let Some(traps) = compiled(&place, name) else {
            return;
        };
        run(&place, &["--trust-aot"], traps.as_os_str(), &[])
            .exits(134)
            .stderr_has(&format!("arena: trap: {says}\n"));
    }
}

#[test]
fn compiled_code_is_stopped_and_limited() {
    let place = Place::new();
    let Some(forever) = compiled(&place, "endless-loop.wasm") else {
        return;
    };
    run(
        &place,
        &["--trust-aot", "--timeout=300ms"],
        forever.as_os_str(),
        &[],
    )
    .exits(124)
    .has_message(&["time"]);
    let Some(overflow) = compiled(&place, "trap-stack-overflow.wasm") else {
        return;
    };
    run(&place, &["--trust-aot"], overflow.as_os_str(), &[])
        .exits(134)
        .stderr_has("stack overflow");
    let Some(exhaustion) = compiled(&place, "trap-memory-exhaustion.wasm") else {
        return;
    };
    run(
        &place,
        &["--trust-aot", "--max-memory=16MiB"],
        exhaustion.as_os_str(),
        &[],
    )
    .exits(134)
    .stderr_has("out of memory after 15 MiB");
}

#[test]
fn inspect_reads_the_header_and_with_trust_all_of_it() {
    let place = Place::new();
    let Some(hello) = compiled(&place, "hello.wasm") else {
        return;
    };
    let inspect = |options: &[&str]| {
        let all = [OsStr::new("inspect")]
            .into_iter()
            .chain(options.iter().map(OsStr::new))
            .chain([hello.as_os_str()]);
        place.arena(all).outcome()
    };
    inspect(&[])
        .exits(0)
        .stdout_has("kind:     aot, ")
        .stdout_has(&crate::program::arch())
        .stdout_has("--trust-aot");
    inspect(&["--trust-aot"])
        .exits(0)
        .stdout_has("provided  wasi_snapshot_preview1.fd_write")
        .stdout_has("_start");
    let json = inspect(&["--json"]);
    json.exits(0);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["kind"], "aot");
    let target = json["aot"]["target"].as_str().unwrap();
    assert!(target.starts_with(&crate::program::arch()), "{target}");
    assert!(json.get("imports").is_none());
}
