//! What a runtime says that it has, and what it should have.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::{EventKind, Job, Model, ModuleEntry, ModuleState, Now, Placed};
use crate::protocol::{Child, CreateModule, ModuleEngine};
use crate::supervisor::records::{Exit, Module, RestartPolicy, Usage, Wish, printable};

impl Model {
    /// A runtime tells of its modules.
    pub(super) fn reconcile(&mut self, now: Now, runtime: Uuid, children: &[Child]) {
        let mut told = HashSet::with_capacity(children.len());
        for child in children {
            if told.insert(child.uuid) {
                self.child(now, runtime, child);
            }
        }
        let Some(entry) = self.runtimes.get(&runtime) else {
            return;
        };
        let here = &entry.record.modules;
        let missing: Vec<_> = here.iter().filter(|uuid| !told.contains(uuid)).collect();
        let missing: Vec<_> = missing.into_iter().copied().collect();
        // What is not in this keepalive is not in its CPU and memory either.
        let mut placed = Placed::default();
        for uuid in missing {
            let Some(entry) = self.modules.get(&uuid) else {
                continue;
            };
            if entry.record.state == ModuleState::Starting {
                placed.modules += 1;
                placed.memory += entry.record.wish.memory.unwrap_or_default();
            }
            self.missing(now, runtime, uuid);
        }
        if let Some(entry) = self.runtimes.get_mut(&runtime) {
            entry.placed = placed;
        }
    }

    /// A runtime has this module.
    fn child(&mut self, now: Now, runtime: Uuid, child: &Child) {
        let uuid = child.uuid;
        let Some(entry) = self.modules.get_mut(&uuid) else {
            if self.deleted.contains(&uuid) {
                return self.remove(now, runtime, uuid, "it was deleted");
            }
            return self.adopt(now, runtime, child);
        };
        let record = &entry.record;
        let settled = now.instant.saturating_duration_since(entry.job.since);
        let settled = settled >= self.config.keepalive.min(std::time::Duration::from_secs(2)) / 2;
        let loading = child.extra.get("state").and_then(Value::as_str) == Some("loading");
        match record.state {
            // It is about to arrive.
            ModuleState::Moving if record.moves_to == Some(runtime) && loading => {}
            ModuleState::Moving if record.moves_to == Some(runtime) => {
                self.moved(now, uuid, runtime);
            }
            state if state.is_placed() && record.runtime != Some(runtime) => {
                return self.remove(now, runtime, uuid, "it is on another runtime by now");
            }
            ModuleState::Starting if entry.job.unsure && !loading => {
                self.started(now, uuid, None);
            }
            // It has come back with what was waiting for a runtime, or is over.
            ModuleState::Waiting | ModuleState::BackOff => self.is_back(now, runtime, uuid),
            ModuleState::Exited | ModuleState::Lost if settled => self.is_back(now, runtime, uuid),
            _ => {}
        }
        let usage = usage(child);
        if let Some(entry) = self.modules.get_mut(&uuid) {
            // Not for the journal.
            Arc::make_mut(&mut entry.record).usage = usage;
        }
    }

    fn is_back(&mut self, now: Now, runtime: Uuid, uuid: Uuid) {
        self.set_state(now, uuid, ModuleState::Starting, Some(runtime));
        self.started(now, uuid, None);
    }

    fn remove(&mut self, now: Now, runtime: Uuid, uuid: Uuid, why: &str) {
        self.event(now, EventKind::Removed, (Some(runtime), Some(uuid)), why);
        self.send_away(uuid, runtime);
    }

    /// Takes a module into the registry that somebody else has started, or that was forgotten.
    fn adopt(&mut self, now: Now, runtime: Uuid, child: &Child) {
        if self.modules.len() >= self.config.max_modules {
            return;
        }
        let uuid = child.uuid;
        let mut create = CreateModule::new(uuid);
        create.name = printable(&child.name);
        let mut data = create.details();
        data.remove("parent");
        let record = Module {
            uuid,
            name: create.name,
            filename: None,
            state: ModuleState::Running,
            runtime: Some(runtime),
            moves_to: None,
            // Nobody knows what it was asked for with.
            restart: RestartPolicy::Never,
            restarts: 0,
            created: now.system,
            started: None,
            changed: now.system,
            exit: None,
            usage: usage(child),
            data: Value::Object(data).to_string().into(),
            wish: Wish {
                apis: BTreeSet::new(),
                ..Wish::default()
            },
            inline: 0,
            ran: true,
            waits: false,
            reply: None,
        };
        let entry = ModuleEntry {
            record: Arc::new(record),
            job: Job::new(now),
        };
        self.modules.insert(uuid, entry);
        self.dirty_modules.insert(uuid);
        self.effects.opened.push(uuid);
        self.enter(uuid, ModuleState::Running, Some(runtime));
        let message = format!("found on {}", self.called(runtime));
        let about = (Some(runtime), Some(uuid));
        self.event(now, EventKind::Adopted, about, message);
    }

    /// A runtime does not have a module that it should have.
    fn missing(&mut self, now: Now, runtime: Uuid, uuid: Uuid) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let since = now.instant.saturating_duration_since(entry.job.since);
        // The keepalive may be older than what has happened.
        if since < self.grace() {
            return;
        }
        match entry.record.state {
            ModuleState::Running | ModuleState::Prepared => {
                let exit = Exit::lost("its runtime does not have it any more", now.system);
                self.ended(now, uuid, exit, true);
            }
            ModuleState::Starting if entry.job.unsure => {
                // The request has not reached the runtime, or its end was not heard. Should it
                // come all the same, the second one is answered with an error.
                if let Some(job) = self.job(uuid) {
                    job.again = true;
                }
                self.send_create(now, uuid, runtime);
            }
            ModuleState::Stopping => self.stopped(now, uuid),
            _ => {}
        }
    }
}

fn usage(child: &Child) -> Usage {
    let count = |key: &str| child.extra.get(key).and_then(Value::as_u64);
    let count = |key: &str| count(key).unwrap_or_default();
    Usage {
        engine: child
            .extra
            .get(ModuleEngine::FIELD)
            .and_then(ModuleEngine::of_value),
        cpu_percent: child.cpu_usage_percent,
        memory: child.mem_usage,
        active: child.active,
        restarts: count("restarts"),
        messages_in: count("messages_in"),
        messages_out: count("messages_out"),
        bytes_in: count("bytes_in"),
        bytes_out: count("bytes_out"),
        messages_dropped: count("messages_dropped"),
    }
}
