//! How messages get to the supervisor's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::Sender;
use uuid::Uuid;

use crate::pubsub::{LinkEvent, Message, Subscriber};

use super::handle::Command;
use super::model::Now;
use super::output::Output;

/// What happens to the supervisor.
pub(super) enum Input {
    /// A message about runtimes or modules.
    Message(Queued),
    Link(LinkEvent),
    /// Of somebody in this process, and when.
    Command(Command, Now),
    /// Somebody asks whether all is well.
    Pulse,
    Stop,
}

/// Which topic a message came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Registrations,
    Keepalives,
    Clients,
    /// Those of runtimes.
    Runtimes,
}

/// More bytes than that do not wait. A create may carry a module and its memory.
const MAX_QUEUED: usize = 256 << 20;
/// More messages than that do not wait.
const MAX_MESSAGES: usize = 200_000;

/// What waits for the supervisor's thread.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    bytes: AtomicUsize,
    messages: AtomicUsize,
    /// Messages for which there was no room.
    pub(super) dropped: AtomicU64,
}

impl Waiting {
    /// Messages and bytes.
    pub(super) fn counts(&self) -> (usize, usize) {
        let messages = self.messages.load(Ordering::Relaxed);
        (messages, self.bytes.load(Ordering::Relaxed))
    }
}

/// A message that waits, and gives its room back when it is dropped.
pub(super) struct Queued {
    pub(super) origin: Origin,
    pub(super) message: Message,
    /// When it came.
    pub(super) at: Now,
    waiting: Arc<Waiting>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        let size = self.message.size();
        self.waiting.bytes.fetch_sub(size, Ordering::Relaxed);
        self.waiting.messages.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes messages for the supervisor's thread.
pub(super) struct Inbox {
    pub(super) origin: Origin,
    /// Larger ones are not for the supervisor.
    pub(super) largest: usize,
    pub(super) waiting: Arc<Waiting>,
    pub(super) inputs: Sender<Input>,
}

impl Subscriber for Inbox {
    fn deliver(&self, message: &Message) {
        let size = message.size();
        if message.payload.len() > self.largest {
            return;
        }
        let bytes = self.waiting.bytes.fetch_add(size, Ordering::Relaxed);
        let messages = self.waiting.messages.fetch_add(1, Ordering::Relaxed);
        let queued = Queued {
            origin: self.origin,
            message: message.clone(),
            at: Now::of_clock(),
            waiting: Arc::clone(&self.waiting),
        };
        if bytes > MAX_QUEUED || messages > MAX_MESSAGES {
            self.waiting.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // The supervisor is gone only when it has stopped.
        let _ = self.inputs.send(Input::Message(queued));
    }
}

/// Takes what modules write.
pub(super) struct Lines {
    /// What is before the module's uuid.
    pub(super) prefix: String,
    pub(super) output: Arc<Output>,
}

impl Subscriber for Lines {
    fn deliver(&self, message: &Message) {
        let module = message.topic.as_str().strip_prefix(&self.prefix);
        if let Some(module) = module.and_then(|text| Uuid::try_parse(text).ok()) {
            self.output.push(module, &message.payload);
        }
    }
}
