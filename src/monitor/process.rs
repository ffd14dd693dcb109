//! This process's figures.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use procfs::FromRead as _;
use procfs::process::{Stat, StatM};
use rustix::process::{Resource, getrlimit};

use super::clock;
use super::host::{Roots, kernel_stats};
use super::sample::{ProcessSample, percent};

/// Reads the process's figures again and again.
pub(super) struct ProcessReader {
    proc: PathBuf,
    started: Option<SystemTime>,
    /// CPU time as of the last reading, and when that was.
    last: Option<(Duration, Instant)>,
}

impl ProcessReader {
    pub(super) fn new(roots: &Roots) -> ProcessReader {
        ProcessReader {
            proc: roots.proc.clone(),
            started: started(&roots.proc),
            last: None,
        }
    }

    pub(super) fn read(&mut self) -> ProcessSample {
        let (used, now) = (clock::process_time(), Instant::now());
        let before = self.last.replace((used, now));
        let this = self.proc.join("self");
        let memory = StatM::from_file(this.join("statm")).ok();
        let threads = Stat::from_file(this.join("stat")).ok();
        ProcessSample {
            cpu_nanos: u64::try_from(used.as_nanos()).unwrap_or(u64::MAX),
            cpu_percent: before.map(|(before, at)| {
                percent(
                    used.saturating_sub(before),
                    now.saturating_duration_since(at),
                )
            }),
            memory: memory.map(|memory| memory.resident.saturating_mul(procfs::page_size())),
            threads: threads.and_then(|stat| u64::try_from(stat.num_threads).ok()),
            open_fds: self.open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            started: self.started,
        }
    }

    fn open_fds(&self) -> Option<u64> {
        let fds = self.proc.join("self/fd");
        // Since Linux 6.2 the directory's size says it.
        let size = std::fs::metadata(&fds).map_or(0, |metadata| metadata.len());
        if size > 0 {
            return Some(size);
        }
        // One is that of the directory itself.
        let count = std::fs::read_dir(fds).ok()?.count().saturating_sub(1);
        u64::try_from(count).ok()
    }
}

/// The kernel has it in clock ticks since the machine was started, which was at
/// a second of the wall clock.
fn started(proc: &Path) -> Option<SystemTime> {
    let boot = kernel_stats(proc)?.btime;
    let ticks = Stat::from_file(proc.join("self/stat")).ok()?.starttime;
    let per_second = procfs::ticks_per_second();
    let seconds = boot.checked_add(ticks.checked_div(per_second)?)?;
    let millis = (ticks % per_second * 1_000).checked_div(per_second)?;
    let since = Duration::from_secs(seconds).checked_add(Duration::from_millis(millis))?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let before = clock::process_time();
        let mut reader = ProcessReader::new(&Roots::default());
        let first = reader.read();
        assert!(Duration::from_nanos(first.cpu_nanos) >= before);
        assert_eq!(first.cpu_percent, None);
        assert!(first.memory > Some(100 * 1024), "{first:?}");
        // Of itself an emulator tells no number.
        let emulated = std::env::var_os("ARENA_TEST_RUNNER").is_some();
        assert!(first.threads >= Some(u64::from(!emulated)));
        // The standard streams, at least.
        assert!(first.open_fds >= Some(3), "{first:?}");
        // The machine's clock may have been set since, but not this far.
        let started = first.started.unwrap();
        let day = Duration::from_secs(86_400);
        assert!(started <= SystemTime::now() + day && started >= SystemTime::now() - 3650 * day);
        let second = reader.read();
        assert!(second.cpu_percent >= Some(0.0));
        assert!(second.cpu_nanos >= first.cpu_nanos);
    }

    #[test]
    fn without_proc_the_clock_is_left() {
        let roots = Roots {
            proc: "/nonexistent".into(),
            sys: "/nonexistent".into(),
        };
        let sample = ProcessReader::new(&roots).read();
        assert!(sample.cpu_nanos > 0);
        assert_eq!((sample.memory, sample.threads), (None, None));
        assert_eq!((sample.open_fds, sample.started), (None, None));
    }
}
