//! CPU clocks of threads, and the threads that there are.
//!
//! The kernel has two sources with nanoseconds: a thread's CPU clock, and
//! `/proc/self/task/<tid>/schedstat`. The clock is read by one system call and
//! includes the time slice that is running; the file takes three, and is behind
//! by up to a tick for a thread that runs. So it is the clock. It exists for
//! threads of this process only: an id that has passed on to another process
//! is an error, not a wrong figure.

use std::path::Path;
use std::time::Duration;

use nix::time::ClockId;
use procfs::FromRead as _;
use procfs::process::Stat;

/// A thread's id in the kernel.
pub(super) type Tid = i32;

/// What tells a thread from a later one with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) tid: Tid,
    /// In clock ticks since the machine was started.
    started: u64,
    /// What the kernel calls it: a thread is born with its parent's.
    pub(super) comm: String,
}

/// The calling thread's id.
pub(super) fn this_thread() -> Tid {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// CPU time of the calling thread.
pub(super) fn own_time() -> Duration {
    time_of(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// CPU time of this process, of all threads that it ever had.
pub(super) fn process_time() -> Duration {
    time_of(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap_or_default()
}

/// CPU time of the thread `tid`, if this process has one.
pub(super) fn thread_time(tid: Tid) -> Option<Duration> {
    // As the kernel numbers them (CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED),
    // and as glibc's pthread_getcpuclockid does.
    time_of(ClockId::from_raw((!tid << 3) | 6))
}

fn time_of(clock: ClockId) -> Option<Duration> {
    let time = clock.now().ok()?;
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u32::try_from(time.tv_nsec()).ok()?;
    Some(Duration::new(seconds, nanos))
}

/// The thread `tid` of this process, if there is one.
pub(super) fn task(proc: &Path, tid: Tid) -> Option<Task> {
    let path = proc.join("self/task").join(tid.to_string()).join("stat");
    let stat = Stat::from_file(path).ok()?;
    Some(Task {
        tid,
        started: stat.starttime,
        comm: stat.comm,
    })
}

/// The ids of this process's threads. One may be missing when others end
/// meanwhile.
pub(super) fn tids(proc: &Path) -> Vec<Tid> {
    let Ok(entries) = std::fs::read_dir(proc.join("self/task")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_threads_clock_is_its_own() {
        let before = own_time();
        let read = thread_time(this_thread()).unwrap();
        let after = own_time();
        assert!(before <= read && read <= after);
    }

    #[test]
    fn threads_that_are_not_here_have_no_clock() {
        let tid = std::thread::spawn(this_thread).join().unwrap();
        // Until the kernel has cleared it away.
        while task(Path::new("/proc"), tid).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(thread_time(tid), None);
        // The first process of the system is not this one.
        assert_eq!(thread_time(1), None);
    }

    #[test]
    fn threads_inherit_the_name_of_the_one_that_starts_them() {
        let (say, heard) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("clock-family".to_owned())
            .spawn(move || {
                std::thread::spawn(move || {
                    say.send(this_thread()).unwrap();
                    let _ = ended.recv();
                });
            })
            .unwrap();
        let tid = heard.recv().unwrap();
        let proc = Path::new("/proc");
        assert!(tids(proc).contains(&tid));
        assert_eq!(task(proc, tid).unwrap().comm, "clock-family");
        drop(end);
    }

    #[test]
    fn without_proc_there_are_no_threads() {
        let nowhere = Path::new("/nonexistent");
        assert!(tids(nowhere).is_empty());
        assert_eq!(task(nowhere, this_thread()), None);
    }
}
