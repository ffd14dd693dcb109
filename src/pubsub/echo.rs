//! What comes back of our own messages.
//!
//! MQTT 3.1.1 sends a client its own messages when it is subscribed to their topic. Here they
//! were delivered within the process already. They do not say whose they are, so they are known
//! by what they say: for each message that will come back there is a note, and one arriving
//! message of that topic and payload is dropped for it. If somebody else sends the very same at
//! the same time, it does not matter which of the two is dropped.
//!
//! It comes back with the quality of one of our subscriptions, or a lower one that the broker has
//! granted: a note of another quality will do where there is none of the same.
//!
//! A note can outlive its echo: a broker may drop messages of quality 0 for a client that is
//! slow. Topics keep their order, so a match discards the older notes of its topic too, and
//! notes expire.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::message::{Message, Qos};

/// After that long no echo comes any more.
const LIFETIME: Duration = Duration::from_secs(30);

/// More than a broker and the network between hold.
const MAX_NOTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Echoes {
    notes: HashMap<(u64, Qos), VecDeque<Note>>,
    total: usize,
    hasher: RandomState,
    /// By topic, what must not be taken for a second message: see [`Echoes::is_copy`].
    copies: HashMap<u64, Copies>,
    /// When what has expired was last looked for.
    cleaned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    payload: u64,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Copies {
    payload: u64,
    left: usize,
    at: Instant,
}

/// Copies of a message follow each other directly.
const COPIES_WITHIN: Duration = Duration::from_secs(1);

/// Topics on which copies are looked for at a time.
const MAX_COPIES: usize = 1 << 17;

impl Echoes {
    /// A message was sent that will come back with this quality.
    pub(super) fn expect(&mut self, message: &Message, qos: Qos, now: Instant) {
        let topic = self.hasher.hash_one(message.topic.as_str());
        let note = Note {
            payload: self.hasher.hash_one(&message.payload),
            at: now,
        };
        if self.total >= MAX_NOTES {
            self.forget_expired(now);
        }
        if self.total >= MAX_NOTES {
            return;
        }
        self.notes.entry((topic, qos)).or_default().push_back(note);
        self.total += 1;
    }

    /// Whether an arriving message is one of our own. It is forgotten then.
    pub(super) fn is_own(&mut self, message: &Message, now: Instant) -> bool {
        if self.total == 0 {
            return false;
        }
        let topic = self.hasher.hash_one(message.topic.as_str());
        let other = match message.qos {
            Qos::AtMostOnce => Qos::AtLeastOnce,
            Qos::AtLeastOnce => Qos::AtMostOnce,
        };
        let (same, other) = ((topic, message.qos), (topic, other));
        if !self.notes.contains_key(&same) && !self.notes.contains_key(&other) {
            return false;
        }
        let payload = self.hasher.hash_one(&message.payload);
        self.take(same, payload, true, now) || self.take(other, payload, false, now)
    }

    /// Takes a note, and those before it where they have the same order as messages.
    fn take(&mut self, key: (u64, Qos), payload: u64, ordered: bool, now: Instant) -> bool {
        let Some(notes) = self.notes.get_mut(&key) else {
            return false;
        };
        let before = notes.len();
        while notes.front().is_some_and(|note| is_over(note, now)) {
            notes.pop_front();
        }
        let found = notes.iter().position(|note| note.payload == payload);
        match found {
            Some(at) if ordered => drop(notes.drain(..=at)),
            Some(at) => drop(notes.remove(at)),
            None => {}
        }
        self.total -= before - notes.len();
        if notes.is_empty() {
            self.notes.remove(&key);
        }
        found.is_some()
    }

    /// Whether an arriving message is a further copy of the one before it on its topic, for
    /// which `filters` of our subscriptions match: brokers send a copy for each, and MQTT 3.1.1
    /// does not tell them apart.
    pub(super) fn is_copy(&mut self, message: &Message, filters: usize, now: Instant) -> bool {
        if filters < 2 {
            return false;
        }
        let topic = self.hasher.hash_one(message.topic.as_str());
        let payload = self.hasher.hash_one(&message.payload);
        if let Some(copies) = self.copies.get_mut(&topic)
            && copies.payload == payload
            && copies.left > 0
            && now.saturating_duration_since(copies.at) < COPIES_WITHIN
        {
            copies.left -= 1;
            return true;
        }
        if self.copies.len() >= MAX_COPIES {
            self.forget_expired(now);
        }
        if self.copies.len() >= MAX_COPIES {
            return false;
        }
        let copies = Copies {
            payload,
            left: filters - 1,
            at: now,
        };
        self.copies.insert(topic, copies);
        false
    }

    /// Nothing of a connection that is gone comes back.
    pub(super) fn forget(&mut self) {
        self.notes.clear();
        self.copies.clear();
        self.total = 0;
    }

    /// Not more often than it takes to be worth it: it looks at everything.
    fn forget_expired(&mut self, now: Instant) {
        let cleaned = self.cleaned.replace(now);
        if cleaned.is_some_and(|at| now.saturating_duration_since(at) < COPIES_WITHIN) {
            self.cleaned = cleaned;
            return;
        }
        self.copies
            .retain(|_, copies| now.saturating_duration_since(copies.at) < COPIES_WITHIN);
        self.notes.retain(|_, notes| {
            notes.retain(|note| !is_over(note, now));
            !notes.is_empty()
        });
        self.total = self.notes.values().map(VecDeque::len).sum();
    }
}

fn is_over(note: &Note, now: Instant) -> bool {
    now.saturating_duration_since(note.at) > LIFETIME
}

#[cfg(test)]
mod tests {
    use super::super::topic::Topic;
    use super::*;

    fn message(topic: &str, text: &str) -> Message {
        Message::new(Topic::new(topic).unwrap(), text.to_owned(), Qos::AtMostOnce)
    }

    #[test]
    fn each_note_is_for_one_message() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        let own = message("a", "x");
        echoes.expect(&own, Qos::AtMostOnce, now);
        echoes.expect(&own, Qos::AtMostOnce, now);
        assert!(!echoes.is_own(&message("a", "y"), now));
        assert!(!echoes.is_own(&message("b", "x"), now));
        assert!(echoes.is_own(&own, now));
        assert!(echoes.is_own(&own, now));
        assert!(!echoes.is_own(&own, now));
        assert_eq!(echoes.total, 0);
    }

    #[test]
    fn a_lost_echo_does_not_stay() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        for text in ["lost", "next"] {
            echoes.expect(&message("a", text), Qos::AtMostOnce, now);
        }
        assert!(echoes.is_own(&message("a", "next"), now));
        assert!(!echoes.is_own(&message("a", "lost"), now));
        echoes.expect(&message("a", "old"), Qos::AtMostOnce, now);
        assert!(!echoes.is_own(&message("a", "old"), now + LIFETIME * 2));
        echoes.expect(&message("a", "before"), Qos::AtMostOnce, now);
        echoes.forget();
        assert!(!echoes.is_own(&message("a", "before"), now));
    }

    #[test]
    fn of_whatever_quality() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        let low = message("a", "x");
        let high = Message {
            qos: Qos::AtLeastOnce,
            ..low.clone()
        };
        echoes.expect(&high, Qos::AtLeastOnce, now);
        assert!(echoes.is_own(&low, now));
        assert!(!echoes.is_own(&high, now));
        // Its own first: the other may still be under way.
        echoes.expect(&high, Qos::AtLeastOnce, now);
        echoes.expect(&low, Qos::AtMostOnce, now);
        assert!(echoes.is_own(&low, now));
        assert!(echoes.is_own(&high, now));
        assert_eq!((echoes.total, echoes.notes.len()), (0, 0));
    }

    #[test]
    fn bounded() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        let own = message("a", "x");
        for _ in 0..MAX_NOTES + 10 {
            echoes.expect(&own, Qos::AtMostOnce, now);
        }
        assert_eq!(echoes.total, MAX_NOTES);
        let later = now + LIFETIME * 2;
        echoes.expect(&own, Qos::AtMostOnce, later);
        assert_eq!(echoes.total, 1);
        assert!(echoes.is_own(&own, later));
    }

    #[test]
    fn copies_follow_directly() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        let x = message("a", "x");
        let copies = |echoes: &mut Echoes| echoes.is_copy(&x, 3, now);
        assert_eq!(
            [
                copies(&mut echoes),
                copies(&mut echoes),
                copies(&mut echoes),
                copies(&mut echoes)
            ],
            [false, true, true, false]
        );
        assert!(!echoes.is_copy(&message("a", "y"), 3, now));
        assert!(!echoes.is_copy(&x, 3, now));
        assert!(!echoes.is_copy(&x, 3, now + COPIES_WITHIN));
        assert!(!echoes.is_copy(&x, 1, now));
    }
}
