//! Files that are no modules, or not ours: a clear word and a status, no crash.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use crate::harness::{Outcome, Place, arena, sample};

/// `arena run` and `arena inspect` of a file with this content.
fn refused(name: &str, content: impl AsRef<[u8]>, parts: &[&str]) {
    let place = Place::new();
    place.file(name, content);
    for command in ["run", "inspect"] {
        place
            .arena([command, name])
            .outcome()
            .fails(126, &[&[name], parts].concat());
    }
}

#[test]
fn a_file_that_is_not_there() {
    for command in ["run", "inspect"] {
        arena([command, "absent.wasm"]).fails(127, &["absent.wasm", "no such file"]);
    }
    arena(["run", ""]).fails(2, &["<FILE>"]);
}

#[test]
fn a_directory() {
    for command in ["run", "inspect"] {
        arena([command, "/"]).fails(126, &["directory"]);
    }
}

/// As another user if this one may read everything.
fn as_nobody(place: &Place, args: &[&str]) -> Outcome {
    let mut run = place.arena(args);
    if rustix::process::geteuid().is_root() {
        // The program may be where only root gets to.
        let program = place.path("arena");
        fs::copy(crate::program::arena_path(), &program).unwrap();
        fs::set_permissions(place.path("."), fs::Permissions::from_mode(0o755)).unwrap();
        run = place.arena([""; 0]);
        let mut command = crate::program::command(program);
        command
            .args(args)
            .env("ARENA_ENGINE", "interpreter")
            // That user cannot read the settings there.
            .env_remove("HOME")
            .current_dir(place.path("."))
            .uid(65_534)
            .gid(65_534)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        run.command = command;
    }
    run.outcome()
}

#[test]
fn a_file_that_may_not_be_read() {
    let place = Place::new();
    place.file("secret.wasm", "");
    fs::set_permissions(place.path("secret.wasm"), fs::Permissions::from_mode(0o000)).unwrap();
    as_nobody(&place, &["run", "secret.wasm"]).fails(126, &["secret.wasm", "Permission denied"]);
}

/// The module gets it, and an error from it when it looks inside.
#[test]
fn a_directory_that_may_not_be_read() {
    let place = Place::new();
    fs::copy(sample("files.wasm"), place.path("files.wasm")).unwrap();
    place.make_dir("secret");
    fs::set_permissions(place.path("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    as_nobody(&place, &["run", "--dir=secret::/data", "files.wasm"])
        .exits(1)
        .stderr_has("ermission denied");
}

#[test]
fn a_dir_that_is_not_there_or_is_none() {
    let hello = sample("hello.wasm");
    for (dir, why) in [
        ("absent", "No such file"),
        (hello.to_str().unwrap(), "Not a directory"),
    ] {
        arena([
            OsStr::new("run"),
            OsStr::new("--dir"),
            OsStr::new(dir),
            hello.as_os_str(),
        ])
        .fails(2, &[dir, why]);
    }
}

#[test]
fn nothing_garbage_and_other_formats() {
    refused("empty.wasm", "", &["empty"]);
    refused("empty.aot", "", &["empty"]);
    refused("garbage.wasm", "garbage", &["not a WebAssembly module"]);
    refused(
        "elf.wasm",
        b"\x7fELF\x02\x01\x01\0",
        &["not a WebAssembly module"],
    );
    refused("new.wasm", b"\0asm\x02\0\0\0", &["version"]);
    refused("cut.wasm", b"\0asm\x01", &["cut.wasm"]);
    refused(
        "component.wasm",
        b"\0asm\x0d\0\x01\0",
        &["component", "wasm32-wasip1"],
    );
}

#[test]
fn a_module_cut_off_anywhere() {
    let place = Place::new();
    let whole = fs::read(sample("library.wasm")).unwrap();
    // Each byte would take long: a process for each. Sections end at some of these.
    for length in (1..whole.len() - 1).step_by(23) {
        place.file("cut.wasm", &whole[..length]);
        let outcome = place
            .arena(["run", "--invoke=add", "cut.wasm", "1", "2"])
            .outcome();
        // Without its last sections, which are custom ones, it is still a module.
        if outcome.status.code() != Some(0) {
            outcome.fails(126, &["cut.wasm"]);
        }
    }
    place.file("cut.wasm", &whole[..100]);
    place
        .arena(["run", "cut.wasm"])
        .outcome()
        .fails(126, &["not valid", "at byte"]);
}

#[test]
fn a_module_with_flipped_bits() {
    let place = Place::new();
    let whole = fs::read(sample("library.wasm")).unwrap();
    for at in (0..whole.len()).step_by(17) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        place.file("flipped.wasm", &flipped);
        let outcome = place
            .arena([
                "run",
                "--timeout=10s",
                "--invoke=add",
                "flipped.wasm",
                "1",
                "2",
            ])
            .outcome();
        match outcome.status.code() {
            // What is not noticed by anyone, a trap, another type, an endless loop.
            Some(0 | 2 | 124 | 134) => {}
            _ => {
                outcome.fails(126, &["flipped.wasm"]);
            }
        }
    }
}

#[test]
fn a_module_that_is_not_valid() {
    refused(
        "m.wat",
        r#"(module (func (export "_start") i32.const 1))"#,
        &["not valid", "at byte"],
    );
}

#[test]
fn a_proposal_that_is_switched_off_is_named() {
    refused("m.wat", "(module (func $f return_call $f))", &["tail-call"]);
    refused("m.wat", "(module (memory i64 1))", &["memory64"]);
}

#[test]
fn a_missing_import_is_named() {
    let place = Place::new();
    for (import, parts) in [
        (
            r#""arena" "shine" (func (param i32))"#,
            &["\"arena\" \"shine\"", "(i32)"][..],
        ),
        (
            r#""env" "table" (table 1 funcref)"#,
            &["\"env\" \"table\"", "table"],
        ),
        (
            r#""env" "base" (global i32)"#,
            &["\"env\" \"base\"", "global"],
        ),
        (
            r#""wasi_snapshot_preview1" "fd_fly" (func (result i32))"#,
            &["\"fd_fly\""],
        ),
        // The right name with another type.
        (
            r#""wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32))"#,
            &["\"fd_close\"", "(i64) -> i32", "(i32) -> i32"],
        ),
        // A name that would steer the terminal, or make more lines.
        (r#""evil\n\1b[2J" "x" (func)"#, &["\"x\""]),
    ] {
        let text = format!("(module (import {import}) (func (export \"_start\")))");
        place.file("m.wat", text);
        place.arena(["run", "m.wat"]).outcome().fails(126, parts);
    }
}

#[test]
fn a_mistake_in_text_has_its_place() {
    refused(
        "m.wat",
        "(module\n  (fun))",
        &["expected", "line 2, column 4"],
    );
    refused("m.wat", "(module", &["line 1, column 8"]);
    refused(
        "m.wat",
        "(module (func call $nobody))",
        &["$nobody", "line 1, column 20"],
    );
    refused("m.wat", "(module \u{1b})", &["line 1"]);
    refused("m.wat", b"(module \xff)", &["UTF-8"]);
    refused("m.wat", "", &["line 1"]);
}
