//! A module's mailbox: what has come for it and was not read yet, within bounds.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use super::arrivals::{Arrivals, Seen, Watch};
use super::message::{Message, Subscriber};

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It takes the place of the oldest ones, of whatever channel.
    #[default]
    DropOldest,
    /// It is dropped itself.
    DropNewest,
}

/// How much a mailbox holds, over all of its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of topics and payloads.
    pub bytes: usize,
    /// What happens beyond that.
    pub overflow: Overflow,
}

impl Default for MailboxLimits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 << 20,
            overflow: Overflow::DropOldest,
        }
    }
}

/// What a mailbox has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxStats {
    /// Messages that wait to be read.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Messages that came, those that were dropped among them.
    pub received: u64,
    /// Bytes of their payloads.
    pub received_bytes: u64,
    /// Messages that were dropped because there was no room.
    pub dropped: u64,
    /// Bytes of their payloads.
    pub dropped_bytes: u64,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// What was waited for is there.
    Ready,
    /// The time is over.
    TimedOut,
    /// The module is to stop.
    Stopped,
}

/// The queues of a module's channels, bounded together.
#[derive(Debug)]
pub struct Mailbox {
    limits: MailboxLimits,
    state: Mutex<State>,
    /// Announced at arrivals and wakes.
    arrivals: Arrivals,
}

#[derive(Debug, Default)]
struct State {
    queues: Vec<Slot>,
    /// Numbers of slots that nobody has.
    free: Vec<usize>,
    /// Which queue each message was put into, oldest first. What was read meanwhile is still in
    /// it, until it comes to the front or there is too much of that.
    order: VecDeque<(u64, usize)>,
    /// Number of the next message.
    next: u64,
    messages: usize,
    bytes: usize,
    received: u64,
    received_bytes: u64,
    dropped: u64,
    dropped_bytes: u64,
}

#[derive(Debug, Default)]
struct Slot {
    open: bool,
    messages: VecDeque<(u64, Message)>,
    /// What is left of a message that was read in part, and what it costs until it is read.
    rest: Option<(Bytes, usize)>,
    received: u64,
    dropped: u64,
}

impl Slot {
    fn len(&self) -> usize {
        self.messages.len() + usize::from(self.rest.is_some())
    }
}

/// What a message takes beside topic and payload.
const OVERHEAD: usize = 64;

fn cost(message: &Message) -> usize {
    message.size() + OVERHEAD
}

/// What a queue keeps for itself when it is empty. A module may fill its channels one after the
/// other.
const KEPT: usize = 64;

fn shrink<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > KEPT {
        *queue = VecDeque::new();
    }
}

impl State {
    fn push(&mut self, at: usize, message: &Message, limits: &MailboxLimits) -> bool {
        let size = cost(message);
        let Some(slot) = self.queues.get_mut(at).filter(|slot| slot.open) else {
            return false;
        };
        slot.received += 1;
        self.received += 1;
        self.received_bytes += message.payload.len() as u64;
        let never_fits = limits.messages == 0 || size > limits.bytes;
        while self.messages >= limits.messages || self.bytes + size > limits.bytes {
            if never_fits || limits.overflow == Overflow::DropNewest || !self.drop_oldest() {
                self.count_dropped(at, message);
                return false;
            }
        }
        let number = self.next;
        self.next += 1;
        if let Some(slot) = self.queues.get_mut(at) {
            slot.messages.push_back((number, message.clone()));
        }
        self.messages += 1;
        self.bytes += size;
        self.order.push_back((number, at));
        // Twice as many as there are: at most half of the pushes pay for it.
        if self.order.len() > 2 * self.messages + 64 {
            let queues = &self.queues;
            self.order.retain(|(number, at)| {
                let first = queues.get(*at).and_then(|slot| slot.messages.front());
                first.is_some_and(|(first, _)| first <= number)
            });
        }
        true
    }

    /// Takes the next message out; what it costs is still counted.
    fn take(&mut self, at: usize) -> Option<Message> {
        let messages = &mut self.queues.get_mut(at)?.messages;
        let (number, message) = messages.pop_front()?;
        shrink(messages);
        if self
            .order
            .front()
            .is_some_and(|(first, _)| *first == number)
        {
            self.order.pop_front();
        }
        Some(message)
    }

    fn release(&mut self, cost: usize) {
        self.messages -= 1;
        self.bytes -= cost;
        if self.messages == 0 {
            self.order.clear();
            shrink(&mut self.order);
        }
    }

    fn pop(&mut self, at: usize) -> Option<Message> {
        let message = self.take(at)?;
        self.release(cost(&message));
        Some(message)
    }

    fn read(&mut self, at: usize, max: usize) -> Option<Bytes> {
        let slot = self.queues.get_mut(at)?;
        let (mut payload, cost) = match slot.rest.take() {
            Some(rest) => rest,
            None => {
                let message = self.take(at)?;
                let cost = cost(&message);
                (message.payload, cost)
            }
        };
        if payload.len() <= max {
            self.release(cost);
            return Some(payload);
        }
        let part = payload.split_to(max);
        if let Some(slot) = self.queues.get_mut(at) {
            slot.rest = Some((payload, cost));
        }
        Some(part)
    }

    /// Drops the oldest message; false if there is none. One that is being read stays.
    fn drop_oldest(&mut self) -> bool {
        while let Some((number, at)) = self.order.pop_front() {
            let first = self.queues.get(at).and_then(|slot| slot.messages.front());
            if first.is_some_and(|(first, _)| *first == number)
                && let Some(message) = self.pop(at)
            {
                self.count_dropped(at, &message);
                return true;
            }
        }
        false
    }

    fn count_dropped(&mut self, at: usize, message: &Message) {
        self.dropped += 1;
        self.dropped_bytes += message.payload.len() as u64;
        if let Some(slot) = self.queues.get_mut(at) {
            slot.dropped += 1;
        }
    }
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new(limits: MailboxLimits) -> Arc<Mailbox> {
        Arc::new(Mailbox {
            limits,
            state: Mutex::default(),
            arrivals: Arrivals::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a queue in the mailbox.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Arc<Queue> {
        let mut state = self.state();
        let at = state.free.pop().unwrap_or(state.queues.len());
        if at == state.queues.len() {
            state.queues.push(Slot::default());
        }
        if let Some(slot) = state.queues.get_mut(at) {
            slot.open = true;
        }
        drop(state);
        Arc::new(Queue {
            mailbox: Arc::clone(self),
            at,
        })
    }

    /// What has come so far, for [`Mailbox::sleep`].
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.arrivals.now()
    }

    /// Sleeps until there is an arrival or a wake that was not `seen`, or until the deadline. It
    /// is one system call, which a signal interrupts, and may return early.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, `Interrupted` after a signal.
    pub fn sleep(&self, seen: Seen, deadline: Option<Instant>) -> io::Result<()> {
        self.arrivals.sleep(seen, deadline)
    }

    /// Waits until `ready`, which is asked at first and after each arrival, or until the
    /// deadline, or until `stopped`, which is asked after each [`Mailbox::wake`] too.
    pub fn wait(
        &self,
        ready: impl Fn() -> bool,
        deadline: Option<Instant>,
        stopped: impl Fn() -> bool,
    ) -> Wait {
        loop {
            let seen = self.seen();
            if stopped() {
                return Wait::Stopped;
            }
            if ready() {
                return Wait::Ready;
            }
            match self.sleep(seen, deadline) {
                Err(err) if err.kind() == io::ErrorKind::TimedOut => return Wait::TimedOut,
                _ => {}
            }
        }
    }

    /// Has everybody who waits look again.
    pub fn wake(&self) {
        self.arrivals.announce();
    }

    /// Watches with a descriptor of its own, for `poll(2)`.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn watch(&self) -> io::Result<Watch<'_>> {
        self.arrivals.watch()
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> MailboxStats {
        let state = self.state();
        MailboxStats {
            messages: state.messages,
            bytes: state.bytes,
            received: state.received,
            received_bytes: state.received_bytes,
            dropped: state.dropped,
            dropped_bytes: state.dropped_bytes,
        }
    }
}

/// A channel's part of a mailbox. It takes messages until [`Queue::close`], or until it is
/// dropped.
#[derive(Debug)]
pub struct Queue {
    mailbox: Arc<Mailbox>,
    at: usize,
}

impl Queue {
    /// Takes the next message that nothing was read of.
    #[must_use]
    pub fn pop(&self) -> Option<Message> {
        self.mailbox.state().pop(self.at)
    }

    /// Takes at most `max` bytes of the next message. The rest of it comes first in the next
    /// calls, and keeps its place in the mailbox until then.
    #[must_use]
    pub fn read(&self, max: usize) -> Option<Bytes> {
        self.mailbox.state().read(self.at, max)
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.mailbox.state();
        state.queues.get(self.at).map_or(0, Slot::len)
    }

    /// The length in bytes of the payload that comes next.
    #[must_use]
    pub fn next_len(&self) -> Option<usize> {
        let state = self.mailbox.state();
        let slot = state.queues.get(self.at)?;
        match &slot.rest {
            Some((rest, _)) => Some(rest.len()),
            None => slot.messages.front().map(|(_, first)| first.payload.len()),
        }
    }

    /// How many messages came for it, and how many of those were dropped.
    #[must_use]
    pub fn counted(&self) -> (u64, u64) {
        let state = self.mailbox.state();
        state
            .queues
            .get(self.at)
            .map_or((0, 0), |slot| (slot.received, slot.dropped))
    }

    /// Drops what is in it, and takes no more.
    pub fn close(&self) {
        let mut state = self.mailbox.state();
        let mut dropped = Vec::new();
        while let Some(message) = state.pop(self.at) {
            dropped.push(message);
        }
        let mut rest = None;
        if let Some(slot) = state.queues.get_mut(self.at) {
            slot.open = false;
            rest = slot.rest.take();
        }
        if let Some((_, cost)) = rest {
            state.release(cost);
        }
        drop(state);
    }
}

impl Subscriber for Queue {
    fn deliver(&self, message: &Message) {
        self.offer(message);
    }

    fn offer(&self, message: &Message) -> bool {
        let mut state = self.mailbox.state();
        let dropped = state.dropped;
        let taken = state.push(self.at, message, &self.mailbox.limits);
        let nothing_lost = state.dropped == dropped;
        drop(state);
        if taken {
            self.mailbox.arrivals.announce();
        }
        nothing_lost
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
        let mut state = self.mailbox.state();
        if let Some(slot) = state.queues.get_mut(self.at) {
            *slot = Slot::default();
        }
        state.free.push(self.at);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::super::message::Qos;
    use super::super::topic::Topic;
    use super::*;

    fn message(text: &str) -> Message {
        Message::new(Topic::new("t").unwrap(), text.to_owned(), Qos::AtMostOnce)
    }

    fn texts(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|message| String::from_utf8(message.payload.to_vec()).unwrap())
            .collect()
    }

    fn mailbox(messages: usize, overflow: Overflow) -> Arc<Mailbox> {
        Mailbox::new(MailboxLimits {
            messages,
            bytes: 1000,
            overflow,
        })
    }

    #[test]
    fn in_order() {
        let mailbox = mailbox(10, Overflow::DropOldest);
        let (a, b) = (mailbox.open(), mailbox.open());
        for text in ["1", "2", "3"] {
            a.deliver(&message(text));
            b.deliver(&message(text));
        }
        assert_eq!(a.next_len(), Some(1));
        assert_eq!(texts(&a), ["1", "2", "3"]);
        assert_eq!(b.len(), 3);
        assert_eq!(mailbox.stats().messages, 3);
        b.close();
        assert!(b.is_empty());
        b.deliver(&message("late"));
        assert!(b.is_empty());
        assert_eq!((mailbox.stats().messages, mailbox.stats().bytes), (0, 0));
    }

    #[test]
    fn the_oldest_of_all_queues_goes_first() {
        let mailbox = mailbox(3, Overflow::DropOldest);
        let (a, b) = (mailbox.open(), mailbox.open());
        a.deliver(&message("1"));
        b.deliver(&message("2"));
        a.deliver(&message("3"));
        b.deliver(&message("4"));
        b.deliver(&message("5"));
        assert_eq!(texts(&a), ["3"]);
        assert_eq!(texts(&b), ["4", "5"]);
        assert_eq!(mailbox.stats().dropped, 2);
        assert_eq!((a.counted(), b.counted()), ((2, 1), (3, 1)));
    }

    #[test]
    fn or_the_newest() {
        let mailbox = mailbox(2, Overflow::DropNewest);
        let queue = mailbox.open();
        for text in ["1", "2", "3"] {
            queue.deliver(&message(text));
        }
        assert_eq!(texts(&queue), ["1", "2"]);
        assert_eq!(mailbox.stats().dropped, 1);
    }

    #[test]
    fn what_never_fits_drives_nothing_out() {
        let mailbox = mailbox(10, Overflow::DropOldest);
        let queue = mailbox.open();
        queue.deliver(&message("small"));
        queue.deliver(&message(&"x".repeat(1000)));
        assert_eq!(texts(&queue), ["small"]);
        // What fits by itself makes room for itself.
        for _ in 0..5 {
            queue.deliver(&message(&"y".repeat(400)));
        }
        assert_eq!(queue.len(), 2);
        assert!(mailbox.stats().bytes <= 1000);
    }

    #[test]
    fn many_queues_and_what_is_kept_of_them() {
        let mailbox = mailbox(1000, Overflow::DropOldest);
        let kept = mailbox.open();
        kept.deliver(&message("kept"));
        for _ in 0..10_000 {
            let queue = mailbox.open();
            queue.deliver(&message("x"));
            assert!(queue.pop().is_some());
        }
        let state = mailbox.state();
        assert!(state.queues.len() <= 2 && state.order.len() < 200);
    }

    #[test]
    fn what_was_full_once_takes_no_room_for_ever() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        let (queue, closed) = (mailbox.open(), mailbox.open());
        closed.close();
        for _ in 0..5000 {
            queue.deliver(&message("x"));
            closed.deliver(&message("x"));
        }
        assert_eq!(texts(&queue).len(), 5000);
        assert_eq!(mailbox.stats().received, 5000);
        let state = mailbox.state();
        let kept = state.queues.iter().map(|slot| slot.messages.capacity());
        assert_eq!((kept.sum::<usize>(), state.order.capacity()), (0, 0));
    }

    #[test]
    fn waits_for_messages_deadlines_and_stops() {
        let mailbox = mailbox(10, Overflow::DropOldest);
        let queue = mailbox.open();
        let never = || false;
        let soon = Some(Instant::now() + Duration::from_millis(5));
        assert_eq!(
            mailbox.wait(|| !queue.is_empty(), soon, never),
            Wait::TimedOut
        );
        let stop = AtomicBool::new(false);
        let stopped = || stop.load(Ordering::SeqCst);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| mailbox.wait(|| queue.len() == 2, None, never));
            queue.deliver(&message("1"));
            queue.deliver(&message("2"));
            assert_eq!(waiter.join().unwrap(), Wait::Ready);
            let waiter = scope.spawn(|| mailbox.wait(|| queue.len() == 3, None, stopped));
            stop.store(true, Ordering::SeqCst);
            mailbox.wake();
            assert_eq!(waiter.join().unwrap(), Wait::Stopped);
        });
    }

    #[test]
    fn a_message_in_parts() {
        let mailbox = mailbox(2, Overflow::DropOldest);
        let queue = mailbox.open();
        queue.deliver(&message("12345"));
        queue.deliver(&message("678"));
        assert_eq!(queue.read(0).as_deref(), Some(b"".as_slice()));
        assert_eq!(queue.read(2).as_deref(), Some(b"12".as_slice()));
        assert_eq!((queue.next_len(), queue.len()), (Some(3), 2));
        // What is being read is not the oldest one that goes.
        queue.deliver(&message("9"));
        assert_eq!(mailbox.stats().dropped_bytes, 3);
        assert_eq!(queue.read(9).as_deref(), Some(b"345".as_slice()));
        assert_eq!(queue.read(1).as_deref(), Some(b"9".as_slice()));
        assert_eq!(queue.read(1), None);
        assert_eq!((mailbox.stats().messages, mailbox.stats().bytes), (0, 0));
    }

    #[test]
    fn parts_count_until_they_are_read_or_closed() {
        let mailbox = mailbox(2, Overflow::DropOldest);
        let (a, b) = (mailbox.open(), mailbox.open());
        for queue in [&a, &b] {
            queue.deliver(&message("12345"));
            assert!(queue.read(1).is_some());
        }
        a.deliver(&message("no room"));
        assert_eq!((a.len(), mailbox.stats().dropped), (1, 1));
        a.close();
        b.deliver(&message("room"));
        assert_eq!((a.len(), b.len(), mailbox.stats().dropped), (0, 2, 1));
    }

    #[test]
    fn a_watch_tells_of_arrivals() {
        let mailbox = mailbox(10, Overflow::DropOldest);
        let queue = mailbox.open();
        let watch = mailbox.watch().unwrap();
        let readable = || {
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let fd = PollFd::new(&watch, PollFlags::IN);
            poll(&mut [fd], Some(&now)).unwrap() == 1
        };
        assert!(!readable());
        queue.deliver(&message("1"));
        assert!(readable());
        watch.clear();
        assert!(!readable());
        mailbox.wake();
        assert!(readable());
    }
}
