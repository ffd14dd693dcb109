//! One open channel: what it publishes on, and what has come for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pubsub::{Queue, Subscription};

use super::policy::Resolved;

/// A channel that is open, by any number of descriptors and files.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) path: Arc<str>,
    pub(super) resolved: Resolved,
    /// Outlives the channel if its path is declared.
    pub(super) counters: Arc<Counters>,
}

/// What a channel has counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Messages that came, over all the times that it was open, but not the present one.
    received: AtomicU64,
    /// Those of them that there was no room for.
    dropped: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    refused: AtomicU64,
}

/// The numbers of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) received: u64,
    pub(super) dropped: u64,
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    /// Messages that the broker did not get.
    pub(super) refused: u64,
}

impl Counters {
    pub(super) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Counted {
        Counted {
            received: self.received.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// A channel's subscription, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) queue: Arc<Queue>,
    subscription: Option<Subscription>,
    counters: Arc<Counters>,
}

impl Receiving {
    pub(super) fn new(
        queue: Arc<Queue>,
        subscription: Subscription,
        counters: Arc<Counters>,
    ) -> Receiving {
        Receiving {
            queue,
            subscription: Some(subscription),
            counters,
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        // First, so that nothing comes any more.
        self.subscription = None;
        let (received, dropped) = self.queue.counted();
        self.counters
            .received
            .fetch_add(received, Ordering::Relaxed);
        self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
        // A thread of the module may still hold it.
        self.queue.close();
    }
}
