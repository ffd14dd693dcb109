//! The node's own thread: everything that changes its modules or its registration happens here,
//! one event after the other, so none of it is locked.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tracing::{debug, info, warn};

use crate::monitor::{HttpServer, Sampler};
use crate::protocol::{Incoming, ObjectId, RegisterAnswer, parse};
use crate::pubsub::{Filter, Lane, Link, LinkEvent, Message, Qos, Share, Subscription, Topic};
use crate::wamr::{release_free_memory, release_unused_code};

use super::event::{Event, Inbox, Queued};
use super::exit::printable;
use super::identity::Identity;
use super::registration::{Action, Answer, Registration};
use super::service::Service;
use super::shared::Shared;
use super::table::Table;

/// The node: registers with ARTS, and runs, watches and ends modules.
#[derive(Debug)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) registration: Registration,
    pub(super) table: Table,
    pub(super) events: Receiver<Event>,
    /// For workers and subscriptions.
    pub(super) sender: Sender<Event>,
    pub(super) next_generation: u64,
    /// Bytes of messages in `events`.
    pub(super) queued: Arc<AtomicUsize>,
    /// The control topics, subscribed to for the node's life.
    pub(super) control: Vec<Subscription>,
    /// The topic of registrations, while an answer is awaited.
    pub(super) registry: Option<Subscription>,
    pub(super) keepalives: Option<Keepalives>,
    /// When to give free memory back to the system.
    pub(super) tidy: Option<Instant>,
    /// It was not tidied up since the start.
    pub(super) is_new: bool,
    pub(super) stopping: bool,
    pub(super) helpers: Helpers,
    pub(super) service: Option<Service>,
}

/// What belongs to a node and works by itself; it ends with the node.
#[derive(Debug)]
pub(super) struct Helpers {
    pub(super) _identity: Identity,
    pub(super) sampler: Sampler,
    pub(super) http: Option<HttpServer>,
}

/// When the next keepalive is due.
#[derive(Debug)]
pub(super) struct Keepalives {
    every: Duration,
    next: Instant,
}

/// How long after something large has ended, and after the start, its memory is given back. What
/// ends until then is given back with it.
const TIDY: Duration = Duration::from_secs(1);

/// Messages of that size leave memory that is worth giving back.
const LARGE_MESSAGE: usize = 1 << 20;

/// How long what was published last may take to reach the broker.
const FLUSH: Duration = Duration::from_secs(2);

impl Node {
    /// Runs until it is told to end. Modules have ended and the runtime is deleted from ARTS
    /// when this returns.
    pub fn run(mut self) {
        self.tidy_later();
        self.tell_ready();
        while !(self.stopping && self.table.is_empty()) {
            let event = match self.deadline() {
                Some(deadline) => self.events.recv_deadline(deadline),
                None => self
                    .events
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(event) => self.on(event),
                Err(RecvTimeoutError::Timeout) => {}
                // Not while `sender` is alive.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            self.on_time(now);
            self.tell_service(now);
        }
        self.leave();
    }

    fn deadline(&self) -> Option<Instant> {
        let keepalive = self.keepalives.as_ref().map(|keepalives| keepalives.next);
        [
            self.registration.deadline(),
            self.table.deadline(),
            keepalive,
            self.tidy,
            self.service.as_ref().and_then(Service::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Control(queued) => {
                self.on_control(&queued.message);
                if queued.message.size() >= LARGE_MESSAGE {
                    self.tidy_later();
                }
            }
            Event::Registry(queued) => self.on_registry(&queued.message),
            Event::Link(LinkEvent::Connected) => {
                self.await_answers();
                let actions = self.registration.connected(Instant::now());
                self.act(actions);
            }
            Event::Link(LinkEvent::Disconnected { .. }) => {
                self.registration.disconnected();
                self.registry = None;
                self.keepalives = None;
            }
            Event::Worker(uuid, generation, report) => {
                if !matches!(report, super::worker::Report::Ready(..)) {
                    self.tidy_later();
                }
                self.on_worker(uuid, generation, report);
            }
            Event::Shutdown => self.shut_down(),
            Event::Status(to) => {
                // Whoever asked may have stopped waiting.
                let _ = to.send(self.status());
            }
        }
    }

    /// The allocator keeps what others have freed, tens of megabytes after some hundred modules.
    fn tidy_later(&mut self) {
        self.tidy.get_or_insert_with(|| Instant::now() + TIDY);
    }

    fn on_time(&mut self, now: Instant) {
        if self.tidy.is_some_and(|at| at <= now) {
            self.tidy = None;
            release_free_memory();
            if std::mem::take(&mut self.is_new) {
                release_unused_code();
            }
        }
        let actions = self.registration.tick(now);
        self.act(actions);
        for uuid in self.table.due(now) {
            self.on_due(uuid, now);
        }
        if let Some(keepalives) = &mut self.keepalives
            && keepalives.next <= now
        {
            keepalives.next = now + keepalives.every;
            self.send_keepalive();
        }
    }

    /// Subscribes to the topic of registrations: others' come there too, so only for as long as
    /// an answer is awaited.
    fn await_answers(&mut self) {
        let topic = self.shared.topics.reg();
        self.registry = self.subscribe(&topic, Event::Registry);
    }

    /// Has the messages of a topic come as events.
    pub(super) fn subscribe(
        &self,
        topic: &str,
        event: fn(Queued) -> Event,
    ) -> Option<Subscription> {
        let inbox = Inbox::new(self.sender.clone(), event, Arc::clone(&self.queued));
        let filter = Filter::from(Topic::new(topic).ok()?);
        Some(
            self.shared
                .router
                .subscribe(filter, Qos::AtLeastOnce, inbox),
        )
    }

    fn on_registry(&mut self, message: &Message) {
        // Everybody's registrations and answers come here.
        let Ok(Incoming::Response(response)) = parse(&message.payload, MAX_ANSWER) else {
            return;
        };
        let answer = match response.register_answer() {
            RegisterAnswer::Registered { keepalive_interval } => Answer::Ok {
                keepalive: keepalive_interval,
            },
            RegisterAnswer::Refused {
                details,
                already_registered,
            } => Answer::Error {
                why: details,
                known: already_registered,
            },
        };
        let now = Instant::now();
        let actions = self.registration.answered(now, &response.object_id, answer);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        let reg = self.shared.topics.reg();
        for action in actions {
            match action {
                Action::Create { object_id } => {
                    let message = self.shared.about().to_message(&object_id);
                    self.publish(&reg, message, Qos::AtMostOnce);
                }
                Action::Delete => {
                    info!("ARTS knows this runtime from before: it is deleted and registered anew");
                    self.publish(&reg, self.shared.farewell(), Qos::AtMostOnce);
                }
                Action::Registered { keepalive } => self.registered(keepalive),
                Action::Refused { why } => {
                    let why = printable(&why);
                    warn!(
                        why,
                        "ARTS does not register this runtime; it is asked again"
                    );
                }
                Action::Silent {
                    attempts,
                    tell: true,
                } => {
                    warn!(
                        attempts,
                        topic = reg,
                        "ARTS does not answer; it is asked again"
                    );
                }
                Action::Silent { attempts, .. } => debug!(attempts, "ARTS does not answer"),
            }
        }
    }

    fn registered(&mut self, keepalive: Option<Duration>) {
        self.registry = None;
        match keepalive {
            Some(every) => info!(?every, "registered with ARTS; keepalives begin"),
            None => info!("registered with ARTS, which wants no keepalives"),
        }
        self.keepalives = keepalive.map(|every| Keepalives {
            every,
            next: Instant::now() + every,
        });
    }

    /// Tells ARTS that the runtime is gone, and leaves the broker.
    fn leave(mut self) {
        self.control.clear();
        // What modules have left goes before the word that there are none.
        if self.link.status().connected {
            let _ = self.link.flush(FLUSH);
        }
        let reg = self.shared.topics.reg();
        self.publish(&reg, self.shared.farewell(), Qos::AtMostOnce);
        if !self.link.flush(FLUSH) {
            warn!("the broker was not told of everything before the end");
        }
        self.link.close(FLUSH);
        info!("the runtime ends");
    }

    /// Publishes what the node itself has to say.
    pub(super) fn publish(&self, topic: &str, payload: Vec<u8>, qos: Qos) {
        let Ok(name) = Topic::new(topic) else {
            return;
        };
        let message = Message::new(name, payload, qos);
        if let Err(error) = self.shared.router.publish_up(message) {
            debug!(topic, %error, "a message is lost");
        }
    }

    /// Publishes what the node has to say after everything in a lane.
    pub(super) fn publish_after(&self, lane: Lane, topic: &str, payload: Vec<u8>, qos: Qos) {
        let Ok(name) = Topic::new(topic) else {
            return;
        };
        let message = Message::new(name, payload, qos);
        let router = &self.shared.router;
        if let Err(error) = router.publish_up_in(lane, Share::Node, message) {
            debug!(topic, %error, "a message is lost");
        }
    }
}

/// Answers to registrations are short.
const MAX_ANSWER: usize = 1 << 20;

/// A transaction id of the node's own.
pub(super) fn new_id() -> ObjectId {
    ObjectId::random()
}
