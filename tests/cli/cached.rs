//! Where compiled code is kept, for how long, and what of a compilation stays when its end is not
//! waited for. `ARENA_AOTC` names the compiler; without it only what needs none is tested.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compiled::Workshop;
use crate::harness::{Place, sample};

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn paths_in_variables_are_of_where_it_was_started() {
    let Some(workshop) = Workshop::for_later() else {
        return;
    };
    symlink(&workshop.compiler, workshop.place.path("compiler")).unwrap();
    workshop
        .place
        .file("later.toml", "[engine]\ncompile_first = \"0s\"\n");
    let mut arena = workshop.arena([OsStr::new("run"), sample("hello.wasm").as_os_str()]);
    arena
        .command
        .env("ARENA_COMPILER", "compiler")
        .env("ARENA_STORE_CACHE_DIR", "cache")
        .env("ARENA_CONFIG", "later.toml");
    arena.outcome().prints("Hello from WebAssembly!\n");
    let artifacts = workshop.place.path("cache/compiled");
    let made = |dir: &Path| {
        let files = fs::read_dir(dir).into_iter().flatten().flatten();
        files
            .map(|file| file.path())
            .any(|path| path.extension() == Some(OsStr::new("arenaot")))
    };
    wait_until("it is not compiled", || made(&artifacts));
}

#[test]
fn what_is_larger_than_the_cache_is_compiled_once() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    workshop
        .place
        .file("small.toml", "[engine]\ncache_size = \"8KiB\"\n");
    let file = sample("hello.wasm");
    let run = |config: &str| {
        let args = [OsStr::new("run"), OsStr::new(config), file.as_os_str()];
        let outcome = workshop.arena(args).outcome();
        outcome.prints("Hello from WebAssembly!\n");
        let listed = workshop.listed();
        assert_eq!(listed.len(), 1);
        listed[0].clone()
    };
    let first = run("--config=small.toml");
    assert_eq!(first["too_large"], true);
    let second = run("--config=small.toml");
    assert_eq!(second["about"], first["about"]);
    workshop
        .arena(["cache", "list"])
        .outcome()
        .stdout_has("too large");
    // With more room it is made.
    workshop.place.file("usual.toml", "");
    assert_eq!(run("--config=usual.toml")["too_large"], false);
}

#[test]
fn an_updated_compiler_compiles_again() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    let compiler = workshop.place.path("compiler");
    let compilers = || {
        let mut arena = workshop.arena([OsStr::new("run"), sample("hello.wasm").as_os_str()]);
        arena.command.env("ARENA_COMPILER", &compiler);
        arena.outcome().prints("Hello from WebAssembly!\n");
        let listed = workshop.listed();
        assert_eq!(listed.len(), 1);
        listed[0]["about"]["compiler"].clone()
    };
    // Another process writes them: a child that another test is just starting may have them open.
    let script = r#"printf '#!/bin/sh\n%s\nexec "%s" "$@"\n' "$2" "$1" > "$0" && chmod +x "$0""#;
    let install = |version: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(&compiler);
        shell.arg(&workshop.compiler).arg(version);
        assert!(shell.status().unwrap().success());
    };
    install("# 1");
    let first = compilers();
    assert_eq!(compilers(), first);
    install("# 1.1");
    assert_ne!(compilers(), first);
}

#[test]
fn a_compiler_ends_with_whoever_wants_its_code() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    let mut arena = workshop.arena([
        OsStr::new("compile"),
        sample("word-count.wasm").as_os_str(),
        OsStr::new("-o"),
        OsStr::new("out.aot"),
    ]);
    let mut child = arena
        .command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let mut compiler = String::new();
    wait_until("there is no compiler", || {
        compiler = fs::read_to_string(&children).unwrap_or_default();
        !compiler.is_empty()
    });
    // It says whom it ends with first, and switches core dumps off then.
    let limits = format!("/proc/{}/limits", compiler.trim());
    wait_until("it does not begin", || {
        let text = fs::read_to_string(&limits).unwrap_or_default();
        text.is_empty()
            || text.lines().any(|line| {
                line.starts_with("Max core") && line.split_whitespace().nth(5) == Some("0")
            })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("it outlives it", || {
        let status = fs::read_to_string(format!("/proc/{}/status", compiler.trim()));
        status.is_ok_and(|text| text.contains("State:\tZ")) || !Path::new(&limits).exists()
    });
    assert!(!workshop.place.path("out.aot").exists());
}

#[test]
fn scripts_can_ask_of_the_cache() {
    let place = Place::new();
    let ask = |command: &str| {
        let mut arena = place.arena(["cache", command, "--json"]);
        arena
            .command
            .env("ARENA_STORE_CACHE_DIR", place.path("cache"));
        let outcome = arena.outcome();
        outcome.exits(0);
        serde_json::from_str::<Value>(&outcome.stdout()).unwrap()
    };
    let path = place.path("cache/compiled");
    assert_eq!(ask("path")["path"], path.to_str().unwrap());
    assert_eq!(ask("clear")["removed"], 0);
    fs::create_dir_all(path.join("x.arenaot")).unwrap();
    fs::write(path.join("y.arenaot"), "damaged").unwrap();
    assert_eq!(ask("clear")["removed"], 1);
    assert_eq!(ask("clear")["bytes"], 0);
}
