//! How much may be in flight.
//!
//! A broker answers in order, so whatever is in flight stands before the next message, also before
//! that of a module which publishes little beside one that publishes without end. More in flight
//! than fill the way to the broker and back make nothing faster. How many that is shows in how
//! long acknowledgements take: when they take much longer than they have to, there is a queue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::session::WINDOW;

/// What a message costs the broker, in small messages, grows by one with so many bytes.
const BYTES: usize = 4096;

/// So many small messages are always allowed: enough for a broker on the same machine.
const LEAST: usize = 16;

/// Never more than what so many messages cost, each of 64 KiB.
const MOST: usize = 16 * WINDOW as usize;

/// A shorter queue than that is none.
const NO_QUEUE: Duration = Duration::from_micros(200);

/// How long the shortest time is remembered: the way to the broker may change.
const REMEMBERED: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Window {
    /// What all that is in flight may cost.
    size: usize,
    /// What it costs, message by message in the order of sending.
    costs: VecDeque<usize>,
    in_flight: usize,
    /// The message whose acknowledgement is awaited, and when it was sent.
    measured: Option<(u16, Instant)>,
    /// The shortest time to an acknowledgement, lately and before.
    shortest: [Duration; 2],
    since: Instant,
    /// It was full since the last measurement.
    was_full: bool,
}

impl Window {
    pub(super) fn new(now: Instant) -> Window {
        Window {
            size: LEAST,
            costs: VecDeque::new(),
            in_flight: 0,
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

    /// A message of so many bytes was sent under this identifier.
    pub(super) fn sent(&mut self, id: u16, bytes: usize) {
        let cost = 1 + bytes / BYTES;
        self.costs.push_back(cost);
        self.in_flight += cost;
        // One at a time: that tells enough, and costs nothing.
        if self.measured.is_none() {
            self.measured = Some((id, Instant::now()));
        }
    }

    /// The message of this identifier is acknowledged. Brokers do that in order.
    pub(super) fn acknowledged(&mut self, id: u16) {
        let cost = self.costs.pop_front().unwrap_or_default();
        self.in_flight -= cost;
        if let Some((measured, at)) = self.measured
            && measured == id
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
        assert!(settled(micros(60), micros(10)) <= 2 * LEAST);
    }

    #[test]
    fn it_grows_only_when_that_is_needed() {
        let now = Instant::now();
        let mut window = Window::new(now);
        for id in 1..16 {
            window.sent(id, 100);
        }
        assert!(window.has_room());
        window.learn(Duration::from_millis(1), now);
        assert_eq!(window.size, LEAST);
        window.sent(16, 100);
        assert!(!window.has_room());
        window.learn(Duration::from_millis(1), now);
        assert!(window.size > LEAST);
    }

    #[test]
    fn large_messages_are_fewer() {
        let mut window = Window::new(Instant::now());
        window.sent(1, 64 * 1024);
        assert!(!window.has_room());
        window.acknowledged(1);
        assert!(window.has_room());
        assert_eq!(window.in_flight, 0);
    }
}
