//! `arena compile`, the cache of compiled code, and which engine `arena run` takes. `ARENA_AOTC`
//! names the compiler; without it only what needs none is tested.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Arena, Outcome, Place, sample};
use crate::program::{arch, is_emulated};

/// A place with a compiler and a cache of its own.
pub(crate) struct Workshop {
    pub(crate) place: Place,
    pub(crate) compiler: PathBuf,
}

impl Workshop {
    /// `None` without a compiler.
    pub(crate) fn new() -> Option<Workshop> {
        let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
            eprintln!("ARENA_AOTC is not set: not tested");
            return None;
        };
        Some(Workshop {
            place: Place::new(),
            compiler: compiler.into(),
        })
    }

    /// The same for what goes on when the program ends: an emulated one cannot start itself again.
    pub(crate) fn for_later() -> Option<Workshop> {
        Workshop::new().filter(|_| !is_emulated())
    }

    pub(crate) fn arena<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Arena {
        let mut arena = self.place.arena(args);
        arena
            .command
            .env("ARENA_ENGINE", "auto")
            .env("ARENA_COMPILER", &self.compiler)
            .env("ARENA_STORE_CACHE_DIR", self.place.path("cache"));
        if is_emulated() {
            // The compiler is not, and knows nothing of that processor.
            arena.command.env("ARENA_ENGINE_CPU", "baseline");
        }
        arena
    }

    fn run(&self, options: &[&str], name: &str) -> Outcome {
        let file = sample(name);
        let args = [OsStr::new("run")].into_iter();
        let args = args.chain(options.iter().map(OsStr::new));
        self.arena(args.chain([file.as_os_str()])).outcome()
    }

    /// A module, `large.wasm`, and settings, `limits.toml`, with which the compiler has not memory
    /// enough for it.
    fn little_for_the_compiler(&self) {
        self.place.file(
            "limits.toml",
            "[engine]\ncompile_memory = \"64MiB\"\ncompile_first = \"1h\"\n",
        );
        fs::copy(sample("word-count.wasm"), self.place.path("large.wasm")).unwrap();
    }

    /// What `arena cache list` tells.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let outcome = self.arena(["cache", "list", "--json"]).outcome();
        let json: Value = serde_json::from_str(&outcome.stdout()).unwrap();
        json["artifacts"].as_array().unwrap().clone()
    }

    /// The names of modules that have code in the cache, or are known to have none.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |artifact: &Value| {
            let path = PathBuf::from(artifact["about"]["name"].as_str().unwrap());
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        let mut names: Vec<_> = self.listed().iter().map(name).collect();
        names.sort();
        names
    }

    /// The only file of code in the cache.
    fn artifact(&self) -> PathBuf {
        let files = fs::read_dir(self.place.path("cache/compiled")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        files
            .find(|path| path.extension() == Some(OsStr::new("arenaot")))
            .unwrap()
    }
}

#[test]
fn what_compiles_quickly_is_compiled_first() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    for _ in 0..2 {
        workshop
            .run(&[], "hello.wasm")
            .prints("Hello from WebAssembly!\n");
        assert_eq!(workshop.names(), ["hello.wasm"]);
    }
    // The interpreter needs none of it.
    workshop.run(&["--engine=interpreter"], "cat.wasm").exits(0);
    assert_eq!(workshop.names(), ["hello.wasm"]);
}

#[test]
fn a_compiler_that_does_not_get_on_keeps_no_start_waiting() {
    let Some(workshop) = Workshop::for_later() else {
        return;
    };
    let hangs = workshop.place.path("hangs");
    let script = r#"#!/bin/sh
sleep 10
touch "$0.done"
"#;
    // Another process writes it: a child that another test is just starting may have it open.
    let written = std::process::Command::new("sh")
        .args(["-c", r#"printf %s "$1" > "$0" && chmod +x "$0""#])
        .arg(&hangs)
        .arg(script)
        .status();
    assert!(written.unwrap().success());
    let mut arena = workshop.arena([OsStr::new("run"), sample("hello.wasm").as_os_str()]);
    arena
        .command
        .env("ARENA_COMPILER", &hangs)
        .env("ARENA_ENGINE_COMPILE_FIRST", "200ms");
    arena.outcome().prints("Hello from WebAssembly!\n");
    assert!(!workshop.place.path("hangs.done").exists());
    // Nothing was learned of the module. The other one is let try it again first.
    let patience = Instant::now() + Duration::from_secs(60);
    while workshop.names() != ["hello.wasm"] {
        assert!(Instant::now() < patience, "it is not compiled");
        workshop
            .run(&[], "hello.wasm")
            .prints("Hello from WebAssembly!\n");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn traps_name_the_functions_of_compiled_code() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    for _ in 0..2 {
        workshop
            .run(&["--engine=aot"], "trap-divide-by-zero.wasm")
            .exits(134)
            .stderr_has("integer divide by zero")
            .stderr_has("main");
    }
}

#[test]
fn what_takes_longer_is_compiled_for_the_next_start() {
    let Some(workshop) = Workshop::for_later() else {
        return;
    };
    fs::write(
        workshop.place.path("slow.toml"),
        "[engine]\ncompile_first = \"0s\"\n",
    )
    .unwrap();
    let file = sample("hello.wasm");
    let run = || {
        let options = ["run", "--config", "slow.toml"].map(OsStr::new);
        let args = options.into_iter().chain([file.as_os_str()]);
        workshop
            .arena(args)
            .outcome()
            .prints("Hello from WebAssembly!\n");
    };
    run();
    let patience = Instant::now() + Duration::from_secs(60);
    while workshop.names() != ["hello.wasm"] {
        assert!(Instant::now() < patience, "it is not compiled");
        std::thread::sleep(Duration::from_millis(20));
    }
    run();
    assert_eq!(workshop.listed().len(), 1);
}

#[test]
fn the_time_of_a_run_is_the_modules() {
    let Some(workshop) = Workshop::for_later() else {
        return;
    };
    let (hello, forever) = (sample("hello.wasm"), sample("endless-loop.wasm"));
    let run = |file: &Path, timeout: &str| {
        let args = [OsStr::new("run"), OsStr::new(timeout), file.as_os_str()];
        workshop.arena(args).outcome()
    };
    run(&hello, "--timeout=60s").prints("Hello from WebAssembly!\n");
    run(&forever, "--timeout=50ms").exits(124);
    let patience = Instant::now() + Duration::from_secs(60);
    while workshop.names() != ["endless-loop.wasm", "hello.wasm"] {
        assert!(Instant::now() < patience, "they are not compiled beside it");
        std::thread::sleep(Duration::from_millis(20));
    }
    run(&forever, "--timeout=50ms").exits(124);
}

#[test]
fn what_is_damaged_or_foreign_is_compiled_again() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    workshop.run(&[], "hello.wasm").exits(0);
    let artifact = workshop.artifact();
    let good = fs::read(&artifact).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    // Code by the right name that somebody else has made of another module.
    let other = Workshop::new().unwrap();
    other.run(&[], "exit-code.wasm").exits(42);
    let foreign = fs::read(other.artifact()).unwrap();
    for damage in [&flipped[..], &good[..good.len() / 2], b"", &foreign] {
        fs::write(&artifact, damage).unwrap();
        workshop
            .run(&["--engine=aot"], "hello.wasm")
            .prints("Hello from WebAssembly!\n");
        // The same input gives the same code; what is told of it has another time.
        let made = fs::read(&artifact).unwrap();
        let code = workshop.listed()[0]["about"]["code_bytes"]
            .as_u64()
            .unwrap();
        let code = usize::try_from(code).unwrap();
        assert!(code > 0 && made[..code] == good[..code]);
    }
}

#[test]
fn what_cannot_be_compiled_is_interpreted_and_remembered() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    workshop.little_for_the_compiler();
    for _ in 0..2 {
        workshop
            .arena(["run", "--config=limits.toml", "large.wasm"])
            .outcome()
            .exits(0);
        let listed = workshop.listed();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["refused"], true);
    }
    workshop
        .arena(["run", "--config=limits.toml", "--engine=aot", "large.wasm"])
        .outcome()
        .fails(126, &["compile", "large.wasm"]);
}

#[test]
fn without_a_compiler_the_interpreter_runs() {
    let place = Place::new();
    let file = sample("hello.wasm");
    let run = |engine: &str| {
        let mut arena = place.arena([OsStr::new("run"), OsStr::new(engine), file.as_os_str()]);
        arena
            .command
            .env("ARENA_COMPILER", "/nowhere/arena-aotc")
            .env("ARENA_STORE_CACHE_DIR", place.path("cache"));
        arena.outcome()
    };
    run("--engine=auto").prints("Hello from WebAssembly!\n");
    run("--engine=aot").fails(126, &["no compiler"]);
}

#[test]
fn compiles_to_files() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    let hello = sample("hello.wasm");
    fs::copy(&hello, workshop.place.path("hello.wasm")).unwrap();
    let compile = |args: &[&str]| {
        let all = ["compile"].iter().chain(args);
        workshop.arena(all).outcome()
    };
    compile(&["hello.wasm"])
        .exits(0)
        .stdout_has("hello.aot")
        .stdout_has("baseline");
    let first = fs::read(workshop.place.path("hello.aot")).unwrap();
    compile(&["hello.wasm", "-o", "again.aot"]).exits(0);
    assert!(fs::read(workshop.place.path("again.aot")).unwrap() == first);
    workshop
        .arena(["run", "--trust-aot", "hello.aot"])
        .outcome()
        .prints("Hello from WebAssembly!\n");

    let outcome = compile(&["--json", "--cpu=rpi5", "hello.wasm", "-o", "pi.aot"]);
    let made: Value = serde_json::from_str(&outcome.stdout()).unwrap();
    assert_eq!(
        (&made["target"], &made["cpu"]),
        (&"aarch64".into(), &"rpi5".into())
    );
    assert_eq!(made["output"], "pi.aot");
    compile(&["--target=amd64", "hello.wasm", "-o", "pc.aot"]).exits(0);
    let foreign = ["pi.aot", "pc.aot"][usize::from(arch() == "aarch64")];
    workshop
        .arena(["run", "--trust-aot", foreign])
        .outcome()
        .exits(126);
    assert!(workshop.listed().is_empty());

    let mut piped = workshop.arena(["compile", "-", "-o", "-"]);
    piped = piped.input(fs::read(&hello).unwrap());
    let piped = piped.outcome();
    piped.exits(0);
    assert!(piped.stdout.starts_with(b"\0aot"));
}

#[test]
fn says_why_it_does_not_compile() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    let fails = |args: &[&str], status, parts: &[&str]| {
        let all = ["compile"].iter().chain(args);
        workshop.arena(all).outcome().fails(status, parts);
    };
    workshop.place.file("bad.wasm", b"\0asm\x01\0\0\0\x01");
    fails(
        &["bad.wasm"],
        126,
        &["cannot compile bad.wasm", "invalid module"],
    );
    assert!(!workshop.place.path("bad.aot").exists());
    fails(&["absent.wasm"], 127, &["no such file"]);
    workshop.place.file("good.wat", "(module)");
    fails(&["--cpu=toaster", "good.wat"], 3, &["toaster"]);
    fails(&["--features=+nonsense", "good.wat"], 3, &["nonsense"]);
    // A processor of another architecture than the target's.
    let other = ["rpi4", "skylake"][usize::from(arch() == "aarch64")];
    let cpu = format!("--cpu={other}");
    fails(&["--target=host", &cpu, "good.wat"], 3, &[other]);
    fails(&["-"], 2, &["-o"]);
    fails(&["--compiler=/nowhere/x", "good.wat"], 3, &["no compiler"]);
    fails(
        &["good.wat", "-o", "absent/good.aot"],
        1,
        &["absent/good.aot"],
    );
    workshop.little_for_the_compiler();
    fails(
        &["--config=limits.toml", "large.wasm"],
        126,
        &["large.wasm"],
    );
}

#[test]
fn the_cache_can_be_looked_at_and_cleared() {
    let Some(workshop) = Workshop::new() else {
        return;
    };
    let cache = |command: &str| workshop.arena(["cache", command]).outcome();
    cache("list").exits(0).stdout_has("0 B in 0");
    let hello = sample("hello.wasm");
    let args = [
        OsStr::new("compile"),
        OsStr::new("--cache"),
        hello.as_os_str(),
    ];
    workshop
        .arena(args)
        .outcome()
        .exits(0)
        .stdout_has("in the cache");
    cache("list")
        .exits(0)
        .stdout_has("hello.wasm")
        .stdout_has(if is_emulated() {
            "(baseline)"
        } else {
            "(native)"
        });
    let path = cache("path").stdout();
    assert_eq!(
        PathBuf::from(path.trim()),
        workshop.place.path("cache/compiled")
    );
    cache("clear").exits(0).stdout_has("removed: 1");
    cache("clear").exits(0).stdout_has("removed: 0");
    cache("list").exits(0).stdout_has("0 B in 0");
}
