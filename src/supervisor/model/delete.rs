//! Modules are deleted, and moved.

use serde_json::json;
use uuid::Uuid;

use super::runtimes::told;
use super::{Body, EventKind, Model, ModuleState, Now, Refusal, RefusalKind, ReplyTo, To};
use crate::protocol::{DeleteModule, ObjectId};
use crate::supervisor::schedule::fits;

impl Model {
    /// Somebody wants a module to be gone or to move, or a runtime tells that it has ended.
    pub(in crate::supervisor) fn delete(
        &mut self,
        now: Now,
        delete: &DeleteModule,
        reply: ReplyTo,
    ) {
        let uuid = delete.uuid;
        if let Some(exit) = &delete.exit {
            return self.exit(now, uuid, delete.parent, exit);
        }
        if let (Some(to), Some(_)) = (delete.send_to_runtime, self.state(uuid)) {
            return self.send_on(now, uuid, to, reply);
        }
        let Some(entry) = self.modules.get_mut(&uuid) else {
            let outcome = if self.deleted.contains(&uuid) {
                Ok(told("Deleted.", uuid))
            } else {
                let why = format!("Module with uuid: {uuid} does not exist");
                Err(Refusal::new(RefusalKind::Unknown, why))
            };
            return self.reply(reply, outcome);
        };
        entry.job.deleters.push(reply);
        let runtime = entry.record.runtime;
        match entry.record.state {
            ModuleState::Waiting
            | ModuleState::BackOff
            | ModuleState::Exited
            | ModuleState::Lost => self.stopped(now, uuid),
            ModuleState::Starting | ModuleState::Running | ModuleState::Prepared => {
                self.stop(now, uuid);
            }
            ModuleState::Moving => {
                // Wherever it is.
                if let Some(to) = entry.record.moves_to {
                    self.send_away(uuid, to);
                }
                self.stop(now, uuid);
            }
            ModuleState::Stopping if runtime.is_some() => {}
            ModuleState::Stopping => self.stopped(now, uuid),
        }
    }

    fn stop(&mut self, now: Now, uuid: Uuid) {
        self.drop_request(uuid);
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let runtime = entry.record.runtime;
        let creator = std::mem::replace(&mut entry.job.creator, ReplyTo::Nobody);
        let deleter = entry.job.deleters.first().and_then(ReplyTo::mqtt);
        let why = "the module was deleted before it was started";
        self.reply(creator, Err(Refusal::new(RefusalKind::Conflict, why)));
        self.set_state(now, uuid, ModuleState::Stopping, runtime);
        self.change(uuid, |module| module.reply = deleter);
        self.send_delete(now, uuid);
    }

    /// Asks a module's runtime to delete it.
    pub(super) fn send_delete(&mut self, now: Now, uuid: Uuid) {
        self.forward_delete(uuid, None);
        self.await_answer(now, uuid);
    }

    fn forward_delete(&mut self, uuid: Uuid, to: Option<Uuid>) {
        self.drop_request(uuid);
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let Some(runtime) = entry.record.runtime else {
            return;
        };
        let id = ObjectId::random();
        entry.job.request = Some(id.clone());
        let record = entry.record.details();
        self.requests.insert(id.clone(), uuid);
        let mut delete = DeleteModule::new(uuid);
        delete.send_to_runtime = to;
        let message = delete.to_forward(&id, record);
        self.send(To::Runtime(runtime), Body::Bytes(message));
    }

    /// A module is to move to another runtime: its own one sends it there.
    fn send_on(&mut self, now: Now, uuid: Uuid, to: Uuid, reply: ReplyTo) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let record = &entry.record;
        let running = matches!(record.state, ModuleState::Running | ModuleState::Prepared);
        let mut wish = record.wish.clone();
        wish.parent = None;
        let conflict = |why: String| Err(Refusal::new(RefusalKind::Conflict, why));
        let target = self.runtimes.get(&to).filter(|entry| !entry.leaving);
        let refused = match target {
            _ if !running || entry.job.request.is_some() => {
                conflict(format!("the module is {}", record.state.as_str()))
            }
            None => conflict(format!("there is no runtime {to}")),
            Some(_) if record.runtime == Some(to) => conflict("the module is there".to_owned()),
            Some(target) => fits(&wish, &target.record, target.placed)
                .or_else(|misfit| conflict(format!("{} {misfit}", self.called(to)))),
        };
        if let Err(refusal) = refused {
            return self.reply(reply, Err(refusal));
        }
        let runtime = record.runtime;
        self.set_state(now, uuid, ModuleState::Moving, runtime);
        self.change(uuid, |module| {
            module.moves_to = Some(to);
            module.reply = reply.mqtt();
        });
        if let Some(job) = self.job(uuid) {
            job.creator = reply;
        }
        let message = format!("to {}", self.called(to));
        self.event(now, EventKind::Moving, (runtime, Some(uuid)), message);
        self.forward_delete(uuid, Some(to));
        self.await_answer(now, uuid);
    }

    /// The runtime that a module leaves has answered.
    pub(super) fn sent_on(&mut self, now: Now, uuid: Uuid, ok: bool, why: String) {
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let reply = std::mem::replace(&mut entry.job.creator, ReplyTo::Nobody);
        let (runtime, to) = (entry.record.runtime, entry.record.moves_to);
        self.change(uuid, |module| module.reply = None);
        if ok {
            let mut details = told("Sent.", uuid);
            details.insert("send_to_runtime".to_owned(), json!(to));
            return self.reply(reply, Ok(details));
        }
        self.set_state(now, uuid, ModuleState::Running, runtime);
        self.reply(reply, Err(Refusal::new(RefusalKind::Rejected, why)));
    }

    /// A module is on the runtime that it has moved to.
    pub(super) fn moved(&mut self, now: Now, uuid: Uuid, to: Uuid) {
        self.drop_request(uuid);
        self.set_state(now, uuid, ModuleState::Running, Some(to));
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let reply = std::mem::replace(&mut entry.job.creator, ReplyTo::Nobody);
        // It was for its runtime alone, and is for the new one now.
        let pinned = entry.record.wish.parent.is_some();
        self.change(uuid, |module| {
            module.reply = None;
            module.started = Some(now.system);
            module.wish.parent = Some(to).filter(|_| pinned);
        });
        let message = format!("on {}", self.called(to));
        self.event(now, EventKind::Moved, (Some(to), Some(uuid)), message);
        let mut details = told("Sent.", uuid);
        details.insert("send_to_runtime".to_owned(), json!(to));
        self.reply(reply, Ok(details));
    }
}
