//! The compiler and its cache together: what runs modules asks here for their code.

use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tracing::warn;

use crate::config::{EngineMode, EngineSettings};

use super::cache::{Cache, CacheError};
use super::compiler::{Bounds, CompileError, Compiler};
use super::key::{Key, Target};
use super::processor;
use super::sealed::About;

/// Compiled code, as the settings in `[engine]` have it: of this machine unless it is asked for
/// another target.
#[derive(Clone, Debug)]
pub struct Artifacts {
    cache: Cache,
    compiler: Option<Compiler>,
    target: Target,
    bounds: Bounds,
}

/// What there is for a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The code, an AOT file that was compiled here.
    Code(Vec<u8>),
    /// The compiler has refused the module, and would do so again; or its code is too large to be
    /// kept.
    Refused,
    /// Nothing.
    Nothing,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// There is no compiler.
    #[error(
        "there is no compiler arena-aotc: not in engine.compiler, beside this program or in $PATH"
    )]
    NoCompiler,
    /// Somebody else is making it just now.
    #[error("another process is compiling the module")]
    Busy,
    /// The compiler does not make it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It cannot be kept.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// How often it is looked whether another process has made code.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The SHA-256 of a module.
#[must_use]
pub fn digest(wasm: &[u8]) -> [u8; 32] {
    Sha256::digest(wasm).into()
}

impl Artifacts {
    /// Those of the settings; the cache is a folder in `cache_dir`. `None` when modules are to be
    /// interpreted.
    #[must_use]
    pub fn new(settings: &EngineSettings, cache_dir: &Path) -> Option<Artifacts> {
        if settings.mode == EngineMode::Interpreter || !cfg!(feature = "aot") {
            return None;
        }
        let compiler = Compiler::find(settings.compiler.as_deref());
        Some(Artifacts::with(settings, cache_dir, compiler))
    }

    /// The same for a process that starts no programs.
    #[must_use]
    pub fn without_compiler(settings: &EngineSettings, cache_dir: &Path) -> Option<Artifacts> {
        let compiled = settings.mode != EngineMode::Interpreter && cfg!(feature = "aot");
        compiled.then(|| Artifacts::with(settings, cache_dir, None))
    }

    fn with(settings: &EngineSettings, cache_dir: &Path, compiler: Option<Compiler>) -> Artifacts {
        let cpu = match &*settings.cpu {
            // Nobody else knows what it is.
            "native" if compiler.is_none() => processor::name(),
            cpu => cpu,
        };
        Artifacts {
            cache: Cache::new(cache_dir.join("compiled"), settings.cache_size),
            compiler,
            target: Target::host(cpu),
            bounds: Bounds {
                time: settings.compile_time,
                memory: settings.compile_memory,
                background: false,
            },
        }
    }

    /// The same, with compilations that let everything else on the machine go first.
    #[must_use]
    pub fn in_background(mut self) -> Artifacts {
        self.bounds.background = true;
        self
    }

    /// The same for another machine.
    #[must_use]
    pub fn for_target(mut self, target: Target) -> Artifacts {
        self.target = target;
        self
    }

    /// What the code is for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where code is kept.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Whether there is a compiler.
    #[must_use]
    pub fn can_compile(&self) -> bool {
        self.compiler.is_some()
    }

    /// Whether there is something for a module with this [`digest`]; cheaper than to look what.
    #[must_use]
    pub fn has(&self, digest: &[u8; 32]) -> bool {
        self.cache.has(&self.key(digest))
    }

    /// What there is for a module with this [`digest`].
    #[must_use]
    pub fn find(&self, digest: &[u8; 32]) -> Found {
        // What an earlier compiler has made is made again; without one it will do.
        let wanted = |about: &About| match &self.compiler {
            Some(compiler) => about.compiler == compiler.identity(),
            None => true,
        };
        match self.cache.get_if(&self.key(digest), wanted) {
            None => Found::Nothing,
            Some(code) if code.is_empty() => Found::Refused,
            Some(code) => Found::Code(code),
        }
    }

    /// The code of a module, however long it takes to make it, or another process to.
    ///
    /// # Errors
    /// As [`Artifacts::make`]; where the compiler has refused the module before, it is asked again
    /// for its reason.
    pub fn find_or_make(
        &self,
        name: &str,
        wasm: &[u8],
        go_on: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<Vec<u8>, MakeError> {
        let digest = digest(wasm);
        let begun = Instant::now();
        loop {
            if let Found::Code(code) = self.find(&digest) {
                return Ok(code);
            }
            match self.make(name, wasm, go_on) {
                Err(MakeError::Busy) if go_on(begun.elapsed()) => std::thread::sleep(LOOK_AGAIN),
                made => return made,
            }
        }
    }

    /// Compiles a module and keeps its code, also for other processes; or keeps that it cannot be
    /// compiled. `name` is for people. `go_on` is asked ten times a second, with the time that has
    /// passed.
    ///
    /// # Errors
    /// When there is no compiler, when it does not make code, or `go_on` says no. Code that cannot
    /// be kept is returned nevertheless, with a warning in the log.
    pub fn make(
        &self,
        name: &str,
        wasm: &[u8],
        go_on: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<Vec<u8>, MakeError> {
        let compiler = self.compiler.as_ref().ok_or(MakeError::NoCompiler)?;
        let key = self.key(&digest(wasm));
        let _claim = match self.cache.claim(&key) {
            Ok(None) => return Err(MakeError::Busy),
            Ok(claim) => claim,
            // It is made all the same, and that it cannot be kept is told then.
            Err(_) => None,
        };
        let keep = |code: &[u8], seconds| {
            let about = About::new(name, wasm, code, &self.target, seconds);
            let about = about.by(compiler.identity());
            if let Err(error) = self.cache.put(&key, code, &about) {
                warn!("compiled code is not kept: {error}");
            }
        };
        match compiler.compile(wasm, &self.target, &self.bounds, go_on) {
            Ok(compiled) => {
                keep(&compiled.code, compiled.seconds);
                Ok(compiled.code)
            }
            Err(error) => {
                if error.would_repeat() {
                    keep(&[], 0.0);
                }
                Err(error.into())
            }
        }
    }

    /// Keeps code that somebody else has made, whom the caller trusts.
    ///
    /// # Errors
    /// As [`Cache::put`].
    pub fn keep(&self, digest: &[u8; 32], code: &[u8], about: &About) -> Result<(), CacheError> {
        self.cache.put(&self.key(digest), code, about)
    }

    /// The key of a module with this [`digest`].
    #[must_use]
    pub fn key(&self, digest: &[u8; 32]) -> Key {
        Key::of_digest(digest, &self.target)
    }
}
