//! The supervisor's own thread: what happens goes to the model, one after the other; what has
//! changed is written to the journal; then what is to be done is done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde_json::Value;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::protocol::{Incoming, ParseError, Request, RequestData, Response, Topics, parse};
use crate::pubsub::{Link, LinkEvent, Message, Qos, Router, Subscription, Topic};

use super::events::{Event, EventKind};
use super::handle::{Command, Reply, Shared, lock};
use super::inbox::{Input, Origin, Queued};
use super::journal::Journal;
use super::model::{Body, Model, Now, Outcome, Outgoing, Refusal, RefusalKind, ReplyTo, To};
use super::stats::Counts;

/// The largest message that is taken apart: what MQTT can carry.
const MAX_MESSAGE: usize = 256 << 20;
/// As many inputs make one transaction at most.
const BATCH: usize = 256;
/// How long what was published last may take to reach the broker.
const FLUSH: Duration = Duration::from_secs(2);
/// How often the figures of the link are looked at.
const FIGURES: Duration = Duration::from_secs(1);

/// The supervisor's thread.
pub(super) struct Actor {
    shared: Arc<Shared>,
    topics: Topics,
    /// What is before the uuid in topics of runtimes.
    runtimes: String,
    router: Router,
    link: Link,
    journal: Journal,
    subscriptions: Vec<Subscription>,
    replies: HashMap<u64, Reply>,
    next_reply: u64,
    counts: Counts,
    failure: Option<String>,
    figures: Instant,
    /// What time it is for the model. While messages wait it is the time when the last one that was
    /// handled came: nobody is silent, and no answer late, who is only not heard yet.
    now: Now,
}

impl Actor {
    pub(super) fn new(
        shared: Arc<Shared>,
        topics: Topics,
        router: Router,
        link: Link,
        journal: Journal,
        subscriptions: Vec<Subscription>,
    ) -> Actor {
        Actor {
            runtimes: format!("{}/", topics.control_any()),
            shared,
            topics,
            router,
            link,
            journal,
            subscriptions,
            replies: HashMap::new(),
            next_reply: 0,
            counts: Counts::default(),
            failure: None,
            figures: Instant::now(),
            now: Now::of_clock(),
        }
    }

    pub(super) fn run(mut self, inputs: &Receiver<Input>) {
        let mut going = true;
        self.act();
        while going {
            let deadline = lock(&self.shared.model).deadline();
            let figures = self.figures + FIGURES;
            let next = deadline.map_or(figures, |deadline| deadline.min(figures));
            match inputs.recv_deadline(next) {
                Ok(input) => {
                    going = self.on(input);
                    // What has come meanwhile shares a transaction.
                    for input in inputs.try_iter().take(BATCH) {
                        going &= self.on(input);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Not while `shared` is alive.
                Err(RecvTimeoutError::Disconnected) => going = false,
            }
            if inputs.is_empty() {
                self.now = Now::of_clock();
            }
            self.model(Model::on_time);
            self.act();
            if self.figures.elapsed() >= FIGURES {
                self.tell_figures();
            }
        }
        self.leave();
    }

    /// Whether it goes on.
    fn on(&mut self, input: Input) -> bool {
        match input {
            Input::Message(queued) => {
                if queued.at.instant > self.now.instant {
                    self.now = queued.at;
                }
                self.on_message(&queued);
            }
            Input::Link(event) => {
                self.now = Now::of_clock();
                let online = event == LinkEvent::Connected;
                self.model(|model, now| model.link(now, online));
                self.tell_figures();
            }
            Input::Command(command, at) => {
                if at.instant > self.now.instant {
                    self.now = at;
                }
                self.on_command(command);
            }
            Input::Pulse => {
                if self.link.pulse() {
                    self.shared.pulse.beat();
                }
            }
            Input::Stop => return false,
        }
        true
    }

    fn model<T>(&self, change: impl FnOnce(&mut Model, Now) -> T) -> T {
        change(&mut lock(&self.shared.model), self.now)
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Create(create, reply) => {
                self.counts.creates += 1;
                let to = self.remember(reply);
                self.model(|model, now| model.create(now, *create, to));
            }
            Command::Delete(delete, reply) => {
                self.counts.deletes += 1;
                let to = self.remember(reply);
                self.model(|model, now| model.delete(now, &delete, to));
            }
            Command::StopRuntime(uuid, reply) => {
                let to = self.remember(reply);
                self.model(|model, _| model.stop_runtime(uuid, to));
            }
        }
    }

    fn remember(&mut self, reply: Reply) -> ReplyTo {
        let number = self.next_reply;
        self.next_reply += 1;
        self.replies.insert(number, reply);
        ReplyTo::Local(number)
    }

    fn on_message(&mut self, queued: &Queued) {
        let message = &queued.message;
        let parsed = parse(&message.payload, MAX_MESSAGE);
        match &parsed {
            Ok(_) => self.counts.messages += 1,
            Err(_) => self.counts.malformed += 1,
        }
        match (queued.origin, parsed) {
            (Origin::Clients, Ok(Incoming::Request(request))) => self.on_request(request),
            (Origin::Registrations, Ok(Incoming::Request(request))) => {
                self.on_registration(request);
            }
            (
                Origin::Keepalives,
                Ok(Incoming::Request(Request {
                    data: RequestData::KeepAlive(told),
                    ..
                })),
            ) => self.model(|model, now| model.keepalive(now, &told)),
            (Origin::Runtimes, Ok(Incoming::Response(response))) => {
                let runtime = message.topic.as_str().strip_prefix(&self.runtimes);
                if let Some(runtime) = runtime.and_then(|text| Uuid::try_parse(text).ok()) {
                    self.model(|model, now| model.answer(now, runtime, &response));
                }
            }
            // Of topics that others answer too, only what is clearly meant for us.
            (Origin::Clients | Origin::Registrations, Err(error)) => {
                self.malformed(queued.origin, &error);
            }
            // Others' requests and answers.
            _ => {}
        }
    }

    fn malformed(&mut self, origin: Origin, error: &ParseError) {
        debug!(%error, "a message that is no request");
        if let Some(answer) = error.answer() {
            let to = match origin {
                Origin::Registrations => To::Registrations,
                _ => To::Clients,
            };
            self.publish(to, answer);
        }
    }

    fn on_registration(&mut self, request: Request) {
        match request.data {
            RequestData::CreateRuntime(runtime) => {
                self.model(|model, now| model.register(now, &request.object_id, *runtime));
            }
            RequestData::DeleteRuntime(delete) => {
                self.model(|model, now| model.runtime_leaves(now, &delete));
            }
            _ => {}
        }
    }

    fn on_request(&mut self, request: Request) {
        let to = ReplyTo::Mqtt(request.object_id);
        match request.data {
            RequestData::CreateModule(create) => {
                self.counts.creates += 1;
                self.model(|model, now| model.create(now, *create, to));
            }
            RequestData::DeleteModule(delete) => {
                self.counts.deletes += 1;
                self.model(|model, now| model.delete(now, &delete, to));
            }
            _ => {
                let why = "a supervisor creates and deletes modules, and does nothing else on \
                           this topic";
                let refusal = Refusal::new(RefusalKind::Invalid, why);
                self.answer(to, Err(refusal));
            }
        }
    }

    /// Writes what has changed, then does what is to be done.
    fn act(&mut self) {
        let (batch, effects) = lock(&self.shared.model).take();
        if !batch.is_empty() {
            self.counts.commits += 1;
            match self.journal.commit(&batch) {
                Ok(()) => {
                    if self.failure.take().is_some() {
                        info!("the registry can be written again");
                        self.tell_figures();
                    }
                }
                Err(error) => {
                    self.counts.failed_commits += 1;
                    let why = error.to_string();
                    if self.failure.as_ref() != Some(&why) {
                        warn!("{why}; what changes is kept in memory");
                        self.failure = Some(why);
                        self.tell_figures();
                    }
                    lock(&self.shared.model).keep(&batch);
                }
            }
        }
        for uuid in effects.opened {
            self.shared.output.open(uuid);
        }
        for uuid in effects.closed {
            // It may have been asked for again.
            if lock(&self.shared.model).module(uuid).is_none() {
                self.shared.output.close(uuid);
            }
        }
        for Outgoing { to, body } in effects.messages {
            match body {
                Body::Bytes(bytes) => self.publish(to, bytes),
                Body::Create {
                    object_id,
                    mut create,
                    stored,
                } => {
                    if let Some(stored) = stored {
                        match self.journal.inline(create.uuid) {
                            Ok(inline) => {
                                create.wasm = inline.wasm;
                                create.memory = inline.memory.filter(|_| stored.with_memory);
                            }
                            // The runtime will say that there is no file.
                            Err(error) => warn!(module = %create.uuid, "its file: {error}"),
                        }
                    }
                    self.publish(to, create.to_message(&object_id));
                }
            }
        }
        for (to, outcome) in effects.replies {
            self.answer(to, outcome);
        }
        for event in &effects.events {
            log(event);
        }
        self.shared.events.add(&effects.events);
    }

    fn answer(&mut self, to: ReplyTo, outcome: Outcome) {
        match &outcome {
            Ok(_) => self.counts.granted += 1,
            Err(_) => self.counts.refused += 1,
        }
        match to {
            ReplyTo::Nobody => {}
            ReplyTo::Mqtt(id) => {
                let answer = match outcome {
                    Ok(details) => Response::ok(&id, Value::Object(details)),
                    Err(refusal) => Response::error(&id, &refusal.message),
                };
                self.publish(To::Clients, answer);
            }
            ReplyTo::Local(number) => {
                if let Some(reply) = self.replies.remove(&number) {
                    reply(outcome);
                }
            }
        }
    }

    fn publish(&self, to: To, payload: Vec<u8>) {
        let topic = match to {
            To::Registrations => self.topics.reg(),
            To::Clients => self.topics.control_any(),
            To::Runtime(uuid) => self.topics.control(uuid),
        };
        let Ok(topic) = Topic::new(&topic) else {
            return;
        };
        let message = Message::new(topic, payload, Qos::AtLeastOnce);
        let topic = message.topic.clone();
        if let Err(error) = self.router.publish_up(message) {
            warn!(%topic, %error, "a message is lost");
        }
    }

    fn tell_figures(&mut self) {
        self.figures = Instant::now();
        let mut figures = lock(&self.shared.figures);
        figures.counts = self.counts.clone();
        figures.link = self.link.status();
        figures.link_counters = self.link.counters();
        figures.journal_failure.clone_from(&self.failure);
    }

    fn leave(mut self) {
        self.act();
        self.subscriptions.clear();
        for (_, reply) in self.replies.drain() {
            let why = "the supervisor has ended";
            reply(Err(Refusal::new(RefusalKind::Stopping, why)));
        }
        if !self.link.flush(FLUSH) {
            warn!("the broker was not told of everything before the end");
        }
        self.tell_figures();
        self.link.close(FLUSH);
        info!("the supervisor ends");
    }
}

/// What people want to see: modules come and go by the thousand.
fn log(event: &Event) {
    let Event {
        kind,
        runtime,
        module,
        name,
        message,
        ..
    } = event;
    let (runtime, module) = (runtime.map(tracing_id), module.map(tracing_id));
    match kind {
        EventKind::RuntimeLost | EventKind::ModuleLost | EventKind::Refused => {
            warn!(runtime, module, name, "{}: {message}", kind.as_str());
        }
        EventKind::Registered
        | EventKind::Returned
        | EventKind::Adopted
        | EventKind::Removed
        | EventKind::Moved => {
            info!(runtime, module, name, "{}: {message}", kind.as_str());
        }
        _ => debug!(runtime, module, name, "{}: {message}", kind.as_str()),
    }
}

fn tracing_id(uuid: Uuid) -> String {
    uuid.to_string()
}
