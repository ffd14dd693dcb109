//! What a simulated runtime does with a request.

use std::time::Instant;

use serde_json::Value;
use uuid::Uuid;

use crate::protocol::{
    CreateModule, DeleteModule, Incoming, ObjectId, RequestData, Response, parse,
};
use crate::pubsub::Message;

use super::crew::{Crew, Due, MAX_MESSAGE};

/// What is said of those that fail by chance.
const FAILS: &str = "simulated failure";

impl Crew {
    /// A message on the topic of a runtime.
    pub(super) fn on_request(&mut self, now: Instant, at: usize, message: &Message) {
        let request = match parse(&message.payload, MAX_MESSAGE) {
            Ok(Incoming::Request(request)) => request,
            // Mostly its own answers, which come back.
            Ok(_) => return,
            Err(error) => {
                if let Some(answer) = error.answer() {
                    self.send(&message.topic, answer);
                }
                return;
            }
        };
        let id = request.object_id;
        match request.data {
            RequestData::CreateModule(create) => self.on_create(now, at, &id, &create),
            RequestData::DeleteModule(delete) => self.on_delete(at, &id, &delete),
            RequestData::DeleteRuntime(_) => self.stop(now, at),
            _ => {
                let why = "a simulated runtime starts and deletes modules, and nothing else";
                self.send(&message.topic, Response::error(&id, why));
            }
        }
    }

    fn on_create(&mut self, now: Instant, at: usize, id: &ObjectId, create: &CreateModule) {
        let fails = self.rng.f64() < self.shared.config.fleet.fail;
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let known = member.runtime.has(create.uuid);
        let outcome: Result<Value, String> = if fails && !known {
            Err(FAILS.to_owned())
        } else {
            member.runtime.create(create)
        };
        let mut figures = self.shared.figures();
        let payload = match outcome {
            Ok(details) => {
                figures.report.accepted += 1;
                figures.report.modules += u64::from(!known);
                figures.moving.runs(now, create.uuid);
                Response::ok(id, details)
            }
            Err(why) => {
                figures.report.rejected += 1;
                Response::error(id, &why)
            }
        };
        drop(figures);
        self.answer(now, at, payload);
        if !known {
            self.await_end(now, at, create.uuid);
        }
    }

    fn answer(&mut self, now: Instant, at: usize, payload: Vec<u8>) {
        let takes = self.shared.config.fleet.start_time;
        if takes.is_zero() {
            if let Some(topic) = self.members.get(at).map(|member| member.topic.clone()) {
                self.send(&topic, payload);
            }
            return;
        }
        let life = self.life(at);
        self.agenda
            .add(now + takes, (at, Due::Answer { life, payload }));
    }

    fn await_end(&mut self, now: Instant, at: usize, module: Uuid) {
        if let Some(lifetime) = self.shared.config.fleet.lifetime {
            let life = self.life(at);
            let time = lifetime.mul_f64(0.5 + self.rng.f64());
            self.agenda.add(now + time, (at, Due::End { life, module }));
        }
    }

    fn on_delete(&mut self, at: usize, id: &ObjectId, delete: &DeleteModule) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let topic = member.topic.clone();
        if delete.send_to_runtime.is_some() && member.runtime.has(delete.uuid) {
            let why = "a simulated module has no memory that could move";
            return self.send(&topic, Response::error(id, why));
        }
        if member.runtime.delete(delete.uuid) {
            let mut figures = self.shared.figures();
            figures.report.modules = figures.report.modules.saturating_sub(1);
        }
        self.send(&topic, Response::deleted(id, delete.uuid));
    }
}
