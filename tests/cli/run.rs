//! `arena run`: what a module gets and what it gives.

use std::ffi::OsStr;

use crate::harness::{Place, arena, run, sample};

#[test]
fn c_and_rust_modules_run() {
    run("hello.wasm", &[]).prints("Hello from WebAssembly!\n");
    run("hello-rust.wasm", &[]).exits(0).stdout_has("Hello");
}

#[test]
fn a_module_gets_its_name_and_its_arguments_and_nothing_else() {
    run("args-env.wasm", &["one", "two words", ""])
        .prints("argv[0] = args-env.wasm\nargv[1] = one\nargv[2] = two words\nargv[3] = \n");
}

#[test]
fn arguments_after_two_dashes_are_the_modules() {
    run("args-env.wasm", &["--", "--env", "-x", "--", "-1"]).prints(
        "argv[0] = args-env.wasm\nargv[1] = --env\nargv[2] = -x\nargv[3] = --\nargv[4] = -1\n",
    );
}

#[test]
fn the_environment_is_what_is_given() {
    let mut run = Place::new().arena([
        OsStr::new("run"),
        OsStr::new("--env=COLOUR=blue"),
        OsStr::new("--env"),
        OsStr::new("EMPTY="),
        OsStr::new("--env=EQUATION=a=b"),
        OsStr::new("--env=FROM_HERE"),
        sample("args-env.wasm").as_os_str(),
    ]);
    run.command.env("FROM_HERE", "inherited").env("SECRET", "x");
    run.outcome().prints(
        "argv[0] = args-env.wasm\n\
         env COLOUR=blue\nenv EMPTY=\nenv EQUATION=a=b\nenv FROM_HERE=inherited\n",
    );
}

#[test]
fn a_directory_has_the_name_that_it_is_given() {
    let place = Place::new();
    place.make_dir("scratch");
    place
        .arena([
            OsStr::new("run"),
            OsStr::new("--dir=scratch::/data"),
            sample("files.wasm").as_os_str(),
        ])
        .outcome()
        .exits(0)
        .stdout_has("read: written by a guest\n");
}

#[test]
fn a_directory_without_a_name_has_its_own() {
    let place = Place::new();
    place.make_dir("data");
    let path = place.path("data");
    let data = path.to_str().unwrap();
    // What the guest opens is /data, so both names have to be told apart.
    let files = sample("files.wasm");
    let run = |dir: &str| {
        place
            .arena([
                OsStr::new("run"),
                OsStr::new("--dir"),
                OsStr::new(dir),
                files.as_os_str(),
            ])
            .outcome()
    };
    run(data).exits(1).stderr_has("/data");
    run(&format!("{data}::/data")).exits(0);
}

#[test]
fn a_read_only_directory_is_not_written_to() {
    let place = Place::new();
    place.make_dir("scratch");
    place
        .arena([
            OsStr::new("run"),
            OsStr::new("--dir=scratch::/data:ro"),
            sample("files.wasm").as_os_str(),
        ])
        .outcome()
        .exits(1)
        .stderr_has("cannot create draft.txt");
    assert_eq!(place.path("scratch").read_dir().unwrap().count(), 0);
}

/// Reads `/data/in.txt` and prints it.
const READER: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "in.txt")
    (data (i32.const 32) "\00\01\00\00\00\02\00\00")
    (func (export "_start")
        (local $errno i32)
        (local.set $errno (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 6)
            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))
        (if (local.get $errno) (then (call $exit (local.get $errno))))
        (drop (call $read (i32.load (i32.const 16)) (i32.const 32) (i32.const 1) (i32.const 20)))
        (i32.store (i32.const 36) (i32.load (i32.const 20)))
        (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 24)))))"#;

#[test]
fn a_read_only_directory_can_be_read() {
    let place = Place::new();
    place.make_dir("scratch");
    place.file("scratch/in.txt", "read only");
    place.file("reader.wat", READER);
    place
        .arena(["run", "--dir=scratch::/data:ro", "reader.wat"])
        .outcome()
        .prints("read only");
}

#[test]
fn several_directories_are_given_in_order() {
    let place = Place::new();
    for (dir, text) in [("a", "first"), ("b", "second")] {
        place.make_dir(dir);
        place.file("in.txt", text);
        std::fs::rename(place.path("in.txt"), place.path(dir).join("in.txt")).unwrap();
    }
    place.file("reader.wat", READER);
    place
        .arena(["run", "--dir=a::/a", "--dir=b::/b", "reader.wat"])
        .outcome()
        .prints("first");
    place
        .arena(["run", "--dir=b::/b", "--dir=a::/a", "reader.wat"])
        .outcome()
        .prints("second");
}

#[test]
fn cat_is_safe_for_binary_data() {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    bytes.extend(b"\r\n\0\n\n\xff");
    let outcome = Place::new()
        .arena([OsStr::new("run"), sample("cat.wasm").as_os_str()])
        .input(bytes.clone())
        .outcome();
    outcome.exits(0);
    assert!(outcome.stdout == bytes, "{} bytes", outcome.stdout.len());
}

#[test]
fn stdin_is_inherited_and_may_be_empty() {
    Place::new()
        .arena([OsStr::new("run"), sample("word-count.wasm").as_os_str()])
        .input("one two\nthree\n")
        .outcome()
        .exits(0)
        .stdout_has("3 words");
    run("word-count.wasm", &[]).exits(0).stdout_has("0 words");
}

#[test]
fn stdout_and_stderr_are_kept_apart() {
    let outcome = run("panic-rust.wasm", &[]);
    outcome
        .stdout_has("about to panic")
        .stderr_has("panicked at");
    assert!(!outcome.stdout().contains("panicked"));
}

#[test]
fn streams_that_are_closed_do_no_harm() {
    // The program must not take a file that it opens for a standard stream.
    let place = Place::new();
    let arena = crate::program::words(crate::program::arena_path());
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let status = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("exec \"$@\" {closed}"))
            .arg("sh")
            .args(&arena)
            .args([OsStr::new("run"), sample("exit-code.wasm").as_os_str()])
            .arg("7")
            .env("ARENA_ENGINE", "interpreter")
            .current_dir(place.path("."))
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(7), "{closed}");
    }
}

#[test]
fn the_exit_status_is_the_modules() {
    for status in [0, 1, 7, 124, 255] {
        run("exit-code.wasm", &[&status.to_string()]).exits(status);
    }
}

#[test]
fn text_is_run_directly() {
    let place = Place::new();
    place.file("m.wat", r#"(module (func (export "_start")))"#);
    place.arena(["run", "m.wat"]).outcome().prints("");
    // Also under another name.
    place.file(
        "m.txt",
        ";; a module\n(module (func (export \"_start\") unreachable))",
    );
    place.arena(["run", "m.txt"]).outcome().exits(134);
}

#[test]
fn a_module_is_read_from_a_path_with_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    for name in [
        &b"with space.wasm"[..],
        b"-dash.wasm",
        b"not \xff utf8.wasm",
    ] {
        let name = OsStr::from_bytes(name);
        std::fs::copy(sample("hello.wasm"), place.path(".").join(name)).unwrap();
        place
            .arena([OsStr::new("run"), OsStr::new("--"), name])
            .outcome()
            .prints("Hello from WebAssembly!\n");
    }
}

#[test]
fn engines_run_what_they_are_for() {
    let engine = |engine: &str| {
        arena([
            OsStr::new("run"),
            OsStr::new("--engine"),
            OsStr::new(engine),
            sample("hello.wasm").as_os_str(),
        ])
    };
    engine("interpreter").prints("Hello from WebAssembly!\n");
    let (here, elsewhere) = if cfg!(feature = "classic-interp") {
        ("classic", "fast")
    } else {
        ("fast", "classic")
    };
    engine(here).prints("Hello from WebAssembly!\n");
    engine(elsewhere).fails(126, &["interpreter"]);
}
