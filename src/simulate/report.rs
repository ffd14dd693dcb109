//! What a simulation has seen.

use std::time::Duration;

use super::moves::{How, Moving};
use super::times::Times;

/// What was asked of the supervisor, creates or deletes, and what came of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Requests {
    /// Requests that were sent.
    pub asked: u64,
    /// Those that were granted.
    pub granted: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that nobody has answered.
    pub unanswered: u64,
    /// How long the answers took.
    pub times: Times,
    /// What was last said when one was refused.
    pub last_refusal: Option<String>,
}

/// What became of the modules of runtimes that were lost.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Moves {
    /// Runtimes that were lost.
    pub runtimes: u64,
    /// Their modules that have run elsewhere after that.
    pub modules: u64,
    /// Those that do not run elsewhere yet.
    pub open: u64,
    /// For each runtime how long it took until all of them ran elsewhere.
    pub times: Times,
}

/// How a simulation goes.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// How long it runs.
    pub time: Duration,
    /// Runtimes that are registered now.
    pub alive: u64,
    /// Modules that there are for the client.
    pub placed: u64,
    /// Creates that were refused.
    pub refused: u64,
    /// Creates that nobody has answered.
    pub unanswered: u64,
    /// Messages that have come or were sent.
    pub messages: u64,
    /// There were as many modules as wanted at some time.
    pub whole: bool,
}

/// What a simulation has seen so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How long it runs.
    pub time: Duration,
    /// Runtimes that are registered now.
    pub alive: u64,
    /// Registrations that were granted.
    pub registrations: u64,
    /// Runtimes that were told to stop.
    pub stopped: u64,
    /// How long it took until all runtimes were registered.
    pub registered_in: Option<Duration>,
    /// From the first create on, how long it took until there were as many modules as wanted.
    pub placed_in: Option<Duration>,
    /// Modules on runtimes now.
    pub modules: u64,
    /// Modules that there are for the client.
    pub placed: u64,
    /// What was asked for.
    pub creates: Requests,
    /// What was deleted.
    pub deletes: Requests,
    /// Creates that runtimes have answered with yes.
    pub accepted: u64,
    /// Creates that runtimes have answered with an error.
    pub rejected: u64,
    /// Modules that have ended by themselves.
    pub ended: u64,
    /// Modules that have crashed.
    pub crashed: u64,
    /// Runtimes whose last will was published.
    pub will: Moves,
    /// Runtimes that fell silent.
    pub silence: Moves,
    /// Messages that have come.
    pub received: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Connections that were lost without our doing, or could not be made.
    pub failures: u64,
    /// Why, the last time.
    pub last_failure: Option<String>,
}

/// What is counted while it runs.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) report: Report,
    pub(super) moving: Moving,
    pub(super) last_registration_refusal: Option<String>,
}

impl Figures {
    pub(super) fn report(&self, time: Duration) -> Report {
        let mut report = self.report.clone();
        report.time = time;
        for (how, moves) in [
            (How::Will, &mut report.will),
            (How::Silence, &mut report.silence),
        ] {
            let (tally, open) = self.moving.of(how);
            *moves = Moves {
                runtimes: tally.runtimes,
                modules: tally.moved,
                open,
                times: tally.times,
            };
        }
        report
    }
}
