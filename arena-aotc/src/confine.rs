//! Giving up what compiling does not need, before anything of the module is read.
//!
//! A module may be hostile and LLVM is large. Whoever calls this program can bound what it takes;
//! and where it needs no files, it keeps no right to open any.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal};

use crate::STACK_SIZE;
use crate::calls;
use crate::error::{Error, Result};

/// Bounds of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// Seconds of CPU time.
    pub(crate) time: Option<u64>,
    /// MiB of address space beside what the program has at its start and its stack, and of what it
    /// writes.
    pub(crate) memory: Option<u64>,
    /// The lowest priority, so that everything else on the machine goes first.
    pub(crate) background: bool,
}

/// Ends the process when `parent` does, however that ends: nobody takes what would be made.
///
/// # Errors
/// `Error::Internal` when it is not the parent, or no more.
pub(crate) fn end_with(parent: u32) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| failed("be ended with its parent", e))?;
    // It may have ended before that was said.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) {
        Ok(())
    } else {
        Err(Error::Internal(format!(
            "{parent} has not started it, or is gone"
        )))
    }
}

/// Applies the bounds, to this thread and all that it starts.
///
/// # Errors
/// `Error::Internal` when the system refuses one: what was asked for must hold.
pub(crate) fn bound(bounds: Bounds) -> Result<()> {
    // A core dump of a module that somebody else wrote is of no use to anybody.
    limit(Resource::Core, 0, 0)?;
    if let Some(seconds) = bounds.time {
        // The signal of the first says why; the second would be the same as that of others.
        limit(Resource::Cpu, seconds, seconds + 1)?;
    }
    if let Some(mebibytes) = bounds.memory {
        let bytes = mebibytes << 20;
        limit(Resource::Fsize, bytes, bytes)?;
        let begun = address_space().map_err(|e| failed("read its own size", e))?;
        let most = begun
            .saturating_add(bytes)
            .saturating_add(STACK_SIZE as u64);
        limit(Resource::As, most, most)?;
    }
    if bounds.background {
        rustix::process::setpriority_process(None, 19)
            .map_err(|e| failed("lower its priority", e))?;
    }
    Ok(())
}

fn limit(resource: Resource, most: u64, at_last: u64) -> Result<()> {
    let now = rustix::process::getrlimit(resource);
    let within = |most: u64| Some(now.maximum.map_or(most, |hard| hard.min(most)));
    let wanted = Rlimit {
        current: within(most),
        maximum: within(at_last),
    };
    rustix::process::setrlimit(resource, wanted).map_err(|e| failed("limit itself", e))
}

/// Bytes of address space that the process has: the first number of `/proc/self/statm`, in pages.
fn address_space() -> std::result::Result<u64, Errno> {
    let statm = std::fs::read_to_string("/proc/self/statm").map_err(|_| Errno::IO)?;
    let pages: u64 = statm
        .split(' ')
        .next()
        .and_then(|pages| pages.parse().ok())
        .ok_or(Errno::IO)?;
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}

fn failed(what: &str, error: Errno) -> Error {
    Error::Internal(format!("cannot {what}: {error}"))
}

/// The newest version of Landlock that is used here.
const LANDLOCK: ABI = ABI::V6;

/// What LLVM reads to know this machine's processor.
const PROCESSOR: &str = "/proc/cpuinfo";

/// Gives up new privileges, with Landlock all files, the network and signals to others, and with
/// seccomp what else compiling does not take of the system, as far as the kernel has them. What is
/// open stays so. To be called before there are threads.
///
/// # Errors
/// `Error::Internal` when a kernel that has it refuses.
pub(crate) fn seal() -> Result<()> {
    let sealed = || -> std::result::Result<(), RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            .add_rules(path_beneath_rules(
                [PROCESSOR],
                AccessFs::from_read(LANDLOCK),
            ))?
            .restrict_self()?;
        Ok(())
    };
    let failed = |why: String| Error::Internal(format!("cannot give up its rights: {why}"));
    sealed().map_err(|e| failed(e.to_string()))?;
    calls::restrict().map_err(|e| failed(e.to_string()))
}
