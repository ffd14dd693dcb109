//! Requests to the node: what they ask for, and what they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::Sender;
use serde_json::json;
use tracing::{debug, info, warn};

use crate::protocol::{CreateModule, DeleteModule, Incoming, RequestData, parse};
use crate::pubsub::{Message, Qos, Subscriber};

use super::node::{Event, Node};
use super::reply::{self, ReplyTo};
use super::table::{Entry, State};

/// Gets messages for the node's thread. The link's thread must not wait for that, so they queue
/// here, up to a bound.
pub(super) struct Inbox {
    events: Sender<Event>,
    event: fn(Queued) -> Event,
    /// Bytes that are queued, by all inboxes of the node.
    total: Arc<AtomicUsize>,
}

/// More than that is no control traffic. A create may carry a module and its memory.
const MAX_QUEUED: usize = 512 << 20;

/// What a queued message takes beside topic and payload.
const OVERHEAD: usize = 256;

/// The largest message that is taken apart: what MQTT can carry.
const MAX_MESSAGE: usize = 256 << 20;

impl Inbox {
    pub(super) fn new(
        events: Sender<Event>,
        event: fn(Queued) -> Event,
        total: Arc<AtomicUsize>,
    ) -> Arc<Inbox> {
        Arc::new(Inbox {
            events,
            event,
            total,
        })
    }
}

impl Subscriber for Inbox {
    fn deliver(&self, message: &Message) {
        let size = message.size() + OVERHEAD;
        let queued = Queued {
            message: message.clone(),
            size,
            total: Arc::clone(&self.total),
        };
        if self.total.fetch_add(size, Ordering::Relaxed) > MAX_QUEUED {
            warn!(topic = %message.topic, "too many control messages at once: one is dropped");
            return;
        }
        // The node is gone only when the process ends.
        let _ = self.events.send((self.event)(queued));
    }
}

/// A message that waits for the node's thread, and gives its room back when it is dropped.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) message: Message,
    size: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.total.fetch_sub(self.size, Ordering::Relaxed);
    }
}

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
        let entry = Entry::new(create, reply, &self.shared.settings, Instant::now());
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
