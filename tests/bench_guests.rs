//! The benchmark programs (wasm-samples/bench), in their smallest size: each says the same in the
//! interpreter, without and with SIMD, and compiled ahead of time, as it does natively.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where its fixture does"
)]

#[path = "support/program.rs"]
mod program;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

#[test]
fn programs_in_c_say_the_same_everywhere() {
    let sources = sources("wasm-samples/bench/c", "c");
    assert!(sources.len() >= 12);
    let scratch = TempDir::new().unwrap();
    let compiler = env::var_os("CC").unwrap_or("cc".into());
    for source in sources {
        let native = scratch.path().join("native");
        said(
            Command::new(&compiler)
                .args(["-O1", "-ffp-contract=off"])
                .arg(&source)
                .arg("-o")
                .args([&native, Path::new("-lm")]),
        );
        check(&source, &native, scratch.path());
    }
}

#[test]
fn programs_in_rust_say_the_same_everywhere() {
    let rust = root("wasm-samples/bench/rust");
    let scratch = TempDir::new().unwrap();
    let compile = |source: &Path, more: &[&str]| {
        said(
            Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
                .args(["--edition", "2024", "-O", "-L"])
                .arg(scratch.path())
                .arg("--out-dir")
                .args([scratch.path(), source])
                .args(more),
        )
    };
    compile(
        &rust.join("src/lib.rs"),
        &["--crate-type=lib", "--crate-name=bench_programs"],
    );
    for source in sources("wasm-samples/bench/rust/src/bin", "rs") {
        compile(&source, &["--extern", "bench_programs"]);
        let native = scratch.path().join(source.file_stem().unwrap());
        check(&source, &native, scratch.path());
    }
}

/// Compares what the program says natively with what its modules say.
fn check(source: &Path, native: &Path, scratch: &Path) {
    let name = source.file_stem().unwrap();
    let expected = said(Command::new(native).arg("quick"));
    assert!(expected.starts_with(name.to_str().unwrap()), "{expected}");
    for kind in ["plain", "simd"] {
        // The classic interpreter has no vectors.
        if kind == "simd" && cfg!(any(feature = "classic-interp", not(feature = "simd"))) {
            continue;
        }
        let modules = root("wasm-samples/build/bench").join(kind);
        let module = modules.join(name).with_extension("wasm");
        assert!(
            module.exists(),
            "{} is missing: run scripts/build-samples --tests",
            module.display()
        );
        let interpreter = match cfg!(feature = "classic-interp") {
            true => "--engine=classic",
            false => "--engine=fast",
        };
        assert_eq!(run(&[interpreter], &module), expected, "{kind}");
        // Once: compiling takes longer than everything else here.
        if kind == "simd"
            && let Some(compiler) = env::var_os("ARENA_AOTC")
        {
            let aot = scratch.join("module.aot");
            said(
                Command::new(compiler)
                    .args(["--target", &program::arch()])
                    .arg(&module)
                    .arg("-o")
                    .arg(&aot),
            );
            assert_eq!(run(&["--trust-aot"], &aot), expected, "{kind}, compiled");
        }
    }
}

fn run(options: &[&str], module: &Path) -> String {
    said(
        program::arena()
            .arg("run")
            .args(options)
            .args([module.as_os_str(), OsStr::new("quick")]),
    )
}

/// The standard output of a command that succeeds.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("it is installed");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sources(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = fs::read_dir(root(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .collect();
    sources.sort();
    sources
}
