//! Native code of modules: made beside those that run, or fetched, for their next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use crate::artifacts::{Artifacts, Found, Job, MakeError, Queue, open_signed};
use crate::config::PublicKey;

use super::store::{Artifact, Store};

/// The compiled code of modules, and a thread that gets more of it, one module after the other.
#[derive(Debug)]
pub(super) struct Compiling {
    maker: Arc<Maker>,
    queue: Queue,
}

/// Where code comes from: a compiler on this machine, or else a supervisor that has one.
#[derive(Debug)]
struct Maker {
    artifacts: Artifacts,
    remote: Option<Remote>,
}

/// A supervisor that compiles, and the key that it signs with.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) store: Store,
    pub(super) key: PublicKey,
    /// The largest code, in bytes.
    pub(super) limit: u64,
    /// How long it may compile.
    pub(super) patience: Duration,
}

/// Why there is no code of a module.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCode {
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error("{0}")]
    Fetch(String),
}

/// How soon a supervisor that is compiling is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Compiling {
    pub(super) fn new(artifacts: Artifacts, remote: Option<Remote>) -> Compiling {
        let maker = Arc::new(Maker {
            artifacts: artifacts.in_background(),
            remote,
        });
        let works = Arc::clone(&maker);
        Compiling {
            maker,
            queue: Queue::new(move |job, stopped| works.work(job, stopped)),
        }
    }

    /// Whether there may be code of a module.
    pub(super) fn has(&self, digest: &[u8; 32]) -> bool {
        self.maker.artifacts.has(digest)
    }

    /// What there is of a module.
    pub(super) fn find(&self, digest: &[u8; 32]) -> Found {
        self.maker.artifacts.find(digest)
    }

    /// The code of a module, however long it takes.
    pub(super) fn make_now(
        &self,
        name: &str,
        digest: &[u8; 32],
        wasm: &[u8],
    ) -> Result<Vec<u8>, NoCode> {
        let never = &AtomicBool::new(false);
        let artifacts = &self.maker.artifacts;
        match &self.maker.remote {
            Some(remote) if !artifacts.can_compile() => {
                remote.fetch(artifacts, name, digest, never)
            }
            _ => Ok(artifacts.find_or_make(name, wasm, &mut |_| true)?),
        }
    }

    /// Has the code of a module made, or fetched, when its turn comes.
    pub(super) fn make_later(&self, name: &str, digest: &[u8; 32], wasm: &[u8]) {
        let artifacts = &self.maker.artifacts;
        let can_make = artifacts.can_compile() || self.maker.remote.is_some();
        // Where it cannot be kept it would be made again at each start.
        if can_make && artifacts.cache().is_usable() {
            // What finds no room now is asked for at its next start.
            self.queue.push(Job {
                name: name.to_owned(),
                digest: *digest,
                wasm: wasm.into(),
                target: artifacts.target().clone(),
            });
        }
    }
}

impl Maker {
    fn work(&self, job: &Job, stopped: &AtomicBool) {
        let made = match &self.remote {
            Some(remote) if !self.artifacts.can_compile() => {
                remote.fetch(&self.artifacts, &job.name, &job.digest, stopped)
            }
            _ => {
                let go_on = &mut |_| !stopped.load(Ordering::SeqCst);
                let made = self.artifacts.make(&job.name, &job.wasm, go_on);
                made.map_err(NoCode::from)
            }
        };
        let name = &job.name;
        match made {
            Ok(code) => info!(
                name,
                bytes = code.len(),
                "native code is there for its next start"
            ),
            Err(NoCode::Make(error @ (MakeError::Busy | MakeError::NoCompiler))) => {
                debug!(name, "{error}");
            }
            Err(error) => warn!(name, "there will be no native code: {error}"),
        }
    }
}

impl Remote {
    /// Fetches the code of a module, and keeps it.
    fn fetch(
        &self,
        artifacts: &Artifacts,
        name: &str,
        digest: &[u8; 32],
        stopped: &AtomicBool,
    ) -> Result<Vec<u8>, NoCode> {
        let failed = |why: &str| NoCode::Fetch(why.to_owned());
        let target = artifacts.target();
        let until = Instant::now() + self.patience;
        loop {
            let answer = self
                .store
                .artifact(digest, &target.arch, &target.cpu, self.limit)
                .map_err(|e| NoCode::Fetch(e.to_string()))?;
            match answer {
                Artifact::Signed(file) => {
                    let opened = open_signed(&self.key, &artifacts.key(digest), &file);
                    let (code, about) = opened.ok_or_else(|| {
                        failed("what the store has is not signed with engine.trusted_key, or is for another version")
                    })?;
                    if let Err(error) = artifacts.keep(digest, &code, &about) {
                        warn!(name, "native code is not kept: {error}");
                    }
                    return Ok(code);
                }
                Artifact::Unknown(why) => return Err(NoCode::Fetch(why)),
                Artifact::NotYet if Instant::now() > until => {
                    return Err(failed("the supervisor takes too long to compile it"));
                }
                Artifact::NotYet => pause(ASK_AGAIN, stopped),
            }
            if stopped.load(Ordering::SeqCst) {
                return Err(failed("the runtime ends"));
            }
        }
    }
}

fn pause(time: Duration, stopped: &AtomicBool) {
    const STEP: Duration = Duration::from_millis(50);
    let until = Instant::now() + time;
    while Instant::now() < until && !stopped.load(Ordering::SeqCst) {
        thread::sleep(STEP);
    }
}
