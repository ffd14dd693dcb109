//! What the process's control group allows: version 2 only, since version 1
//! has no one place that says it.

use std::path::{Component, Path, PathBuf};

use super::host::text;

/// The group that the process is in, and those that it is part of.
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    /// From the innermost outwards. A limit may be set in each.
    levels: Vec<PathBuf>,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryLimit {
    pub(super) total: u64,
    pub(super) available: u64,
}

impl Cgroup {
    pub(super) fn of_this_process(proc: &Path, sys: &Path) -> Cgroup {
        Cgroup::find(proc, sys).unwrap_or_default()
    }

    fn find(proc: &Path, sys: &Path) -> Option<Cgroup> {
        let groups = text(&proc.join("self/cgroup"))?;
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        // "unified" is where it is beside version 1.
        let mount = ["fs/cgroup", "fs/cgroup/unified"]
            .iter()
            .map(|mount| sys.join(mount))
            .find(|mount| mount.join("cgroup.controllers").exists())?;
        // A group outside of what this process sees begins with "/..".
        let group: PathBuf = Path::new(group)
            .components()
            .map(|part| match part {
                Component::Normal(name) => Some(name),
                Component::RootDir | Component::CurDir => Some("".as_ref()),
                Component::ParentDir | Component::Prefix(_) => None,
            })
            .collect::<Option<PathBuf>>()
            .unwrap_or_default();
        let levels = group.ancestors().map(|part| mount.join(part)).collect();
        Some(Cgroup { levels })
    }

    /// The memory that the tightest limits leave, if there is a limit.
    pub(super) fn memory(&self) -> Option<MemoryLimit> {
        let limits = self.levels.iter().filter_map(|level| {
            let total: u64 = number(level, "memory.max")?;
            let used = number(level, "memory.current").unwrap_or(0);
            // Files that were read and are not in use: the kernel gives their
            // memory to whoever needs it.
            let reclaimable = text(&level.join("memory.stat"))
                .and_then(|stat| {
                    let line = stat.lines().find(|l| l.starts_with("inactive_file "))?;
                    line.split_whitespace().nth(1)?.parse().ok()
                })
                .unwrap_or(0);
            let available = total.saturating_sub(used.saturating_sub(reclaimable));
            Some(MemoryLimit { total, available })
        });
        limits.reduce(|a, b| MemoryLimit {
            total: a.total.min(b.total),
            available: a.available.min(b.available),
        })
    }

    /// The cores' worth of CPU time that the tightest limit leaves, if there
    /// is one.
    pub(super) fn cpus(&self) -> Option<f64> {
        let limits = self.levels.iter().filter_map(|level| {
            let text = text(&level.join("cpu.max"))?;
            let mut parts = text.split_whitespace();
            let quota: u64 = parts.next()?.parse().ok()?;
            let period: u64 = parts.next()?.parse().ok()?;
            (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
        });
        limits.reduce(f64::min)
    }
}

/// The number in a file; `None` also for "max".
fn number(level: &Path, name: &str) -> Option<u64> {
    text(&level.join(name))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::host::files;
    use super::*;

    fn cgroup(dir: &Path) -> Cgroup {
        Cgroup::of_this_process(&dir.join("proc"), &dir.join("sys"))
    }

    #[test]
    fn the_tightest_limit_of_all_levels_counts() {
        let dir = tempfile::tempdir().unwrap();
        files(
            dir.path(),
            &[
                ("proc/self/cgroup", "4:memory:/old\n0::/a/b\n"),
                ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
                ("sys/fs/cgroup/a/memory.max", "1000\n"),
                ("sys/fs/cgroup/a/memory.current", "950\n"),
                (
                    "sys/fs/cgroup/a/memory.stat",
                    "anon 1\ninactive_file 100\nactive_file 7\n",
                ),
                ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/a/b/memory.max", "600\n"),
                ("sys/fs/cgroup/a/b/memory.current", "100\n"),
                ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
            ],
        );
        let limit = MemoryLimit {
            total: 600,
            available: 150,
        };
        assert_eq!(cgroup(dir.path()).memory(), Some(limit));
        assert_eq!(cgroup(dir.path()).cpus(), Some(1.5));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        for group in ["0::/\n", "0::/../../outside\n"] {
            let dir = tempfile::tempdir().unwrap();
            files(
                dir.path(),
                &[
                    ("proc/self/cgroup", group),
                    ("sys/fs/cgroup/unified/cgroup.controllers", "\n"),
                    ("sys/fs/cgroup/unified/memory.max", "4096\n"),
                ],
            );
            let limit = MemoryLimit {
                total: 4096,
                available: 4096,
            };
            assert_eq!(cgroup(dir.path()).memory(), Some(limit));
            assert_eq!(cgroup(dir.path()).cpus(), None);
        }
    }

    #[test]
    fn no_group_and_nonsense_are_no_limit() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(cgroup(dir.path()).memory(), None);
        files(
            dir.path(),
            &[
                ("proc/self/cgroup", "0::/a\n"),
                ("sys/fs/cgroup/cgroup.controllers", ""),
                ("sys/fs/cgroup/a/memory.max", "-5"),
                ("sys/fs/cgroup/a/cpu.max", "1000 0"),
                ("sys/fs/cgroup/cpu.max", "nonsense"),
                ("sys/fs/cgroup/memory.max", "max"),
            ],
        );
        assert_eq!(cgroup(dir.path()).memory(), None);
        assert_eq!(cgroup(dir.path()).cpus(), None);
    }
}
