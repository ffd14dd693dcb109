//! The MQTT link: a connection to the broker that comes back.
//!
//! One thread, `mqtt`, makes the connection and reads from it; what arrives is handed to the router
//! on that thread. What is to be sent waits in an outbox, which others fill without ever waiting.
//! The thread sends it, or the publisher itself where that takes no waiting either. rumqttc knows
//! the protocol (packets, identifiers, acknowledgements); the network, and what happens when it
//! fails, is here.
//!
//! A message of quality 1 is in the outbox, or in flight, until the broker has acknowledged it.
//! When the connection ends, what was in flight goes back to the front of the outbox, in its
//! order, and is sent again on the next one. It may so arrive twice, as quality 1 says. Messages
//! of quality 0 are dropped while there is no connection.

mod changes;
mod config;
mod connection;
mod failure;
mod input;
mod lanes;
mod login;
mod outbox;
mod peer;
mod sender;
mod session;
mod status;
mod tls;
mod token;
mod transport;
mod v4;
mod v5;
mod window;
mod wire;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

pub use config::{Backoff, Credentials, LinkConfig, Protocol, TlsConfig};
pub use peer::{Peer, PeerError};
pub use status::{LinkCounters, LinkEvent, LinkStatus};

use super::router::Router;
use outbox::Stop;
use sender::Sender;
use status::Teller;
use worker::Worker;

/// Why a link cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The will is larger than MQTT allows.
    #[error("the last will has {0} bytes, and MQTT allows 65535")]
    WillTooLarge(usize),
    /// The client id is longer than MQTT allows.
    #[error("the client id has {0} bytes, and MQTT allows 65535")]
    ClientIdTooLong(usize),
    /// The system does not give what a thread with a connection needs.
    #[error("cannot start the MQTT thread: {0}")]
    Thread(#[from] io::Error),
}

impl LinkError {
    /// Whether what it is made from cannot be, so that another attempt comes to the same.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        !matches!(self, LinkError::Thread(_))
    }
}

/// A connection to the broker, made again whenever it is lost.
///
/// When it is dropped without [`Link::close`], the connection ends without a word, so that the
/// broker publishes the will; what was not delivered is lost.
#[derive(Debug)]
pub struct Link {
    sender: Arc<Sender>,
    teller: Arc<Teller>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// The thread's stack: TLS and WebSocket handshakes, and the delivery of messages.
const STACK: usize = 1 << 20;

/// How much longer than its time the end of the thread may take.
const GRACE: Duration = Duration::from_secs(1);

impl Link {
    /// Starts to connect, and becomes the router's uplink. It does not wait for the connection.
    ///
    /// # Errors
    /// When the will or the client id is too long, or no thread can be started.
    pub fn start(config: LinkConfig, router: Router) -> Result<Link, LinkError> {
        let longest = usize::from(u16::MAX);
        if let Some(will) = &config.will
            && will.payload.len() > longest
        {
            return Err(LinkError::WillTooLarge(will.payload.len()));
        }
        if config.client_id.len() > longest {
            return Err(LinkError::ClientIdTooLong(config.client_id.len()));
        }
        let sender = Arc::new(Sender::new(config.outbox_bytes));
        let teller = Arc::new(Teller::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        router.set_uplink(sender.clone());
        let worker = Worker {
            config,
            router,
            sender: sender.clone(),
            teller: teller.clone(),
        };
        let (running, ended) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("mqtt".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let _running = running;
                worker.run(runtime);
            })?;
        Ok(Link {
            sender,
            teller,
            ended,
            thread: Some(thread),
        })
    }

    /// Changes of the state, as they come. If nobody fetches them, the oldest are dropped; all
    /// receivers share them.
    #[must_use]
    pub fn events(&self) -> Receiver<LinkEvent> {
        self.teller.events()
    }

    /// What the broker has refused on a connection that goes on, in words: subscriptions, messages that
    /// are too large for it, and with MQTT 5 messages of quality 1. MQTT 3.1.1 has no answer that a
    /// message is refused. If nobody fetches them, the first ones are kept.
    #[must_use]
    pub fn refusals(&self) -> Receiver<String> {
        self.teller.refusals()
    }

    /// How it is now.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        self.teller.status()
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        self.sender.outbox.counters()
    }

    /// Asks the link's thread to show that it goes on; whether it has since it was asked before.
    #[must_use]
    pub fn pulse(&self) -> bool {
        let beats = self.sender.pulse.ask();
        self.sender.outbox.wake.notify_one();
        beats
    }

    /// Waits until everything is sent, messages of quality 1 are acknowledged, and subscriptions
    /// confirmed. Whether that is so.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        self.sender.outbox.wait_drained(timeout)
    }

    /// Delivers what is waiting, for at most that time, and says goodbye to the broker, so that
    /// there is no will. Whether everything was delivered.
    pub fn close(mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        self.sender.outbox.stop(Stop::Closing(deadline));
        // It ends by itself; should it hang in a system call, nobody waits for it.
        let ended = self.ended.recv_timeout(timeout.saturating_add(GRACE));
        if matches!(
            ended,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected)
        ) && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        self.sender.outbox.is_drained()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // After a close the thread has ended, or is not waited for.
        self.sender.outbox.stop(Stop::Abandoned);
    }
}
