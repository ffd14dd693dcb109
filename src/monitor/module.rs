//! Modules: who runs them, and what that costs.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use uuid::Uuid;

use super::clock::{self, Task, Tid};
use super::sample::{ModuleSample, maybe_rfc3339, percent};
use super::sampler::{Monitor, lock};

/// What a module tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModuleCounters {
    /// Bytes of linear memory.
    pub memory: u64,
    /// Bytes of stack that its worker thread has.
    pub stack: u64,
    /// Messages that it got.
    pub messages_in: u64,
    /// Bytes of their payloads.
    pub bytes_in: u64,
    /// Messages that it published.
    pub messages_out: u64,
    /// Bytes of their payloads.
    pub bytes_out: u64,
    /// Messages for it that its mailbox had no room for.
    pub messages_dropped: u64,
    /// Bytes of their payloads.
    pub bytes_dropped: u64,
    /// When it last did something on a channel.
    #[serde(serialize_with = "maybe_rfc3339")]
    pub last_activity: Option<SystemTime>,
}

/// Tells a module's counters. A closure that returns them is one.
///
/// It is asked on the thread that takes a sample, also once more after the
/// module was removed, and must not block or use the monitor.
pub trait CounterSource: Send + Sync {
    /// The counters now.
    fn counters(&self) -> ModuleCounters;
}

impl<F: Fn() -> ModuleCounters + Send + Sync> CounterSource for F {
    fn counters(&self) -> ModuleCounters {
        self()
    }
}

/// A module to watch, for [`Monitor::add`].
pub struct ModuleProbe {
    /// The module's uuid.
    pub uuid: Uuid,
    /// The module's name, for people.
    pub name: String,
    /// Whether it may start threads of its own. They are known by the name
    /// that they inherit of the worker thread, which must then be one that no
    /// other thread of the process has, in its first 15 bytes.
    pub guest_threads: bool,
    /// Its counters.
    pub counters: Arc<dyn CounterSource>,
}

/// A module that is watched. Dropping it removes the module from the samples.
#[derive(Debug)]
pub struct ModuleMonitor {
    monitor: Monitor,
    module: Arc<WatchedModule>,
}

/// Counts the CPU time of its thread for a module, from its making to its
/// drop. It stays on that thread.
#[must_use = "time is counted until the guard is dropped"]
#[derive(Debug)]
pub struct ThreadGuard {
    module: Arc<WatchedModule>,
    tid: Tid,
    _on_this_thread: PhantomData<*const ()>,
}

impl ModuleMonitor {
    pub(super) fn new(monitor: Monitor, module: Arc<WatchedModule>) -> ModuleMonitor {
        ModuleMonitor { monitor, module }
    }

    /// Has the calling thread's CPU time counted for the module, from here on.
    /// A worker calls it first of all, and drops the guard last.
    pub fn enter(&self) -> ThreadGuard {
        let tid = clock::this_thread();
        let comm = self.module.guest_threads.then(|| {
            let task = clock::task(self.monitor.proc(), tid);
            task.map(|task| task.comm)
        });
        let mut times = lock(&self.module.times);
        match times.workers.iter_mut().find(|worker| worker.tid == tid) {
            Some(worker) => worker.guards += 1,
            None => times.workers.push(Worker {
                tid,
                guards: 1,
                comm: comm.flatten(),
                base: clock::own_time(),
            }),
        }
        ThreadGuard {
            module: Arc::clone(&self.module),
            tid,
            _on_this_thread: PhantomData,
        }
    }

    /// The figures at this moment, without an effect on the samples. The
    /// percentage is over the time since the last sample.
    #[must_use]
    pub fn now(&self) -> ModuleSample {
        self.module.sample(Instant::now(), false)
    }

    /// Reads the module's CPU time from other threads, also when it is finished.
    #[must_use]
    pub fn meter(&self) -> CpuMeter {
        CpuMeter {
            monitor: self.monitor.clone(),
            module: Arc::clone(&self.module),
        }
    }

    /// Removes the module, and returns its final figures: when all guards are
    /// dropped, they have all the CPU time of its host threads. The percentage
    /// is over the time since it was registered.
    #[must_use]
    pub fn finish(self) -> ModuleSample {
        if self.module.guest_threads {
            self.module.read_guests(self.monitor.proc());
        }
        let mut last = self.module.sample(Instant::now(), false);
        last.cpu_percent = percent(
            Duration::from_nanos(last.cpu_nanos),
            self.module.added.elapsed(),
        );
        last
    }
}

/// Reads the CPU time of a module, without an effect on the samples.
#[derive(Clone, Debug)]
pub struct CpuMeter {
    monitor: Monitor,
    module: Arc<WatchedModule>,
}

impl CpuMeter {
    /// What its threads have used since they entered it. Those that its guest has started are
    /// looked for, also those that are new.
    #[must_use]
    pub fn used(&self) -> Duration {
        if self.module.guest_threads {
            self.monitor.update_guest_threads();
        }
        lock(&self.module.times).sum()
    }

    /// Whether its guest may have threads of its own.
    #[must_use]
    pub fn guest_threads(&self) -> bool {
        self.module.guest_threads
    }
}

impl Drop for ModuleMonitor {
    fn drop(&mut self) {
        self.monitor.remove(&self.module);
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        // Under the lock: a sample sees the thread either alive, by its clock,
        // or in the sum. So no id in the list is that of a thread that ended.
        let mut times = lock(&self.module.times);
        let Some(at) = times.workers.iter().position(|w| w.tid == self.tid) else {
            return;
        };
        if let Some(worker) = times.workers.get_mut(at).filter(|w| w.guards > 1) {
            worker.guards -= 1;
            return;
        }
        let worker = times.workers.swap_remove(at);
        times.ended += clock::own_time().saturating_sub(worker.base);
    }
}

impl std::fmt::Debug for ModuleProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleProbe")
            .field("uuid", &self.uuid)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A registered module: shared by its handle, its guards, and the sample that
/// is just being taken.
pub(super) struct WatchedModule {
    uuid: Uuid,
    name: String,
    pub(super) guest_threads: bool,
    counters: Arc<dyn CounterSource>,
    added: Instant,
    times: Mutex<Times>,
}

/// CPU times of a module.
struct Times {
    /// Threads of the host that are in it now.
    workers: Vec<Worker>,
    /// Threads that the guest has started, as far as they were found.
    guests: Vec<Guest>,
    /// What threads used that are in neither list any more.
    ended: Duration,
    /// The sum as of the last sample, and when that was.
    last: (Duration, Instant),
}

struct Worker {
    tid: Tid,
    /// How many it holds.
    guards: u32,
    /// What its guest threads are called.
    comm: Option<String>,
    /// What it had used before it entered the module.
    base: Duration,
}

struct Guest {
    task: Task,
    used: Duration,
}

impl WatchedModule {
    pub(super) fn new(probe: ModuleProbe) -> WatchedModule {
        let added = Instant::now();
        WatchedModule {
            uuid: probe.uuid,
            name: probe.name,
            guest_threads: probe.guest_threads,
            counters: probe.counters,
            added,
            times: Mutex::new(Times {
                workers: Vec::new(),
                guests: Vec::new(),
                ended: Duration::ZERO,
                last: (Duration::ZERO, added),
            }),
        }
    }

    /// The figures. `begins_interval`: percentages are from here on over the
    /// time since `now`.
    pub(super) fn sample(&self, now: Instant, begins_interval: bool) -> ModuleSample {
        let counters = self.counters.counters();
        let mut times = lock(&self.times);
        let used = times.sum();
        let (before, at) = times.last;
        let used = used.max(before);
        if begins_interval {
            times.last = (used, now);
        }
        ModuleSample {
            uuid: self.uuid,
            name: self.name.clone(),
            cpu_nanos: u64::try_from(used.as_nanos()).unwrap_or(u64::MAX),
            cpu_percent: percent(used - before, now.saturating_duration_since(at)),
            threads: times.workers.len() + times.guests.len(),
            counters,
        }
    }

    /// Adds the ids of its threads that are known, and returns the names that
    /// threads of its guest have. All of one moment: a worker that has a name
    /// is among the ids.
    pub(super) fn known_threads(&self, known: &mut HashSet<Tid>) -> Vec<String> {
        let times = lock(&self.times);
        known.extend(times.workers.iter().map(|worker| worker.tid));
        known.extend(times.guests.iter().map(|guest| guest.task.tid));
        let comms = times.workers.iter().filter_map(|w| w.comm.clone());
        comms.collect()
    }

    /// Reads the clocks of the guest threads that are known. Whether one is
    /// still there is asked for each: a list of all may leave some out.
    pub(super) fn read_guests(&self, proc: &Path) {
        let mut times = lock(&self.times);
        let mut ended = Duration::ZERO;
        times.guests.retain_mut(|guest| {
            let tid = guest.task.tid;
            let now = clock::thread_time(tid).filter(|now| *now >= guest.used);
            match now {
                // After the clock was read: so it was this thread's.
                Some(now) if clock::task(proc, tid).as_ref() == Some(&guest.task) => {
                    guest.used = now;
                    true
                }
                _ => {
                    ended += guest.used;
                    false
                }
            }
        });
        times.ended += ended;
    }

    /// A thread that the guest has started.
    pub(super) fn add_guest(&self, task: Task) {
        let used = clock::thread_time(task.tid).unwrap_or_default();
        lock(&self.times).guests.push(Guest { task, used });
    }
}

impl std::fmt::Debug for WatchedModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedModule")
            .field("uuid", &self.uuid)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Times {
    fn sum(&self) -> Duration {
        let workers = self.workers.iter().map(|worker| {
            let time = clock::thread_time(worker.tid).unwrap_or_default();
            time.saturating_sub(worker.base)
        });
        let guests = self.guests.iter().map(|guest| guest.used);
        self.ended + workers.sum::<Duration>() + guests.sum::<Duration>()
    }
}
