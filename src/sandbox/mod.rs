//! What the process gives up of the machine, for good, before anything of strangers is read:
//! files and TCP ports by Landlock, system calls by seccomp, privileges and core dumps.
//!
//! It holds for the process whatever a module or a message makes of it: also where a host function
//! has a fault. It is not what keeps modules from each other; that is the engine's work.
//!
//! [`apply`] is called once, on the only thread there is: Landlock holds for that thread and all
//! that it starts. What is open stays open.

mod calls;
mod files;
mod held;
mod privileges;
mod table;

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::config::SandboxLevel;

pub use held::Held;

/// What the process needs all the same.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Files, and directories with all below them, to read.
    pub read: Vec<PathBuf>,
    /// The same, to read and write.
    pub write: Vec<PathBuf>,
    /// Files to execute.
    pub execute: Vec<PathBuf>,
    /// Ports to connect to by TCP.
    pub connect: Vec<u16>,
    /// Ports to listen on by TCP; 0 is any that is free.
    pub bind: Vec<u16>,
    /// Sockets that names of hosts are looked up with: UDP, and those of local services.
    pub resolver: bool,
    /// Datagrams to a local socket: those to the service manager.
    pub datagrams: bool,
    /// That socket has an abstract name.
    pub abstract_sockets: bool,
    /// Capabilities, as far as the process has them.
    pub capabilities: Capabilities,
}

/// Which capabilities stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capabilities {
    /// Those for schedulers and ports below 1024.
    #[default]
    Few,
    /// Those, too, by which root uses the files of others.
    Files,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The system refuses what every Linux has.
    #[error("cannot give up {what}: {source}")]
    Refused {
        /// What was to be given up.
        what: &'static str,
        /// Why it is not.
        source: std::io::Error,
    },
    /// With `strict`, all has to hold.
    #[error(
        "security.sandbox is \"strict\", and this system cannot hold it: {0}; \"default\" takes what there is"
    )]
    NotStrict(String),
}

static HELD: OnceLock<Held> = OnceLock::new();

/// What holds for this process; `None` when there is no sandbox.
#[must_use]
pub fn held() -> Option<&'static Held> {
    HELD.get()
}

/// Gives up everything but the needs. `Off` gives up nothing; a second call adds nothing.
///
/// # Errors
/// With `Strict` when something cannot be had here. With `Default` only where the system refuses
/// what it has; what it lacks is in [`Held::missing`].
pub fn apply(level: SandboxLevel, needs: &Needs) -> Result<Option<&'static Held>, SandboxError> {
    if level == SandboxLevel::Off || HELD.get().is_some() {
        return Ok(held());
    }
    let mut missing = Vec::new();
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        missing.push("the threads that were there before are not held".to_owned());
    }
    privileges::give_up(needs)?;
    let landlock = files::restrict(needs, &mut missing)?;
    // Last, so that the calls above need not be among those that stay.
    let calls = calls::restrict(level, needs, &mut missing)?;
    if level == SandboxLevel::Strict && !missing.is_empty() {
        return Err(SandboxError::NotStrict(missing.join("; ")));
    }
    let held = Held {
        level,
        landlock,
        calls,
        programs: !needs.execute.is_empty(),
        connect: needs.connect.clone(),
        missing,
    };
    Ok(Some(HELD.get_or_init(|| held)))
}
