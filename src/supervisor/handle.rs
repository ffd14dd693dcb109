//! The handle of a supervisor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::config::SupervisorSettings;
use crate::protocol::{CreateModule, DeleteModule, Reason};
use crate::pubsub::{LinkCounters, LinkStatus};
use crate::system::Pulse;

use super::compiled::CompiledStore;
use super::events::{Event, Events};
use super::inbox::{Input, Waiting};
use super::live::Subscription;
use super::model::{Model, Now, Refusal, RefusalKind};
use super::output::{Line, Output};
use super::records::{Module, Runtime};
use super::stats::{Counts, Stats};
use super::store::ModuleStore;

/// Who is told what came of a request: called once, on the supervisor's thread, which it must not
/// hold up. The details are those that clients get by MQTT.
pub type Reply = Box<dyn FnOnce(Result<Map<String, Value>, Refusal>) + Send>;

/// A request from this process.
pub(super) enum Command {
    Create(Box<CreateModule>, Reply),
    Delete(DeleteModule, Reply),
    StopRuntime(Uuid, Reply),
}

impl Command {
    fn reply(self) -> Reply {
        match self {
            Command::Create(_, reply)
            | Command::Delete(_, reply)
            | Command::StopRuntime(_, reply) => reply,
        }
    }
}

/// A module to start.
#[derive(Clone, Debug, PartialEq)]
pub struct NewModule {
    create: CreateModule,
}

impl NewModule {
    /// From the fields that a create has as its `data`, in every spelling. Beside those of the
    /// protocol there are `restart`, `arch` and `labels`.
    ///
    /// # Errors
    /// When a field cannot be what it is.
    pub fn from_fields(fields: Map<String, Value>) -> Result<NewModule, Reason> {
        let create = CreateModule::from_data(fields)?;
        Ok(NewModule { create })
    }

    /// Gives it its file, which goes to the runtime with the request.
    pub fn set_file(&mut self, wasm: Bytes) {
        self.create.wasm = Some(wasm);
    }

    /// Its uuid: a new one, unless the fields have one.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.create.uuid
    }
}

/// Events so far, and from then on.
pub type EventStream = (Vec<Arc<Event>>, Subscription<Arc<Event>>);
/// Lines so far, and from then on.
pub type OutputStream = (Vec<Line>, Subscription<Line>);

/// What all threads of a supervisor have in common.
pub(super) struct Shared {
    pub(super) model: Mutex<Model>,
    pub(super) events: Events,
    pub(super) output: Arc<Output>,
    pub(super) store: ModuleStore,
    pub(super) compiled: Option<Arc<CompiledStore>>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) inputs: Sender<Input>,
    pub(super) figures: Mutex<Figures>,
    pub(super) started: Instant,
    pub(super) realm: String,
    pub(super) settings: SupervisorSettings,
    /// Disconnected when the supervisor's thread has ended.
    pub(super) ended: Receiver<()>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    /// Of the supervisor's thread, and of its link's.
    pub(super) pulse: Pulse,
}

/// What the supervisor's thread tells from time to time.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) counts: Counts,
    pub(super) link: LinkStatus,
    pub(super) link_counters: LinkCounters,
    pub(super) journal_failure: Option<String>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held has ended the supervisor's thread; what was changed so far can
    // still be read.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A supervisor that runs. Handles are cheap to clone and may be used on any thread; it runs until
/// [`Supervisor::stop`] is called.
#[derive(Clone)]
pub struct Supervisor {
    pub(super) shared: Arc<Shared>,
}

impl Supervisor {
    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.shared.realm
    }

    /// The settings that it was started with.
    #[must_use]
    pub fn settings(&self) -> &SupervisorSettings {
        &self.shared.settings
    }

    /// All runtimes, in no order.
    #[must_use]
    pub fn runtimes(&self) -> Vec<Arc<Runtime>> {
        lock(&self.shared.model).runtimes()
    }

    /// A runtime.
    #[must_use]
    pub fn runtime(&self, uuid: Uuid) -> Option<Arc<Runtime>> {
        lock(&self.shared.model).runtime(uuid)
    }

    /// All modules, in no order; those that have ended are among them, as far as they are kept.
    #[must_use]
    pub fn modules(&self) -> Vec<Arc<Module>> {
        lock(&self.shared.model).modules()
    }

    /// A module.
    #[must_use]
    pub fn module(&self, uuid: Uuid) -> Option<Arc<Module>> {
        lock(&self.shared.model).module(uuid)
    }

    /// A runtime's record as the original supervisor tells it, with its modules as children.
    #[must_use]
    pub fn runtime_details(&self, uuid: Uuid) -> Option<Map<String, Value>> {
        let model = lock(&self.shared.model);
        let runtime = model.runtime(uuid)?;
        let children = runtime
            .modules
            .iter()
            .filter_map(|uuid| model.module(*uuid));
        let children: Vec<_> = children.collect();
        drop(model);
        Some(runtime.details(children.iter().map(|module| &**module)))
    }

    /// Has a module started. It is answered when a runtime runs it, or none does.
    pub fn create(&self, module: NewModule, reply: Reply) {
        self.command(Command::Create(Box::new(module.create), reply));
    }

    /// Has a module stopped and forgotten. It is answered when its runtime has said that it is
    /// gone.
    pub fn delete(&self, module: Uuid, reply: Reply) {
        self.command(Command::Delete(DeleteModule::new(module), reply));
    }

    /// Has a module moved to another runtime, with its memory. It is answered when its runtime has
    /// sent it.
    pub fn migrate(&self, module: Uuid, to: Uuid, reply: Reply) {
        let mut delete = DeleteModule::new(module);
        delete.send_to_runtime = Some(to);
        self.command(Command::Delete(delete, reply));
    }

    /// Asks a runtime to end, or forgets one that is lost. It is answered at once.
    pub fn stop_runtime(&self, runtime: Uuid, reply: Reply) {
        self.command(Command::StopRuntime(runtime, reply));
    }

    fn command(&self, command: Command) {
        let input = Input::Command(command, Now::of_clock());
        if let Err(failed) = self.shared.inputs.send(input)
            && let Input::Command(command, _) = failed.into_inner()
        {
            let why = "the supervisor has ended";
            command.reply()(Err(Refusal::new(RefusalKind::Stopping, why)));
        }
    }

    /// The events after the one with this id (0 for all that are kept), and those that come.
    #[must_use]
    pub fn events(&self, after_id: u64) -> EventStream {
        self.shared.events.after(after_id)
    }

    /// The last `tail` lines of a module that are kept, and those that come. `None` for a module
    /// that is not known.
    #[must_use]
    pub fn output(&self, module: Uuid, tail: usize) -> Option<OutputStream> {
        self.shared.output.read(module, tail)
    }

    /// Native code of what is in the module store; `None` where there is no compiler.
    #[must_use]
    pub fn compiled(&self) -> Option<&Arc<CompiledStore>> {
        self.shared.compiled.as_ref()
    }

    /// The module store.
    #[must_use]
    pub fn store(&self) -> &ModuleStore {
        &self.shared.store
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let figures = lock(&self.shared.figures).clone();
        let (queued_messages, queued_bytes) = self.shared.waiting.counts();
        let (output_bytes, output_strangers) = self.shared.output.counts();
        let dropped = &self.shared.waiting.dropped;
        let mut stats = Stats {
            uptime: self.shared.started.elapsed(),
            counts: figures.counts,
            queued_messages,
            queued_bytes,
            dropped_messages: dropped.load(std::sync::atomic::Ordering::Relaxed),
            output_bytes,
            output_strangers,
            store_bytes: self.shared.store.size(),
            link: figures.link,
            link_counters: figures.link_counters,
            journal_failure: figures.journal_failure,
            ..Stats::default()
        };
        for runtime in self.runtimes() {
            *stats.runtimes.entry(runtime.state).or_default() += 1;
        }
        for module in self.modules() {
            *stats.modules.entry(module.state).or_default() += 1;
        }
        stats
    }

    /// Disconnected when the supervisor has ended, in order or by a fault of its own.
    #[must_use]
    pub fn ended(&self) -> Receiver<()> {
        self.shared.ended.clone()
    }

    /// Asks the supervisor's thread and its link's to show that they go on; whether both have since
    /// they were asked before.
    #[must_use]
    pub fn pulse(&self) -> bool {
        let beats = self.shared.pulse.ask();
        // The link was asked too, and may have answered since.
        let again = self.shared.inputs.send(Input::Pulse);
        beats && again.is_ok()
    }

    /// Ends it, within that time. Runtimes and modules go on; requests that are not answered are
    /// answered after the next start. Whether it has ended in order.
    pub fn stop(&self, timeout: Duration) -> bool {
        // If it has ended already, so much the better.
        let _ = self.shared.inputs.send(Input::Stop);
        let ended = self.shared.ended.recv_timeout(timeout);
        if !matches!(
            ended,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected)
        ) {
            return false;
        }
        let thread = lock(&self.shared.thread).take();
        thread.is_none_or(|thread| thread.join().is_ok())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("realm", &self.shared.realm)
            .finish_non_exhaustive()
    }
}
