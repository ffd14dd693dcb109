//! What an artifact depends on.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::wamr::Engine;

use super::processor;

/// What code is made for, and how: in the compiler's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The architecture: `x86_64` or `aarch64`.
    pub arch: String,
    /// The processor: a name that the compiler knows; `native` is this machine's, `baseline` any
    /// of the architecture.
    pub cpu: String,
    /// Features of the processor to add or take away, as `+avx2`.
    pub features: Vec<String>,
    /// How much to optimize: 0 to 3.
    pub opt: u8,
    /// Prefer small code.
    pub size: bool,
}

impl Target {
    /// This machine, for a processor: the fastest code that there is.
    #[must_use]
    pub fn host(cpu: &str) -> Target {
        Target {
            arch: std::env::consts::ARCH.to_owned(),
            cpu: cpu.to_owned(),
            features: Vec::new(),
            opt: 3,
            size: false,
        }
    }

    /// All of it in one text, and what `native` stands for.
    fn describe(&self) -> String {
        let native = match &*self.cpu {
            "native" => processor::identity(),
            _ => "",
        };
        format!(
            "arch={} cpu={} features={} opt={} size={}\n{native}",
            self.arch,
            self.cpu,
            self.features.join(","),
            self.opt,
            self.size
        )
    }
}

/// What the cache finds an artifact by: SHA-256 over the module's own hash, the version of WAMR and
/// of this program, and the [`Target`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a module's code, by the module's bytes.
    #[must_use]
    pub fn new(wasm: &[u8], target: &Target) -> Key {
        Key::of_digest(&Sha256::digest(wasm).into(), target)
    }

    /// The same by the SHA-256 of the module's bytes.
    #[must_use]
    pub fn of_digest(wasm: &[u8; 32], target: &Target) -> Key {
        let mut hash = Sha256::new();
        hash.update(wasm);
        // A newer compiler may make better code, or be cured of an error.
        hash.update(format!(
            "arena={} wamr={}\n",
            env!("CARGO_PKG_VERSION"),
            Engine::wamr_version()
        ));
        hash.update(target.describe());
        Key(hash.finalize().into())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everything_counts() {
        let host = Target::host("native");
        let other = |change: fn(&mut Target)| {
            let mut target = host.clone();
            change(&mut target);
            Key::new(b"module", &target)
        };
        let keys = [
            Key::new(b"module", &host),
            Key::new(b"modulf", &host),
            other(|t| t.arch = "riscv64".to_owned()),
            other(|t| t.cpu = "baseline".to_owned()),
            other(|t| t.features.push("+avx2".to_owned())),
            other(|t| t.opt = 2),
            other(|t| t.size = true),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(keys[0], Key::new(b"module", &host.clone()));
        assert_eq!(keys[0].to_string().len(), 64);
    }
}
