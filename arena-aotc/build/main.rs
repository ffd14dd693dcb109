//! Compiles WAMR's compiler front end and our shim, and links them with LLVM.
//!
//! Environment: `WAMR_ROOT` (a WAMR checkout to use instead of the pinned package),
//! `LLVM_CONFIG` (the `llvm-config` to ask), and what the `cc` crate reads (`CC`, `CXX`, …).

mod llvm;
mod wamr;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What any step here may fail with; the text is all that a user gets to see.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("arena-aotc: {message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=shim");

    let wamr = wamr::Sources::locate()?;
    let llvm = llvm::Llvm::locate()?;
    compile(&wamr, &llvm)?;
    llvm.link()?;

    println!("cargo::rustc-env=ARENA_AOTC_WAMR_VERSION={}", wamr.version);
    println!("cargo::rustc-env=ARENA_AOTC_LLVM_VERSION={}", llvm.version);
    Ok(())
}

/// Compiles everything into one archive, because its C and C++ halves call each other.
fn compile(wamr: &wamr::Sources, llvm: &llvm::Llvm) -> Result<()> {
    let shim = Path::new("shim");

    let mut cxx = settings(wamr, llvm)?;
    cxx.cpp(true)
        .std("c++17")
        .flag("-fno-exceptions")
        .flag_if_supported("-fno-rtti")
        .files(wamr.compiler_cxx_files())
        .file(shim.join("optimize.cpp"))
        .file(shim.join("target.cpp"))
        .file(shim.join("traps.cpp"));
    let mut objects: Vec<PathBuf> = cxx
        .try_compile_intermediates()
        .map_err(|error| format!("cannot compile the C++ sources: {error}"))?;

    for (file, theirs, ours) in wamr::REPLACED_CALLS {
        let mut caller = settings(wamr, llvm)?;
        caller
            .std("gnu11")
            .flag("-include")
            .flag("aotc.h")
            .file(wamr.file(file))
            .define(theirs, Some(*ours));
        objects.extend(
            caller
                .try_compile_intermediates()
                .map_err(|error| format!("cannot compile WAMR's {file}: {error}"))?,
        );
    }

    let mut c = settings(wamr, llvm)?;
    c.std("gnu11")
        // Declares aotc_vprintf for the file of WAMR's that calls it.
        .flag("-include")
        .flag("aotc.h")
        .files(wamr.c_files()?)
        .file(shim.join("arithmetic.c"))
        .file(shim.join("compile.c"))
        .objects(objects);
    c.try_compile("arena_aotc_wamr")
        .map_err(|error| format!("cannot compile the C sources: {error}"))?;

    println!("cargo::rustc-link-lib=dylib=stdc++");
    println!("cargo::rustc-link-lib=dylib=m");
    Ok(())
}

/// The include paths, definitions and flags that all files share.
fn settings(wamr: &wamr::Sources, llvm: &llvm::Llvm) -> Result<cc::Build> {
    let mut build = cc::Build::new();
    build
        .includes(wamr.include_dirs())
        .include("shim")
        .include(&llvm.include_dir)
        .pic(true)
        .warnings(false)
        .flag("-ffunction-sections")
        .flag("-fdata-sections")
        // LLVM takes nearly all of the time, our own files almost none of it.
        .opt_level(1);
    for (name, value) in wamr::DEFINITIONS.iter().chain(llvm::DEFINITIONS) {
        build.define(name, *value);
    }
    build.define(wamr::host_definition()?, None);
    Ok(build)
}
