//! Facts about the build, for `arena --version` and registration.

use std::path::Path;
use std::process::Command;

fn main() {
    let wamr = std::env::var("DEP_IWASM_VERSION").unwrap_or_default();
    let features = std::env::var("DEP_IWASM_FEATURES").unwrap_or_default();
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=ARENA_COMMIT={}", commit());
    println!("cargo::rustc-env=ARENA_TARGET={target}");
    println!("cargo::rustc-env=ARENA_WAMR_VERSION={wamr}");
    println!("cargo::rustc-env=ARENA_FEATURES={features}");
    println!("cargo::rerun-if-changed=build.rs");
}

/// The commit that is built; "unknown" outside of a git checkout.
fn commit() -> String {
    // A commit moves one of these; in a packed archive there is neither.
    for file in [".git/HEAD", ".git/logs/HEAD"] {
        if Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |commit| commit.trim().to_owned())
}
