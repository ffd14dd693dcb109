//! Runtimes come, are alive, and are lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Body, EventKind, Load, ModuleState, ReplyTo, Runtime, RuntimeState, To};
use super::{
    Key, LEAVING, LOST_KEPT, MAX_EXTRA, MISSING, Model, Now, Outcome, RETURNING, Refusal,
    RefusalKind,
};
use crate::protocol::{self, DeleteRuntime, KeepAlive, ObjectId, Response};
use crate::supervisor::records::{api_names, printable};
use crate::supervisor::wishes;

/// How many of its modules a runtime is told of when it registers.
const MOST_CHILDREN: usize = 1000;

impl Model {
    /// The connection to the broker was made or lost.
    pub(in crate::supervisor) fn link(&mut self, now: Now, online: bool) {
        self.online = online;
        let alive = self.runtimes.values();
        let alive = alive.filter(|entry| entry.record.state == RuntimeState::Alive);
        let alive: Vec<_> = alive.map(|entry| entry.record.uuid).collect();
        for uuid in alive {
            // Nobody is silent whom we cannot hear, and nobody has left whose broker has.
            if let Some(entry) = self.runtimes.get_mut(&uuid) {
                entry.leaving = false;
            }
            let deadline = self.silence(now).map(|at| at + RETURNING);
            self.timers.set(Key::Runtime(uuid), deadline);
            self.doubt(now, uuid);
        }
        if online && !self.waiting.is_empty() {
            self.timers.set(Key::Waiting, Some(now.instant));
        }
    }

    /// When a runtime that was just heard of is lost.
    fn silence(&self, now: Now) -> Option<Instant> {
        let watched = self.online && !self.config.keepalive.is_zero();
        watched.then(|| now.instant + self.config.keepalive * MISSING)
    }

    /// Requests to this runtime may not have reached it: its next keepalive tells.
    fn doubt(&mut self, now: Now, runtime: Uuid) {
        let Some(entry) = self.runtimes.get(&runtime) else {
            return;
        };
        let modules: Vec<_> = entry.record.modules.iter().copied().collect();
        for uuid in modules {
            match self.state(uuid) {
                Some(ModuleState::Starting) => {
                    if let Some(job) = self.job(uuid) {
                        job.unsure = true;
                    }
                    self.await_answer(now, uuid);
                }
                // Nothing goes wrong when it comes twice.
                Some(ModuleState::Stopping) if self.online => self.send_delete(now, uuid),
                Some(ModuleState::Stopping | ModuleState::Moving) => self.await_answer(now, uuid),
                _ => {}
            }
        }
    }

    /// The time by which a runtime has to answer. It does not pass while there is no connection.
    pub(super) fn await_answer(&mut self, now: Now, uuid: Uuid) {
        let unsure = self.job(uuid).is_some_and(|job| job.unsure);
        let moving = self.state(uuid) == Some(ModuleState::Moving);
        let mut timeout = self.config.answer_timeout;
        if unsure || moving {
            timeout += self.config.keepalive * 2;
        }
        let at = self.online.then(|| now.instant + timeout);
        self.timers.set(Key::Module(uuid), at);
    }

    /// A runtime registers. One that is known comes back.
    pub(in crate::supervisor) fn register(
        &mut self,
        now: Now,
        object_id: &ObjectId,
        runtime: protocol::Runtime,
    ) {
        let uuid = runtime.uuid;
        if !self.runtimes.contains_key(&uuid) && !self.has_room_for_runtime() {
            let why = format!("there are {} runtimes already", self.config.max_runtimes);
            let answer = Response::error(object_id, &why);
            return self.send(To::Registrations, Body::Bytes(answer));
        }
        let name = printable(&runtime.name);
        self.meet(now, uuid, &name, "it has registered");
        self.update(uuid, |record| {
            record.name = name;
            record.max_nmodules = runtime.max_nmodules;
            if record.apis != runtime.apis {
                record.api_names = api_names(&runtime.apis);
                record.apis = runtime.apis;
            }
            let about = wishes::about(&runtime.extra);
            record.arch = about.arch;
            record.labels = about.labels;
            record.load.cores = record.load.cores.or(about.cores);
            record.load.memory_total = record.load.memory_total.or(about.memory);
            let size = serde_json::to_string(&runtime.extra).map_or(0, |text| text.len());
            record.extra = if size <= MAX_EXTRA {
                runtime.extra
            } else {
                Map::new()
            };
        });
        self.classify(uuid);
        self.dirty_runtimes.insert(uuid);
        // It registers again when its connection was lost, and with it maybe what was under way.
        self.doubt(now, uuid);
        let Some(entry) = self.runtimes.get(&uuid) else {
            return;
        };
        let children = entry.record.modules.iter().take(MOST_CHILDREN);
        let children = children.filter_map(|uuid| self.modules.get(uuid));
        let mut details = entry.record.details(children.map(|entry| &*entry.record));
        let seconds = self.config.keepalive.as_secs_f64();
        let seconds = match self.config.keepalive.subsec_nanos() {
            0 => json!(self.config.keepalive.as_secs()),
            _ => json!(seconds),
        };
        details.insert("ka_interval_sec".to_owned(), seconds);
        let answer = Response::ok(object_id, Value::Object(details));
        self.send(To::Registrations, Body::Bytes(answer));
    }

    /// Whether another runtime may be known. One that is lost makes room.
    fn has_room_for_runtime(&mut self) -> bool {
        if self.runtimes.len() < self.config.max_runtimes {
            return true;
        }
        let lost = self.runtimes.values().map(|entry| &entry.record);
        let lost = lost.filter(|record| record.state == RuntimeState::Lost);
        let oldest = lost.min_by_key(|record| record.last_seen);
        match oldest.map(|record| record.uuid) {
            Some(uuid) => {
                self.forget_runtime(uuid);
                true
            }
            None => false,
        }
    }

    /// What a runtime offers may have changed.
    fn classify(&mut self, uuid: Uuid) {
        if let Some(entry) = self.runtimes.get_mut(&uuid) {
            let before = entry.class;
            entry.class = self.classes.enter(&entry.record);
            self.classes.leave(before);
        }
    }

    fn forget_runtime(&mut self, uuid: Uuid) {
        if let Some(entry) = self.runtimes.remove(&uuid) {
            self.classes.leave(entry.class);
        }
        self.timers.set(Key::Runtime(uuid), None);
        self.dirty_runtimes.insert(uuid);
    }

    /// A runtime was heard of, that calls itself so.
    fn meet(&mut self, now: Now, uuid: Uuid, name: &str, how: &str) {
        let before = self.runtimes.get(&uuid).map(|entry| entry.record.state);
        if before.is_none() {
            self.insert_runtime(Runtime {
                uuid,
                name: name.to_owned(),
                apis: String::new(),
                api_names: BTreeSet::new(),
                max_nmodules: 0,
                state: RuntimeState::Alive,
                registered: now.system,
                last_seen: now.system,
                modules: BTreeSet::new(),
                load: Load::default(),
                arch: None,
                labels: std::collections::BTreeMap::new(),
                extra: Map::new(),
            });
        }
        self.update(uuid, |record| {
            record.state = RuntimeState::Alive;
            record.last_seen = now.system;
        });
        if let Some(entry) = self.runtimes.get_mut(&uuid) {
            entry.unanswered = 0;
            entry.leaving = false;
        }
        let deadline = self.silence(now);
        self.timers.set(Key::Runtime(uuid), deadline);
        let kind = match before {
            Some(RuntimeState::Alive) => return,
            Some(RuntimeState::Lost) => EventKind::Returned,
            None => EventKind::Registered,
        };
        self.dirty_runtimes.insert(uuid);
        self.event(now, kind, (Some(uuid), None), how);
        if !self.waiting.is_empty() {
            self.timers.set(Key::Waiting, Some(now.instant));
        }
    }

    fn update(&mut self, uuid: Uuid, change: impl FnOnce(&mut Runtime)) {
        if let Some(entry) = self.runtimes.get_mut(&uuid) {
            change(Arc::make_mut(&mut entry.record));
        }
    }

    /// A runtime tells that it is alive, and what it has.
    pub(in crate::supervisor) fn keepalive(&mut self, now: Now, told: &KeepAlive) {
        let uuid = told.uuid;
        if !self.runtimes.contains_key(&uuid) && !self.has_room_for_runtime() {
            return;
        }
        let name = printable(&told.name);
        self.meet(now, uuid, &name, "it has sent a keepalive");
        let load = load(now, told);
        let mut changed = false;
        self.update(uuid, |record| {
            if !name.is_empty() && record.name != name {
                record.name = name;
                changed = true;
            }
            if !told.apis.is_empty() && record.apis != told.apis {
                record.api_names = api_names(&told.apis);
                record.apis.clone_from(&told.apis);
                changed = true;
            }
            if told.max_nmodules > 0 && record.max_nmodules != told.max_nmodules {
                record.max_nmodules = told.max_nmodules;
                changed = true;
            }
            let before = std::mem::replace(&mut record.load, load);
            record.load.cores = record.load.cores.or(before.cores);
            record.load.memory_total = record.load.memory_total.or(before.memory_total);
        });
        if changed {
            self.classify(uuid);
            self.dirty_runtimes.insert(uuid);
        }
        self.reconcile(now, uuid, &told.children);
        if !self.waiting.is_empty() {
            self.timers.set(Key::Waiting, Some(now.instant));
        }
    }

    /// A runtime leaves, or its will says that it is gone. It gets no module any more; those that
    /// it has are lost when the broker is still there a moment later.
    pub(in crate::supervisor) fn runtime_leaves(&mut self, now: Now, delete: &DeleteRuntime) {
        let known = self.runtimes.get_mut(&delete.uuid);
        let known = known.filter(|entry| entry.record.state == RuntimeState::Alive);
        // What comes from a broker that is gone was its end.
        if let Some(entry) = known
            && !entry.leaving
            && self.online
        {
            entry.leaving = true;
            let at = now.instant + LEAVING;
            self.timers.set(Key::Runtime(delete.uuid), Some(at));
        }
    }

    /// The time of a runtime has come: it was silent for too long, or lost for too long.
    pub(super) fn runtime_is_silent(&mut self, now: Now, uuid: Uuid) {
        let entry = self.runtimes.get(&uuid);
        let leaving = entry.is_some_and(|entry| entry.leaving);
        match entry.map(|entry| entry.record.state) {
            Some(RuntimeState::Alive) if leaving => {
                self.lose(now, uuid, "it has left, or its connection is gone");
            }
            Some(RuntimeState::Alive) if self.online => {
                let time = humantime::format_duration(self.config.keepalive * MISSING);
                self.lose(now, uuid, &format!("it was silent for {time}"));
            }
            Some(RuntimeState::Lost) => self.forget_runtime(uuid),
            _ => {}
        }
    }

    fn lose(&mut self, now: Now, runtime: Uuid, why: &str) {
        let Some(entry) = self.runtimes.get(&runtime) else {
            return;
        };
        let modules: Vec<_> = entry.record.modules.iter().copied().collect();
        self.update(runtime, |record| record.state = RuntimeState::Lost);
        if let Some(entry) = self.runtimes.get_mut(&runtime) {
            entry.leaving = false;
        }
        self.dirty_runtimes.insert(runtime);
        let until = now.instant + LOST_KEPT;
        self.timers.set(Key::Runtime(runtime), Some(until));
        self.event(now, EventKind::RuntimeLost, (Some(runtime), None), why);
        for uuid in modules {
            self.runtime_is_lost(now, uuid);
        }
    }

    /// Somebody wants a runtime to end.
    pub(in crate::supervisor) fn stop_runtime(&mut self, uuid: Uuid, reply: ReplyTo) {
        let outcome: Outcome = match self.runtimes.get(&uuid) {
            None => Err(Refusal::new(
                RefusalKind::Unknown,
                format!("Runtime with uuid: {uuid} does not exist"),
            )),
            Some(entry) if entry.record.state == RuntimeState::Lost => {
                self.forget_runtime(uuid);
                Ok(told("Deleted.", uuid))
            }
            Some(entry) => {
                let name = entry.record.name.clone();
                let message = DeleteRuntime { uuid, name }.to_message(&ObjectId::random());
                self.send(To::Runtime(uuid), Body::Bytes(message));
                Ok(told("Stopping.", uuid))
            }
        };
        self.reply(reply, outcome);
    }
}

pub(super) fn told(message: &str, uuid: Uuid) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("msg".to_owned(), message.into());
    details.insert("uuid".to_owned(), uuid.to_string().into());
    details
}

/// What a keepalive tells of a machine. `host` is what this project's runtimes add.
fn load(now: Now, told: &KeepAlive) -> Load {
    let host = told.extra.get("host").unwrap_or(&Value::Null);
    let real = |key: &str| host.get(key).and_then(Value::as_f64);
    let whole = |key: &str| host.get(key).and_then(Value::as_u64);
    Load {
        at: Some(now.system),
        cpu_percent: told.cpu_usage_percent,
        memory: told.mem_usage,
        host_cpu_percent: real("cpu_percent"),
        cores: real("cores_usable").or_else(|| real("cores")),
        memory_total: whole("memory_total"),
        memory_available: told.mem_available.or_else(|| whole("memory_available")),
        load1: told.load1.or_else(|| real("load1")),
        temperature: real("temperature"),
    }
}
