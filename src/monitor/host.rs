//! The machine's figures.

use std::path::{Path, PathBuf};

use procfs::{
    CpuTime, FromRead, FromReadSI as _, KernelStats, LoadAverage, Meminfo, Uptime,
    current_system_info,
};

use super::cgroup::Cgroup;
use super::sample::HostSample;
use super::temperature::Sensors;

/// Where the system's files are.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    pub(super) proc: PathBuf,
    pub(super) sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Roots {
        Roots {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
        }
    }
}

/// Reads the machine's figures again and again.
pub(super) struct HostReader {
    proc: PathBuf,
    cgroup: Cgroup,
    sensors: Sensors,
    /// What the CPUs had done as of the last reading.
    last: Option<Ticks>,
}

/// Clock ticks of all CPUs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl HostReader {
    pub(super) fn new(roots: &Roots) -> HostReader {
        HostReader {
            proc: roots.proc.clone(),
            cgroup: Cgroup::of_this_process(&roots.proc, &roots.sys),
            sensors: Sensors::find(&roots.sys),
            last: None,
        }
    }

    pub(super) fn read(&mut self) -> HostSample {
        let stats = kernel_stats(&self.proc);
        let load: Option<LoadAverage> = self.file("loadavg");
        let uptime: Option<Uptime> = self.file("uptime");
        let (memory_total, memory_available) = self.memory();
        let cores = stats
            .as_ref()
            .map(|stats| stats.cpu_time.len())
            .filter(|cores| *cores > 0)
            .unwrap_or_else(|| affinity().unwrap_or(1));
        let usable = affinity().unwrap_or(cores).min(cores) as f64;
        let load = |of: fn(&LoadAverage) -> f32| load.as_ref().map(|load| decimal(of(load)));
        HostSample {
            cpu_percent: stats.and_then(|stats| self.cpu_percent(&stats.total, cores)),
            cores,
            cores_usable: self.cgroup.cpus().map_or(usable, |limit| limit.min(usable)),
            memory_total,
            memory_available,
            load1: load(|load| load.one),
            load5: load(|load| load.five),
            load15: load(|load| load.fifteen),
            temperature: self.sensors.read(),
            uptime_seconds: uptime.map(|uptime| uptime.uptime),
        }
    }

    /// A file of `/proc`, if it is there and as it should be.
    fn file<T: FromRead>(&self, name: &str) -> Option<T> {
        T::from_file(self.proc.join(name)).ok()
    }

    fn cpu_percent(&mut self, time: &CpuTime, cores: usize) -> Option<f64> {
        let now = Ticks::of(time);
        let before = self.last.replace(now)?;
        // The kernel does not promise that they never decrease.
        let all = now.all.saturating_sub(before.all);
        let busy = now.busy.saturating_sub(before.busy).min(all);
        (all > 0).then(|| busy as f64 / all as f64 * cores as f64 * 100.0)
    }

    fn memory(&self) -> (Option<u64>, Option<u64>) {
        let info: Option<Meminfo> = self.file("meminfo");
        let total = info.as_ref().map(|info| info.mem_total);
        let available = info.map(|info| {
            info.mem_available.unwrap_or_else(|| {
                let cached = info.buffers.saturating_add(info.cached);
                info.mem_free.saturating_add(cached)
            })
        });
        let limit = self.cgroup.memory();
        (
            least(total, limit.map(|limit| limit.total)),
            least(available, limit.map(|limit| limit.available)),
        )
    }
}

impl Ticks {
    /// Guests' time is part of user and nice.
    fn of(time: &CpuTime) -> Ticks {
        let busy = [
            Some(time.user),
            Some(time.nice),
            Some(time.system),
            time.irq,
            time.softirq,
            time.steal,
        ];
        let idle = [Some(time.idle), time.iowait];
        let sum = |parts: &[Option<u64>]| {
            let parts = parts.iter().flatten();
            parts.fold(0, |sum: u64, part| sum.saturating_add(*part))
        };
        let busy = sum(&busy);
        Ticks {
            busy,
            all: busy.saturating_add(sum(&idle)),
        }
    }
}

/// What the CPUs have done, if the system tells.
pub(super) fn kernel_stats(proc: &Path) -> Option<KernelStats> {
    KernelStats::from_file(proc.join("stat"), current_system_info()).ok()
}

/// Cores that the calling thread may run on.
fn affinity() -> Option<usize> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0)).ok()?;
    let count = (0..CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .count();
    Some(count).filter(|count| *count > 0)
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Loads have two decimals, which an f64 is to show as they are.
fn decimal(load: f32) -> f64 {
    (f64::from(load) * 100.0).round() / 100.0
}

/// What a small file holds, if it can be read.
pub(super) fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// Tests make files as the system has them.
#[cfg(test)]
pub(super) fn files(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn this_machine() {
        let mut reader = HostReader::new(&Roots::default());
        let first = reader.read();
        assert_eq!(first.cpu_percent, None);
        assert!(first.cores >= 1 && first.cores_usable > 0.0, "{first:?}");
        assert!(first.cores_usable <= first.cores as f64, "{first:?}");
        assert!(first.memory_total > first.memory_available, "{first:?}");
        assert!(first.memory_available > Some(0), "{first:?}");
        assert!(first.load1.is_some() && first.uptime_seconds > Some(0.0));
        // Ticks are coarse: until one has passed there is no percentage.
        let begin = Instant::now();
        let percent = loop {
            if let Some(percent) = reader.read().cpu_percent {
                break percent;
            }
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(percent >= 0.0 && percent <= first.cores as f64 * 100.0);
    }

    /// A directory with the files of a machine with two cores.
    fn machine(stat: &str) -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        files(
            dir.path(),
            &[
                ("proc/stat", stat),
                (
                    "proc/meminfo",
                    "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nBuffers: 10 kB\n\
                     Cached: 20 kB\nSwapCached: 0 kB\nActive: 0 kB\nInactive: 0 kB\n\
                     SwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\n\
                     Mapped: 0 kB\nSlab: 0 kB\nCommitted_AS: 0 kB\nVmallocTotal: 0 kB\n\
                     VmallocUsed: 0 kB\nVmallocChunk: 0 kB\n",
                ),
                ("proc/loadavg", "0.29 1.50 12.05 1/100 4321\n"),
                ("proc/uptime", "3600.25 100.00\n"),
            ],
        );
        let roots = Roots {
            proc: dir.path().join("proc"),
            sys: dir.path().join("sys"),
        };
        (dir, roots)
    }

    fn stat(user: u64, idle: u64) -> String {
        format!(
            "cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n\
             cpu1 0 0 0 0 0 0 0 0 0 0\nctxt 1\nbtime 1700000000\nprocesses 1\n"
        )
    }

    #[test]
    fn figures_are_as_the_files_say() {
        let (dir, roots) = machine(&stat(1_000, 5_000));
        let mut reader = HostReader::new(&roots);
        let first = reader.read();
        assert_eq!(first.cores, 2);
        assert_eq!(first.memory_total, Some(1_000 * 1024));
        assert_eq!(first.memory_available, Some(400 * 1024));
        assert_eq!(
            (first.load1, first.load5, first.load15),
            (Some(0.29), Some(1.5), Some(12.05))
        );
        assert_eq!(first.uptime_seconds, Some(3600.25));
        assert_eq!(first.temperature, None);
        files(dir.path(), &[("proc/stat", &stat(1_150, 5_050))]);
        assert_eq!(reader.read().cpu_percent, Some(150.0));
        // Nothing has passed.
        assert_eq!(reader.read().cpu_percent, None);
        // Counters that run backwards.
        files(dir.path(), &[("proc/stat", &stat(1_140, 5_100))]);
        assert_eq!(reader.read().cpu_percent, Some(0.0));
    }

    #[test]
    fn what_is_missing_or_broken_is_none() {
        let (dir, roots) = machine("cpu nonsense\n");
        files(
            dir.path(),
            &[
                ("proc/meminfo", "MemTotal: many\n"),
                ("proc/loadavg", ""),
                ("proc/uptime", "\u{fffd}"),
            ],
        );
        for roots in [
            roots,
            Roots {
                proc: "/nonexistent".into(),
                sys: "/nonexistent".into(),
            },
        ] {
            let sample = HostReader::new(&roots).read();
            assert!(sample.cores > 0 && sample.cores_usable > 0.0);
            let rest = HostSample {
                cores: 0,
                cores_usable: 0.0,
                ..sample
            };
            assert_eq!(rest, HostSample::default());
        }
    }
}
