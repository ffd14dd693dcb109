//! Taking samples, once or at each interval.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::clock;
use super::host::{HostReader, Roots};
use super::module::{ModuleMonitor, ModuleProbe, WatchedModule};
use super::process::ProcessReader;
use super::sample::{ModuleSample, Sample};

/// Watches host, process and modules. Clones share one.
#[derive(Clone)]
pub struct Monitor {
    shared: Arc<Shared>,
}

struct Shared {
    roots: Roots,
    /// In the order of their registration.
    modules: Mutex<Vec<Arc<WatchedModule>>>,
    /// Held while a sample is taken, so that one is complete before the next.
    readers: Mutex<Readers>,
    /// Held while threads are looked for, so that each is found once.
    scan: Mutex<()>,
    latest: Mutex<Arc<Sample>>,
}

struct Readers {
    host: HostReader,
    process: ProcessReader,
}

/// Takes samples on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Sampler {
    /// Dropping it ends the thread. What comes by it asks whether the thread is there.
    questions: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Default for Monitor {
    fn default() -> Monitor {
        Monitor::new()
    }
}

impl Monitor {
    /// A monitor without modules, which has taken its first sample.
    #[must_use]
    pub fn new() -> Monitor {
        Monitor::of(Roots::default())
    }

    /// A monitor that finds the system's files elsewhere.
    pub(super) fn of(roots: Roots) -> Monitor {
        let mut readers = Readers {
            host: HostReader::new(&roots),
            process: ProcessReader::new(&roots),
        };
        let first = Sample {
            at: SystemTime::now(),
            host: readers.host.read(),
            process: readers.process.read(),
            modules: Vec::new(),
        };
        Monitor {
            shared: Arc::new(Shared {
                roots,
                modules: Mutex::default(),
                readers: Mutex::new(readers),
                scan: Mutex::default(),
                latest: Mutex::new(Arc::new(first)),
            }),
        }
    }

    /// Watches a module until the handle is dropped or finished.
    #[must_use = "the module is watched until the handle is dropped"]
    pub fn add(&self, probe: ModuleProbe) -> ModuleMonitor {
        let module = Arc::new(WatchedModule::new(probe));
        lock(&self.shared.modules).push(Arc::clone(&module));
        ModuleMonitor::new(self.clone(), module)
    }

    /// Takes a sample, which is the latest from now on. Percentages are over
    /// the time since the one before, so this is for whoever samples at
    /// intervals; others read [`Monitor::latest`].
    pub fn sample(&self) -> Arc<Sample> {
        let mut readers = lock(&self.shared.readers);
        self.update_guest_threads();
        let now = Instant::now();
        let sample = Arc::new(Sample {
            at: SystemTime::now(),
            modules: self.sample_modules(now),
            process: readers.process.read(),
            host: readers.host.read(),
        });
        *lock(&self.shared.latest) = Arc::clone(&sample);
        sample
    }

    /// The sample that was taken last.
    #[must_use]
    pub fn latest(&self) -> Arc<Sample> {
        Arc::clone(&lock(&self.shared.latest))
    }

    /// Starts to take a sample at each interval.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(&self, interval: Duration) -> io::Result<Sampler> {
        // Less than that measures nothing but itself.
        let interval = interval.max(Duration::from_millis(10));
        let (questions, asked) = bounded(1);
        let monitor = self.clone();
        let thread = std::thread::Builder::new()
            .name("arena-monitor".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || monitor.sample_until(&asked, interval))?;
        Ok(Sampler {
            questions: Some(questions),
            thread: Some(thread),
        })
    }

    fn sample_until(&self, asked: &Receiver<()>, interval: Duration) {
        let mut next = Instant::now() + interval;
        loop {
            match asked.recv_deadline(next) {
                Err(RecvTimeoutError::Timeout) => {
                    self.sample();
                    // Not at fixed moments: after a suspend there is nothing to catch
                    // up on.
                    next = Instant::now() + interval;
                }
                // Taking it is the answer.
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn sample_modules(&self, now: Instant) -> Vec<ModuleSample> {
        let modules = lock(&self.shared.modules).clone();
        modules
            .iter()
            .map(|module| module.sample(now, true))
            .collect()
    }

    /// Reads the clocks of guests' threads, and looks for new ones.
    pub(super) fn update_guest_threads(&self) {
        let modules = lock(&self.shared.modules).clone();
        if !modules.iter().any(|module| module.guest_threads) {
            return;
        }
        let _scan = lock(&self.shared.scan);
        let proc = self.proc();
        let mut known = HashSet::new();
        let mut owners: HashMap<String, Option<&WatchedModule>> = HashMap::new();
        for module in &modules {
            if module.guest_threads {
                module.read_guests(proc);
            }
            for comm in module.known_threads(&mut known) {
                // A thread that could be one of two modules' is nobody's.
                owners
                    .entry(comm)
                    .and_modify(|owner| {
                        *owner = owner.filter(|other| std::ptr::eq(*other, module.as_ref()));
                    })
                    .or_insert(Some(module));
            }
        }
        if owners.is_empty() {
            return;
        }
        for tid in clock::tids(proc) {
            if known.contains(&tid) {
                continue;
            }
            let Some(task) = clock::task(proc, tid) else {
                continue;
            };
            if let Some(Some(owner)) = owners.get(&task.comm) {
                owner.add_guest(task);
            }
        }
    }

    pub(super) fn remove(&self, module: &Arc<WatchedModule>) {
        lock(&self.shared.modules).retain(|other| !Arc::ptr_eq(other, module));
    }

    pub(super) fn proc(&self) -> &Path {
        &self.shared.roots.proc
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("modules", &lock(&self.shared.modules).len())
            .finish_non_exhaustive()
    }
}

impl Sampler {
    /// Asks the thread to show that it goes on; whether it has since it was asked before.
    #[must_use]
    pub fn pulse(&self) -> bool {
        let questions = self.questions.as_ref();
        questions.is_some_and(|questions| questions.try_send(()).is_ok())
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            // It panics only if a counter source does, and says so itself.
            let _ = thread.join();
        }
    }
}

/// Locks, also after a thread has panicked under the lock: what these locks
/// guard is complete at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
