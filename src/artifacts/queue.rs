//! Compilations that wait for their turn.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};
use tracing::warn;

use super::key::{Key, Target};

/// A module that is to be compiled.
#[derive(Clone, Debug)]
pub struct Job {
    /// For people.
    pub name: String,
    /// The SHA-256 of the module.
    pub digest: [u8; 32],
    /// The module.
    pub wasm: Box<[u8]>,
    /// What for.
    pub target: Target,
}

impl Job {
    fn key(&self) -> Key {
        Key::of_digest(&self.digest, &self.target)
    }
}

/// What is done with a job. It is to look now and then whether it has been stopped.
type Work = dyn Fn(&Job, &AtomicBool) + Send + Sync;

/// A thread that does one job after the other, each once. There is none until there is a job.
/// Dropping the queue stops it.
pub struct Queue {
    shared: Arc<Shared>,
    sender: Mutex<Option<Sender<Job>>>,
}

struct Shared {
    work: Box<Work>,
    stopped: AtomicBool,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    /// Of what waits, and what is being done.
    keys: HashSet<Key>,
    bytes: usize,
}

/// How many modules may wait. Whoever wants more asks again later.
const WAITING: usize = 64;
/// How many bytes they may have together.
const WAITING_BYTES: usize = 128 << 20;

impl Queue {
    /// A queue of this work.
    #[must_use]
    pub fn new(work: impl Fn(&Job, &AtomicBool) + Send + Sync + 'static) -> Queue {
        Queue {
            shared: Arc::new(Shared {
                work: Box::new(work),
                stopped: AtomicBool::new(false),
                pending: Mutex::default(),
            }),
            sender: Mutex::new(None),
        }
    }

    /// Has a job done when its turn comes. Returns whether it will be: not when there is no room.
    pub fn push(&self, job: Job) -> bool {
        let (key, bytes) = (job.key(), job.wasm.len());
        {
            let mut pending = lock(&self.shared.pending);
            if pending.keys.contains(&key) {
                return true;
            }
            if pending.bytes + bytes > WAITING_BYTES {
                return false;
            }
            pending.keys.insert(key);
            pending.bytes += bytes;
        }
        let sender = self.sender();
        let sent = sender.is_some_and(|sender| sender.try_send(job).is_ok());
        if !sent {
            lock(&self.shared.pending).remove(&key, bytes);
        }
        sent
    }

    /// Whether a job for this key waits or is being done.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        lock(&self.shared.pending).keys.contains(key)
    }

    fn sender(&self) -> Option<Sender<Job>> {
        let mut sender = lock(&self.sender);
        if sender.is_none() {
            let (to, jobs) = bounded::<Job>(WAITING);
            let shared = Arc::clone(&self.shared);
            let run = move || {
                for job in jobs {
                    if !shared.stopped.load(Ordering::SeqCst) {
                        (shared.work)(&job, &shared.stopped);
                    }
                    lock(&shared.pending).remove(&job.key(), job.wasm.len());
                }
            };
            let thread = thread::Builder::new().name("compiles".to_owned());
            match thread.spawn(run) {
                Ok(_) => *sender = Some(to),
                Err(error) => warn!("modules are not compiled: {error}"),
            }
        }
        sender.clone()
    }
}

impl Pending {
    fn remove(&mut self, key: &Key, bytes: usize) {
        self.keys.remove(key);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What a panic of another holder left behind is usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn job(number: u8) -> Job {
        Job {
            name: String::new(),
            digest: [number; 32],
            wasm: vec![0; 1 << 20].into(),
            target: Target::host("native"),
        }
    }

    #[test]
    fn each_job_is_done_once() {
        let (begin, begun) = bounded(100);
        let (end, ended) = bounded::<()>(0);
        let queue = Queue::new(move |job, _| {
            begin.send(job.digest[0]).unwrap();
            let _ = ended.recv();
        });
        assert!(queue.push(job(1)));
        assert_eq!(begun.recv(), Ok(1));
        assert!(queue.has(&job(1).key()) && !queue.has(&job(2).key()));
        // What is being done already, or waits, is not done twice.
        for number in [1, 2, 2, 3] {
            assert!(queue.push(job(number)));
        }
        for number in 4..200 {
            queue.push(job(number));
        }
        assert!(!queue.push(job(200)), "there is no room for so many");
        for wanted in [2, 3, 4] {
            end.send(()).unwrap();
            assert_eq!(begun.recv(), Ok(wanted));
        }
    }

    #[test]
    fn a_dropped_queue_stops() {
        let (ended, end) = bounded(1);
        let (begin, begun) = bounded(100);
        let queue = Queue::new(move |_, stopped| {
            begin.send(()).unwrap();
            while !stopped.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            ended.send(()).unwrap();
        });
        queue.push(job(1));
        queue.push(job(2));
        begun.recv().unwrap();
        drop(queue);
        end.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(
            begun.recv_timeout(Duration::from_secs(60)).is_err(),
            "the second is not begun"
        );
    }
}
