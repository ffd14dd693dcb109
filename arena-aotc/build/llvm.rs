//! Where LLVM is, and how to link it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The LLVM release that WAMR's compiler is built and tested with.
const MAJOR: &str = "19";
/// Asked in this order when `LLVM_CONFIG` is not set.
const PROGRAMS: &[&str] = &["llvm-config-19", "llvm-config"];
const PACKAGES: &str = "llvm-19-dev libzstd-dev libedit-dev";
const STATIC_PACKAGES: &str = "llvm-19-dev libpolly-19-dev libzstd-dev libedit-dev zlib1g-dev \
                               libxml2-dev libz3-dev";

/// What `llvm-config --cppflags` asks for, besides the include folder.
pub(crate) const DEFINITIONS: &[(&str, Option<&str>)] = &[
    ("_GNU_SOURCE", None),
    ("__STDC_CONSTANT_MACROS", None),
    ("__STDC_FORMAT_MACROS", None),
    ("__STDC_LIMIT_MACROS", None),
];

/// An installed LLVM.
pub(crate) struct Llvm {
    program: String,
    pub(crate) version: String,
    pub(crate) include_dir: PathBuf,
}

impl Llvm {
    /// Takes the `llvm-config` of `LLVM_CONFIG` if it is set, else the first found of the usual names.
    pub(crate) fn locate() -> Result<Self> {
        println!("cargo::rerun-if-env-changed=LLVM_CONFIG");
        let program = match env::var("LLVM_CONFIG") {
            Ok(program) => program,
            Err(_) => PROGRAMS
                .iter()
                .find(|program| run(program, &["--version"]).is_ok())
                .ok_or_else(|| {
                    format!(
                        "LLVM {MAJOR} is needed and no llvm-config was found. On Debian: \
                         apt-get install {PACKAGES}; elsewhere set LLVM_CONFIG"
                    )
                })?
                .to_string(),
        };
        let version = run(&program, &["--version"])?;
        if version.split('.').next() != Some(MAJOR) {
            return Err(format!(
                "LLVM {MAJOR} is needed, but {program} is of LLVM {version}. On Debian: \
                 apt-get install {PACKAGES}; or set LLVM_CONFIG"
            ));
        }
        let include_dir = PathBuf::from(run(&program, &["--includedir"])?);
        need_file(&include_dir.join("llvm-c/Core.h"), PACKAGES)?;
        Ok(Self {
            program,
            version,
            include_dir,
        })
    }

    /// Tells cargo what to link.
    pub(crate) fn link(&self) -> Result<()> {
        let folder = run(&self.program, &["--libdir"])?;
        println!("cargo::rustc-link-search=native={folder}");
        if env::var_os("CARGO_FEATURE_STATIC_LLVM").is_some() {
            self.link_static()
        } else {
            self.link_shared()
        }
    }

    fn link_shared(&self) -> Result<()> {
        let libraries = run(&self.program, &["--link-shared", "--libs"])
            .map_err(|error| format!("{error}. On Debian: apt-get install {PACKAGES}"))?;
        link_libraries(&libraries, "dylib");
        Ok(())
    }

    fn link_static(&self) -> Result<()> {
        let hint = |error| format!("{error}. On Debian: apt-get install {STATIC_PACKAGES}");
        let components = ["all-targets", "orcjit", "passes", "ipo", "lto"];
        let mut arguments = vec!["--link-static", "--libs"];
        arguments.extend(components);
        let libraries = run(&self.program, &arguments).map_err(hint)?;
        let system = run(&self.program, &["--link-static", "--system-libs"]).map_err(hint)?;
        let folder = PathBuf::from(run(&self.program, &["--libdir"])?);
        if libraries.contains("-lPolly") {
            need_file(&folder.join("libPolly.a"), STATIC_PACKAGES)?;
        }
        link_libraries(&libraries, "static");
        link_libraries(&system, "dylib");
        Ok(())
    }
}

/// Passes on a list such as `-lz /usr/lib/libz3.so -lm`.
fn link_libraries(list: &str, kind: &str) {
    for word in list.split_whitespace() {
        if let Some(name) = word.strip_prefix("-l") {
            println!("cargo::rustc-link-lib={kind}={name}");
        } else {
            println!("cargo::rustc-link-arg={word}");
        }
    }
}

fn need_file(path: &Path, packages: &str) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    Err(format!(
        "{} is missing. On Debian: apt-get install {packages}",
        path.display()
    ))
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{program} {} failed: {}",
            arguments.join(" "),
            message.trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}
