//! Compiles WAMR's C sources and the shim beside them into a static library.
//!
//! The sources come from `WAMR_ROOT` (a checkout of wasm-micro-runtime), or
//! from the package that `Cargo.toml` pins for them.

#[path = "build/bindings.rs"]
#[cfg(feature = "bindgen")]
mod bindings;
#[path = "build/compile.rs"]
mod compile;
#[path = "build/source.rs"]
mod source;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nerror: wamr-sys: {why}\n");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    for path in ["build.rs", "build", "shim", "src/bindings.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out_dir = PathBuf::from(env("OUT_DIR")?);
    let source = source::locate()?;
    let build = compile::Build::new(&source, &out_dir)?;
    build.compile()?;

    #[cfg(feature = "bindgen")]
    std::fs::write(
        out_dir.join("bindings.rs"),
        bindings::generate(
            &source.core,
            &PathBuf::from(env("CARGO_MANIFEST_DIR")?).join("shim"),
        )?,
    )
    .map_err(|e| format!("cannot write the generated bindings: {e}"))?;

    // Seen by dependents' build scripts as DEP_IWASM_*.
    println!("cargo::metadata=VERSION={}", source.version);
    println!("cargo::metadata=ROOT={}", source.root.display());
    println!(
        "cargo::metadata=FEATURES={}",
        build.options.names().join(" ")
    );
    // Seen by this crate's tests.
    println!("cargo::rustc-env=WAMR_CORE={}", source.core.display());
    if let Ok(script) = std::env::current_exe() {
        println!("cargo::rustc-env=WAMR_BUILD_SCRIPT={}", script.display());
    }
    Ok(())
}

fn env(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|e| format!("the variable {name}, which cargo sets: {e}"))
}
