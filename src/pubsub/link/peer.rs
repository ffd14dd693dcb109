//! A connection to the broker, and nothing more, for programs that are many clients at once.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::super::message::{Message, Qos};
use super::super::topic::Filter;
use super::config::LinkConfig;
use super::failure::{Failure, FailureKind};
use super::login;
use super::outbox::MAX_PACKET;
use super::session::{self, Incoming, Session};
use super::transport::{self, Reader, Writer};

/// What is read at once: there may be thousands of peers.
const READ: usize = 2 * 1024;
/// A buffer that a large message has made larger than this is given back.
const KEPT_BUFFER: usize = 64 * 1024;
/// How long saying goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a peer's connection cannot be made, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct PeerError {
    why: String,
    refused: bool,
}

impl PeerError {
    /// Whether the broker refuses, so that somebody has to change something first.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused
    }
}

impl From<Failure> for PeerError {
    fn from(failure: Failure) -> PeerError {
        PeerError {
            refused: failure.kind == FailureKind::Refused,
            why: failure.why,
        }
    }
}

/// One connection to a broker. It belongs to one task, sends messages with quality 0 alone, and is
/// not made again when it ends.
///
/// Whoever has one calls [`Peer::next`] over and over: what is published goes out, and the broker
/// is told that we are there, only meanwhile. When it is dropped without [`Peer::leave`] the
/// broker publishes the will.
pub struct Peer {
    session: Box<dyn Session>,
    reader: Reader,
    writer: Writer,
    input: BytesMut,
    output: BytesMut,
    /// The transport may hold back some of what was written.
    unflushed: bool,
    /// Messages that came while something else was awaited.
    arrived: VecDeque<Message>,
    last_request: u16,
    max_packet: usize,
    keep_alive: Duration,
    timer: Pin<Box<Sleep>>,
    alive: Alive,
}

/// What has happened since the keep-alive timer last looked.
#[derive(Debug, Default)]
struct Alive {
    heard: bool,
    wrote: bool,
    /// A ping was sent when it last looked.
    pinged: bool,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

impl Peer {
    /// Connects. Of the link's configuration all is used but what is about the outbox and about
    /// further attempts.
    ///
    /// # Errors
    /// When the broker is not there, or does not let us in.
    pub async fn connect(config: &LinkConfig) -> Result<Peer, PeerError> {
        let time = config.connect_timeout;
        match timeout(time, Peer::open(config)).await {
            Ok(opened) => Ok(opened?),
            Err(_) => {
                let why = format!("no answer within {} s", time.as_secs_f32());
                Err(Failure::network(why).into())
            }
        }
    }

    async fn open(config: &LinkConfig) -> Result<Peer, Failure> {
        let hello = login::hello(config)?;
        let ends = transport::connect(config).await?;
        let mut peer = Peer {
            session: session::of(config.protocol, 1),
            reader: ends.reader,
            writer: ends.writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            unflushed: false,
            arrived: VecDeque::new(),
            last_request: 0,
            max_packet: MAX_PACKET,
            keep_alive: config.keep_alive,
            timer: Box::pin(sleep(config.keep_alive)),
            alive: Alive::default(),
        };
        peer.session.connect(&hello, &mut peer.output)?;
        match peer.incoming().await? {
            Incoming::Welcome(welcome) => {
                peer.max_packet = welcome.max_packet.unwrap_or(MAX_PACKET);
                if let Some(seconds) = welcome.keep_alive {
                    peer.keep_alive = Duration::from_secs(seconds.into());
                    peer.timer.as_mut().reset(Instant::now() + peer.keep_alive);
                }
                Ok(peer)
            }
            _ => Err(Failure::protocol(&"its first packet is no CONNACK")),
        }
    }

    /// Subscribes with quality 0, and waits until the broker has said that it is so.
    ///
    /// # Errors
    /// When the connection ends, or the broker does not allow one of them.
    pub async fn subscribe(&mut self, filters: &[Filter]) -> Result<(), PeerError> {
        let mut asked: Vec<(u16, Vec<Filter>)> = Vec::new();
        let all: Vec<_> = filters
            .iter()
            .map(|filter| (filter.clone(), Qos::AtMostOnce, 1))
            .collect();
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.session.fit(rest).min(rest.len()));
            let request = self.request();
            self.session.subscribe(request, now, &mut self.output)?;
            let filters = now.iter().map(|(filter, ..)| filter.clone());
            asked.push((request, filters.collect()));
            rest = later;
        }
        while !asked.is_empty() {
            match self.incoming().await? {
                Incoming::Message(inbound) => self.arrived.push_back(inbound.message),
                Incoming::Subscribed(request, taken) => {
                    let Some(at) = asked.iter().position(|(known, _)| *known == request) else {
                        continue;
                    };
                    let (_, filters) = asked.swap_remove(at);
                    if let Some((filter, _)) = filters.iter().zip(taken).find(|(_, taken)| !taken) {
                        let why = format!("the broker does not allow to subscribe to {filter}");
                        return Err(Failure::refused(why).into());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends a subscription. What is under way still comes.
    ///
    /// # Errors
    /// When it cannot be said in MQTT.
    pub fn unsubscribe(&mut self, filter: &Filter) -> Result<(), PeerError> {
        let request = self.request();
        let output = &mut self.output;
        Ok(self.session.unsubscribe(request, filter, output)?)
    }

    /// Publishes a message with quality 0. It goes out while [`Peer::next`] is awaited.
    ///
    /// # Errors
    /// When it is larger than the broker takes.
    pub fn publish(&mut self, message: &Message) -> Result<(), PeerError> {
        if self.session.packet_size(message) > self.max_packet {
            let why = "a message is larger than the broker takes";
            return Err(Failure::refused(why).into());
        }
        let once = Message {
            qos: Qos::AtMostOnce,
            ..message.clone()
        };
        self.session.publish(&once, &mut self.output)?;
        Ok(())
    }

    /// The bytes that are published and have not gone out.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.output.len()
    }

    /// The next message. Nothing is lost when it is not awaited to its end.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn next(&mut self) -> Result<Message, PeerError> {
        if let Some(message) = self.arrived.pop_front() {
            return Ok(message);
        }
        loop {
            if let Incoming::Message(inbound) = self.incoming().await? {
                return Ok(inbound.message);
            }
        }
    }

    /// Sends what is published, and says goodbye, so that there is no will.
    pub async fn leave(mut self) {
        let farewell = async {
            self.session.disconnect(&mut self.output)?;
            self.writer
                .write_all_buf(&mut self.output)
                .await
                .map_err(|e| Failure::io(&e))?;
            self.writer.flush().await.map_err(|e| Failure::io(&e))?;
            self.writer.shutdown().await.map_err(|e| Failure::io(&e))
        };
        // If it does not go, the connection ends all the same.
        let _ = timeout(FAREWELL, farewell).await;
    }

    fn request(&mut self) -> u16 {
        self.last_request = self.last_request.checked_add(1).unwrap_or(1);
        self.last_request
    }

    async fn incoming(&mut self) -> Result<Incoming, Failure> {
        loop {
            if let Some(incoming) = self.session.read(&mut self.input, &mut self.output)? {
                return Ok(incoming);
            }
            self.exchange().await?;
        }
    }

    /// Reads or writes some bytes, or finds that it is time to look after the connection.
    async fn exchange(&mut self) -> Result<(), Failure> {
        if self.input.is_empty() && self.input.capacity() > KEPT_BUFFER {
            self.input = BytesMut::new();
        }
        if self.input.capacity() - self.input.len() < READ / 2 {
            self.input.reserve(READ);
        }
        let writing = !self.output.is_empty();
        tokio::select! {
            read = self.reader.read_buf(&mut self.input) => {
                if read.map_err(|e| Failure::io(&e))? == 0 {
                    return Err(Failure::network("the broker closed the connection"));
                }
                self.alive.heard = true;
            }
            written = write(&mut self.writer, &mut self.output), if writing || self.unflushed => {
                let wrote = written.map_err(|e| Failure::io(&e))?;
                self.alive.wrote |= wrote;
                self.unflushed = wrote && self.writer.holds_back();
                if self.output.is_empty() && self.output.capacity() > KEPT_BUFFER {
                    self.output = BytesMut::new();
                }
            }
            () = &mut self.timer, if !self.keep_alive.is_zero() => {
                self.check_alive()?;
                self.timer.as_mut().reset(Instant::now() + self.keep_alive);
            }
        }
        Ok(())
    }

    /// Called once in each keep-alive time. As long as bytes move, the broker is there.
    fn check_alive(&mut self) -> Result<(), Failure> {
        let alive = std::mem::take(&mut self.alive);
        let seconds = self.keep_alive.as_secs_f32();
        if !self.output.is_empty() && !alive.wrote {
            let why = format!("the broker has taken nothing for {seconds} s");
            return Err(Failure::network(why));
        }
        if alive.pinged && !alive.heard {
            let why = format!("the broker has not answered for {seconds} s");
            return Err(Failure::network(why));
        }
        self.session.ping(&mut self.output)?;
        self.alive.pinged = true;
        Ok(())
    }
}

/// Writes some bytes, or has those leave that the transport holds back. Whether it wrote.
async fn write(writer: &mut Writer, output: &mut BytesMut) -> io::Result<bool> {
    if output.is_empty() {
        writer.flush().await?;
        return Ok(false);
    }
    writer.write_buf(output).await?;
    Ok(true)
}
