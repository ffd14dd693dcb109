//! Changes of subscriptions that the broker has not heard of.
//!
//! Modules can subscribe and unsubscribe faster than a broker hears of it, so of one filter only
//! the last change is kept, and none at all if it leaves things as the broker knows them. What
//! waits is so bounded by what is subscribed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::message::Qos;
use super::super::topic::Filter;

/// A change of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Subscribe(Filter, Qos, u32),
    Unsubscribe(Filter),
}

#[derive(Debug, Default)]
pub(super) struct Changes {
    /// In the order in which they are to be told.
    waiting: BTreeMap<u64, Change>,
    /// Where the change of a filter is in there.
    places: HashMap<Filter, u64>,
    /// What was asked for on this connection; `None` until that is known.
    asked: Option<HashSet<Filter>>,
    next: u64,
}

impl Changes {
    /// A connection begins on which these are asked for.
    pub(super) fn begin(&mut self, asked: impl Iterator<Item = Filter>) {
        self.asked = Some(asked.collect());
    }

    /// The connection has ended. On the next one all that is subscribed is asked for.
    pub(super) fn end(&mut self) {
        *self = Changes::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn add(&mut self, change: Change) {
        let (Change::Subscribe(filter, ..) | Change::Unsubscribe(filter)) = &change;
        let filter = filter.clone();
        if let Some(place) = self.places.remove(&filter) {
            self.waiting.remove(&place);
        }
        let asked = self.asked.as_ref();
        let known = asked.is_none_or(|asked| asked.contains(&filter));
        if matches!(change, Change::Unsubscribe(_)) && !known {
            return;
        }
        // What replaces others was subscribed before those are unsubscribed: the last word counts
        // at its own place.
        self.waiting.insert(self.next, change);
        self.places.insert(filter, self.next);
        self.next += 1;
    }

    /// The next one, which is told now.
    pub(super) fn take(&mut self) -> Option<Change> {
        let (_, change) = self.waiting.pop_first()?;
        let (Change::Subscribe(filter, ..) | Change::Unsubscribe(filter)) = &change;
        self.places.remove(filter);
        if let Some(asked) = &mut self.asked {
            match &change {
                Change::Subscribe(filter, ..) => asked.insert(filter.clone()),
                Change::Unsubscribe(filter) => asked.remove(filter),
            };
        }
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::new(text).unwrap()
    }

    fn subscribe(text: &str) -> Change {
        Change::Subscribe(filter(text), Qos::AtMostOnce, 1)
    }

    fn unsubscribe(text: &str) -> Change {
        Change::Unsubscribe(filter(text))
    }

    fn taken(changes: &mut Changes) -> Vec<Change> {
        std::iter::from_fn(|| changes.take()).collect()
    }

    #[test]
    fn they_keep_their_order() {
        let mut changes = Changes::default();
        changes.begin([filter("a/b")].into_iter());
        changes.add(subscribe("a/#"));
        changes.add(unsubscribe("a/b"));
        assert_eq!(taken(&mut changes), [subscribe("a/#"), unsubscribe("a/b")]);
        changes.add(subscribe("a/b"));
        changes.add(unsubscribe("a/#"));
        assert_eq!(taken(&mut changes), [subscribe("a/b"), unsubscribe("a/#")]);
    }

    #[test]
    fn what_changes_back_is_not_told() {
        let mut changes = Changes::default();
        changes.begin([filter("old")].into_iter());
        for _ in 0..1000 {
            changes.add(subscribe("new"));
            changes.add(unsubscribe("new"));
        }
        assert!(changes.is_empty());
        changes.add(unsubscribe("old"));
        changes.add(subscribe("old"));
        assert_eq!(taken(&mut changes), [subscribe("old")]);
        changes.add(unsubscribe("old"));
        assert_eq!(taken(&mut changes), [unsubscribe("old")]);
        changes.add(unsubscribe("old"));
        assert!(changes.is_empty());
    }

    /// Between the begin of a connection and what is asked for on it.
    #[test]
    fn nothing_is_left_out_before_it_is_known() {
        let mut changes = Changes::default();
        changes.add(unsubscribe("a"));
        changes.begin([filter("a")].into_iter());
        assert_eq!(taken(&mut changes), [unsubscribe("a")]);
        changes.add(subscribe("b"));
        changes.end();
        assert!(changes.is_empty() && changes.places.is_empty());
    }
}
