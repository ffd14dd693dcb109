//! When something is due.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use uuid::Uuid;

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Runtime(Uuid),
    Module(Uuid),
    /// To look at modules that wait.
    Waiting,
}

/// One deadline for each key.
#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Instant, Key)>,
    of: HashMap<Key, Instant>,
}

impl Timers {
    pub(super) fn set(&mut self, key: Key, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.of.insert(key, at),
            None => self.of.remove(&key),
        };
        if let Some(before) = before {
            self.order.remove(&(before, key));
        }
        if let Some(at) = at {
            self.order.insert((at, key));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out the first one that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Key> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }
}
