//! Compiling modules beside those that run, for their next start.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};
use tracing::{debug, info, warn};

use crate::artifacts::{Artifacts, Found, MakeError};

/// The compiled code of modules, and a thread that has more of it made, one module at a time.
#[derive(Debug)]
pub(super) struct Compiling {
    artifacts: Arc<Artifacts>,
    queue: Mutex<Queue>,
    stopped: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Of what waits, and what is being compiled.
    digests: HashSet<[u8; 32]>,
    bytes: usize,
    /// Empty until there is something to do.
    sender: Option<Sender<Job>>,
}

#[derive(Debug)]
struct Job {
    name: String,
    digest: [u8; 32],
    wasm: Box<[u8]>,
}

/// How many modules may wait. What finds no room is asked for again at its next start.
const WAITING: usize = 64;
/// How many bytes they may have together.
const WAITING_BYTES: usize = 128 << 20;

impl Compiling {
    pub(super) fn new(artifacts: Artifacts) -> Compiling {
        Compiling {
            artifacts: Arc::new(artifacts.in_background()),
            queue: Mutex::default(),
            stopped: Arc::default(),
        }
    }

    /// Whether there may be code of a module.
    pub(super) fn has(&self, digest: &[u8; 32]) -> bool {
        self.artifacts.has(digest)
    }

    /// What there is of a module.
    pub(super) fn find(&self, digest: &[u8; 32]) -> Found {
        self.artifacts.find(digest)
    }

    /// The code of a module, however long it takes.
    pub(super) fn find_or_make(&self, name: &str, wasm: &[u8]) -> Result<Vec<u8>, MakeError> {
        let go_on = &mut |_| !self.stopped.load(Ordering::SeqCst);
        self.artifacts.find_or_make(name, wasm, go_on)
    }

    /// Has a module compiled when its turn comes.
    pub(super) fn make_later(self: &Arc<Compiling>, name: &str, digest: &[u8; 32], wasm: &[u8]) {
        if !self.artifacts.can_compile() {
            return;
        }
        let mut queue = self.lock();
        if queue.bytes + wasm.len() > WAITING_BYTES || !queue.digests.insert(*digest) {
            return;
        }
        let job = Job {
            name: name.to_owned(),
            digest: *digest,
            wasm: wasm.into(),
        };
        let bytes = wasm.len();
        let sent = self
            .sender(&mut queue)
            .is_some_and(|sender| sender.try_send(job).is_ok());
        if sent {
            queue.bytes += bytes;
        } else {
            queue.digests.remove(digest);
        }
    }

    fn sender(self: &Arc<Compiling>, queue: &mut Queue) -> Option<Sender<Job>> {
        if queue.sender.is_none() {
            let (sender, jobs) = bounded(WAITING);
            let this = Arc::downgrade(self);
            let stopped = Arc::clone(&self.stopped);
            let run = move || {
                for job in jobs {
                    let Some(this) = this.upgrade() else { return };
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    this.run(&job);
                }
            };
            match thread::Builder::new()
                .name("compiles".to_owned())
                .spawn(run)
            {
                Ok(_) => queue.sender = Some(sender),
                Err(error) => warn!("modules are not compiled: {error}"),
            }
        }
        queue.sender.clone()
    }

    fn run(&self, job: &Job) {
        let go_on = &mut |_| !self.stopped.load(Ordering::SeqCst);
        match self.artifacts.make(&job.name, &job.wasm, go_on) {
            Ok(code) => {
                info!(
                    name = job.name,
                    bytes = code.len(),
                    "compiled, for the next start"
                );
            }
            Err(error @ (MakeError::Busy | MakeError::NoCompiler)) => debug!("{error}"),
            Err(error) => warn!(name = job.name, "cannot be compiled: {error}"),
        }
        let mut queue = self.lock();
        queue.digests.remove(&job.digest);
        queue.bytes -= job.wasm.len();
    }

    /// Ends the compilation that runs, and begins none any more.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.lock().sender = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
