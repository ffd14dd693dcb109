//! Native code of stored modules, for runtimes that have no compiler.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::artifacts::{About, Artifacts, Found, Job, Queue, Signer, Target};
use crate::config::{EngineSettings, PublicKey};

/// Compiles on request, one module after the other, and signs what it gives away.
#[derive(Debug)]
pub struct CompiledStore {
    artifacts: Artifacts,
    signer: Signer,
    queue: Queue,
}

/// What there is of a module for a processor.
#[derive(Debug)]
pub enum Available {
    /// The code, signed.
    Signed(Vec<u8>),
    /// It is being made.
    NotYet,
    /// It cannot be made.
    Refused,
    /// Too much is being made already.
    Busy,
}

impl CompiledStore {
    /// In the supervisor's directory; `None` where modules are not compiled, or there is no
    /// compiler.
    pub(super) fn open(settings: &EngineSettings, dir: &Path) -> io::Result<Option<CompiledStore>> {
        let artifacts = Artifacts::new(settings, dir).filter(Artifacts::can_compile);
        let Some(artifacts) = artifacts.map(Artifacts::in_background) else {
            return Ok(None);
        };
        let key = dir.join("artifact-key.der");
        let signer = Signer::open_or_new(&key)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", key.display())))?;
        info!(key = %signer.public_key(), "modules are compiled for runtimes that trust this key");
        let compiles = artifacts.clone();
        let queue = Queue::new(move |job, stopped| {
            let go_on = &mut |_| !stopped.load(Ordering::SeqCst);
            let artifacts = compiles.clone().for_target(job.target.clone());
            let (name, cpu) = (&job.name, &job.target.cpu);
            match artifacts.make(name, &job.wasm, go_on) {
                Ok(code) => info!(name, cpu, bytes = code.len(), "compiled for runtimes"),
                Err(error) => warn!(name, cpu, "cannot be compiled: {error}"),
            }
        });
        Ok(Some(CompiledStore {
            artifacts,
            signer,
            queue,
        }))
    }

    /// The key that runtimes have to trust.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// The code of a module, by its SHA-256, for a processor; it is begun to be made if there is
    /// none yet. `wasm` gives the module then.
    ///
    /// # Errors
    /// That of `wasm`.
    pub fn get<E>(
        &self,
        digest: &[u8; 32],
        arch: &str,
        cpu: &str,
        wasm: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Available, E> {
        let target = Target {
            arch: arch.to_owned(),
            ..Target::host(cpu)
        };
        let artifacts = self.artifacts.clone().for_target(target.clone());
        let key = artifacts.key(digest);
        if self.queue.has(&key) {
            return Ok(Available::NotYet);
        }
        match artifacts.find(digest) {
            Found::Refused => Ok(Available::Refused),
            Found::Code(code) => {
                let about = About::new("", &[], &code, &target, 0.0);
                let signed = self.signer.sign(&key, &code, &about);
                // It has only numbers and names that were checked.
                Ok(signed.map_or(Available::Refused, Available::Signed))
            }
            Found::Nothing => {
                let job = Job {
                    name: hex(digest),
                    digest: *digest,
                    wasm: wasm()?.into(),
                    target,
                };
                Ok(if self.queue.push(job) {
                    Available::NotYet
                } else {
                    Available::Busy
                })
            }
        }
    }
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
