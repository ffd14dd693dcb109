//! Messages that wait for the broker, by who publishes them.
//!
//! The node's own messages go first. Each other publisher has a lane of its own, in the order in
//! which it published, and lanes take turns. So nobody waits behind what another has too much of,
//! and nobody's messages are refused because another has filled everything: a lane gets no more
//! than is still free, so that as many as flood share the room among them and leave as much again.
//!
//! What a lane sends keeps the broker busy, and so makes others wait that publish little. A lane
//! that always has more pauses after each burst while there are such others.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::super::message::{Lane, Qos, Share};
use super::outbox::Entry;

/// How many bytes a lane may send before the next one's turn. What a message is larger, its lane
/// saves up for.
const TURN: usize = 16 * 1024;

/// What a lane sends without a pause beside others, as [`cost`] counts.
const BURST: usize = 16;

/// How long a lane pauses.
const PAUSE: Duration = Duration::from_millis(1);

/// Whoever has published a message that found its lane empty is considered for so long.
const ATTENTIVE: Duration = Duration::from_millis(100);

/// What a message of so many bytes costs a broker, in small messages.
pub(super) fn cost(bytes: usize) -> usize {
    const AS_MUCH_AGAIN: usize = 4096;
    1 + bytes / AS_MUCH_AGAIN
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Lane, Waiting>,
    /// The lanes in which something waits, but for the node's own, each once; the first one's turn
    /// it is.
    turns: VecDeque<Lane>,
    /// Lanes in which something waits that have no turns until then, in that order.
    paused: VecDeque<(Instant, Lane)>,
    /// The last two lanes that had nothing under way when a message came, and when that was.
    light: [Option<(Lane, Instant)>; 2],
    /// Messages that wait.
    count: usize,
    /// Of all lanes.
    bytes: Bytes,
}

/// Bytes that wait or are taken and not done, by whose room they take.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    messages: usize,
    output: usize,
    node: usize,
}

impl Bytes {
    fn of(&mut self, share: Share) -> &mut usize {
        match share {
            Share::Messages => &mut self.messages,
            Share::Output => &mut self.output,
            Share::Node => &mut self.node,
        }
    }

    /// Those of the room that lanes share.
    fn shared(self) -> usize {
        self.messages + self.output
    }

    fn sum(self) -> usize {
        self.shared() + self.node
    }

    fn add(&mut self, entry: &Entry) {
        *self.of(entry.share) += entry.size();
    }

    fn remove(&mut self, entry: &Entry) {
        let bytes = self.of(entry.share);
        *bytes = bytes.saturating_sub(entry.size());
    }
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Of `entries` and of what is taken and not done.
    bytes: Bytes,
    /// What it may send in this turn.
    credit: usize,
    /// What it has sent since it had nothing under way, or paused.
    burst: usize,
}

impl Lanes {
    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that wait, or are taken and not done.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.sum()
    }

    /// Whether there is room for so many more bytes. The node's own messages have as much
    /// room as all others together, which cannot take it away.
    pub(super) fn have_room(&self, lane: Lane, share: Share, size: usize, limit: usize) -> bool {
        let of_lane = self.lanes.get(&lane).map(|waiting| waiting.bytes);
        let of_lane = of_lane.unwrap_or_default();
        let shared = self.bytes.shared();
        let (part, taken, free) = match share {
            Share::Messages => (of_lane.messages, shared, limit.saturating_sub(shared)),
            Share::Output => (of_lane.output, shared, limit.saturating_sub(shared)),
            Share::Node => (self.bytes.node, self.bytes.node, limit),
        };
        // One that is larger than all there is goes when nothing else is waiting.
        taken == 0 || part.saturating_add(size) <= free
    }

    pub(super) fn push(&mut self, entry: Entry, now: Instant) {
        let lane = entry.lane;
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.entries.is_empty() && lane != Lane::OWN {
            waiting.credit = TURN;
            if waiting.bytes.sum() == 0 {
                // It has sent nothing lately, so it takes little from those who always have more.
                waiting.burst = 0;
                self.turns.push_front(lane);
                if self.light[0].is_some_and(|(last, _)| last != lane) {
                    self.light[1] = self.light[0];
                }
                self.light[0] = Some((lane, now));
            } else {
                self.turns.push_back(lane);
            }
        }
        waiting.bytes.add(&entry);
        self.bytes.add(&entry);
        waiting.entries.push_back(entry);
        self.count += 1;
    }

    /// Takes the next message of the node's own. Its bytes count until [`Lanes::done`].
    pub(super) fn pop_own(&mut self) -> Option<Entry> {
        let entry = self.lanes.get_mut(&Lane::OWN)?.entries.pop_front()?;
        self.count -= 1;
        Some(entry)
    }

    /// Takes the next message of all others. Its bytes count until [`Lanes::done`].
    pub(super) fn pop(&mut self, now: Instant) -> Option<Entry> {
        loop {
            let lane = *self.turns.front()?;
            let alone = self.turns.len() == 1;
            let waiting = self.lanes.get_mut(&lane)?;
            let size = waiting.entries.front()?.size();
            if size <= waiting.credit || alone {
                waiting.credit = waiting.credit.saturating_sub(size);
                waiting.burst += cost(size);
                let entry = waiting.entries.pop_front();
                if waiting.entries.is_empty() {
                    self.turns.pop_front();
                } else if waiting.burst >= BURST {
                    waiting.burst = 0;
                    self.pause(lane, now);
                }
                self.count -= 1;
                return entry;
            }
            waiting.credit = waiting.credit.saturating_add(TURN);
            self.turns.rotate_left(1);
        }
    }

    /// Takes the next message of all others if its lane has nothing else under way.
    pub(super) fn pop_light(&mut self, now: Instant) -> Option<Entry> {
        let lane = *self.turns.front()?;
        let waiting = self.lanes.get(&lane)?;
        let light = waiting.bytes.sum() == waiting.entries.front()?.size();
        if light { self.pop(now) } else { None }
    }

    /// When a lane has turns again that has none now.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.paused.front().map(|(until, _)| *until)
    }

    /// Has the lane whose turn it is wait, if there are others who would wait for it.
    fn pause(&mut self, lane: Lane, now: Instant) {
        let other = self
            .light
            .iter()
            .flatten()
            .find(|(other, _)| *other != lane);
        if other.is_some_and(|(_, at)| now.saturating_duration_since(*at) < ATTENTIVE) {
            self.turns.pop_front();
            self.paused.push_back((now + PAUSE, lane));
        }
    }

    /// Gives the lanes whose pauses are over their turns again.
    pub(super) fn end_pauses(&mut self, now: Instant) {
        while let Some((until, lane)) = self.paused.front()
            && *until <= now
        {
            self.turns.push_back(*lane);
            self.paused.pop_front();
        }
    }

    /// A message that was taken is out of our hands.
    pub(super) fn done(&mut self, entry: &Entry) {
        self.bytes.remove(entry);
        if let Some(waiting) = self.lanes.get_mut(&entry.lane) {
            waiting.bytes.remove(entry);
            if waiting.bytes.sum() == 0 && waiting.entries.is_empty() {
                self.lanes.remove(&entry.lane);
            }
        }
    }

    /// Takes back what was taken, in front of what waits, and drops messages of quality 0.
    /// Returns how many those are.
    pub(super) fn take_back(&mut self, taken: impl DoubleEndedIterator<Item = Entry>) -> usize {
        for entry in taken.rev() {
            let waiting = self.lanes.entry(entry.lane).or_default();
            waiting.entries.push_front(entry);
        }
        let mut dropped = 0;
        self.turns.clear();
        self.paused.clear();
        self.count = 0;
        self.bytes = Bytes::default();
        self.lanes.retain(|lane, waiting| {
            let before = waiting.entries.len();
            waiting
                .entries
                .retain(|entry| entry.message.qos > Qos::AtMostOnce);
            dropped += before - waiting.entries.len();
            waiting.bytes = Bytes::default();
            for entry in &waiting.entries {
                waiting.bytes.add(entry);
                self.bytes.add(entry);
            }
            waiting.credit = TURN;
            self.count += waiting.entries.len();
            if !waiting.entries.is_empty() && *lane != Lane::OWN {
                self.turns.push_back(*lane);
            }
            !waiting.entries.is_empty()
        });
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::{Message, Topic};

    fn entry(lane: u64, number: usize, size: usize) -> Entry {
        let topic = Topic::new(&format!("{lane}/{number}")).unwrap();
        Entry {
            message: Message::new(topic, vec![b'x'; size], Qos::AtLeastOnce),
            lane: Lane::new(lane),
            share: Share::Messages,
            failed: 0,
        }
    }

    /// The next one, also of a lane that pauses.
    fn pop(lanes: &mut Lanes) -> Option<Entry> {
        let now = Instant::now();
        lanes.pop(now).or_else(|| {
            let until = lanes.paused_until()?;
            lanes.end_pauses(until);
            lanes.pop(until)
        })
    }

    fn fill(lanes: &mut Lanes, lane: u64, limit: usize) -> usize {
        let mut count = 0;
        loop {
            let entry = entry(lane, count, 64);
            if !lanes.have_room(entry.lane, entry.share, entry.size(), limit) {
                return count;
            }
            lanes.push(entry, Instant::now());
            count += 1;
        }
    }

    #[test]
    fn a_flood_leaves_room_and_time_for_others() {
        let limit = 1 << 20;
        let mut lanes = Lanes::default();
        let first = fill(&mut lanes, 1, limit);
        let second = fill(&mut lanes, 2, limit);
        assert!(second > first / 3, "{first} {second}");
        assert!(lanes.bytes() <= limit);
        let own = Entry {
            lane: Lane::OWN,
            share: Share::Node,
            ..entry(0, 0, 1000)
        };
        for entry in [own, entry(3, 0, 1000)] {
            assert!(lanes.have_room(entry.lane, entry.share, entry.size(), limit));
            lanes.push(entry, Instant::now());
        }
        assert_eq!(lanes.pop_own().map(|entry| entry.lane), Some(Lane::OWN));
        // Those who have little wait for one turn of each of the others.
        let mut before = 0;
        loop {
            let entry = pop(&mut lanes).unwrap();
            before += entry.size();
            lanes.done(&entry);
            if entry.lane == Lane::new(3) {
                break;
            }
        }
        assert!(before <= 3 * TURN, "{before}");
    }

    #[test]
    fn each_lane_keeps_its_order_and_nothing_stays_behind() {
        let mut lanes = Lanes::default();
        for number in 0..500 {
            for lane in 0..5 {
                lanes.push(entry(lane, number, (number * 131) % 40_000), Instant::now());
            }
        }
        assert_eq!(lanes.len(), 2500);
        let mut flight = VecDeque::new();
        for _ in 0..700 {
            flight.push_back(pop(&mut lanes).unwrap());
        }
        for entry in flight.drain(..300) {
            lanes.done(&entry);
        }
        let mut next: HashMap<Lane, usize> = HashMap::new();
        for entry in &flight {
            let number = entry.message.topic.as_str().split('/').nth(1).unwrap();
            let number = number.parse().unwrap();
            let at = next.entry(entry.lane).or_insert(number);
            *at = number.min(*at);
        }
        assert_eq!(lanes.take_back(flight.into_iter()), 0);
        assert_eq!(lanes.len(), 2200);
        while let Some(entry) = pop(&mut lanes) {
            let at = next.get_mut(&entry.lane).unwrap();
            let expected = format!("/{at}");
            assert!(entry.message.topic.as_str().ends_with(&expected));
            *at += 1;
            lanes.done(&entry);
        }
        assert_eq!((lanes.len(), lanes.bytes()), (0, 0));
        assert!(lanes.lanes.is_empty() && lanes.turns.is_empty());
    }

    #[test]
    fn large_messages_take_no_more_than_their_share() {
        let mut lanes = Lanes::default();
        for number in 0..20 {
            lanes.push(entry(1, number, 1 << 20), Instant::now());
        }
        for number in 0..5000 {
            lanes.push(entry(2, number, 64), Instant::now());
        }
        let mut sent = [0, 0];
        while lanes.turns.len() == 2 {
            let entry = pop(&mut lanes).unwrap();
            sent[usize::from(entry.lane == Lane::new(2))] += entry.size();
        }
        assert!(sent[0] <= sent[1] + (2 << 20), "{sent:?}");
    }

    #[test]
    fn who_always_has_more_pauses_beside_others() {
        let mut lanes = Lanes::default();
        let mut now = Instant::now();
        let take = |lanes: &mut Lanes, now| {
            lanes.end_pauses(now);
            let taken: Vec<_> = std::iter::from_fn(|| lanes.pop(now)).collect();
            taken.iter().for_each(|entry| lanes.done(entry));
            taken.len()
        };
        // Nobody else is there.
        fill(&mut lanes, 1, 1 << 16);
        assert!(take(&mut lanes, now) > 2 * BURST);
        lanes.push(entry(2, 0, 10), now);
        assert_eq!(take(&mut lanes, now), 1);
        let count = fill(&mut lanes, 1, 1 << 16);
        let mut sent = take(&mut lanes, now);
        assert_eq!(sent, BURST);
        assert!(lanes.pop_light(now).is_none());
        // Who has little does not wait.
        lanes.push(entry(2, 1, 10), now);
        assert_eq!(lanes.pop_light(now).unwrap().lane, Lane::new(2));
        while let Some(until) = lanes.paused_until() {
            now = until;
            sent += take(&mut lanes, now);
        }
        assert_eq!(sent, count);
        assert!(lanes.is_empty() && lanes.paused_until().is_none());
    }
}
