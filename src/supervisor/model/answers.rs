//! What runtimes answer, and what happens when they do not.

use serde_json::Value;
use uuid::Uuid;

use super::place::NO_ANSWER;
use super::runtimes::told;
use super::{Body, EventKind, Model, ModuleState, Now, Refusal, RefusalKind, ReplyTo, To};
use crate::protocol::{DeleteModule, ModuleEngine, ObjectId, Response};
use crate::supervisor::records::{Exit, printable};

impl Model {
    /// An answer on the topic of a runtime.
    pub(in crate::supervisor) fn answer(&mut self, now: Now, from: Uuid, response: &Response) {
        let Some(&uuid) = self.requests.get(&response.object_id) else {
            return self.strangers_answer(now, from, response);
        };
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        // Anybody can publish there, but whoever answers for another runtime is none.
        if entry.record.runtime != Some(from) {
            return;
        }
        entry.job.request = None;
        let (state, again) = (entry.record.state, entry.job.again);
        self.requests.remove(&response.object_id);
        if let Some(runtime) = self.runtimes.get_mut(&from) {
            runtime.unanswered = 0;
        }
        let why = printable(&response.details_text());
        let is_here = !response.ok && says_it_is_here(&why);
        match state {
            ModuleState::Starting if response.ok || (is_here && again) => {
                self.started(now, uuid, response.data.get("details"));
            }
            ModuleState::Starting if is_here => {
                // Somebody else has started it there. It is not started twice.
                let reply = self.take_creator(uuid);
                self.started(now, uuid, None);
                let refusal = Refusal::new(RefusalKind::Conflict, why);
                self.reply(reply, Err(refusal));
            }
            ModuleState::Starting => self.rejected(now, uuid, why),
            ModuleState::Prepared => self.woken(now, uuid, response.ok, why),
            ModuleState::Stopping if response.ok => self.stopped(now, uuid),
            ModuleState::Stopping => self.not_stopped(now, uuid, why),
            ModuleState::Moving => self.sent_on(now, uuid, response.ok, why),
            _ => {}
        }
    }

    /// An answer to a request that was not ours: a runtime that has sent a module to another
    /// one asks for it itself.
    fn strangers_answer(&mut self, now: Now, from: Uuid, response: &Response) {
        if !response.ok {
            return;
        }
        let details = response.data.get("details");
        let uuid = details.and_then(|details| details.get("uuid")?.as_str()?.parse().ok());
        let Some(uuid) = uuid else {
            return;
        };
        let entry = self.modules.get(&uuid);
        let moves = entry.is_some_and(|entry| {
            entry.record.state == ModuleState::Moving && entry.record.moves_to == Some(from)
        });
        if moves {
            self.moved(now, uuid, from);
        }
    }

    fn take_creator(&mut self, uuid: Uuid) -> ReplyTo {
        self.change(uuid, |module| module.reply = None);
        match self.job(uuid) {
            Some(job) => std::mem::replace(&mut job.creator, ReplyTo::Nobody),
            None => ReplyTo::Nobody,
        }
    }

    /// A module runs on its runtime, or is prepared there.
    pub(super) fn started(&mut self, now: Now, uuid: Uuid, details: Option<&Value>) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let runtime = entry.record.runtime;
        let state = if entry.record.waits {
            ModuleState::Prepared
        } else {
            ModuleState::Running
        };
        let engine = details.and_then(|d| ModuleEngine::of_value(d.get(ModuleEngine::FIELD)?));
        self.drop_request(uuid);
        self.set_state(now, uuid, state, runtime);
        self.change(uuid, |module| {
            module.started = Some(now.system);
            module.ran = true;
            module.usage.engine = engine;
        });
        if let Some(job) = self.job(uuid) {
            job.tried.clear();
            job.unsure = false;
            job.inline = None;
        }
        let place = runtime.map_or_else(String::new, |runtime| self.called(runtime));
        let message = format!("{} on {place}", state.as_str());
        self.event(now, EventKind::Started, (runtime, Some(uuid)), message);
        let reply = self.take_creator(uuid);
        if reply != ReplyTo::Nobody {
            let outcome = self.details(uuid, details);
            self.reply(reply, Ok(outcome));
        }
    }

    /// The record, with what the runtime says of how it runs the module.
    fn details(&self, uuid: Uuid, details: Option<&Value>) -> serde_json::Map<String, Value> {
        let Some(entry) = self.modules.get(&uuid) else {
            return serde_json::Map::new();
        };
        let mut map = entry.record.details();
        if let Some(engine) = entry.record.usage.engine {
            map.insert(ModuleEngine::FIELD.to_owned(), engine.as_str().into());
        }
        if let Some(scheduling @ Value::Object(_)) = details.and_then(|d| d.get("scheduling")) {
            map.insert("scheduling".to_owned(), scheduling.clone());
        }
        map
    }

    /// The answer to the create that starts a prepared module.
    fn woken(&mut self, now: Now, uuid: Uuid, ok: bool, why: String) {
        if !ok {
            let reply = self.take_creator(uuid);
            let refusal = Refusal::new(RefusalKind::Rejected, why);
            return self.reply(reply, Err(refusal));
        }
        self.change(uuid, |module| {
            module.waits = false;
            let mut data = super::create::fields(module);
            data.remove("wait_state");
            module.data = Value::Object(data).to_string().into();
        });
        self.started(now, uuid, None);
    }

    /// A module that was to be stopped is gone.
    pub(super) fn stopped(&mut self, now: Now, uuid: Uuid) {
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let runtime = entry.record.runtime;
        let deleters = std::mem::take(&mut entry.job.deleters);
        let place = runtime.map_or_else(String::new, |uuid| self.called(uuid));
        let about = (runtime, Some(uuid));
        self.event(now, EventKind::Deleted, about, format!("from {place}"));
        self.forget(uuid);
        self.remember_deleted(uuid);
        for reply in deleters {
            self.reply(reply, Ok(told("Deleted.", uuid)));
        }
    }

    /// A runtime does not delete a module. Whether it has it still, its next keepalive tells.
    fn not_stopped(&mut self, now: Now, uuid: Uuid, why: String) {
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let deleters = std::mem::take(&mut entry.job.deleters);
        let runtime = entry.record.runtime;
        self.set_state(now, uuid, ModuleState::Running, runtime);
        self.change(uuid, |module| module.reply = None);
        for reply in deleters {
            let refusal = Refusal::new(RefusalKind::Rejected, why.clone());
            self.reply(reply, Err(refusal));
        }
    }

    /// The time of a module has come.
    pub(super) fn module_is_due(&mut self, now: Now, uuid: Uuid) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let runtime = entry.record.runtime;
        match entry.record.state {
            ModuleState::Starting => self.not_answered(now, uuid),
            ModuleState::Stopping => {
                let time = humantime::format_duration(self.config.answer_timeout);
                let why = format!("{NO_ANSWER} within {time}; the runtime is asked again");
                self.blame(runtime);
                let deleters = match self.job(uuid) {
                    Some(job) => std::mem::take(&mut job.deleters),
                    None => Vec::new(),
                };
                self.change(uuid, |module| module.reply = None);
                for reply in deleters {
                    let refusal = Refusal::new(RefusalKind::NoAnswer, why.clone());
                    self.reply(reply, Err(refusal));
                }
                self.send_delete(now, uuid);
            }
            ModuleState::Prepared => {
                self.drop_request(uuid);
                let reply = self.take_creator(uuid);
                let refusal = Refusal::new(RefusalKind::NoAnswer, NO_ANSWER);
                self.reply(reply, Err(refusal));
            }
            ModuleState::Moving => {
                let why = "it was not seen on the runtime that it moves to";
                self.ended(now, uuid, Exit::lost(why, now.system), true);
            }
            ModuleState::BackOff => self.place(now, uuid),
            _ => {}
        }
    }

    fn blame(&mut self, runtime: Option<Uuid>) {
        if let Some(entry) = runtime.and_then(|uuid| self.runtimes.get_mut(&uuid)) {
            entry.unanswered = entry.unanswered.saturating_add(1);
        }
    }

    /// A runtime has not answered a create. Should it start the module all the same, it shall
    /// delete it.
    fn not_answered(&mut self, now: Now, uuid: Uuid) {
        let runtime = self.modules.get(&uuid).and_then(|e| e.record.runtime);
        self.blame(runtime);
        if let Some(runtime) = runtime {
            self.send_away(uuid, runtime);
        }
        let time = humantime::format_duration(self.config.answer_timeout);
        self.rejected(now, uuid, format!("{NO_ANSWER} within {time}"));
    }

    /// Tells a runtime to delete a module that it should not have. The answer does not matter.
    pub(super) fn send_away(&mut self, uuid: Uuid, runtime: Uuid) {
        let delete = DeleteModule::new(uuid);
        let message = delete.to_message(&ObjectId::random());
        self.send(To::Runtime(runtime), Body::Bytes(message));
    }
}

/// There is no other sign in this dialect that a module was there before.
fn says_it_is_here(why: &str) -> bool {
    let why = why.to_lowercase();
    ["already", "exists", "unique constraint"]
        .iter()
        .any(|word| why.contains(word))
}
