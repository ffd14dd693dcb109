//! A module is asked for.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Body, Key, Module, ModuleState, To};
use super::{Inline, Job, Model, ModuleEntry, Now, Refusal, RefusalKind, ReplyTo};
use crate::protocol::{CreateModule, ObjectId, Parent};
use crate::supervisor::records::{Usage, printable};
use crate::supervisor::wishes;

/// What is not kept of a request: it is said anew for each runtime, or kept elsewhere.
const NOT_KEPT: [&str; 4] = ["parent", "wasm", "memory", "send_to_runtime"];

impl Model {
    /// Somebody wants a module to run.
    pub(in crate::supervisor) fn create(&mut self, now: Now, create: CreateModule, reply: ReplyTo) {
        let uuid = create.uuid;
        match self.state(uuid) {
            Some(ModuleState::Prepared) if !create.wait_state => {
                return self.wake(now, create, reply);
            }
            Some(state) if !state.is_final() => {
                let why = self.is_here(uuid, state);
                return self.reply(reply, Err(Refusal::new(RefusalKind::Conflict, why)));
            }
            _ => {}
        }
        let (record, inline) = match self.check(now, create) {
            Ok(checked) => checked,
            Err(refusal) => return self.reply(reply, Err(refusal)),
        };
        // What is known of an earlier life.
        self.forget(uuid);
        let revived = self.deleted.remove(&uuid);
        if revived {
            self.deleted_order.retain(|known| *known != uuid);
            self.batch.revived.push(uuid);
        }
        self.inline += record.inline;
        if record.inline > 0 {
            self.batch.inline.push((uuid, inline.clone()));
        }
        let mut record = record;
        record.reply = reply.mqtt();
        let mut job = Job::new(now);
        job.creator = reply;
        job.inline = Some(inline);
        job.revived = revived;
        let record = Arc::new(record);
        self.modules.insert(uuid, ModuleEntry { record, job });
        self.dirty_modules.insert(uuid);
        self.effects.opened.push(uuid);
        self.place(now, uuid);
    }

    fn is_here(&self, uuid: Uuid, state: ModuleState) -> String {
        let runtime = self.modules.get(&uuid).and_then(|e| e.record.runtime);
        match runtime {
            Some(runtime) => format!(
                "module {uuid} is here already: it is {} on {}",
                state.as_str(),
                self.called(runtime)
            ),
            None => format!("module {uuid} is here already: it is {}", state.as_str()),
        }
    }

    /// The record of a module that is asked for, if it can be.
    fn check(&mut self, now: Now, mut create: CreateModule) -> Result<(Module, Inline), Refusal> {
        let invalid = |why: String| Refusal::new(RefusalKind::Invalid, why);
        let uuid = create.uuid;
        if create.filename.is_none() && create.wasm.is_none() {
            return Err(invalid(
                "\"filename\": is missing, and there is no \"wasm\"".to_owned(),
            ));
        }
        let mut wish = wishes::of_create(&create).map_err(invalid)?;
        wish.parent = self.parent(&create.parent)?;
        let restart = wishes::restart(&create, self.config.restart).map_err(invalid)?;
        let data = data(&create);
        if data.len() > self.config.module_record {
            let most = self.config.module_record;
            let size = data.len();
            return Err(invalid(format!(
                "the request has {size} bytes beside its file, more than the limit of {most}"
            )));
        }
        let inline = Inline {
            wasm: create.wasm.take(),
            memory: create.memory.take(),
        };
        let size = inline.size();
        if self.inline.saturating_add(size) > self.config.inline_size {
            let why = "there is no room for another inline file: put it into the store";
            return Err(Refusal::new(RefusalKind::Full, why));
        }
        if self.modules.len() >= self.config.max_modules {
            let Some((_, oldest)) = self.ended.first_key_value() else {
                let most = self.config.max_modules;
                let why = format!("there are {most} modules already");
                return Err(Refusal::new(RefusalKind::Full, why));
            };
            let oldest = *oldest;
            self.forget(oldest);
        }
        let module = Module {
            uuid,
            name: printable(&create.name),
            filename: create.filename,
            state: ModuleState::Starting,
            runtime: None,
            moves_to: None,
            restart,
            restarts: 0,
            created: now.system,
            started: None,
            changed: now.system,
            exit: None,
            usage: Usage::default(),
            data: data.into(),
            wish,
            inline: size,
            ran: false,
            waits: create.wait_state,
            reply: None,
        };
        Ok((module, inline))
    }

    /// The one runtime that a module is for, if it is for one.
    fn parent(&self, parent: &Parent) -> Result<Option<Uuid>, Refusal> {
        let unknown = |why| Refusal::new(RefusalKind::NoRuntime, why);
        match parent {
            Parent::Any => Ok(None),
            Parent::Runtime(uuid) if self.runtimes.contains_key(uuid) => Ok(Some(*uuid)),
            Parent::Runtime(uuid) => Err(unknown(format!(
                "\"parent\": there is no runtime with the uuid {uuid}"
            ))),
            Parent::Named(name) => {
                let named = self.runtimes.values().map(|entry| &entry.record);
                let mut named = named.filter(|record| record.name == *name);
                match (named.next(), named.next()) {
                    (Some(one), None) => Ok(Some(one.uuid)),
                    (None, _) => Err(unknown(format!(
                        "\"parent\": there is no runtime with the name \"{}\"",
                        printable(name)
                    ))),
                    (Some(_), Some(_)) => Err(unknown(format!(
                        "\"parent\": there is more than one runtime with the name \"{}\"",
                        printable(name)
                    ))),
                }
            }
        }
    }

    /// The second create of a module that was prepared by a first one.
    fn wake(&mut self, now: Now, mut create: CreateModule, reply: ReplyTo) {
        let uuid = create.uuid;
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let Some(runtime) = entry.record.runtime else {
            return;
        };
        if entry.job.request.is_some() {
            let why = format!("module {uuid} is being started already");
            return self.reply(reply, Err(Refusal::new(RefusalKind::Conflict, why)));
        }
        let id = ObjectId::random();
        entry.job.creator = reply;
        entry.job.request = Some(id.clone());
        self.requests.insert(id.clone(), uuid);
        let timeout = self.config.answer_timeout;
        let at = now.instant + timeout;
        self.timers.set(Key::Module(uuid), Some(at));
        create.parent = Parent::Runtime(runtime);
        create.original = create.details();
        let body = Body::Create {
            object_id: id,
            create: Box::new(create),
            stored: None,
        };
        self.send(To::Runtime(runtime), body);
    }
}

/// All fields in the spelling of this program: nothing is passed on as a Python repr. Fields that
/// are not known go on as they came.
fn data(create: &CreateModule) -> String {
    let mut data = create.details();
    let more = create.extra().map(|(k, v)| (k.clone(), v.clone()));
    data.extend(more);
    for key in NOT_KEPT {
        data.remove(key);
    }
    Value::Object(data).to_string()
}

/// The record's fields.
pub(super) fn fields(record: &Module) -> Map<String, Value> {
    serde_json::from_str(&record.data).unwrap_or_default()
}
