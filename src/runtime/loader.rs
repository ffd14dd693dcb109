//! Loaded modules, which all instances of the same file share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tracing::warn;

use crate::artifacts::{self, Found};
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
    #[error("there is no native code of the module, and only that is run here: {0}")]
    NoCode(#[from] NoCode),
}

/// A file's module. Locked while it is loaded, so that a second who wants the same file waits
/// for it instead of loading it again.
type Slot = Mutex<Weak<Loaded>>;

impl Loader {
    pub(super) fn new(engine: Engine, imports: Imports<Context>, execution: Execution) -> Loader {
        Loader {
            engine,
            imports,
            execution,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// The module in these bytes. `name` is for people.
    ///
    /// # Errors
    /// When it is not a WebAssembly module that can be run here; AOT files are not trusted.
    pub(super) fn load(&self, name: &str, bytes: &[u8]) -> Result<Arc<Loaded>, LoaderError> {
        if ModuleKind::of(bytes)? == ModuleKind::Aot {
            return Err(LoadError::UntrustedAot.into());
        }
        let digest = artifacts::digest(bytes);
        let slot = self.slot(digest);
        let mut held = lock(&slot);
        if let Some(loaded) = held.upgrade()
            && !self.can_be_better(&loaded, &digest)
        {
            return Ok(loaded);
        }
        let module = self.module(name, &digest, bytes)?;
        let loaded = Arc::new(Loaded { module });
        *held = Arc::downgrade(&loaded);
        Ok(loaded)
    }

    /// Whether a module that is interpreted may have been compiled since it was loaded.
    fn can_be_better(&self, loaded: &Loaded, digest: &[u8; 32]) -> bool {
        loaded.module.kind() == ModuleKind::Wasm
            && self
                .execution
                .compiling()
                .is_some_and(|compiling| compiling.has(digest))
    }

    fn module(
        &self,
        name: &str,
        digest: &[u8; 32],
        wasm: &[u8],
    ) -> Result<Module<Context>, LoaderError> {
        let found = self.execution.compiling().map(|c| c.find(digest));
        if let Some(Found::Code(code)) = &found {
            match self.compiled(code) {
                Ok(module) => return Ok(module),
                Err(error) => warn!(name, "its compiled code cannot be loaded: {error}"),
            }
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
                Ok(self.compiled(&compiling.make_now(name, digest, wasm)?)?)
            }
        }
    }

    fn interpreted(&self, wasm: &[u8]) -> Result<Module<Context>, LoadError> {
        Module::load(&self.engine, wasm, &self.imports)
    }

    fn compiled(&self, code: &[u8]) -> Result<Module<Context>, LoadError> {
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
    use super::*;

    fn loader() -> Loader {
        Loader::new(
            Engine::new().unwrap(),
            Imports::new(),
            Execution::Interpreted,
        )
    }

    #[test]
    fn a_file_is_loaded_once() {
        let loader = loader();
        let one = wat::parse_str("(module (memory 1))").unwrap();
        let other = wat::parse_str("(module (memory 2))").unwrap();
        let first = loader.load("m", &one).unwrap();
        let again = loader.load("m", &one).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &loader.load("m", &other).unwrap()));
        drop((first, again));
        loader.load("m", &other).unwrap();
        assert_eq!(lock(&loader.known).len(), 1, "what nobody has is forgotten");
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        let loader = loader();
        assert!(matches!(
            loader.load("m", b""),
            Err(LoaderError::Load(LoadError::Empty))
        ));
        assert!(matches!(
            loader.load("m", b"hello"),
            Err(LoaderError::Load(LoadError::NotAModule))
        ));
        let aot = b"\0aot\x05\0\0\0";
        assert!(matches!(
            loader.load("m", aot),
            Err(LoaderError::Load(LoadError::UntrustedAot))
        ));
        let wants = wat::parse_str(r#"(module (import "env" "none" (func)))"#).unwrap();
        let error = loader.load("m", &wants).unwrap_err().to_string();
        assert!(error.contains("\"env\" \"none\""), "{error}");
    }
}
