//! What waits for the broker.
//!
//! Publishers put messages in on their threads and never wait; the link's thread takes them out.
//! A message of quality 1 counts until the broker has acknowledged it: the link keeps it while it
//! is in flight, and puts it back in front when the connection ends.
//!
//! The node's own messages (registrations, answers) have a lane of their own, with its own bound:
//! after an outage they would else wait until all is sent that modules have published meanwhile.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::message::{Lane, Message, PublishError, Qos, Share};
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

/// How many changes of subscriptions are taken at once.
const CHANGES: usize = 64;

/// A message on its way to the broker.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    /// How many connections ended while it was the first that was not acknowledged.
    pub(super) failed: u32,
    /// In which it waits.
    pub(super) lane: Lane,
    /// Whose room it takes.
    pub(super) share: Share,
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
    /// Threads in [`Outbox::wait_drained`]: telling nobody costs a system call all the same.
    waiting: usize,
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

    /// Takes changes of subscriptions, as many as are told at once.
    pub(super) fn take_changes(&self, changes: &mut Vec<Change>) {
        let mut state = self.state();
        while changes.len() < CHANGES
            && let Some(change) = state.changes.take()
        {
            state.busy = true;
            changes.push(change);
        }
    }

    /// Takes the next message, the node's own before others. It stays accounted for until
    /// [`Outbox::done`]. Without `room` only one of the node's own, or of a publisher who has
    /// nothing else under way.
    pub(super) fn take(&self, room: bool) -> Option<Entry> {
        let now = Instant::now();
        let mut state = self.state();
        let lanes = &mut state.lanes;
        let entry = lanes.pop_own().or_else(|| {
            if room {
                lanes.pop(now)
            } else {
                lanes.pop_light(now)
            }
        })?;
        state.taken += 1;
        state.busy = true;
        Some(entry)
    }

    /// Whether there is more to be taken, now or later.
    pub(super) fn has_waiting(&self) -> bool {
        let state = self.state();
        !state.lanes.is_empty() || !state.changes.is_empty()
    }

    /// Lets lanes go on whose pauses are over, also while nothing can be taken: else whoever waits
    /// for the end of a pause would not come to rest.
    pub(super) fn end_pauses(&self) {
        self.state().lanes.end_pauses(Instant::now());
    }

    /// When there is more to be taken, though there was nothing.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.state().lanes.paused_until()
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
        if state.waiting > 0 && state.is_drained() {
            self.drained.notify_all();
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_drained(&self) -> bool {
        self.state().is_drained()
    }

    /// Waits until nothing is left to do. Whether that is so.
    pub(super) fn wait_drained(&self, timeout: Duration) -> bool {
        let mut state = self.state();
        state.waiting += 1;
        let (mut state, _) = self
            .drained
            .wait_timeout_while(state, timeout, |state| !state.is_drained())
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
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

    /// Puts a message in. The link does not know of it yet.
    ///
    /// # Errors
    /// When there is no room for it, or it is not kept for later and there is no connection.
    pub(super) fn put(
        &self,
        message: Message,
        lane: Lane,
        share: Share,
    ) -> Result<(), PublishError> {
        let entry = Entry {
            message,
            failed: 0,
            lane,
            share,
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
        if !state.lanes.have_room(lane, share, size, self.limit) {
            state.counters.dropped_full += 1;
            return Err(PublishError::Full);
        }
        state.lanes.push(entry, Instant::now());
        Ok(())
    }

    /// Puts a change of subscriptions in, if the broker has to hear of it: after a connect, all
    /// that is subscribed is subscribed anew.
    pub(super) fn change(&self, change: Change) -> bool {
        let mut state = self.state();
        if state.online {
            state.changes.add(change);
        }
        state.online
    }
}

pub(super) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::pubsub::Topic;

    impl Outbox {
        fn publish(&self, message: Message) -> Result<(), PublishError> {
            self.put(message, Lane::COMMON, Share::Messages)
        }
    }

    fn message(text: &str, qos: Qos) -> Message {
        Message::new(Topic::new("t").unwrap(), text.to_owned(), qos)
    }

    fn take(outbox: &Outbox) -> VecDeque<Entry> {
        std::iter::from_fn(|| outbox.take(true)).collect()
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
        let own = |text, qos| outbox.put(message(text, qos), Lane::OWN, Share::Node);
        assert_eq!(own("1", Qos::AtLeastOnce), Ok(()));
        outbox.go_online();
        assert_eq!(own("2", Qos::AtMostOnce), Ok(()));
        let mut taken: VecDeque<_> = (0..3).filter_map(|_| outbox.take(true)).collect();
        assert_eq!(texts(&taken), [b"1", b"2", b"m"]);
        assert_eq!(own("3", Qos::AtLeastOnce), Ok(()));
        taken.extend(outbox.take(true));
        assert_eq!(texts(&taken), [b"1", b"2", b"m", b"3"]);
        assert_eq!(own("4", Qos::AtLeastOnce), Ok(()));
        outbox.go_offline(taken.into_iter());
        assert_eq!(texts(&take(&outbox))[..4], [b"1", b"3", b"4", b"m"]);
        assert_eq!(outbox.counters().dropped_offline, 1);
        // They are bounded too.
        while own("more", Qos::AtLeastOnce).is_ok() {}
        assert!(outbox.counters().queued_bytes <= 2000);
    }

    #[test]
    fn last_words_come_last_also_when_there_is_no_room() {
        let outbox = Outbox::new(2000);
        let put =
            |text, lane, share| outbox.put(message(text, Qos::AtLeastOnce), Lane::new(lane), share);
        let mut count = 0;
        while put("m", 7, Share::Messages).is_ok() {
            count += 1;
        }
        // Its messages leave room for what it writes.
        assert_eq!(put("line", 7, Share::Output), Ok(()));
        while put("m", 8, Share::Messages).is_ok() {}
        while put("line", 9, Share::Output).is_ok() {}
        assert_eq!(put("end", 7, Share::Node), Ok(()));
        outbox.go_online();
        assert_eq!(
            outbox.put(message("1", Qos::AtMostOnce), Lane::OWN, Share::Node),
            Ok(())
        );
        let taken = take(&outbox);
        assert_eq!(taken[0].lane, Lane::OWN);
        let of_lane = taken.iter().filter(|entry| entry.lane == Lane::new(7));
        let texts: Vec<_> = of_lane.map(|entry| &*entry.message.payload).collect();
        let mut expected = vec![&b"m"[..]; count];
        expected.extend([&b"line"[..], b"end"]);
        assert_eq!(texts, expected);
        taken.iter().for_each(|entry| outbox.done(entry, |_| ()));
        assert_eq!(outbox.counters().queued_bytes, 0);
        while put("end", 7, Share::Node).is_ok() {}
        assert!(outbox.counters().queued_bytes <= 2000);
        assert_eq!(put("m", 8, Share::Messages), Ok(()));
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
