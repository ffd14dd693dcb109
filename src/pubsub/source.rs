//! By which of our subscriptions a filter's messages come from the broker.
//!
//! MQTT 5 says with each message which subscriptions it is for, and a filter takes the messages
//! of one of those that cover it. When that changes, messages are under way: at first they come
//! by the old subscription, for a moment by both, since the new one begins before the old one
//! ends, and then by the new one. So for a while both are taken, and of two messages with the
//! same topic and payload that come directly after each other by different ones, the second is a
//! copy.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::message::Message;

/// After that long nothing comes by a former subscription any more.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// How many former subscriptions and topics are remembered. A module that changes its
/// subscriptions all the time might miss what comes in between, or see it twice.
const FORMER: usize = 8;
const TOPICS: usize = 1024;

/// It changes while messages are delivered: none of them waits for many filters to be moved.
#[derive(Debug, Default)]
pub(super) struct Source {
    id: AtomicU32,
    /// Whether there are former ones. Set before `id` changes.
    is_changing: AtomicBool,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    former: Vec<(u32, Instant)>,
    last: HashMap<u64, Last>,
    hasher: RandomState,
}

/// What came last on a topic.
#[derive(Debug)]
struct Last {
    payload: u64,
    /// By which subscriptions it came so far.
    by: Vec<u32>,
}

impl Source {
    fn changing(&self) -> MutexGuard<'_, Changing> {
        // Nothing panics while it is held.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on messages come by this subscription.
    pub(super) fn change(&self, id: u32, now: Instant) {
        let mut changing = self.changing();
        let before = self.id.load(Ordering::Acquire);
        if before != 0 && before != id {
            changing
                .former
                .retain(|(former, until)| *former != id && *until > now);
            if changing.former.len() >= FORMER {
                changing.former.remove(0);
            }
            changing.former.push((before, now + UNDER_WAY));
            self.is_changing.store(true, Ordering::Release);
        }
        self.id.store(id, Ordering::Release);
    }

    /// Nothing comes by former subscriptions any more.
    pub(super) fn forget(&self) {
        let mut changing = self.changing();
        self.is_changing.store(false, Ordering::Release);
        *changing = Changing::default();
    }

    /// Whether a message that came by these subscriptions is for the filter, and no copy.
    pub(super) fn takes(&self, message: &Message, ids: &[u32], now: Instant) -> bool {
        // In this order: who sees the new one sees that it changes.
        let id = self.id.load(Ordering::Acquire);
        if !self.is_changing.load(Ordering::Acquire) {
            return ids.contains(&id);
        }
        let mut changing = self.changing();
        let id = self.id.load(Ordering::Acquire);
        if changing
            .former
            .last()
            .is_some_and(|(_, until)| *until > now)
        {
            return changing.takes(id, message, ids);
        }
        self.is_changing.store(false, Ordering::Release);
        *changing = Changing::default();
        ids.contains(&id)
    }
}

impl Changing {
    fn takes(&mut self, current: u32, message: &Message, ids: &[u32]) -> bool {
        let ours = |id: &&u32| **id == current || self.former.iter().any(|(f, _)| f == *id);
        let by: Vec<u32> = ids.iter().filter(ours).copied().collect();
        if by.is_empty() {
            return false;
        }
        let payload = self.hasher.hash_one(&message.payload);
        let topic = self.hasher.hash_one(message.topic.as_str());
        if let Some(last) = self.last.get_mut(&topic)
            && last.payload == payload
            && !by.iter().any(|id| last.by.contains(id))
        {
            last.by.extend(by);
            return false;
        }
        if self.last.len() >= TOPICS {
            self.last.clear();
        }
        self.last.insert(topic, Last { payload, by });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Qos;
    use super::super::topic::Topic;
    use super::*;

    fn message(text: &str) -> Message {
        Message::new(Topic::new("t").unwrap(), text.to_owned(), Qos::AtMostOnce)
    }

    #[test]
    fn one_of_those_that_cover_it() {
        let source = Source::default();
        let now = Instant::now();
        source.change(2, now);
        assert!(source.takes(&message("x"), &[2], now));
        assert!(!source.takes(&message("x"), &[1, 3], now));
        assert!(source.takes(&message("x"), &[1, 2], now));
    }

    #[test]
    fn what_is_under_way_while_it_changes() {
        let source = Source::default();
        let now = Instant::now();
        source.change(1, now);
        source.change(2, now);
        let comes = [
            ("a", 1, true),
            ("a", 1, true),
            ("b", 1, true),
            ("b", 2, false),
            ("b", 2, true),
            ("b", 1, false),
            ("c", 2, true),
            ("c", 2, true),
            ("c", 7, false),
        ];
        for (text, id, taken) in comes {
            assert_eq!(
                source.takes(&message(text), &[id], now),
                taken,
                "{text} {id}"
            );
        }
        // By both at once.
        assert!(source.takes(&message("d"), &[1, 2], now));
        let later = now + UNDER_WAY;
        assert!(!source.takes(&message("e"), &[1], later));
        assert!(source.takes(&message("e"), &[2], later));
        assert!(!source.takes(&message("f"), &[1], now), "it was given up");
        source.change(3, now);
        assert!(source.takes(&message("f"), &[2], now));
        source.forget();
        assert!(!source.takes(&message("g"), &[2], now));
    }

    #[test]
    fn back_and_forth() {
        let source = Source::default();
        let now = Instant::now();
        for id in (1..=40).chain([1, 2, 1, 2]) {
            source.change(id, now);
        }
        let former = source.changing().former.clone();
        assert!(former.len() <= FORMER && former.iter().all(|(id, _)| *id != 2));
        assert!(source.takes(&message("x"), &[1], now));
        assert!(!source.takes(&message("x"), &[2], now));
    }
}
