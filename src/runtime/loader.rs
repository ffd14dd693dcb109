//! Loaded modules, which all instances of the same file share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tracing::warn;

use crate::artifacts::{self, Found};
use crate::trust::{Distrust, Trust};
use crate::wamr::{AotTrust, Engine, Imports, LoadError, Module, ModuleKind};

use super::compiling::{Compiling, NoCode};
use super::context::Context;

/// A module's code.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) module: Module<Context>,
}

/// Loads files, each one once for as long as somebody has it.
#[derive(Debug)]
pub(super) struct Loader {
    engine: Engine,
    imports: Imports<Context>,
    execution: Execution,
    trust: Arc<Trust>,
    /// By SHA-256 of the file.
    known: Mutex<HashMap<[u8; 32], Arc<Slot>>>,
}

/// What executes modules.
#[derive(Clone, Debug)]
pub(super) enum Execution {
    /// The interpreter.
    Interpreted,
    /// Compiled code where there is some, else the interpreter.
    Either(Arc<Compiling>),
    /// Compiled code.
    Compiled(Arc<Compiling>),
}

impl Execution {
    pub(super) fn compiling(&self) -> Option<&Arc<Compiling>> {
        match self {
            Execution::Interpreted => None,
            Execution::Either(compiling) | Execution::Compiled(compiling) => Some(compiling),
        }
    }
}

/// Why a file cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoaderError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("it may not run here: {0}")]
    Distrust(Distrust),
    #[error("the file is native code, and this runtime interprets modules (engine.mode)")]
    Interpreting,
    #[error("there is no native code of the module, and only that is run here: {0}")]
    NoCode(#[from] NoCode),
}

/// A file's module. Locked while it is loaded, so that a second who wants the same file waits
/// for it instead of loading it again.
type Slot = Mutex<Weak<Loaded>>;

impl Loader {
    pub(super) fn new(
        engine: Engine,
        imports: Imports<Context>,
        execution: Execution,
        trust: Arc<Trust>,
    ) -> Loader {
        Loader {
            engine,
            imports,
            execution,
            trust,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// The module in these bytes, with a signature that is not in them. `name` is for people.
    ///
    /// # Errors
    /// When it is not a WebAssembly module that can be run here, or it needs somebody who vouches
    /// for it and has nobody; an AOT file always does.
    pub(super) fn load(
        &self,
        name: &str,
        bytes: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Arc<Loaded>, LoaderError> {
        ModuleKind::of(bytes)?;
        // First of all: what is loaded or compiled already may have been so before it was wanted.
        let admitted = self.trust.admit(bytes, signature);
        let admitted = admitted.map_err(|why| match why {
            Distrust::NativeUntrusted => LoadError::UntrustedAot.into(),
            why => LoaderError::Distrust(why),
        })?;
        if admitted.native && matches!(self.execution, Execution::Interpreted) {
            return Err(LoaderError::Interpreting);
        }
        let digest = artifacts::digest(bytes);
        let slot = self.slot(digest);
        let mut held = lock(&slot);
        let module = match held.upgrade() {
            None if admitted.native => Module::load_trusted_aot(
                &self.engine,
                admitted.code,
                &self.imports,
                AotTrust::given_by_user(),
            )?,
            None => self.module(name, &digest, bytes)?,
            Some(loaded) => match self.compiled_since(name, &loaded, &digest) {
                Some(module) => module,
                None => return Ok(loaded),
            },
        };
        let loaded = Arc::new(Loaded { module });
        *held = Arc::downgrade(&loaded);
        Ok(loaded)
    }

    /// The native code of a module that was loaded for the interpreter, if there is some by now.
    fn compiled_since(
        &self,
        name: &str,
        loaded: &Loaded,
        digest: &[u8; 32],
    ) -> Option<Module<Context>> {
        let compiling = self.execution.compiling()?;
        if loaded.module.kind() == ModuleKind::Aot || !compiling.has(digest) {
            return None;
        }
        self.compiled(name, &compiling.find(digest))
    }

    fn module(
        &self,
        name: &str,
        digest: &[u8; 32],
        wasm: &[u8],
    ) -> Result<Module<Context>, LoaderError> {
        let found = self.execution.compiling().map(|c| c.find(digest));
        if let Some(found) = &found
            && let Some(module) = self.compiled(name, found)
        {
            return Ok(module);
        }
        match &self.execution {
            Execution::Interpreted => Ok(self.interpreted(wasm)?),
            Execution::Either(compiling) => {
                let module = self.interpreted(wasm)?;
                if found == Some(Found::Nothing) {
                    compiling.make_later(name, digest, wasm);
                }
                Ok(module)
            }
            Execution::Compiled(compiling) => {
                let code = compiling.make_now(name, digest, wasm)?;
                Ok(self.native(&code)?)
            }
        }
    }

    fn interpreted(&self, wasm: &[u8]) -> Result<Module<Context>, LoadError> {
        Module::load(&self.engine, wasm, &self.imports)
    }

    /// What was found, if it is code that can be loaded.
    fn compiled(&self, name: &str, found: &Found) -> Option<Module<Context>> {
        let Found::Code(code) = found else {
            return None;
        };
        match self.native(code) {
            Ok(module) => Some(module),
            Err(error) => {
                warn!(name, "its native code cannot be loaded: {error}");
                None
            }
        }
    }

    fn native(&self, code: &[u8]) -> Result<Module<Context>, LoadError> {
        Module::load_trusted_aot(&self.engine, code, &self.imports, AotTrust::compiled_here())
    }

    fn slot(&self, digest: [u8; 32]) -> Arc<Slot> {
        let mut known = lock(&self.known);
        // Nobody loads into a slot that only the map has, nor has what was in it.
        known.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|held| held.strong_count() > 0)
        });
        Arc::clone(known.entry(digest).or_default())
    }
}

/// What a panic of another holder left behind is usable: a place that is set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::artifacts::{About, Artifacts};
    use crate::config::Settings;

    use super::*;

    fn loader() -> Loader {
        Loader::new(
            Engine::new().unwrap(),
            Imports::new(),
            Execution::Interpreted,
            Arc::default(),
        )
    }

    #[test]
    fn a_file_is_loaded_once() {
        let loader = loader();
        let one = wat::parse_str("(module (memory 1))").unwrap();
        let other = wat::parse_str("(module (memory 2))").unwrap();
        let first = loader.load("m", &one, None).unwrap();
        let again = loader.load("m", &one, None).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(
            &first,
            &loader.load("m", &other, None).unwrap()
        ));
        drop((first, again));
        loader.load("m", &other, None).unwrap();
        assert_eq!(lock(&loader.known).len(), 1, "what nobody has is forgotten");
    }

    #[test]
    fn what_the_compiler_has_refused_is_shared_like_all_others() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(&Settings::default().engine, dir.path()).unwrap();
        let wasm = wat::parse_str("(module)").unwrap();
        let digest = artifacts::digest(&wasm);
        let about = About::new("m", &wasm, &[], artifacts.target(), 0.0);
        artifacts.keep(&digest, &[], &about).unwrap();
        let compiling = Arc::new(Compiling::new(artifacts, None));
        let execution = Execution::Either(compiling);
        let engine = Engine::new().unwrap();
        let loader = Loader::new(engine, Imports::new(), execution, Arc::default());
        let first = loader.load("m", &wasm, None).unwrap();
        assert!(Arc::ptr_eq(&first, &loader.load("m", &wasm, None).unwrap()));
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        let loader = loader();
        assert!(matches!(
            loader.load("m", b"", None),
            Err(LoaderError::Load(LoadError::Empty))
        ));
        assert!(matches!(
            loader.load("m", b"hello", None),
            Err(LoaderError::Load(LoadError::NotAModule))
        ));
        let aot = b"\0aot\x05\0\0\0";
        assert!(matches!(
            loader.load("m", aot, None),
            Err(LoaderError::Load(LoadError::UntrustedAot))
        ));
        let wants = wat::parse_str(r#"(module (import "env" "none" (func)))"#).unwrap();
        let error = loader.load("m", &wants, None).unwrap_err().to_string();
        assert!(error.contains("\"env\" \"none\""), "{error}");
    }
}
