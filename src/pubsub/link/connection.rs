//! One connection, from its first packet to its end.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::message::Qos;
use super::super::router::Router;
use super::super::topic::Filter;
use super::changes::Change;
use super::failure::Failure;
use super::outbox::{Entry, Outbox, Stop, as_u64};
use super::session::{Hello, Incoming, Session, Welcome};
use super::transport::Stream;
use super::window::Window;

/// What is read at once.
const READ: usize = 64 * 1024;

/// Messages are taken from the outbox until so much is to be written.
const WRITE: usize = 64 * 1024;

/// What goes to the transport at once: with TLS and WebSocket it is copied.
const WRITE_AT_ONCE: usize = 256 * 1024;

/// Buffers that a large message has made larger than this are given back.
const KEPT_BUFFER: usize = 256 * 1024;

/// How long saying goodbye may take.
const FAREWELL: Duration = Duration::from_millis(250);

/// Requests to subscribe have other identifiers than messages, which begin at 1.
const FIRST_REQUEST: u16 = 0x8000;

/// When so many requests to subscribe are not answered, no more are sent.
const MAX_UNCONFIRMED: usize = 10_000;

/// What has been taken from the outbox, and is not done. It outlives the connection.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Sent and not acknowledged, with their identifiers, in the order of sending.
    pub(super) sent: VecDeque<(u16, Entry)>,
    /// Not sent yet.
    pub(super) batch: VecDeque<Entry>,
}

pub(super) struct Connection<'a> {
    outbox: &'a Outbox,
    router: &'a Router,
    flight: &'a mut Flight,
    session: Box<dyn Session>,
    window: Window,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    input: BytesMut,
    output: BytesMut,
    /// A large message went through the buffer, whose capacity only tells what is left of it.
    large_input: bool,
    large_output: bool,
    /// The transport may hold back some of what was written.
    unflushed: bool,
    /// Requests to subscribe that are not answered.
    unconfirmed: HashMap<u16, Vec<Filter>>,
    last_request: u16,
    max_packet: usize,
    keep_alive: Duration,
    alive: Alive,
    /// The outbox knows that nothing is left to do.
    resting: bool,
    /// Whether the broker has acknowledged anything.
    pub(super) acknowledged: bool,
}

/// What has happened since the keep-alive timer last looked.
#[derive(Debug, Default)]
struct Alive {
    heard: bool,
    wrote: bool,
    /// A ping was sent when it last looked.
    pinged: bool,
}

impl<'a> Connection<'a> {
    /// Says hello, and waits until the broker has answered.
    pub(super) async fn open(
        stream: Box<dyn Stream>,
        session: Box<dyn Session>,
        hello: &Hello,
        keep_alive: Duration,
        (outbox, router, flight): (&'a Outbox, &'a Router, &'a mut Flight),
    ) -> Result<Connection<'a>, Failure> {
        let (reader, writer) = tokio::io::split(stream);
        let mut connection = Connection {
            outbox,
            router,
            flight,
            session,
            window: Window::new(std::time::Instant::now()),
            reader,
            writer,
            input: BytesMut::with_capacity(READ),
            output: BytesMut::with_capacity(READ),
            large_input: false,
            large_output: false,
            unflushed: false,
            unconfirmed: HashMap::new(),
            last_request: FIRST_REQUEST,
            max_packet: usize::MAX,
            keep_alive,
            alive: Alive::default(),
            resting: false,
            acknowledged: false,
        };
        let welcome = connection.greet(hello).await?;
        connection.max_packet = welcome.max_packet.unwrap_or(usize::MAX);
        if let Some(seconds) = welcome.keep_alive {
            connection.keep_alive = Duration::from_secs(seconds.into());
        }
        connection.begin()?;
        Ok(connection)
    }

    async fn greet(&mut self, hello: &Hello) -> Result<Welcome, Failure> {
        self.session.connect(hello, &mut self.output)?;
        while !self.output.is_empty() || self.unflushed {
            write_some(&mut self.writer, &mut self.output, &mut self.unflushed)
                .await
                .map_err(|e| Failure::io(&e))?;
        }
        loop {
            if let Some(incoming) = self.session.read(&mut self.input, &mut self.output)? {
                return match incoming {
                    Incoming::Welcome(welcome) => Ok(welcome),
                    _ => Err(Failure::protocol(&"its first packet is no CONNACK")),
                };
            }
            if self
                .reader
                .read_buf(&mut self.input)
                .await
                .map_err(|e| Failure::io(&e))?
                == 0
            {
                return Err(Failure::network(
                    "the broker closed the connection instead of answering",
                ));
            }
        }
    }

    /// Has the broker send what is subscribed. That is asked for before anything else is sent.
    fn begin(&mut self) -> Result<(), Failure> {
        self.outbox.go_online();
        self.router.link_connected(self.session.no_local());
        // What changes from now on is in the outbox, and perhaps here too.
        let filters = self.router.broker_filters();
        self.outbox
            .asked_for(filters.iter().map(|(filter, ..)| filter.clone()));
        let mut rest = filters.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.session.fit(rest).clamp(1, rest.len()));
            self.subscribe(now)?;
            rest = later;
        }
        Ok(())
    }

    /// Moves messages until the connection fails, or the link is to end.
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        let mut timer = Box::pin(sleep(self.keep_alive));
        // Something may have come together with the answer.
        self.digest()?;
        loop {
            self.fill()?;
            self.rest();
            let deadline = match self.outbox.stopping() {
                None => None,
                Some(Stop::Closing(at)) if !self.outbox.is_drained() => Some(at),
                Some(Stop::Closing(_)) => return self.leave().await,
                Some(Stop::Abandoned) => return Ok(()),
            };
            self.make_room();
            let writing = !self.output.is_empty() || self.unflushed;
            let write = write_some(&mut self.writer, &mut self.output, &mut self.unflushed);
            tokio::select! {
                read = self.reader.read_buf(&mut self.input) => {
                    received(read)?;
                    self.alive.heard = true;
                    self.digest()?;
                }
                written = write, if writing => {
                    written.map_err(|e| Failure::io(&e))?;
                    self.alive.wrote = true;
                }
                () = self.outbox.wake.notified() => {}
                () = &mut timer, if !self.keep_alive.is_zero() => {
                    self.check_alive()?;
                    timer.as_mut().reset(Instant::now() + self.keep_alive);
                }
                () = at(deadline), if deadline.is_some() => return self.leave().await,
            }
        }
    }

    /// Gives back what a large message has taken, and has room to read into.
    fn make_room(&mut self) {
        if self.large_output && self.output.is_empty() {
            self.output = BytesMut::with_capacity(READ);
            self.large_output = false;
        }
        if self.large_input && self.input.len() < READ {
            let mut input = BytesMut::with_capacity(2 * READ);
            input.extend_from_slice(&self.input);
            self.input = input;
            self.large_input = false;
        }
        if self.input.capacity() - self.input.len() < READ / 8 {
            self.input.reserve(READ);
        }
    }

    /// Writes what is to be written, as far as it should be: changes of subscriptions before
    /// messages.
    fn fill(&mut self) -> Result<(), Failure> {
        let mut changes = Vec::new();
        while self.output.len() < WRITE && self.unconfirmed.len() < MAX_UNCONFIRMED {
            self.outbox.take(&mut changes, &mut self.flight.batch);
            if !changes.is_empty() {
                for change in changes.drain(..) {
                    self.change(change)?;
                }
                continue;
            }
            if self.flight.batch.is_empty() {
                break;
            }
            self.resting = false;
            while self.output.len() < WRITE
                && let Some(entry) = self.flight.batch.front()
                && (entry.message.qos == Qos::AtMostOnce
                    || self.session.has_room() && self.window.has_room())
            {
                self.publish()?;
            }
            if !self.flight.batch.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Sends the first message of the batch.
    fn publish(&mut self) -> Result<(), Failure> {
        let Some(entry) = self.flight.batch.front() else {
            return Ok(());
        };
        let message = &entry.message;
        if self.max_packet < usize::MAX && self.session.packet_size(message) > self.max_packet {
            tracing::warn!(
                "a message of {} bytes on {} is dropped: the broker takes at most {} bytes",
                message.payload.len(),
                message.topic.as_str().escape_debug(),
                self.max_packet
            );
            if let Some(entry) = self.flight.batch.pop_front() {
                self.outbox
                    .done(&entry, |counters| counters.dropped_too_large += 1);
            }
            return Ok(());
        }
        self.router.sent(message);
        let bytes = as_u64(message.size());
        let id = self.session.publish(message, &mut self.output)?;
        self.large_output |= self.output.len() > KEPT_BUFFER;
        let Some(entry) = self.flight.batch.pop_front() else {
            return Ok(());
        };
        let counted = |counters: &mut super::status::LinkCounters| {
            counters.sent += 1;
            counters.sent_bytes += bytes;
        };
        match id {
            Some(id) => {
                self.window.sent(id, entry.message.size());
                self.flight.sent.push_back((id, entry));
                self.outbox.count(counted);
            }
            None => self.outbox.done(&entry, counted),
        }
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

    fn subscribe(&mut self, filters: &[(Filter, Qos, u32)]) -> Result<(), Failure> {
        let request = self.next_request();
        self.session.subscribe(request, filters, &mut self.output)?;
        let filters = filters.iter().map(|(filter, ..)| filter.clone()).collect();
        self.unconfirmed.insert(request, filters);
        self.resting = false;
        Ok(())
    }

    /// Takes all whole packets that have been read.
    fn digest(&mut self) -> Result<(), Failure> {
        loop {
            let large = self.input.capacity() > KEPT_BUFFER;
            let Some(incoming) = self.session.read(&mut self.input, &mut self.output)? else {
                return Ok(());
            };
            self.large_input |= large;
            match incoming {
                Incoming::Message(inbound) => {
                    let bytes = as_u64(inbound.message.size());
                    self.outbox.count(|counters| {
                        counters.received += 1;
                        counters.received_bytes += bytes;
                    });
                    self.router.deliver(inbound);
                }
                Incoming::Acknowledged(id) => self.acknowledge(id),
                Incoming::Subscribed(request, taken) => self.confirm(request, &taken),
                Incoming::Welcome(_) | Incoming::Other => {}
            }
        }
    }

    fn acknowledge(&mut self, id: u16) {
        self.window.acknowledged(id);
        // Brokers acknowledge in order, so this is the first one.
        let at = self.flight.sent.iter().position(|(sent, _)| *sent == id);
        if let Some((_, entry)) = at.and_then(|at| self.flight.sent.remove(at)) {
            self.acknowledged = true;
            self.outbox
                .done(&entry, |counters| counters.acknowledged += 1);
        }
    }

    fn confirm(&mut self, request: u16, taken: &[bool]) {
        let filters = self.unconfirmed.remove(&request).unwrap_or_default();
        for (filter, taken) in filters.iter().zip(taken) {
            if !taken {
                tracing::warn!(
                    "the broker refuses the subscription to {}",
                    filter.as_str().escape_debug()
                );
            }
        }
    }

    /// Tells the outbox when there is nothing left to do.
    fn rest(&mut self) {
        let busy = !self.output.is_empty() || self.unflushed || !self.unconfirmed.is_empty();
        if !busy && !self.resting {
            self.resting = true;
            self.outbox.rest();
        }
    }

    /// Called once in each keep-alive time. As long as bytes move, the broker is there, however
    /// long a large message takes.
    fn check_alive(&mut self) -> Result<(), Failure> {
        let alive = std::mem::take(&mut self.alive);
        let seconds = self.keep_alive.as_secs_f32();
        if !self.output.is_empty() || self.unflushed {
            if !alive.wrote {
                return Err(Failure::network(format!(
                    "the broker has taken nothing for {seconds} s"
                )));
            }
            return Ok(());
        }
        if alive.pinged && !alive.heard {
            return Err(Failure::network(format!(
                "the broker has not answered for {seconds} s"
            )));
        }
        self.alive.pinged = true;
        self.session.ping(&mut self.output)
    }

    /// Says goodbye, so that there is no will.
    async fn leave(&mut self) -> Result<(), Failure> {
        self.session.disconnect(&mut self.output)?;
        let farewell = async {
            self.writer.write_all(&self.output).await?;
            self.writer.flush().await?;
            self.writer.shutdown().await
        };
        // If it does not go, the connection ends all the same.
        let _ = timeout(FAREWELL, farewell).await;
        Ok(())
    }
}

fn received(read: io::Result<usize>) -> Result<(), Failure> {
    match read {
        Ok(0) => Err(Failure::network("the broker closed the connection")),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::io(&error)),
    }
}

/// Writes some of the output, and flushes when that was all. Nothing is lost when it is cancelled.
async fn write_some(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !output.is_empty() {
        let now = output.get(..WRITE_AT_ONCE).unwrap_or(output);
        let written = writer.write(now).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        output.advance(written);
        *unflushed = true;
    }
    if output.is_empty() {
        writer.flush().await?;
        *unflushed = false;
    }
    Ok(())
}

async fn at(deadline: Option<std::time::Instant>) {
    if let Some(deadline) = deadline {
        sleep_until(deadline.into()).await;
    }
}
