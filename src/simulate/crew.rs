//! The runtimes of one connection, and what each of them is to do next. There is no network in
//! here, and no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use uuid::Uuid;

use crate::protocol::{ExitReason, Incoming, ObjectId, RegisterAnswer, parse};
use crate::pubsub::{Message, Topic};

use super::agenda::Agenda;
use super::runtime::SimulatedRuntime;
use super::shared::{Shared, message};

/// Larger messages are not for a simulated runtime.
pub(super) const MAX_MESSAGE: usize = 16 << 20;
/// How long the supervisor may take to answer a registration.
const RETRY: Duration = Duration::from_secs(5);
/// How often keepalives are sent when nobody says it.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// What is due while a runtime is silent is looked at again after that time.
const LATER: Duration = Duration::from_millis(500);
/// What comes for a silent runtime is kept up to so many messages.
const UNREAD: usize = 10_000;

/// A runtime, and how it is with it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) runtime: SimulatedRuntime,
    pub(super) topic: Topic,
    pub(super) state: State,
    /// What was to be done in an earlier life is not done in a later one.
    pub(super) life: u32,
    /// Keepalives end with each registration.
    pub(super) spell: u32,
    /// What came while it was silent.
    pub(super) unread: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// It is not there.
    Gone,
    /// It has to register.
    New,
    Registering(ObjectId),
    /// Zero: it sends no keepalives.
    Registered(Duration),
    /// It hangs. It was registered with this interval.
    Silent(Duration),
}

/// What a runtime is to do later.
#[derive(Debug)]
pub(super) enum Due {
    Retry(ObjectId),
    Keepalive { spell: u32 },
    Answer { life: u32, payload: Vec<u8> },
    End { life: u32, module: Uuid },
    Return,
    Wake { life: u32 },
}

/// What happens to a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It dies, and its connection with it.
    Lose(usize),
    FallSilent(usize),
    /// It goes on, if it was silent.
    Wake(usize),
    /// One of its modules crashes.
    Crash(usize),
    /// The simulation ends.
    Leave,
}

/// The runtimes of one connection.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) shared: Arc<Shared>,
    pub(super) members: Vec<Member>,
    pub(super) by_topic: HashMap<Topic, usize>,
    pub(super) agenda: Agenda<(usize, Due)>,
    pub(super) rng: Rng,
    /// What is to be published.
    pub(super) out: Vec<Message>,
    /// The broker has a will of the only member.
    pub(super) has_will: bool,
    /// Whose answers are awaited.
    registering: HashMap<ObjectId, usize>,
    new: usize,
    gone: usize,
    /// Somebody was told to stop, and says goodbye.
    pub(super) stopped: bool,
}

impl Crew {
    pub(super) fn new(
        shared: Arc<Shared>,
        runtimes: Vec<(SimulatedRuntime, Topic)>,
        rng: Rng,
        has_will: bool,
    ) -> Crew {
        let members: Vec<_> = runtimes
            .into_iter()
            .map(|(runtime, topic)| Member {
                runtime,
                topic,
                state: State::New,
                life: 0,
                spell: 0,
                unread: Vec::new(),
            })
            .collect();
        let topics = members.iter().enumerate();
        let new = members.len();
        Crew {
            by_topic: topics.map(|(at, m)| (m.topic.clone(), at)).collect(),
            shared,
            members,
            agenda: Agenda::default(),
            rng,
            out: Vec::new(),
            has_will,
            registering: HashMap::new(),
            new,
            gone: 0,
            stopped: false,
        }
    }

    /// Whether nobody is there who wants a connection.
    pub(super) fn is_gone(&self) -> bool {
        self.members
            .iter()
            .all(|member| member.state == State::Gone)
    }

    /// Whether somebody has to register.
    pub(super) fn is_new(&self) -> bool {
        self.new > 0
    }

    /// Whether answers to registrations are awaited.
    pub(super) fn is_registering(&self) -> bool {
        !self.registering.is_empty()
    }

    pub(super) fn set(&mut self, at: usize, state: State) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let before = std::mem::replace(&mut member.state, state.clone());
        let is = |state: &State| u64::from(matches!(state, State::Registered(_)));
        let mut figures = self.shared.figures();
        let alive = &mut figures.report.alive;
        *alive = (*alive + is(&state)).saturating_sub(is(&before));
        drop(figures);
        match before {
            State::New => self.new = self.new.saturating_sub(1),
            State::Gone => self.gone = self.gone.saturating_sub(1),
            State::Registering(id) => {
                self.registering.remove(&id);
            }
            State::Registered(_) | State::Silent(_) => {}
        }
        match state {
            State::New => self.new += 1,
            State::Gone => self.gone += 1,
            State::Registering(id) => {
                self.registering.insert(id, at);
            }
            State::Registered(_) | State::Silent(_) => {}
        }
    }

    pub(super) fn send(&mut self, topic: &Topic, payload: Vec<u8>) {
        self.out.push(message(topic, payload));
    }

    /// All who have to register do so. The answers' topic is subscribed by now.
    pub(super) fn register(&mut self, now: Instant) {
        for at in 0..self.members.len() {
            if self.members.get(at).is_some_and(|m| m.state == State::New) {
                self.ask(now, at);
            }
        }
    }

    fn ask(&mut self, now: Instant, at: usize) {
        let Some(member) = self.members.get(at) else {
            return;
        };
        let id = ObjectId::random();
        let payload = member.runtime.registration().to_message(&id);
        let reg = self.shared.reg.clone();
        self.send(&reg, payload);
        self.agenda.add(now + RETRY, (at, Due::Retry(id.clone())));
        self.set(at, State::Registering(id));
    }

    /// The connection is gone, for whatever reason.
    pub(super) fn disconnected(&mut self) {
        self.out.clear();
        for at in 0..self.members.len() {
            let Some(member) = self.members.get_mut(at) else {
                continue;
            };
            member.spell += 1;
            if matches!(member.state, State::Registering(_) | State::Registered(_)) {
                self.set(at, State::New);
            }
        }
    }

    pub(super) fn on_message(&mut self, now: Instant, message: Message) {
        if message.topic == self.shared.reg {
            if let Ok(Incoming::Response(response)) = parse(&message.payload, MAX_MESSAGE)
                && let Some(&at) = self.registering.get(&response.object_id)
            {
                self.answered(now, at, response.register_answer());
            }
            return;
        }
        let Some(&at) = self.by_topic.get(&message.topic) else {
            return;
        };
        match self.members.get_mut(at) {
            None => {}
            Some(member) => match member.state {
                State::Gone => {}
                State::Silent(_) if member.unread.len() >= UNREAD => {}
                State::Silent(_) => member.unread.push(message),
                _ => self.on_request(now, at, &message),
            },
        }
    }

    fn answered(&mut self, now: Instant, at: usize, answer: RegisterAnswer) {
        match answer {
            RegisterAnswer::Registered { keepalive_interval } => {
                let set = self.shared.config.fleet.keepalive;
                let interval = set.or(keepalive_interval).unwrap_or(KEEPALIVE);
                self.set(at, State::Registered(interval));
                self.shared.figures().report.registrations += 1;
                // They are not all heard at the same time.
                let first = interval.mul_f64(self.rng.f64());
                self.await_keepalive(now + first, at);
            }
            RegisterAnswer::Refused {
                details,
                already_registered,
            } => {
                self.shared.figures().last_registration_refusal = Some(details);
                if already_registered {
                    self.say_farewell(at);
                    self.ask(now, at);
                }
                // Else it is tried again later.
            }
        }
    }

    fn await_keepalive(&mut self, when: Instant, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        if let State::Registered(interval) = member.state
            && !interval.is_zero()
        {
            member.spell += 1;
            let spell = member.spell;
            self.agenda.add(when, (at, Due::Keepalive { spell }));
        }
    }

    pub(super) fn say_farewell(&mut self, at: usize) {
        if let Some(member) = self.members.get(at) {
            let payload = member.runtime.farewell().to_message(&ObjectId::random());
            let reg = self.shared.reg.clone();
            self.send(&reg, payload);
        }
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self, now: Instant) {
        while let Some((at, due)) = self.agenda.due(now) {
            let Some(member) = self.members.get(at) else {
                continue;
            };
            let (life, spell) = (member.life, member.spell);
            let silent = matches!(member.state, State::Silent(_));
            match due {
                Due::Retry(id) if member.state == State::Registering(id.clone()) => {
                    self.ask(now, at);
                }
                Due::Keepalive { spell: of } if of == spell => self.keepalive(now, at),
                Due::Answer { life: of, .. } | Due::End { life: of, .. }
                    if of == life && silent =>
                {
                    self.agenda.add(now + LATER, (at, due));
                }
                Due::Answer { life: of, payload } if of == life => {
                    let topic = member.topic.clone();
                    self.send(&topic, payload);
                }
                Due::End { life: of, module } if of == life => {
                    self.end(now, at, module, ExitReason::Returned);
                }
                Due::Return if member.state == State::Gone => self.set(at, State::New),
                Due::Wake { life: of } if of == life => self.wake(now, at),
                _ => {}
            }
        }
    }

    pub(super) fn keepalive(&mut self, now: Instant, at: usize) {
        if let Some(member) = self.members.get(at)
            && let State::Registered(interval) = member.state
        {
            let payload = member.runtime.keepalive().to_message(&ObjectId::random());
            let topic = self.shared.keepalive.clone();
            self.send(&topic, payload);
            self.await_keepalive(now + interval, at);
        }
    }

    pub(super) fn life(&self, at: usize) -> u32 {
        self.members.get(at).map_or(0, |member| member.life)
    }
}
