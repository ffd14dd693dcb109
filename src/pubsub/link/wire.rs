//! What goes out on one connection. The link's thread and those who publish share it: a message
//! that is published while nothing else is to be sent goes to the broker from the publisher's own
//! thread, which saves waking the link's.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use super::super::message::{Inbound, Qos};
use super::super::router::Router;
use super::super::topic::Filter;
use super::changes::Change;
use super::failure::Failure;
use super::input::Input;
use super::outbox::{Entry, Outbox, as_u64};
use super::session::{Hello, Incoming, Session};
use super::status::LinkCounters;
use super::transport::Writer;
use super::window::{Sent, Window};

/// Messages are taken from the outbox until so much is to be written.
const WRITE: usize = 64 * 1024;

/// What goes to the transport at once: with TLS and WebSocket it is copied.
const WRITE_AT_ONCE: usize = 256 * 1024;

/// A buffer that a large message has made larger than this is given back.
const KEPT_BUFFER: usize = 256 * 1024;

/// What a buffer has room for at first.
const BUFFER: usize = 4 * 1024;

/// Requests to subscribe have other identifiers than messages, which begin at 1.
const FIRST_REQUEST: u16 = 0x8000;

/// When so many requests to subscribe are not answered, no more are sent.
const MAX_UNCONFIRMED: usize = 10_000;

/// Publishers send by themselves no more often than that. What comes faster is cheaper to send
/// together, which the link's thread does.
const DIRECT_EVERY: Duration = Duration::from_micros(100);

/// How long acknowledgements may wait for something to go with, such as what a module answers: a
/// packet of their own costs the broker, and us, as much as a message does.
const HOLD: Duration = Duration::from_millis(1);

/// So many acknowledgements do not wait. A broker may have no more than 20 messages in flight.
const HELD: usize = 8;

/// What has been taken from the outbox, and is not done.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Sent and not acknowledged, with their identifiers, in the order of sending.
    pub(super) sent: VecDeque<(u16, Entry)>,
    /// What is being sent.
    pub(super) next: Option<Entry>,
}

pub(super) struct Wire {
    router: Router,
    session: Box<dyn Session>,
    window: Window,
    writer: Writer,
    pub(super) flight: Flight,
    output: BytesMut,
    /// A large message went through the buffer, whose capacity only tells what is left of it.
    large_output: bool,
    /// All of the output are acknowledgements, which wait.
    held: Option<Held>,
    /// The transport may hold back some of what was written.
    unflushed: bool,
    /// Requests to subscribe that are not answered.
    unconfirmed: HashMap<u16, Vec<Filter>>,
    last_request: u16,
    max_packet: usize,
    /// The outbox knows that nothing is left to do.
    resting: bool,
    /// When a publisher last sent by itself.
    last_direct: Option<Instant>,
    /// Something was written since [`Wire::take_wrote`].
    wrote: bool,
    /// Whether the broker has acknowledged anything.
    pub(super) acknowledged: bool,
    /// What went wrong while a publisher was sending.
    failure: Option<Failure>,
    /// What the broker has refused, to be told.
    refusals: Vec<String>,
    /// The log has one of them.
    refusal_told: bool,
}

/// More are not told at a time.
const REFUSALS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Held {
    until: Instant,
    count: usize,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("flight", &self.flight)
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn new(router: Router, session: Box<dyn Session>, writer: Writer) -> Wire {
        Wire {
            router,
            session,
            window: Window::new(Instant::now()),
            writer,
            flight: Flight::default(),
            output: BytesMut::with_capacity(BUFFER),
            large_output: false,
            held: None,
            unflushed: false,
            unconfirmed: HashMap::new(),
            last_request: FIRST_REQUEST,
            max_packet: usize::MAX,
            resting: false,
            last_direct: None,
            wrote: false,
            acknowledged: false,
            failure: None,
            refusals: Vec::new(),
            refusal_told: false,
        }
    }

    /// Says hello.
    pub(super) async fn greet(&mut self, hello: &Hello) -> Result<(), Failure> {
        self.session.connect(hello, &mut self.output)?;
        while self.has_output() {
            poll_fn(|cx| self.poll_write(cx)).await?;
        }
        Ok(())
    }

    /// The next packet, where there is a whole one.
    pub(super) fn read_any(&mut self, input: &mut Input) -> Result<Option<Incoming>, Failure> {
        input.take(|bytes| self.session.read(bytes, &mut self.output))
    }

    /// The next message, of the whole packets that have been read. What other packets say is done.
    pub(super) fn read(
        &mut self,
        input: &mut Input,
        outbox: &Outbox,
    ) -> Result<Option<Inbound>, Failure> {
        loop {
            let before = self.output.len();
            let Some(incoming) = self.read_any(input)? else {
                return Ok(None);
            };
            match incoming {
                Incoming::Message(inbound) => {
                    self.hold(before);
                    return Ok(Some(inbound));
                }
                Incoming::Acknowledged(id, refused) => self.acknowledge(id, refused, outbox),
                Incoming::Subscribed(request, taken) => self.confirm(request, &taken),
                Incoming::Pong => self.window.acknowledged(Sent::Ping),
                Incoming::Welcome(_) | Incoming::Other => {}
            }
        }
    }

    /// Has the acknowledgement of a message wait, which is what the output has grown by.
    fn hold(&mut self, before: usize) {
        if self.output.len() == before {
            return;
        }
        self.held = match self.held {
            None if before == 0 => Some(Held {
                until: Instant::now() + HOLD,
                count: 1,
            }),
            Some(held) if held.count < HELD => Some(Held {
                count: held.count + 1,
                ..held
            }),
            _ => None,
        };
    }

    /// Until when nothing needs to be written, if there is something that waits.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.map(|held| held.until)
    }

    fn acknowledge(&mut self, id: u16, refused: Option<String>, outbox: &Outbox) {
        self.window.acknowledged(Sent::Message(id));
        // Brokers acknowledge in order, so this is the first one.
        let at = self.flight.sent.iter().position(|(sent, _)| *sent == id);
        if let Some((_, entry)) = at.and_then(|at| self.flight.sent.remove(at)) {
            self.acknowledged = true;
            let Some(why) = refused else {
                outbox.done(&entry, |counters| counters.acknowledged += 1);
                return;
            };
            outbox.done(&entry, |counters| counters.dropped_refused += 1);
            let topic = entry.message.topic.as_str().escape_debug();
            self.refuse(format!("the broker refuses a message on {topic}: {why}"));
        }
    }

    /// Has it told. In the log once a connection, since a module may publish on such a topic for ever.
    fn refuse(&mut self, text: String) {
        if std::mem::replace(&mut self.refusal_told, true) {
            tracing::debug!("{text}");
        } else {
            tracing::warn!("{text}");
        }
        self.told(text);
    }

    fn told(&mut self, text: String) {
        if self.refusals.len() < REFUSALS {
            self.refusals.push(text);
        }
    }

    /// What the broker has refused since this was last asked.
    pub(super) fn take_refusals(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refusals)
    }

    fn confirm(&mut self, request: u16, taken: &[bool]) {
        let filters = self.unconfirmed.remove(&request).unwrap_or_default();
        for (filter, taken) in filters.iter().zip(taken) {
            if !taken {
                let filter = filter.as_str().escape_debug();
                let text = format!("the broker refuses the subscription to {filter}");
                tracing::warn!("{text}");
                self.told(text);
            }
        }
    }

    /// The broker takes no larger packets.
    pub(super) fn limit_packets(&mut self, max: usize) {
        self.max_packet = max;
    }

    /// Whether our own messages do not come back.
    pub(super) fn no_local(&self) -> bool {
        self.session.no_local()
    }

    /// Whether there is nothing between TCP and MQTT.
    pub(super) fn is_plain(&self) -> bool {
        self.writer.is_direct()
    }

    /// Asks for all of these.
    pub(super) fn subscribe_all(&mut self, filters: &[(Filter, Qos, u32)]) -> Result<(), Failure> {
        let mut rest = filters;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.session.fit(rest).clamp(1, rest.len()));
            self.subscribe(now)?;
            rest = later;
        }
        Ok(())
    }

    fn subscribe(&mut self, filters: &[(Filter, Qos, u32)]) -> Result<(), Failure> {
        let request = self.next_request();
        self.session.subscribe(request, filters, &mut self.output)?;
        let filters = filters.iter().map(|(filter, ..)| filter.clone()).collect();
        self.unconfirmed.insert(request, filters);
        self.resting = false;
        Ok(())
    }

    fn next_request(&mut self) -> u16 {
        self.last_request = match self.last_request {
            u16::MAX => FIRST_REQUEST,
            last => last + 1,
        };
        self.last_request
    }

    fn change(&mut self, change: Change) -> Result<(), Failure> {
        self.resting = false;
        match change {
            Change::Subscribe(filter, qos, id) => self.subscribe(&[(filter, qos, id)]),
            Change::Unsubscribe(filter) => {
                let request = self.next_request();
                self.session.unsubscribe(request, &filter, &mut self.output)
            }
        }
    }

    /// Takes from the outbox what is to be written, as far as it should be: changes of
    /// subscriptions before messages.
    pub(super) fn fill(&mut self, outbox: &Outbox) -> Result<(), Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.large_output && self.output.is_empty() {
            self.output = BytesMut::with_capacity(BUFFER);
            self.large_output = false;
        }
        let before = self.output.len();
        self.take(outbox)?;
        if self.window.needs_ping() {
            self.session.ping(&mut self.output)?;
            self.window.sent(Sent::Ping, 0);
        }
        if self.output.len() > before {
            self.held = None;
        }
        Ok(())
    }

    fn take(&mut self, outbox: &Outbox) -> Result<(), Failure> {
        outbox.end_pauses();
        let mut changes = Vec::new();
        while self.output.len() < WRITE && self.unconfirmed.len() < MAX_UNCONFIRMED {
            outbox.take_changes(&mut changes);
            if changes.is_empty() {
                break;
            }
            for change in changes.drain(..) {
                self.change(change)?;
            }
        }
        // One at a time: what has been taken stands before what comes later, also of others.
        while self.output.len() < WRITE
            && self.unconfirmed.len() < MAX_UNCONFIRMED
            && self.session.has_room()
        {
            self.flight.next = outbox.take(self.window.has_room());
            if self.flight.next.is_none() {
                break;
            }
            self.publish(outbox)?;
        }
        Ok(())
    }

    /// Sends what was taken.
    fn publish(&mut self, outbox: &Outbox) -> Result<(), Failure> {
        let Some(entry) = &self.flight.next else {
            return Ok(());
        };
        self.resting = false;
        let message = &entry.message;
        if self.max_packet < usize::MAX && self.session.packet_size(message) > self.max_packet {
            let text = format!(
                "a message of {} bytes on {} is dropped: the broker takes at most {} bytes",
                message.payload.len(),
                message.topic.as_str().escape_debug(),
                self.max_packet
            );
            tracing::warn!("{text}");
            self.told(text);
            if let Some(entry) = self.flight.next.take() {
                outbox.done(&entry, |counters| counters.dropped_too_large += 1);
            }
            return Ok(());
        }
        self.router.sent(message);
        let size = message.size();
        let id = self.session.publish(message, &mut self.output)?;
        self.large_output |= self.output.len() > KEPT_BUFFER;
        let Some(entry) = self.flight.next.take() else {
            return Ok(());
        };
        let counted = |counters: &mut LinkCounters| {
            counters.sent += 1;
            counters.sent_bytes += as_u64(size);
        };
        match id {
            Some(id) => {
                self.window.sent(Sent::Message(id), size);
                self.flight.sent.push_back((id, entry));
                outbox.count(counted);
            }
            None => {
                self.window.sent(Sent::Unacknowledged, size);
                outbox.done(&entry, counted);
            }
        }
        Ok(())
    }

    /// Has what was held back wait no longer.
    pub(super) fn release(&mut self) {
        self.held = None;
    }

    /// Asks whether the broker is there.
    pub(super) fn ping(&mut self) -> Result<(), Failure> {
        self.held = None;
        self.session.ping(&mut self.output)
    }

    /// Says goodbye.
    pub(super) fn disconnect(&mut self) -> Result<(), Failure> {
        self.held = None;
        self.session.disconnect(&mut self.output)
    }

    /// Whether there is something to write, or what was written may be held back.
    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.unflushed
    }

    /// Whether something was written since this was last asked.
    pub(super) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    /// Tells the outbox when there is nothing left to do.
    pub(super) fn rest(&mut self, outbox: &Outbox) {
        let busy = self.has_output() || !self.unconfirmed.is_empty();
        if !busy && !self.resting {
            self.resting = true;
            outbox.rest();
        }
    }

    /// Writes some of the output, and flushes when that was all.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.held = None;
        if !self.output.is_empty() {
            let now = self.output.get(..WRITE_AT_ONCE).unwrap_or(&self.output);
            let written = ready!(Pin::new(&mut self.writer).poll_write(cx, now));
            self.written(written).map_err(|e| Failure::io(&e))?;
        }
        if self.output.is_empty() {
            ready!(Pin::new(&mut self.writer).poll_flush(cx)).map_err(|e| Failure::io(&e))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, written: io::Result<usize>) -> io::Result<()> {
        let written = written?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.output.advance(written);
        self.unflushed = self.writer.holds_back();
        self.wrote = true;
        Ok(())
    }

    /// Sends what is in the outbox, on the thread of a publisher. False when the link's thread
    /// has to do it, or the rest of it.
    pub(super) fn send_directly(&mut self, outbox: &Outbox) -> bool {
        let now = Instant::now();
        let lately = |last| now.saturating_duration_since(last) < DIRECT_EVERY;
        let is_behind = self.has_output() && self.held.is_none();
        if is_behind || !self.writer.is_direct() || self.last_direct.is_some_and(lately) {
            return false;
        }
        self.last_direct = Some(now);
        if let Err(failure) = self.fill(outbox) {
            self.failure = Some(failure);
            return false;
        }
        if !self.output.is_empty() {
            let now = self.output.get(..WRITE_AT_ONCE).unwrap_or(&self.output);
            // What fails here fails again on the link's thread, which ends the connection.
            let written = self.writer.try_write(now);
            if self.written(written).is_err() {
                return false;
            }
        }
        self.rest(outbox);
        // What is left waits for an acknowledgement or the end of a pause, which the link's thread
        // looks after.
        self.output.is_empty() && !outbox.has_waiting()
    }

    /// Ends what is written, so that the broker sees an end.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Pin::new(&mut self.writer)
            .poll_shutdown(cx)
            .map_err(|e| Failure::io(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::message::{Lane, Message, Share};
    use super::super::super::topic::Topic;
    use super::super::session::WINDOW;
    use super::super::transport::Stream;
    use super::super::v4::V4;
    use super::*;

    /// A connection whose other end reads nothing and answers nothing.
    fn wire() -> Wire {
        let (ours, _) = tokio::io::duplex(64);
        let ours: Box<dyn Stream> = Box::new(ours);
        let (_, writer) = tokio::io::split(ours);
        Wire::new(
            Router::new(),
            Box::new(V4::new(WINDOW)),
            Writer::Wrapped(writer),
        )
    }

    fn put(outbox: &Outbox, lane: u64, size: usize) {
        let topic = Topic::new("t").unwrap();
        let message = Message::new(topic, vec![b'x'; size], Qos::AtLeastOnce);
        outbox
            .put(message, Lane::new(lane), Share::Messages)
            .unwrap();
    }

    /// Whoever waits for the end of a pause waits again after it, and not for what is past.
    #[test]
    fn a_pause_ends_while_the_broker_acknowledges_nothing() {
        let outbox = Outbox::new(16 << 20);
        let mut wire = wire();
        outbox.go_online();
        // One that publishes little, and one that always has more: it pauses.
        put(&outbox, 1, 10);
        for _ in 0..1000 {
            put(&outbox, 2, 10);
        }
        let until = loop {
            wire.fill(&outbox).unwrap();
            if let Some(until) = outbox.paused_until() {
                break until;
            }
            let id = wire.flight.sent.front().unwrap().0;
            wire.acknowledge(id, None, &outbox);
        };
        // No room is left, whatever the broker is found to take.
        put(&outbox, 3, 8 << 20);
        wire.fill(&outbox).unwrap();
        wire.output.clear();
        assert!(!wire.window.has_room());
        let sent = wire.flight.sent.len();
        while Instant::now() < until {
            std::thread::yield_now();
        }
        wire.fill(&outbox).unwrap();
        assert_eq!(wire.flight.sent.len(), sent);
        assert!(outbox.has_waiting());
        assert_eq!(outbox.paused_until(), None);
    }
}
