//! What happens to the node, and how messages become that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::Sender;
use tracing::warn;
use uuid::Uuid;

use crate::pubsub::{LinkEvent, Message, Subscriber};

use super::worker::Report;

/// What happens to the node.
#[derive(Debug)]
pub(super) enum Event {
    /// A message on one of its control topics.
    Control(Queued),
    /// A message on the topic of registrations.
    Registry(Queued),
    Link(LinkEvent),
    /// Of the worker with that generation of that module.
    Worker(Uuid, u64, Report),
    /// Modules are to end, and the node after them.
    Shutdown,
    /// Somebody wants to know how it is.
    Status(Sender<serde_json::Value>),
}

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
