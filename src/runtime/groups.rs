//! Bounds for all modules together, by control groups (version 2) where the runtime may make some:
//! systemd's `Delegate=`, for example.
//!
//! ```text
//! G                   the group that the runtime was started in; it has no processes afterwards
//! └─ arena            all of the runtime: memory.max
//!    └─ modules       threads of modules: cpu.max
//!       └─ <uuid>     those of one module, which so has as much as any other, however many it has
//! ```
//!
//! Memory is a process's, so that its bound is one of the runtime with all modules; of CPU time the
//! runtime's own threads have theirs beside that of modules.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use tracing::{debug, warn};
use uuid::Uuid;

use crate::config::LimitSettings;

/// The group of the runtime's own.
const OWN: &str = "arena";
/// The one of modules in that.
const MODULES: &str = "modules";
/// Microseconds over which CPU time is counted.
const PERIOD: u64 = 100_000;

/// Why there are no groups.
#[derive(Debug, thiserror::Error)]
enum NoGroups {
    #[error("there is no control group of version 2")]
    Version,
    #[error("{} has other processes, so that it is not ours", .0.display())]
    Shared(PathBuf),
    #[error("{} has no controller \"{name}\"; with systemd: Delegate=cpu memory", group.display())]
    Controller { group: PathBuf, name: &'static str },
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

fn write(path: PathBuf, text: &str) -> Result<(), NoGroups> {
    fs::write(&path, text).map_err(|error| NoGroups::Write { path, error })
}

fn make(path: PathBuf) -> Result<PathBuf, NoGroups> {
    match fs::create_dir(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(NoGroups::Write { path, error })
        }
        _ => Ok(path),
    }
}

/// The group that this process is in.
fn own_group(proc: &Path, sys: &Path) -> Option<PathBuf> {
    let groups = fs::read_to_string(proc.join("self/cgroup")).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // "unified" is where it is beside version 1.
    let mount = ["fs/cgroup", "fs/cgroup/unified"]
        .iter()
        .map(|mount| sys.join(mount))
        .find(|mount| mount.join("cgroup.controllers").exists())?;
    let inside = Path::new(group)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| mount.join(group))
}

fn place() -> Option<PathBuf> {
    own_group(Path::new("/proc"), Path::new("/sys"))
}

/// The group that [`settle`] has put this process into. Its name alone says nothing: others may give
/// it to theirs.
static SETTLED: OnceLock<PathBuf> = OnceLock::new();

/// Puts this process into groups with the bounds that the settings want; says in the log what does
/// not go. To be called before there are other threads, and before the rights to it are given up.
/// Returns the directory that has to stay writable.
pub(super) fn settle(limits: &LimitSettings) -> Option<PathBuf> {
    if limits.total_memory.is_none() && limits.total_cpu.is_none() {
        return None;
    }
    let settled = place()
        .ok_or(NoGroups::Version)
        .and_then(|group| settle_in(&group, limits));
    settled
        .inspect(|group| {
            let _ = SETTLED.set(group.clone());
        })
        .inspect_err(|error| {
            warn!("limits.total_memory and limits.total_cpu are not held here: {error}");
        })
        .ok()
}

/// A group that has no processes but this one.
fn unshared(group: &Path) -> Result<(), NoGroups> {
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let own = std::process::id().to_string();
    if processes.lines().any(|process| process != own) {
        return Err(NoGroups::Shared(group.to_owned()));
    }
    Ok(())
}

fn settle_in(group: &Path, limits: &LimitSettings) -> Result<PathBuf, NoGroups> {
    unshared(group)?;
    let there = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let wanted = [
        ("cpu", limits.total_cpu.is_some()),
        ("memory", limits.total_memory.is_some()),
    ];
    for (controller, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
        if !there.split_whitespace().any(|word| word == *controller) {
            return Err(NoGroups::Controller {
                group: group.to_owned(),
                name: controller,
            });
        }
    }
    // A group with processes gives its children no controllers.
    let leaf = make(group.join(OWN))?;
    // It may be there: left by one that has ended, or another runtime's, who has other bounds.
    unshared(&leaf)?;
    write(leaf.join("cgroup.procs"), "0")?;
    for (controller, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
        write(
            group.join("cgroup.subtree_control"),
            &format!("+{controller}"),
        )?;
    }
    if let Some(bytes) = limits.total_memory {
        write(leaf.join("memory.max"), &bytes.to_string())?;
    }
    if let Some(percent) = limits.total_cpu {
        let modules = make(leaf.join(MODULES))?;
        write(modules.join("cgroup.type"), "threaded")?;
        write(leaf.join("cgroup.subtree_control"), "+cpu")?;
        write(modules.join("cgroup.subtree_control"), "+cpu")?;
        let quota = u64::from(percent) * (PERIOD / 100);
        write(modules.join("cpu.max"), &format!("{quota} {PERIOD}"))?;
    }
    Ok(leaf)
}

/// The group of modules' threads.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    modules: PathBuf,
}

/// A module's group, with the thread that has entered it; it leaves with this.
#[derive(Debug)]
pub(super) struct Member {
    group: PathBuf,
    outside: PathBuf,
}

/// What the groups hold, of the settings' bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The runtime and its modules together.
    pub(super) memory: bool,
    /// Modules together, and one from the other.
    pub(super) cpu: bool,
}

/// The group of [`settle`], if this process is still in it.
fn settled() -> Option<PathBuf> {
    place().filter(|group| SETTLED.get() == Some(group))
}

/// What holds for this process: what [`settle`] has made of it.
pub(super) fn held() -> Held {
    let settled = settled();
    let bounded = |path: PathBuf| {
        fs::read_to_string(path).is_ok_and(|text| !text.trim_start().starts_with("max"))
    };
    settled.map_or_else(Held::default, |group| Held {
        memory: bounded(group.join("memory.max")),
        cpu: bounded(group.join(MODULES).join("cpu.max")),
    })
}

impl Groups {
    /// Those of this process, if modules' CPU time is bounded.
    pub(super) fn of_process() -> Option<Groups> {
        let modules = settled()?.join(MODULES);
        held().cpu.then_some(Groups { modules })
    }

    /// Has the calling thread, and what it starts, count as this module's. With a share, it gets at
    /// most so many nanoseconds of each period.
    pub(super) fn enter(&self, module: Uuid, share: Option<(u64, u64)>) -> Option<Member> {
        self.try_enter(module, share)
            .inspect_err(
                |error| warn!(%module, "the module has no control group of its own: {error}"),
            )
            .ok()
    }

    fn try_enter(&self, module: Uuid, share: Option<(u64, u64)>) -> Result<Member, NoGroups> {
        let group = make(self.modules.join(module.to_string()))?;
        let member = Member {
            outside: self.modules.with_file_name("cgroup.threads"),
            group: group.clone(),
        };
        write(group.join("cgroup.type"), "threaded")?;
        if let Some((runtime, period)) = share {
            write(group.join("cpu.max"), &cpu_max(runtime, period))?;
        }
        write(group.join("cgroup.threads"), "0")?;
        Ok(member)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A group with threads cannot be removed.
        let left = fs::write(&self.outside, "0").and_then(|()| fs::remove_dir(&self.group));
        if let Err(error) = left {
            debug!(group = %self.group.display(), %error, "a control group stays");
        }
    }
}

/// Nanoseconds in each period, as the kernel takes it: microseconds, and periods up to a second.
fn cpu_max(runtime: u64, period: u64) -> String {
    let micros = (period / 1000).clamp(1000, 1_000_000);
    let quota = u128::from(runtime) * u128::from(micros) / u128::from(period.max(1));
    format!("{} {micros}", quota.max(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(memory: Option<u64>, cpu: Option<u32>) -> LimitSettings {
        let mut limits = crate::config::Settings::default().limits;
        limits.total_memory = memory;
        limits.total_cpu = cpu;
        limits
    }

    #[test]
    fn the_group_of_a_process() {
        let dir = tempfile::tempdir().unwrap();
        let (proc, sys) = (dir.path().join("proc"), dir.path().join("sys"));
        fs::create_dir_all(proc.join("self")).unwrap();
        fs::create_dir_all(sys.join("fs/cgroup/unified")).unwrap();
        assert_eq!(own_group(&proc, &sys), None);
        fs::write(sys.join("fs/cgroup/unified/cgroup.controllers"), "").unwrap();
        for (text, group) in [
            ("4:memory:/old\n0::/a/b\n", Some("a/b")),
            ("0::/\n", Some("")),
            ("0::/../outside\n", None),
            ("4:memory:/old\n", None),
        ] {
            fs::write(proc.join("self/cgroup"), text).unwrap();
            let expected = group.map(|group| sys.join("fs/cgroup/unified").join(group));
            assert_eq!(own_group(&proc, &sys), expected, "{text}");
        }
    }

    #[test]
    fn only_a_group_of_its_own_with_what_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let group = dir.path();
        let bounds = limits(Some(1 << 30), Some(150));
        fs::write(group.join("cgroup.procs"), "1\n").unwrap();
        assert!(matches!(
            settle_in(group, &bounds),
            Err(NoGroups::Shared(_))
        ));
        fs::write(group.join("cgroup.procs"), std::process::id().to_string()).unwrap();
        fs::write(group.join("cgroup.controllers"), "cpu pids\n").unwrap();
        let missing = settle_in(group, &bounds);
        assert!(matches!(
            missing,
            Err(NoGroups::Controller { name: "memory", .. })
        ));
        assert!(!group.join(OWN).exists());
        fs::write(group.join("cgroup.controllers"), "cpu memory\n").unwrap();
        fs::create_dir(group.join(OWN)).unwrap();
        fs::write(group.join(OWN).join("cgroup.procs"), "1\n").unwrap();
        let other = settle_in(group, &bounds);
        assert!(matches!(other, Err(NoGroups::Shared(leaf)) if leaf == group.join(OWN)));
        fs::write(group.join(OWN).join("cgroup.procs"), "").unwrap();
        let leaf = settle_in(group, &bounds).unwrap();
        let text = |name: &str| fs::read_to_string(leaf.join(name)).unwrap();
        assert_eq!(text("memory.max"), "1073741824");
        assert_eq!(text("modules/cpu.max"), "150000 100000");
        assert_eq!(text("modules/cgroup.type"), "threaded");
    }

    #[test]
    fn shares_as_the_kernel_takes_them() {
        assert_eq!(cpu_max(10_000_000, 100_000_000), "10000 100000");
        assert_eq!(cpu_max(5_000_000_000, 10_000_000_000), "500000 1000000");
        assert_eq!(cpu_max(1, 1_000_000_000), "1000 1000000");
        assert_eq!(cpu_max(0, 0), "1000 1000");
        assert_eq!(cpu_max(u64::MAX, u64::MAX), "1000000 1000000");
    }
}
