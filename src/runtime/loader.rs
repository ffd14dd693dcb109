//! Loaded modules, which all instances of the same file share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sha2::{Digest, Sha256};

use crate::wamr::{Engine, Imports, LoadError, Module, ModuleKind};

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
    /// By SHA-256 of the file.
    known: Mutex<HashMap<[u8; 32], Arc<Slot>>>,
}

/// A file's module. Locked while it is loaded, so that a second who wants the same file waits
/// for it instead of loading it again.
type Slot = Mutex<Weak<Loaded>>;

impl Loader {
    pub(super) fn new(engine: Engine, imports: Imports<Context>) -> Loader {
        Loader {
            engine,
            imports,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// The module in these bytes.
    ///
    /// # Errors
    /// When it is not a WebAssembly module that can be run here; AOT files are not trusted.
    pub(super) fn load(&self, bytes: &[u8]) -> Result<Arc<Loaded>, LoadError> {
        if ModuleKind::of(bytes)? == ModuleKind::Aot {
            return Err(LoadError::UntrustedAot);
        }
        let slot = self.slot(Sha256::digest(bytes).into());
        let mut held = lock(&slot);
        if let Some(loaded) = held.upgrade() {
            return Ok(loaded);
        }
        let module = Module::load(&self.engine, bytes, &self.imports)?;
        let loaded = Arc::new(Loaded { module });
        *held = Arc::downgrade(&loaded);
        Ok(loaded)
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

    #[test]
    fn a_file_is_loaded_once() {
        let loader = Loader::new(Engine::new().unwrap(), Imports::new());
        let one = wat::parse_str("(module (memory 1))").unwrap();
        let other = wat::parse_str("(module (memory 2))").unwrap();
        let first = loader.load(&one).unwrap();
        let again = loader.load(&one).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &loader.load(&other).unwrap()));
        drop((first, again));
        loader.load(&other).unwrap();
        assert_eq!(lock(&loader.known).len(), 1, "what nobody has is forgotten");
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        let loader = Loader::new(Engine::new().unwrap(), Imports::new());
        assert!(matches!(loader.load(b""), Err(LoadError::Empty)));
        assert!(matches!(loader.load(b"hello"), Err(LoadError::NotAModule)));
        let aot = b"\0aot\x05\0\0\0";
        assert!(matches!(loader.load(aot), Err(LoadError::UntrustedAot)));
        let wants = wat::parse_str(r#"(module (import "env" "none" (func)))"#).unwrap();
        let error = loader.load(&wants).unwrap_err().to_string();
        assert!(error.contains("\"env\" \"none\""), "{error}");
    }
}
