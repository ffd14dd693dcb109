//! Facts about the build, for `arena --version` and registration, and how the program is linked.

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
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        link();
    }
}

/// Options for the linker that make the program smaller, in the file and in memory.
fn link() {
    let option = |option: &str| println!("cargo::rustc-link-arg-bin=arena=-Wl,{option}");
    println!("cargo::rerun-if-changed=start.ld");
    println!("cargo::rerun-if-env-changed=ARENA_START_ORDER");
    // scripts/update-start-order wants the usual order.
    if std::env::var("ARENA_START_ORDER").as_deref() != Ok("no") {
        let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        option(&format!("-T,{dir}/start.ld"));
    }
    if relocations_may_be_packed() {
        option("-z,pack-relative-relocs");
    }
}

/// Whether the C library that is linked with knows how to relocate a program whose relocations are
/// packed, as glibc does from 2.36 on. Like its functions' versions, this says on which systems the
/// program runs: on those that are as new as the one it is linked with.
fn relocations_may_be_packed() -> bool {
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let linker = std::env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let libc = Command::new(linker)
        .arg("-print-file-name=libc.so.6")
        .output();
    let Ok(libc) = libc.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return false;
    };
    const MARK: &[u8] = b"GLIBC_ABI_DT_RELR";
    let is_glibc = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    is_glibc
        && std::fs::read(libc.trim())
            .is_ok_and(|bytes| bytes.windows(MARK.len()).any(|window| window == MARK))
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
