//! Requests to the node: what they ask for, and what they are answered.

use std::time::Instant;

use serde_json::json;
use tracing::{debug, info};

use crate::protocol::{CreateModule, DeleteModule, Incoming, RequestData, parse};
use crate::pubsub::{Message, Qos};

use super::node::Node;
use super::reply::{self, ReplyTo};
use super::table::{Entry, State};

/// The largest message that is taken apart: what MQTT can carry.
const MAX_MESSAGE: usize = 256 << 20;

impl Node {
    /// A message on one of the control topics.
    pub(super) fn on_control(&mut self, message: &Message) {
        let topic = message.topic.clone();
        match parse(&message.payload, MAX_MESSAGE) {
            Ok(Incoming::Request(request)) => {
                let reply = ReplyTo {
                    topic,
                    object_id: request.object_id,
                };
                self.on_request(request.data, reply);
            }
            // Others' answers come on the same topic.
            Ok(Incoming::Response(_)) => {}
            Err(error) => {
                debug!(%topic, %error, "a message that is no request");
                if let Some(answer) = error.answer() {
                    self.publish(topic.as_str(), answer, Qos::AtLeastOnce);
                }
            }
        }
    }

    fn on_request(&mut self, data: RequestData, reply: ReplyTo) {
        match data {
            RequestData::CreateModule(create) => self.create(*create, reply),
            RequestData::DeleteModule(delete) => self.delete(&delete, reply),
            RequestData::DeleteRuntime(delete) if delete.uuid == self.shared.uuid => {
                info!("asked to end by a message");
                self.accept(&reply, json!({ "msg": "Stopping.", "uuid": delete.uuid }));
                self.shut_down();
            }
            _ => self.refuse(
                &reply,
                "a runtime creates and deletes modules, and does nothing else on this topic",
            ),
        }
    }

    fn create(&mut self, create: CreateModule, reply: ReplyTo) {
        if self.stopping {
            return self.refuse(&reply, "the runtime is about to end");
        }
        let uuid = create.uuid;
        if let Some(entry) = self.table.get_mut(uuid) {
            // The second create of a module that was prepared by a first one. It comes with the
            // memory, and everything else is as the first one had it.
            if entry.waits && !create.wait_state {
                entry.waits = false;
                entry.memory = create.memory;
                if entry.state == State::Prepared {
                    entry.create_reply = Some(reply);
                    return self.start_module(uuid);
                }
                // Still loading: the first create is answered when it is made, this one now.
                let details = reply::details(entry, self.shared.uuid);
                return self.accept(&reply, details.into());
            }
            let why = format!("module {uuid} is here already ({})", entry.state.name());
            return self.refuse(&reply, &why);
        }
        let limit = self.shared.settings.runtime.max_modules;
        if limit > 0 && self.table.len() >= limit {
            let why = format!("the runtime has all of its {limit} modules");
            return self.refuse(&reply, &why);
        }
        let lane = self.shared.router.lane();
        let settings = &self.shared.settings;
        let entry = Entry::new(create, reply, lane, settings, Instant::now());
        self.table.insert(entry);
        self.load(uuid);
    }

    fn delete(&mut self, delete: &DeleteModule, reply: ReplyTo) {
        let Some(entry) = self.table.get_mut(delete.uuid) else {
            // ARTS sends a delete for each module that has ended.
            return self.accept(&reply, reply::deleted(delete.uuid, None));
        };
        entry.delete_replies.push(reply);
        entry.report_exit = false;
        entry.move_to = entry.move_to.or(delete.send_to_runtime);
        self.end(delete.uuid);
    }
}
