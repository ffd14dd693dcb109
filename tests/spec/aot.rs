//! Ahead-of-time compilation of the scripts' modules, by the program that the
//! environment variable ARENA_AOTC names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

/// The compiler, and what it has compiled before: there are thousands of
/// modules, and a process for each.
pub(crate) struct Compiler {
    program: PathBuf,
    changed: Option<SystemTime>,
    cache: PathBuf,
}

impl Compiler {
    /// The compiler, if there is one.
    pub(crate) fn from_env() -> Option<Compiler> {
        let program = PathBuf::from(env::var_os("ARENA_AOTC")?);
        let changed = fs::metadata(&program).and_then(|file| file.modified()).ok();
        let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spec-aot");
        Some(Compiler {
            program,
            changed,
            cache,
        })
    }

    /// The native code of a module.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, String> {
        let mut hasher = DefaultHasher::new();
        (&self.program, self.changed, env::consts::ARCH, wasm).hash(&mut hasher);
        let output = self.cache.join(format!("{:016x}.aot", hasher.finish()));
        if let Ok(aot) = fs::read(&output) {
            return Ok(aot);
        }
        self.compile_to(wasm, &output)
            .map_err(|e| format!("not compiled: {e}"))
    }

    fn compile_to(&self, wasm: &[u8], output: &PathBuf) -> Result<Vec<u8>, String> {
        let failed = |e: std::io::Error| e.to_string();
        fs::create_dir_all(&self.cache).map_err(failed)?;
        // Complete files only get their name in the cache: others may be
        // looking for the same one.
        let dir = tempfile::tempdir_in(&self.cache).map_err(failed)?;
        let (input, compiled) = (
            dir.path().join("module.wasm"),
            dir.path().join("module.aot"),
        );
        fs::write(&input, wasm).map_err(failed)?;
        let run = Command::new(&self.program)
            .args(["--target", env::consts::ARCH])
            .arg(&input)
            .arg("-o")
            .arg(&compiled)
            .output();
        let run = run.map_err(|e| format!("{}: {e}", self.program.display()))?;
        if !run.status.success() {
            let says = String::from_utf8_lossy(&run.stderr);
            return Err(format!("{}: {}", run.status, says.trim()));
        }
        let aot = fs::read(&compiled).map_err(failed)?;
        fs::rename(&compiled, output).map_err(failed)?;
        Ok(aot)
    }
}
