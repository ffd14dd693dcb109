//! A build that cannot work says what is missing and what helps.
//!
//! Each test runs the build script as cargo does, with something missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the build script with this variable on top of the usual ones, and
/// checks that all of `parts` are in its error.
fn fails(variable: &str, value: impl AsRef<OsStr>, parts: &[&str]) {
    let arch = std::env::consts::ARCH;
    let target = format!("{arch}-unknown-linux-gnu");
    let output = Command::new(env!("WAMR_BUILD_SCRIPT"))
        .env_clear()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_CFG_TARGET_ARCH", arch)
        .env("CARGO_CFG_TARGET_OS", "linux")
        .env("CARGO_FEATURE_AOT", "1")
        .env("CARGO_FEATURE_SIMD", "1")
        .env("OUT_DIR", tmp(variable))
        .env("OPT_LEVEL", "0")
        .env("PROFILE", "debug")
        .env("TARGET", &target)
        .env("HOST", &target)
        // Without it cargo would be asked where the sources are.
        .env("WAMR_ROOT", Path::new(env!("WAMR_CORE")).parent().unwrap())
        .env(variable, value)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the build works: {stderr}");
    for part in [&["error: wamr-sys: "], parts].concat() {
        assert!(stderr.contains(part), "no {part:?} in:\n{stderr}");
    }
}

/// A folder of this test's.
fn tmp(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("build-errors")
        .join(name);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn sources_that_are_not_there() {
    fails(
        "WAMR_ROOT",
        "/nonexistent",
        &[
            "/nonexistent holds no WAMR sources",
            "Point WAMR_ROOT at a checkout",
        ],
    );
}

#[test]
fn sources_that_are_not_complete() {
    let root = tmp("incomplete");
    let core = root.join("core");
    for dir in ["shared/mem-alloc/ems", "shared/utils"] {
        std::fs::create_dir_all(core.join(dir)).unwrap();
    }
    let version = Path::new(env!("WAMR_CORE")).join("version.h");
    std::fs::copy(version, core.join("version.h")).unwrap();
    fails(
        "WAMR_ROOT",
        root,
        &["is missing", "not the sources of WAMR"],
    );
}

#[test]
fn a_missing_header() {
    fails(
        "SIMDE_ROOT",
        tmp("empty"),
        &["simd128.h", "apt-get install libsimde-dev", "SIMDE_ROOT"],
    );
}

#[test]
fn a_missing_compiler() {
    fails(
        "CC",
        "/nonexistent/cc",
        &["/nonexistent/cc", "apt-get install gcc libc6-dev"],
    );
}

#[test]
fn a_processor_that_is_not_supported() {
    fails(
        "CARGO_CFG_TARGET_ARCH",
        "riscv64",
        &["riscv64", "x86_64 and aarch64"],
    );
}

#[test]
fn a_system_that_is_not_supported() {
    fails("CARGO_CFG_TARGET_OS", "windows", &["Linux", "windows"]);
}
