//! The registry as a state machine: what happens goes in, what is to be done comes out. There is
//! no network, no disk and no clock in here.
//!
//! Each function that takes something that has happened changes the records and adds to
//! [`Effects`], which are taken out with [`Model::take`], written to the journal, and then done.

mod answers;
mod classes;
mod create;
mod delete;
mod effects;
mod lives;
mod place;
mod reconcile;
mod runtimes;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use crate::protocol::ObjectId;

use super::events::{Event, EventKind};
use super::journal::{Batch, Inline, Loaded};
use super::records::{Load, Module, ModuleState, RestartPolicy, Runtime, RuntimeState};
use super::schedule::{Placed, Scheduler};

use classes::{Class, Classes};
pub(super) use effects::{Body, Effects, Outcome, Outgoing, ReplyTo, To};
pub use effects::{Refusal, RefusalKind};
use timers::{Key, Timers};

/// What the model is told of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) system: SystemTime,
}

impl Now {
    pub(super) fn of_clock() -> Now {
        Now {
            instant: Instant::now(),
            system: SystemTime::now(),
        }
    }
}

/// What can be set.
#[derive(Clone, Debug)]
pub(super) struct ModelConfig {
    /// Zero: runtimes send none, and are not watched.
    pub(super) keepalive: Duration,
    pub(super) answer_timeout: Duration,
    /// Of modules that do not say it.
    pub(super) restart: RestartPolicy,
    /// How many runtimes are asked before it is given up.
    pub(super) attempts: usize,
    pub(super) max_runtimes: usize,
    pub(super) max_modules: usize,
    pub(super) ended_modules: usize,
    pub(super) module_record: usize,
    pub(super) inline_size: u64,
    pub(super) backoff_min: Duration,
    pub(super) backoff_max: Duration,
    pub(super) deleted_kept: usize,
}

/// So many keepalives are missing when a runtime is lost.
const MISSING: u32 = 3;
/// How long runtimes may take in addition after the broker was away: they register first, and try
/// that every few seconds.
const RETURNING: Duration = Duration::from_secs(10);
/// How long a runtime is waited for that has left: when it is the broker that ends, it publishes
/// the wills of all, and our own connection ends next.
const LEAVING: Duration = Duration::from_millis(500);
/// How long runtimes that are lost are remembered.
const LOST_KEPT: Duration = Duration::from_secs(3600);
/// How often modules that wait are looked at, beside when a runtime comes.
const WAITING: Duration = Duration::from_secs(2);
/// How many of them at a time.
const WAITING_MOST: usize = 200;
/// What runtimes tell of themselves beside the usual is kept up to so many bytes.
const MAX_EXTRA: usize = 16 << 10;

/// The registry.
#[derive(Debug)]
pub(super) struct Model {
    config: ModelConfig,
    scheduler: Box<dyn Scheduler>,
    runtimes: HashMap<Uuid, RuntimeEntry>,
    classes: Classes,
    modules: HashMap<Uuid, ModuleEntry>,
    /// The modules that requests to runtimes are about, which are not answered yet.
    requests: HashMap<ObjectId, Uuid>,
    /// Modules that wait for a runtime.
    waiting: BTreeSet<Uuid>,
    /// Where the last look at them ended.
    waited: Option<Uuid>,
    /// Modules that have ended, oldest first.
    ended: BTreeMap<u64, Uuid>,
    next_ended: u64,
    /// Modules that were deleted: a runtime that was away may still have one.
    deleted: HashSet<Uuid>,
    deleted_order: VecDeque<Uuid>,
    /// Bytes of all inline files.
    inline: u64,
    timers: Timers,
    /// The broker is connected.
    online: bool,
    next_event: u64,
    dirty_runtimes: HashSet<Uuid>,
    dirty_modules: HashSet<Uuid>,
    batch: Batch,
    effects: Effects,
}

#[derive(Debug)]
struct RuntimeEntry {
    record: Arc<Runtime>,
    class: Class,
    placed: Placed,
    /// Requests without an answer since it was last heard of.
    unanswered: u32,
    /// It has said that it leaves, or its will has. Its modules are as they were for a moment.
    leaving: bool,
}

#[derive(Debug)]
struct ModuleEntry {
    record: Arc<Module>,
    job: Job,
}

/// What is under way with a module.
#[derive(Debug)]
struct Job {
    /// The request to its runtime that is not answered.
    request: Option<ObjectId>,
    /// Who asked for it, or for its start.
    creator: ReplyTo,
    deleters: Vec<ReplyTo>,
    /// Runtimes that did not take it, and why.
    tried: Vec<(Uuid, String)>,
    /// Its runtime was asked before: "it is here already" is a yes.
    again: bool,
    /// Nobody knows whether the request has reached the runtime. Its next keepalive tells.
    unsure: bool,
    /// Until it has started.
    inline: Option<Inline>,
    /// When the state last changed.
    since: Instant,
    /// How long it waits after its next end.
    backoff: Duration,
    /// Its place in `ended`.
    ended: Option<u64>,
    /// It was deleted before it was asked for again.
    revived: bool,
}

impl Job {
    fn new(now: Now) -> Job {
        Job {
            request: None,
            creator: ReplyTo::Nobody,
            deleters: Vec::new(),
            tried: Vec::new(),
            again: false,
            unsure: false,
            inline: None,
            since: now.instant,
            backoff: Duration::ZERO,
            ended: None,
            revived: false,
        }
    }
}

impl Model {
    /// What a journal holds. Until the broker is connected, nothing is overdue.
    pub(super) fn restore(
        config: ModelConfig,
        scheduler: Box<dyn Scheduler>,
        loaded: Loaded,
        now: Now,
    ) -> Model {
        let last = loaded.events.last().map_or(0, |event| event.id);
        let mut model = Model {
            config,
            scheduler,
            runtimes: HashMap::new(),
            classes: Classes::default(),
            modules: HashMap::new(),
            requests: HashMap::new(),
            waiting: BTreeSet::new(),
            waited: None,
            ended: BTreeMap::new(),
            next_ended: 0,
            deleted: HashSet::new(),
            deleted_order: VecDeque::new(),
            inline: 0,
            timers: Timers::default(),
            online: false,
            next_event: last + 1,
            dirty_runtimes: HashSet::new(),
            dirty_modules: HashSet::new(),
            batch: Batch::default(),
            effects: Effects::default(),
        };
        for uuid in loaded.deleted {
            model.remember_deleted(uuid);
        }
        model.batch = Batch::default();
        for runtime in loaded.runtimes {
            if runtime.state == RuntimeState::Lost {
                let until = now.instant + LOST_KEPT;
                model.timers.set(Key::Runtime(runtime.uuid), Some(until));
            }
            model.insert_runtime(runtime);
        }
        let mut modules = loaded.modules;
        modules.sort_by_key(|module| module.changed);
        for module in modules {
            model.restore_module(module, now);
        }
        model.dirty_runtimes.clear();
        model
    }

    fn insert_runtime(&mut self, record: Runtime) {
        self.dirty_runtimes.insert(record.uuid);
        let class = self.classes.enter(&record);
        let entry = RuntimeEntry {
            record: Arc::new(record),
            class,
            placed: Placed::default(),
            unanswered: 0,
            leaving: false,
        };
        self.runtimes.insert(entry.record.uuid, entry);
    }

    fn restore_module(&mut self, record: Module, now: Now) {
        let uuid = record.uuid;
        let mut job = Job::new(now);
        job.again = true;
        job.unsure = true;
        // Long enough ago that the next keepalive of its runtime counts.
        let before = now.instant.checked_sub(self.grace());
        job.since = before.unwrap_or(now.instant);
        let reply = record.reply.clone();
        match (record.state, reply) {
            (ModuleState::Stopping, Some(id)) => job.deleters.push(ReplyTo::Mqtt(id)),
            (_, Some(id)) => job.creator = ReplyTo::Mqtt(id),
            (_, None) => {}
        }
        let (state, runtime) = (record.state, record.runtime);
        self.inline += record.inline;
        let record = Arc::new(record);
        self.modules.insert(uuid, ModuleEntry { record, job });
        self.effects.opened.push(uuid);
        self.enter(uuid, state, runtime);
        if state == ModuleState::BackOff {
            let at = now.instant + self.config.backoff_min;
            self.timers.set(Key::Module(uuid), Some(at));
        }
    }

    /// All that is to be done since the last time.
    pub(super) fn take(&mut self) -> (Batch, Effects) {
        let mut batch = std::mem::take(&mut self.batch);
        for uuid in self.dirty_runtimes.drain() {
            let record = self.runtimes.get(&uuid).map(|e| Arc::clone(&e.record));
            batch.runtimes.push((uuid, record));
        }
        for uuid in self.dirty_modules.drain() {
            let record = self.modules.get(&uuid).map(|e| Arc::clone(&e.record));
            batch.modules.push((uuid, record));
        }
        (batch, std::mem::take(&mut self.effects))
    }

    /// A batch could not be written: it is part of the next one.
    pub(super) fn keep(&mut self, batch: &Batch) {
        let known = batch.modules.iter().map(|(uuid, _)| *uuid);
        self.dirty_modules.extend(known);
        let known = batch.runtimes.iter().map(|(uuid, _)| *uuid);
        self.dirty_runtimes.extend(known);
        // Names of deleted modules are short and bounded; files and events are lost to the disk.
        self.batch.deleted.extend(&batch.deleted);
        self.batch.revived.extend(&batch.revived);
        let most = self.config.deleted_kept;
        for list in [&mut self.batch.deleted, &mut self.batch.revived] {
            let more = list.len().saturating_sub(most);
            list.drain(..more);
        }
    }

    /// When [`Model::on_time`] is to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Time has passed.
    pub(super) fn on_time(&mut self, now: Now) {
        while let Some(key) = self.timers.due(now.instant) {
            match key {
                Key::Runtime(uuid) => self.runtime_is_silent(now, uuid),
                Key::Module(uuid) => self.module_is_due(now, uuid),
                Key::Waiting => self.place_waiting(now),
            }
        }
    }

    pub(super) fn runtimes(&self) -> Vec<Arc<Runtime>> {
        let entries = self.runtimes.values();
        entries.map(|entry| Arc::clone(&entry.record)).collect()
    }

    pub(super) fn runtime(&self, uuid: Uuid) -> Option<Arc<Runtime>> {
        self.runtimes
            .get(&uuid)
            .map(|entry| Arc::clone(&entry.record))
    }

    pub(super) fn modules(&self) -> Vec<Arc<Module>> {
        let entries = self.modules.values();
        entries.map(|entry| Arc::clone(&entry.record)).collect()
    }

    pub(super) fn module(&self, uuid: Uuid) -> Option<Arc<Module>> {
        self.modules
            .get(&uuid)
            .map(|entry| Arc::clone(&entry.record))
    }

    /// How long what a runtime tells may be behind what it has done.
    fn grace(&self) -> Duration {
        (self.config.keepalive / 2).min(Duration::from_secs(2))
    }

    fn state(&self, uuid: Uuid) -> Option<ModuleState> {
        self.modules.get(&uuid).map(|entry| entry.record.state)
    }

    fn job(&mut self, uuid: Uuid) -> Option<&mut Job> {
        self.modules.get_mut(&uuid).map(|entry| &mut entry.job)
    }

    /// Changes a record.
    fn change(&mut self, uuid: Uuid, change: impl FnOnce(&mut Module)) {
        if let Some(entry) = self.modules.get_mut(&uuid) {
            change(Arc::make_mut(&mut entry.record));
            self.dirty_modules.insert(uuid);
        }
    }

    /// A module goes from one state to another, and maybe to another runtime.
    fn set_state(&mut self, now: Now, uuid: Uuid, state: ModuleState, runtime: Option<Uuid>) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        self.leave(uuid, entry.record.state, entry.record.runtime);
        self.change(uuid, |module| {
            module.state = state;
            module.runtime = runtime;
            module.changed = now.system;
            if state != ModuleState::Moving {
                module.moves_to = None;
            }
        });
        if let Some(job) = self.job(uuid) {
            job.since = now.instant;
        }
        self.timers.set(Key::Module(uuid), None);
        self.enter(uuid, state, runtime);
    }

    fn leave(&mut self, uuid: Uuid, state: ModuleState, runtime: Option<Uuid>) {
        if let Some(runtime) = runtime.and_then(|uuid| self.runtimes.get_mut(&uuid))
            && state.is_placed()
        {
            Arc::make_mut(&mut runtime.record).modules.remove(&uuid);
        }
        if state == ModuleState::Waiting {
            self.waiting.remove(&uuid);
        }
        if let Some(place) = self.job(uuid).and_then(|job| job.ended.take()) {
            self.ended.remove(&place);
        }
    }

    fn enter(&mut self, uuid: Uuid, state: ModuleState, runtime: Option<Uuid>) {
        if let Some(runtime) = runtime.and_then(|uuid| self.runtimes.get_mut(&uuid))
            && state.is_placed()
        {
            Arc::make_mut(&mut runtime.record).modules.insert(uuid);
        }
        if state == ModuleState::Waiting {
            self.waiting.insert(uuid);
        }
        if state.is_final() {
            let place = self.next_ended;
            self.next_ended += 1;
            self.ended.insert(place, uuid);
            if let Some(job) = self.job(uuid) {
                job.ended = Some(place);
            }
            while self.ended.len() > self.config.ended_modules {
                let Some((_, oldest)) = self.ended.pop_first() else {
                    break;
                };
                self.forget(oldest);
            }
        }
    }

    /// A module is not known any more.
    fn forget(&mut self, uuid: Uuid) {
        self.drop_request(uuid);
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let inline = entry.record.inline;
        self.leave(uuid, entry.record.state, entry.record.runtime);
        self.modules.remove(&uuid);
        self.inline = self.inline.saturating_sub(inline);
        if inline > 0 {
            // Its file is of no use without the record, which may never be written.
            self.batch.inline.retain(|(module, _)| *module != uuid);
        }
        self.timers.set(Key::Module(uuid), None);
        self.dirty_modules.insert(uuid);
        self.effects.closed.push(uuid);
    }

    fn drop_request(&mut self, uuid: Uuid) {
        if let Some(id) = self.job(uuid).and_then(|job| job.request.take()) {
            self.requests.remove(&id);
        }
    }

    fn remember_deleted(&mut self, uuid: Uuid) {
        if !self.deleted.insert(uuid) {
            return;
        }
        self.batch.deleted.push(uuid);
        self.deleted_order.push_back(uuid);
        while self.deleted_order.len() > self.config.deleted_kept {
            if let Some(oldest) = self.deleted_order.pop_front() {
                self.deleted.remove(&oldest);
            }
        }
    }

    fn event(
        &mut self,
        now: Now,
        kind: EventKind,
        (runtime, module): (Option<Uuid>, Option<Uuid>),
        message: impl Into<String>,
    ) {
        let known = module.and_then(|uuid| self.modules.get(&uuid));
        let name = match (known, runtime.and_then(|uuid| self.runtimes.get(&uuid))) {
            (Some(module), _) => module.record.name.clone(),
            (None, Some(runtime)) if module.is_none() => runtime.record.name.clone(),
            _ => String::new(),
        };
        let event = Arc::new(Event {
            id: self.next_event,
            at: now.system,
            kind,
            runtime,
            module,
            name,
            message: message.into(),
        });
        self.next_event += 1;
        self.batch.events.push(Arc::clone(&event));
        self.effects.events.push(event);
    }

    fn send(&mut self, to: To, body: Body) {
        self.effects.messages.push(Outgoing { to, body });
    }

    fn reply(&mut self, to: ReplyTo, outcome: Outcome) {
        if to != ReplyTo::Nobody {
            self.effects.replies.push((to, outcome));
        }
    }

    /// A runtime's name for people.
    fn called(&self, uuid: Uuid) -> String {
        match self.runtimes.get(&uuid) {
            Some(entry) if !entry.record.name.is_empty() => {
                format!("{} ({uuid})", entry.record.name)
            }
            _ => uuid.to_string(),
        }
    }
}
