//! Architectures and processors, by the names that people use.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// What `--target` takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Target {
    /// The architecture of this machine
    Host,
    #[value(name = "x86_64", alias = "amd64")]
    X86_64,
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
}

/// An architecture that code can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arch {
    #[serde(rename = "x86_64")]
    X86_64,
    Aarch64,
}

impl Target {
    pub(crate) fn arch(self) -> Arch {
        match self {
            Self::Host => Arch::HOST,
            Self::X86_64 => Arch::X86_64,
            Self::Aarch64 => Arch::Aarch64,
        }
    }
}

impl Arch {
    #[cfg(target_arch = "x86_64")]
    pub(crate) const HOST: Self = Self::X86_64;
    #[cfg(target_arch = "aarch64")]
    pub(crate) const HOST: Self = Self::Aarch64;

    /// LLVM's name, which WAMR takes too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The processor whose code runs on every machine of this architecture that people still use.
    ///
    /// x86-64-v2 (2009) has the SSE4.1 that WebAssembly's SIMD needs; every 64-bit Arm has NEON.
    fn baseline(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64-v2",
            Self::Aarch64 => "generic",
        }
    }

    /// LLVM's name for a processor named on the command line, `native` apart.
    pub(crate) fn cpu(self, name: &str) -> &str {
        match (self, name) {
            (_, "baseline") => self.baseline(),
            (Self::Aarch64, name) => match raspberry_pi(name) {
                Some('3') => "cortex-a53",
                Some('4') => "cortex-a72",
                Some('5') => "cortex-a76",
                _ => name,
            },
            _ => name,
        }
    }

    /// Features that LLVM's tables have wrong for a processor named there.
    ///
    /// The levels of x86-64 are tuned as if every processor was Intel's of 2011, which rotates fast
    /// by a double shift. AMD's takes six times as long for it as for a rotation: hashes became
    /// twice as slow, and on Intel's own nothing is lost.
    pub(crate) fn tuning(self, cpu: &str) -> Vec<String> {
        match (self, cpu) {
            (Self::X86_64, "x86-64-v2" | "x86-64-v3" | "x86-64-v4") => {
                vec!["-fast-shld-rotate".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// The model's number in "rpi4", as it is written here and in other places.
fn raspberry_pi(name: &str) -> Option<char> {
    let names = ["rpi", "pi", "raspberrypi", "raspberry-pi-", "raspberry-pi"];
    names.iter().find_map(|before| {
        let mut rest = name.strip_prefix(before)?.chars();
        let model = rest.next()?;
        rest.next().is_none().then_some(model)
    })
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
