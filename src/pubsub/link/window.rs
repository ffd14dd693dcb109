//! How much may be in flight.
//!
//! A broker answers in order, so whatever is in flight stands before the next message, also before
//! that of a module which publishes little beside one that publishes without end. More in flight
//! than fill the way to the broker and back make nothing faster. How many that is shows in how
//! long acknowledgements take: when they take much longer than they have to, there is a queue.
//!
//! Messages of quality 0 are not acknowledged. They count until something that was sent after them
//! is: a message of quality 1, or a ping, which is sent for that purpose when there is no room.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::lanes::cost;
use super::session::WINDOW;

/// So many small messages are always allowed: enough for a broker on the same machine.
const LEAST: usize = 4;

/// Never more than what so many messages cost, each of 64 KiB.
const MOST: usize = 16 * WINDOW as usize;

/// A shorter queue than that is none.
const NO_QUEUE: Duration = Duration::from_micros(50);

/// How long the shortest time is remembered: the way to the broker may change.
const REMEMBERED: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Window {
    /// What all that is in flight may cost.
    size: usize,
    /// What it costs, in the order of sending.
    sent: VecDeque<(Sent, usize)>,
    in_flight: usize,
    /// A ping is among it.
    pinged: bool,
    /// What is awaited to be acknowledged, and when it was sent.
    measured: Option<(Sent, Instant)>,
    /// The shortest time to an acknowledgement, lately and before.
    shortest: [Duration; 2],
    since: Instant,
    /// It was full since the last measurement.
    was_full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A message of quality 0.
    Unacknowledged,
    /// A message of quality 1, under this identifier.
    Message(u16),
    Ping,
}

impl Window {
    pub(super) fn new(now: Instant) -> Window {
        Window {
            size: LEAST,
            sent: VecDeque::new(),
            in_flight: 0,
            pinged: false,
            measured: None,
            shortest: [Duration::MAX; 2],
            since: now,
            was_full: false,
        }
    }

    /// Whether another message may be sent, whatever its size.
    pub(super) fn has_room(&mut self) -> bool {
        let has_room = self.in_flight < self.size;
        self.was_full |= !has_room;
        has_room
    }

    /// Whether nothing that is in flight will be acknowledged, though there is no room.
    pub(super) fn needs_ping(&self) -> bool {
        self.in_flight >= self.size
            && !self.pinged
            && self
                .sent
                .back()
                .is_some_and(|(last, _)| *last == Sent::Unacknowledged)
    }

    /// Something of so many bytes was sent.
    pub(super) fn sent(&mut self, what: Sent, bytes: usize) {
        let cost = cost(bytes);
        self.sent.push_back((what, cost));
        self.in_flight += cost;
        self.pinged |= what == Sent::Ping;
        // One at a time: that tells enough, and costs nothing.
        if self.measured.is_none() && what != Sent::Unacknowledged {
            self.measured = Some((what, Instant::now()));
        }
    }

    /// That is acknowledged, and so the broker has taken all that was sent before it.
    pub(super) fn acknowledged(&mut self, what: Sent) {
        let Some(at) = self.sent.iter().position(|(sent, _)| *sent == what) else {
            return;
        };
        // Brokers acknowledge in order, so this is all of them.
        for (sent, cost) in self.sent.drain(..=at) {
            self.in_flight -= cost;
            self.pinged &= sent != Sent::Ping;
        }
        if let Some((measured, at)) = self.measured
            && measured == what
        {
            self.measured = None;
            let now = Instant::now();
            self.learn(now.saturating_duration_since(at), now);
        }
    }

    fn learn(&mut self, time: Duration, now: Instant) {
        if now.saturating_duration_since(self.since) > REMEMBERED {
            self.shortest = [time, self.shortest[0]];
            self.since = now;
        }
        self.shortest[0] = self.shortest[0].min(time);
        let shortest = self.shortest[0].min(self.shortest[1]);
        let queued = time.saturating_sub(shortest);
        if queued > shortest.max(NO_QUEUE) {
            self.size = (self.size * 3 / 4).max(LEAST);
        } else if self.was_full {
            self.size = (self.size * 5 / 4).min(MOST);
        }
        self.was_full = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size that comes of a broker so far away that takes so long for each message.
    fn settled(way: Duration, each: Duration) -> usize {
        let mut now = Instant::now();
        let mut window = Window::new(now);
        for _ in 0..1000 {
            let size = window.size;
            window.was_full = true;
            let queue = each * u32::try_from(size).unwrap();
            let time = way.max(queue);
            now += time;
            window.learn(time, now);
        }
        window.size
    }

    #[test]
    fn it_is_as_large_as_the_way_is_long() {
        let (micros, millis) = (Duration::from_micros, Duration::from_millis);
        // Far away: the broker is idle most of the time.
        assert!(settled(millis(50), micros(10)) > usize::from(WINDOW));
        // Near, and busy with what it has.
        assert!(settled(micros(60), micros(10)) <= 16);
    }

    #[test]
    fn it_grows_only_when_that_is_needed() {
        let now = Instant::now();
        let mut window = Window::new(now);
        for id in 1..4 {
            window.sent(Sent::Message(id), 100);
        }
        assert!(window.has_room());
        window.learn(Duration::from_millis(1), now);
        assert_eq!(window.size, LEAST);
        window.sent(Sent::Message(4), 100);
        assert!(!window.has_room());
        window.learn(Duration::from_millis(1), now);
        assert!(window.size > LEAST);
    }

    #[test]
    fn large_messages_are_fewer() {
        let mut window = Window::new(Instant::now());
        window.sent(Sent::Message(1), 64 * 1024);
        assert!(!window.has_room());
        window.acknowledged(Sent::Message(1));
        assert!(window.has_room());
        assert_eq!(window.in_flight, 0);
    }

    #[test]
    fn what_nobody_acknowledges_counts_until_a_ping_is_answered() {
        let mut window = Window::new(Instant::now());
        for _ in 0..LEAST {
            assert!(window.has_room() && !window.needs_ping());
            window.sent(Sent::Unacknowledged, 10);
        }
        assert!(!window.has_room() && window.needs_ping());
        window.sent(Sent::Ping, 0);
        assert!(!window.needs_ping());
        window.acknowledged(Sent::Ping);
        assert!(window.has_room() && !window.pinged);
        // Or until one that comes later is.
        window.sent(Sent::Unacknowledged, 10);
        window.sent(Sent::Message(1), 10);
        window.sent(Sent::Unacknowledged, 10);
        window.acknowledged(Sent::Message(1));
        assert_eq!(window.in_flight, 1);
        // An answer to a ping of another's is none.
        window.acknowledged(Sent::Ping);
        assert_eq!(window.in_flight, 1);
    }
}
