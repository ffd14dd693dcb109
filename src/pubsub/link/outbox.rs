//! What waits for the broker.
//!
//! Publishers put messages in on their threads and never wait; the link's thread takes them out.
//! A message of quality 1 counts until the broker has acknowledged it: the link keeps it while it
//! is in flight, and puts it back in front when the connection ends.
//!
//! The node's own messages (registrations, answers) have a lane of their own, with its own bound:
//! after an outage they would else wait until all is sent that modules have published meanwhile.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::message::{Lane, Message, PublishError, Qos, Uplink};
use super::super::topic::Filter;
use super::changes::{Change, Changes};
use super::lanes::Lanes;
use super::status::LinkCounters;

/// The longest MQTT packet, without its first five bytes.
pub(super) const MAX_PACKET: usize = 268_435_455;

/// What a packet has beside topic and payload: lengths, packet identifier, properties.
const PACKET_OVERHEAD: usize = 8;

/// What a message takes beside its bytes, so that empty ones are bounded too.
const ENTRY_OVERHEAD: usize = 128;

/// How many messages are taken at once. They stand before what comes later, also before that of
/// others.
const BATCH: usize = 8;

/// A message on its way to the broker.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    /// How many connections ended while it was the first that was not acknowledged.
    pub(super) failed: u32,
    /// In which it waits.
    pub(super) lane: Lane,
}

impl Entry {
    pub(super) fn size(&self) -> usize {
        self.message.size() + ENTRY_OVERHEAD
    }
}

/// Whether the link is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// When all is delivered, or at that time.
    Closing(Instant),
    /// At once, without a word.
    Abandoned,
}

#[derive(Debug)]
pub(super) struct Outbox {
    limit: usize,
    state: Mutex<State>,
    /// Wakes the link's thread.
    pub(super) wake: Notify,
    /// Wakes those who wait in `flush`.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lanes: Lanes,
    changes: Changes,
    /// Messages that the link has taken and still has to account for.
    taken: usize,
    online: bool,
    /// The link has something to write, or a subscription is not confirmed.
    busy: bool,
    stop: Option<Stop>,
    counters: LinkCounters,
}

impl State {
    fn is_drained(&self) -> bool {
        self.lanes.is_empty() && self.changes.is_empty() && self.taken == 0 && !self.busy
    }
}

impl Outbox {
    pub(super) fn new(limit: usize) -> Outbox {
        Outbox {
            limit,
            state: Mutex::default(),
            wake: Notify::new(),
            drained: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the counters.
    pub(super) fn count(&self, change: impl FnOnce(&mut LinkCounters)) {
        change(&mut self.state().counters);
    }

    pub(super) fn counters(&self) -> LinkCounters {
        let state = self.state();
        LinkCounters {
            queued: state.lanes.len() + state.taken,
            queued_bytes: state.lanes.bytes(),
            ..state.counters.clone()
        }
    }

    /// A connection is there: from now on messages of quality 0 are taken, and changes of
    /// subscriptions are noted.
    pub(super) fn go_online(&self) {
        let mut state = self.state();
        state.online = true;
        state.busy = true;
    }

    /// The connection has ended. What was in flight comes back in front, in its order; messages of
    /// quality 0 are dropped.
    pub(super) fn go_offline(&self, in_flight: impl DoubleEndedIterator<Item = Entry>) {
        let mut state = self.state();
        let state = &mut *state;
        state.online = false;
        state.busy = false;
        state.changes.end();
        state.taken = 0;
        let dropped = as_u64(state.lanes.take_back(in_flight));
        let counter = &mut state.counters.dropped_offline;
        *counter = counter.saturating_add(dropped);
        self.tell_drained(state);
    }

    /// On this connection these were asked for.
    pub(super) fn asked_for(&self, filters: impl Iterator<Item = Filter>) {
        self.state().changes.begin(filters);
    }

    /// Takes what is to be done: changes of subscriptions, or if there is none left, at most a
    /// batch of messages of each lane, the node's own before the others; which stay accounted for
    /// until [`Outbox::done`].
    pub(super) fn take(&self, changes: &mut Vec<Change>, messages: &mut VecDeque<Entry>) {
        let mut state = self.state();
        let state = &mut *state;
        while changes.len() < BATCH
            && let Some(change) = state.changes.take()
        {
            state.busy = true;
            changes.push(change);
        }
        if !changes.is_empty() {
            return;
        }
        let first = messages
            .iter()
            .take_while(|entry| entry.lane == Lane::OWN)
            .count();
        let before = messages.len();
        let mut at = first;
        while at < BATCH
            && let Some(entry) = state.lanes.pop_own()
        {
            messages.insert(at, entry);
            at += 1;
        }
        while messages.len() < BATCH
            && let Some(entry) = state.lanes.pop()
        {
            messages.push_back(entry);
        }
        let taken = messages.len() - before;
        state.taken += taken;
        if taken > 0 {
            state.busy = true;
        }
    }

    /// A message is written (quality 0), acknowledged (quality 1), or given up.
    pub(super) fn done(&self, entry: &Entry, count: impl FnOnce(&mut LinkCounters)) {
        let mut state = self.state();
        state.taken = state.taken.saturating_sub(1);
        state.lanes.done(entry);
        count(&mut state.counters);
        self.tell_drained(&state);
    }

    /// The link has written everything, and all subscriptions are confirmed.
    pub(super) fn rest(&self) {
        let mut state = self.state();
        state.busy = false;
        self.tell_drained(&state);
    }

    fn tell_drained(&self, state: &State) {
        if state.is_drained() {
            self.drained.notify_all();
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_drained(&self) -> bool {
        self.state().is_drained()
    }

    /// Waits until nothing is left to do. Whether that is so.
    pub(super) fn wait_drained(&self, timeout: Duration) -> bool {
        let (state, _) = self
            .drained
            .wait_timeout_while(self.state(), timeout, |state| !state.is_drained())
            .unwrap_or_else(PoisonError::into_inner);
        state.is_drained()
    }

    /// Has the link end. After [`Stop::Abandoned`] nothing is taken any more.
    pub(super) fn stop(&self, stop: Stop) {
        let mut state = self.state();
        state.stop = Some(stop);
        let dropped = match stop {
            Stop::Closing(_) => Lanes::default(),
            Stop::Abandoned => std::mem::take(&mut state.lanes),
        };
        drop(state);
        drop(dropped);
        self.wake.notify_one();
    }

    pub(super) fn stopping(&self) -> Option<Stop> {
        self.state().stop
    }

    fn put(&self, message: Message, lane: Lane) -> Result<(), PublishError> {
        let entry = Entry {
            message,
            failed: 0,
            lane,
        };
        let size = entry.size();
        let mut state = self.state();
        let counters = &mut state.counters;
        if entry.message.size() + PACKET_OVERHEAD > MAX_PACKET {
            counters.dropped_too_large += 1;
            return Err(PublishError::TooLarge);
        }
        let ended = state.stop == Some(Stop::Abandoned);
        if ended || (entry.message.qos == Qos::AtMostOnce && !state.online) {
            state.counters.dropped_offline += 1;
            return Err(PublishError::Offline);
        }
        if !state.lanes.have_room(lane, size, self.limit) {
            state.counters.dropped_full += 1;
            return Err(PublishError::Full);
        }
        state.lanes.push(entry);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    fn change(&self, change: Change) {
        let mut state = self.state();
        // After a connect, all that is subscribed is subscribed anew.
        if state.online {
            state.changes.add(change);
            drop(state);
            self.wake.notify_one();
        }
    }
}

impl Uplink for Outbox {
    fn publish(&self, message: Message) -> Result<(), PublishError> {
        self.put(message, Lane::COMMON)
    }

    fn publish_in(&self, lane: Lane, message: Message) -> Result<(), PublishError> {
        self.put(message, lane)
    }

    fn publish_own(&self, message: Message) -> Result<(), PublishError> {
        self.put(message, Lane::OWN)
    }

    fn subscribe(&self, filter: Filter, qos: Qos, id: u32) {
        self.change(Change::Subscribe(filter, qos, id));
    }

    fn unsubscribe(&self, filter: Filter) {
        self.change(Change::Unsubscribe(filter));
    }
}

pub(super) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::Topic;

    fn message(text: &str, qos: Qos) -> Message {
        Message::new(Topic::new("t").unwrap(), text.to_owned(), qos)
    }

    fn take(outbox: &Outbox) -> VecDeque<Entry> {
        let mut messages = VecDeque::new();
        outbox.take(&mut Vec::new(), &mut messages);
        messages
    }

    fn texts(messages: &VecDeque<Entry>) -> Vec<&[u8]> {
        messages.iter().map(|e| &*e.message.payload).collect()
    }

    #[test]
    fn offline_only_quality_1_is_kept() {
        let outbox = Outbox::new(10_000);
        assert_eq!(
            outbox.publish(message("a", Qos::AtMostOnce)),
            Err(PublishError::Offline)
        );
        assert_eq!(outbox.publish(message("b", Qos::AtLeastOnce)), Ok(()));
        outbox.go_online();
        assert_eq!(outbox.publish(message("c", Qos::AtMostOnce)), Ok(()));
        assert_eq!(outbox.counters().queued, 2);
        outbox.go_offline(std::iter::empty());
        assert_eq!(texts(&take(&outbox)), [b"b"]);
        assert_eq!(outbox.counters().dropped_offline, 2);
    }

    #[test]
    fn what_was_in_flight_comes_first() {
        let outbox = Outbox::new(10_000);
        outbox.go_online();
        for text in ["a", "b", "c"] {
            outbox.publish(message(text, Qos::AtLeastOnce)).unwrap();
        }
        let taken = take(&outbox);
        outbox.publish(message("d", Qos::AtLeastOnce)).unwrap();
        outbox.done(&taken[0], |_| ());
        outbox.go_offline(taken.into_iter().skip(1));
        assert_eq!(texts(&take(&outbox)), [b"b", b"c", b"d"]);
    }

    #[test]
    fn the_nodes_own_go_first() {
        let outbox = Outbox::new(1000);
        while outbox.publish(message("m", Qos::AtLeastOnce)).is_ok() {}
        let own = |text, qos| outbox.publish_own(message(text, qos));
        assert_eq!(own("1", Qos::AtLeastOnce), Ok(()));
        outbox.go_online();
        assert_eq!(own("2", Qos::AtMostOnce), Ok(()));
        let mut taken = take(&outbox);
        assert_eq!(texts(&taken)[..3], [b"1", b"2", b"m"]);
        // One that comes while others wait to be sent goes before those of modules.
        assert_eq!(own("3", Qos::AtLeastOnce), Ok(()));
        outbox.take(&mut Vec::new(), &mut taken);
        assert_eq!(texts(&taken)[..4], [b"1", b"2", b"3", b"m"]);
        assert_eq!(own("4", Qos::AtLeastOnce), Ok(()));
        outbox.go_offline(taken.into_iter());
        assert_eq!(texts(&take(&outbox))[..4], [b"1", b"3", b"4", b"m"]);
        assert_eq!(outbox.counters().dropped_offline, 1);
        // They are bounded too.
        while own("more", Qos::AtLeastOnce).is_ok() {}
        assert!(outbox.counters().queued_bytes <= 2000);
    }

    #[test]
    fn it_is_bounded() {
        let outbox = Outbox::new(1000);
        let mut taken = 0;
        while outbox.publish(message("", Qos::AtLeastOnce)).is_ok() {
            taken += 1;
        }
        // One lane gets no more than is still free.
        assert_eq!(taken, 4);
        let counters = outbox.counters();
        assert_eq!((counters.dropped_full, counters.queued), (1, 4));
        assert!(counters.queued_bytes <= 1000);
        // What is in flight counts too.
        outbox.go_online();
        let entries = take(&outbox);
        assert_eq!(
            outbox.publish(message("", Qos::AtLeastOnce)),
            Err(PublishError::Full)
        );
        outbox.done(&entries[0], |_| ());
        assert_eq!(outbox.publish(message("", Qos::AtLeastOnce)), Ok(()));
    }

    #[test]
    fn one_message_may_be_larger_than_the_outbox() {
        let outbox = Outbox::new(1000);
        let large = message(&"x".repeat(2000), Qos::AtLeastOnce);
        assert_eq!(outbox.publish(large.clone()), Ok(()));
        assert_eq!(outbox.publish(large), Err(PublishError::Full));
    }

    #[test]
    fn after_the_end_nothing_is_taken() {
        let outbox = Outbox::new(1000);
        outbox.publish(message("a", Qos::AtLeastOnce)).unwrap();
        outbox.stop(Stop::Abandoned);
        assert!(take(&outbox).is_empty());
        assert_eq!(
            outbox.publish(message("b", Qos::AtLeastOnce)),
            Err(PublishError::Offline)
        );
    }

    #[test]
    fn flush_waits_for_the_link() {
        let outbox = Outbox::new(1000);
        assert!(outbox.wait_drained(Duration::ZERO));
        outbox.go_online();
        outbox.publish(message("a", Qos::AtLeastOnce)).unwrap();
        assert!(!outbox.wait_drained(Duration::ZERO));
        let taken = take(&outbox);
        assert!(!outbox.wait_drained(Duration::ZERO));
        outbox.done(&taken[0], |_| ());
        assert!(!outbox.wait_drained(Duration::ZERO));
        outbox.rest();
        assert!(outbox.wait_drained(Duration::ZERO));
    }
}
