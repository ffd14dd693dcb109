//! Registration with ARTS, as a state machine: what happens goes in, what is to be done comes
//! out. It has no clock and sends nothing, so that every sequence can be tested.
//!
//! ```text
//!            connected                         ok
//!  Offline ------------> Registering --------------------> Registered
//!     ^                  |  ^     |  silence:                  |
//!     |                  |  +-----+  create, new object_id     |
//!     |                  |  ^     |  "already registered":     |
//!     |                  |  +-----+  delete, create            |
//!     +------------------+---------------------------------- --+
//!                        disconnected
//! ```
//!
//! ARTS is deaf after the broker was away and says nothing of it, so each connection registers
//! anew. Modules run on in every state.
//!
//! Nor does it say that it has come, and it is often started together with its runtimes. So the first
//! pauses are short and grow up to `retry`. While it is heard to answer others it is busy, and
//! asking it again would only make it more so: the pause then begins anew, within `retry`.

use std::time::{Duration, Instant};

use crate::protocol::ObjectId;

/// The word for it without a connection.
pub(super) const OFFLINE: &str = "offline";
/// The word for it when it is done.
pub(super) const REGISTERED: &str = "registered";

/// What the node has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Publish a create of this runtime with this transaction id.
    Create { object_id: ObjectId },
    /// Publish a delete of this runtime, before a create: ARTS knows it from before.
    Delete,
    /// It is registered; with the interval at which ARTS wants keepalives.
    Registered { keepalive: Option<Duration> },
    /// ARTS refuses; tell the user.
    Refused { why: String },
    /// Nobody answers; `tell` the user, or not again.
    Silent { attempts: u32, tell: bool },
}

/// What ARTS answers to a create of this runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is registered. Zero is no keepalives; `None` leaves the interval to us.
    Ok { keepalive: Option<Duration> },
    /// It is not.
    Error {
        why: String,
        /// Because ARTS knows the uuid already.
        known: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Offline,
    Registering(Asked),
    Registered,
}

/// What was asked, and is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    /// Of the latest create; answers to earlier ones do not count.
    object_id: ObjectId,
    at: Instant,
    retry_at: Instant,
    attempts: u32,
    /// Whether a delete was tried since the link came up.
    deleted: bool,
    /// When the link came up.
    since: Instant,
    /// How many attempts have had no answer since it could have been expected.
    silent: u32,
}

/// The first pause, unless `retry` is shorter. Each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The state of this runtime at its supervisor.
#[derive(Debug)]
pub(super) struct Registration {
    state: State,
    retry: Duration,
    /// Used when the answer has no interval.
    keepalive: Duration,
    new_id: fn() -> ObjectId,
}

impl Registration {
    /// `retry` is the longest time between two attempts, `keepalive` the interval of keepalives
    /// unless ARTS says another one.
    pub(super) fn new(retry: Duration, keepalive: Duration, new_id: fn() -> ObjectId) -> Self {
        Self {
            state: State::Offline,
            retry,
            keepalive,
            new_id,
        }
    }

    /// The link is up.
    pub(super) fn connected(&mut self, now: Instant) -> Vec<Action> {
        vec![self.attempt(now, now, 1, 0, false)]
    }

    /// The link is down.
    pub(super) fn disconnected(&mut self) {
        self.state = State::Offline;
    }

    /// ARTS has answered the create with this transaction id, which may be another runtime's.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        object_id: &ObjectId,
        answer: Answer,
    ) -> Vec<Action> {
        let retry = self.retry;
        let State::Registering(asked) = &mut self.state else {
            return Vec::new();
        };
        if asked.object_id != *object_id {
            let patient = now + pause(asked.attempts, retry);
            asked.retry_at = asked.retry_at.max(patient.min(asked.at + retry));
            return Vec::new();
        }
        match answer {
            Answer::Ok { keepalive } => {
                self.state = State::Registered;
                let interval = keepalive.unwrap_or(self.keepalive);
                vec![Action::Registered {
                    keepalive: (!interval.is_zero()).then_some(interval),
                }]
            }
            // Once a connection: if it does not help, the retries go on in their own time.
            Answer::Error { known: true, .. } if !asked.deleted => {
                let (since, attempts, silent) = (asked.since, asked.attempts, asked.silent);
                let attempt = self.attempt(now, since, attempts.saturating_add(1), silent, true);
                vec![Action::Delete, attempt]
            }
            Answer::Error { why, .. } => {
                // It is there, and has no other answer so soon.
                asked.retry_at = asked.at + retry;
                vec![Action::Refused { why }]
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Action> {
        let State::Registering(asked) = &self.state else {
            return Vec::new();
        };
        if asked.retry_at > now {
            return Vec::new();
        }
        let (attempts, since) = (asked.attempts, asked.since);
        let expected = now.saturating_duration_since(since) >= self.retry;
        let silent = asked.silent.saturating_add(u32::from(expected));
        let deleted = asked.deleted;
        vec![
            Action::Silent {
                attempts,
                // It may be like this for days.
                tell: expected && silent.is_power_of_two(),
            },
            self.attempt(now, since, attempts.saturating_add(1), silent, deleted),
        ]
    }

    /// When `tick` has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Registering(asked) => Some(asked.retry_at),
            _ => None,
        }
    }

    /// In a word: `offline`, `registering` or `registered`.
    pub(super) fn name(&self) -> &'static str {
        match self.state {
            State::Offline => OFFLINE,
            State::Registering(_) => "registering",
            State::Registered => REGISTERED,
        }
    }

    fn attempt(
        &mut self,
        now: Instant,
        since: Instant,
        attempts: u32,
        silent: u32,
        deleted: bool,
    ) -> Action {
        let object_id = (self.new_id)();
        self.state = State::Registering(Asked {
            object_id: object_id.clone(),
            at: now,
            retry_at: now + pause(attempts, self.retry),
            attempts,
            deleted,
            since,
            silent,
        });
        Action::Create { object_id }
    }
}

/// How long to wait for the answer to an attempt.
fn pause(attempts: u32, retry: Duration) -> Duration {
    let doublings = 1_u32.checked_shl(attempts.saturating_sub(1));
    FIRST_PAUSE
        .saturating_mul(doublings.unwrap_or(u32::MAX))
        .min(retry)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::*;

    const RETRY: Duration = Duration::from_secs(5);

    fn registration() -> Registration {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Registration::new(RETRY, Duration::from_secs(60), || {
            ObjectId::new(&NEXT.fetch_add(1, Ordering::Relaxed).to_string()).unwrap()
        })
    }

    fn id_of(actions: &[Action]) -> ObjectId {
        let ids: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Create { object_id } => Some(object_id.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(ids.len(), 1, "{actions:?}");
        ids[0].clone()
    }

    fn ok(seconds: Option<u64>) -> Answer {
        Answer::Ok {
            keepalive: seconds.map(Duration::from_secs),
        }
    }

    #[test]
    fn registers() {
        let now = Instant::now();
        let mut registration = registration();
        assert_eq!(registration.name(), "offline");
        let id = id_of(&registration.connected(now));
        assert_eq!(registration.name(), "registering");
        assert_eq!(
            registration.answered(now, &id, ok(Some(7))),
            [Action::Registered {
                keepalive: Some(Duration::from_secs(7))
            }]
        );
        assert_eq!(registration.name(), "registered");
        assert_eq!(registration.deadline(), None);
        assert!(registration.answered(now, &id, ok(None)).is_empty());
    }

    #[test]
    fn the_interval_is_optional_and_zero_is_none() {
        let now = Instant::now();
        for (answer, keepalive) in [(None, Some(60)), (Some(0), None), (Some(1), Some(1))] {
            let mut registration = registration();
            let id = id_of(&registration.connected(now));
            assert_eq!(
                registration.answered(now, &id, ok(answer)),
                [Action::Registered {
                    keepalive: keepalive.map(Duration::from_secs)
                }]
            );
        }
    }

    #[test]
    fn a_supervisor_that_appears_an_hour_later() {
        let begin = Instant::now();
        let mut registration = registration();
        let mut id = id_of(&registration.connected(begin));
        let mut ids = vec![id.clone()];
        let mut now = begin;
        while now < begin + Duration::from_secs(3600) {
            now = registration.deadline().unwrap();
            let actions = registration.tick(now);
            assert!(matches!(actions[0], Action::Silent { .. }));
            id = id_of(&actions);
            assert!(!ids.contains(&id), "each attempt has its own id");
            ids.push(id.clone());
        }
        // The first four pauses are together as long as one and a half of the others.
        assert_eq!(ids.len(), 724);
        // Only the latest one counts.
        assert!(registration.answered(now, &ids[3], ok(None)).is_empty());
        assert_eq!(registration.name(), "registering");
        assert!(!registration.answered(now, &id, ok(None)).is_empty());
        assert_eq!(registration.name(), "registered");
    }

    #[test]
    fn a_supervisor_that_is_a_little_later() {
        let begin = Instant::now();
        let mut registration = registration();
        registration.connected(begin);
        let mut at = Vec::new();
        let mut told = Vec::new();
        for _ in 0..8 {
            let now = registration.deadline().unwrap();
            let actions = registration.tick(now);
            at.push((now - begin).as_millis());
            if let [Action::Silent { tell: true, .. }, ..] = actions[..] {
                told.push((now - begin).as_millis());
            }
        }
        let expected = [500, 1500, 3500, 7500, 12_500, 17_500, 22_500, 27_500];
        assert_eq!(at, expected);
        assert_eq!(told, [7500, 12_500, 22_500]);
    }

    #[test]
    fn a_supervisor_that_answers_others_is_not_asked_again_meanwhile() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let other = ObjectId::new("other").unwrap();
        let mut registration = registration();
        registration.connected(begin);
        registration.answered(at(100), &other, ok(None));
        assert_eq!(registration.deadline(), Some(at(600)));
        for millis in (100..4700).step_by(100) {
            registration.answered(at(millis), &other, ok(None));
            assert!(registration.tick(at(millis)).is_empty());
        }
        // But not for ever: ours may be lost.
        registration.answered(at(4900), &other, ok(None));
        assert_eq!(registration.deadline(), Some(at(5000)));
        // Others that were answered long ago do not hurry it.
        let mut registration = self::registration();
        registration.connected(begin);
        registration.answered(begin, &other, ok(None));
        assert_eq!(registration.deadline(), Some(at(500)));
    }

    #[test]
    fn a_runtime_that_arts_has_already() {
        let now = Instant::now();
        let mut registration = registration();
        let first = id_of(&registration.connected(now));
        let known = || Answer::Error {
            why: "UNIQUE constraint failed: arts_core_runtime.uuid".to_owned(),
            known: true,
        };
        let actions = registration.answered(now, &first, known());
        assert_eq!(actions[0], Action::Delete);
        let second = id_of(&actions);
        // The delete has not helped: no endless loop, but the next try at its time.
        let actions = registration.answered(now, &second, known());
        assert!(matches!(actions[..], [Action::Refused { .. }]));
        assert_eq!(registration.deadline(), Some(now + RETRY));
        let third = id_of(&registration.tick(now + RETRY));
        assert!(!registration.answered(now, &third, ok(None)).is_empty());
    }

    #[test]
    fn errors_are_told_and_tried_again() {
        let now = Instant::now();
        let mut registration = registration();
        let id = id_of(&registration.connected(now));
        let error = Answer::Error {
            why: "no room".to_owned(),
            known: false,
        };
        assert_eq!(
            registration.answered(now, &id, error),
            [Action::Refused {
                why: "no room".to_owned()
            }]
        );
        assert!(registration.tick(now).is_empty());
        assert!(!registration.tick(now + RETRY).is_empty());
    }

    #[test]
    fn every_connection_registers_anew() {
        let now = Instant::now();
        let mut registration = registration();
        let id = id_of(&registration.connected(now));
        registration.answered(now, &id, ok(None));
        registration.disconnected();
        assert_eq!(registration.name(), "offline");
        assert_eq!(registration.deadline(), None);
        assert!(registration.tick(now + RETRY).is_empty());
        let again = id_of(&registration.connected(now));
        assert!(registration.answered(now, &id, ok(None)).is_empty());
        assert!(!registration.answered(now, &again, ok(None)).is_empty());
    }

    proptest! {
        /// Whatever happens, a runtime that is connected and not registered has a next attempt,
        /// at most `RETRY` away.
        #[test]
        fn never_stuck(steps in proptest::collection::vec(0u8..6, 0..60)) {
            let mut registration = registration();
            let mut now = Instant::now();
            let other = ObjectId::new("other").unwrap();
            let mut id = other.clone();
            for step in steps {
                let actions = match step {
                    0 => registration.connected(now),
                    1 => { registration.disconnected(); Vec::new() }
                    2 => { now += RETRY; registration.tick(now) }
                    3 => registration.answered(now, &id, ok(None)),
                    4 => registration.answered(now, &id, Answer::Error { why: "known".to_owned(), known: true }),
                    _ => registration.answered(now, &other, ok(None)),
                };
                if let Some(Action::Create { object_id }) = actions.last() {
                    id.clone_from(object_id);
                }
                match registration.name() {
                    "registering" => prop_assert!(registration.deadline().unwrap() <= now + RETRY),
                    _ => prop_assert_eq!(registration.deadline(), None),
                }
            }
        }
    }
}
