//! What the host functions of a module see.

use crate::guest::{self, Guest};
use crate::wamr::Imports;
use crate::wasi::{self, Wasi};

/// The state of one instance that host functions share.
#[derive(Debug)]
pub(super) struct Context {
    wasi: Wasi,
    guest: Guest,
}

impl Context {
    pub(super) fn new(wasi: Wasi, guest: Guest) -> Context {
        Context { wasi, guest }
    }
}

impl AsRef<Wasi> for Context {
    fn as_ref(&self) -> &Wasi {
        &self.wasi
    }
}

impl AsRef<Guest> for Context {
    fn as_ref(&self) -> &Guest {
        &self.guest
    }
}

/// Everything that the node offers to modules.
pub(super) fn imports() -> Imports<Context> {
    let mut imports = Imports::new();
    wasi::add_to_imports(&mut imports);
    guest::add_to_imports(&mut imports);
    imports
}
