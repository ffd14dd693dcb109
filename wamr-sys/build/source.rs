//! Where WAMR's sources are.

use std::path::{Path, PathBuf};

/// The package on crates.io that carries WAMR's `core/` folder.
const PACKAGE: &str = "wamrx-sys";

/// A checkout of WAMR.
pub struct Source {
    /// The folder that holds `core/`.
    pub root: PathBuf,
    /// `root/core`.
    pub core: PathBuf,
    /// WAMR's version, `major.minor.patch`.
    pub version: String,
}

/// Finds the sources and reads their version.
pub fn locate() -> Result<Source, String> {
    println!("cargo::rerun-if-env-changed=WAMR_ROOT");
    let root = match std::env::var_os("WAMR_ROOT") {
        Some(root) => PathBuf::from(root),
        None => package_root()?,
    };
    let core = root.join("core");
    let version = version(&core.join("version.h")).ok_or_else(|| {
        format!(
            "{} holds no WAMR sources (core/version.h is missing or unreadable).\n  \
             Point WAMR_ROOT at a checkout of wasm-micro-runtime 2.4, or unset it to use the pinned package.",
            root.display()
        )
    })?;
    println!(
        "cargo::rerun-if-changed={}",
        core.join("version.h").display()
    );
    Ok(Source {
        root,
        core,
        version,
    })
}

fn package_root() -> Result<PathBuf, String> {
    let manifest = Path::new(&super::env("CARGO_MANIFEST_DIR")?).join("source/Cargo.toml");
    println!("cargo::rerun-if-changed={}", manifest.display());
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(&manifest)
        .other_options(["--locked".to_owned()])
        .exec()
        .map_err(|e| {
            format!(
                "cannot get the package {PACKAGE}, which carries WAMR's sources: {e}\n  \
                 Run `cargo fetch --manifest-path {}` with network access, \
                 or set WAMR_ROOT to a checkout of wasm-micro-runtime.",
                manifest.display()
            )
        })?;
    metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == PACKAGE)
        .and_then(|package| package.manifest_path.parent())
        .map(|dir| dir.join("wasm-micro-runtime").into_std_path_buf())
        .ok_or_else(|| format!("{} does not name the package {PACKAGE}", manifest.display()))
}

fn version(header: &Path) -> Option<String> {
    let text = std::fs::read_to_string(header).ok()?;
    let part = |name: &str| {
        text.lines()
            .filter_map(|line| line.trim().strip_prefix("#define"))
            .filter_map(|line| line.trim().strip_prefix(name))
            .find_map(|value| value.trim().parse::<u32>().ok())
    };
    Some(format!(
        "{}.{}.{}",
        part("WAMR_VERSION_MAJOR")?,
        part("WAMR_VERSION_MINOR")?,
        part("WAMR_VERSION_PATCH")?
    ))
}
