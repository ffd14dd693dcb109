//! The modules of the node, and the states that they go through.
//!
//! ```text
//!  create --> Loading --> Prepared --> Running --> Stopping --> (gone)
//!                |        (wait_state)  |    ^
//!             refused                crash  again
//!                |                      v    |
//!              (gone)                  BackOff
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use uuid::Uuid;

use crate::config::Settings;
use crate::protocol::{CreateModule, ModuleEngine};
use crate::pubsub::{Lane, Subscription};

use super::cpu_time::CpuTime;
use super::job::Snapshot;
use super::reply::ReplyTo;
use super::restart::Restarts;
use super::scheduling::Granted;
use super::worker::Handle;

/// A module of this node, from its create to its end.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) uuid: Uuid,
    /// The request that it was made by.
    pub(super) create: Arc<CreateModule>,
    /// Each start of a worker has another one, so that what an earlier one says late is known
    /// for that.
    pub(super) generation: u64,
    pub(super) state: State,
    pub(super) worker: Option<Handle>,
    /// In which its messages, its output and the report of its end wait for the broker, one after
    /// the other.
    pub(super) lane: Lane,
    /// Brings the lines for its standard input.
    pub(super) stdin: Option<Subscription>,
    /// Whether it waits for a second create before it runs.
    pub(super) waits: bool,
    /// Whom to tell that it is made, or why not.
    pub(super) create_reply: Option<ReplyTo>,
    /// Whom to tell that it is gone.
    pub(super) delete_replies: Vec<ReplyTo>,
    /// The runtime that gets it, when it moves.
    pub(super) move_to: Option<Uuid>,
    /// Whether the end is to be reported as one that nobody asked for.
    pub(super) report_exit: bool,
    pub(super) restarts: Restarts,
    pub(super) granted: Granted,
    /// What it may use of CPU time, if that is bounded.
    pub(super) cpu: Option<CpuTime>,
    /// What executes it, as far as that is decided.
    pub(super) engine: Option<ModuleEngine>,
    /// The memory that it is to begin with.
    pub(super) memory: Option<Snapshot>,
    pub(super) created: SystemTime,
    pub(super) started: Instant,
}

impl Entry {
    /// A module that was just asked for.
    pub(super) fn new(
        mut create: CreateModule,
        reply: ReplyTo,
        lane: Lane,
        settings: &Settings,
        now: Instant,
    ) -> Entry {
        Entry {
            uuid: create.uuid,
            generation: 0,
            state: State::Loading { until: now },
            worker: None,
            lane,
            stdin: None,
            waits: create.wait_state,
            create_reply: Some(reply),
            delete_replies: Vec::new(),
            move_to: None,
            report_exit: true,
            restarts: Restarts::new(settings.restart.backoff_min, settings.restart.backoff_max),
            granted: Granted::default(),
            cpu: (create.resources.cpu_ms).map(|millis| CpuTime::new(millis, now)),
            engine: None,
            memory: create.memory.take(),
            created: SystemTime::now(),
            started: now,
            create: Arc::new(create),
        }
    }

    /// When something has to be done about it.
    fn deadline(&self) -> Option<Instant> {
        let state = self.state.deadline();
        state.into_iter().chain(self.cpu_deadline()).min()
    }

    /// When its CPU time has to be looked at.
    pub(super) fn cpu_deadline(&self) -> Option<Instant> {
        let cpu = self.cpu.as_ref().filter(|_| self.state.uses_cpu());
        cpu.map(CpuTime::deadline)
    }
}

/// Where a module is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its file is fetched, checked and loaded.
    Loading {
        until: Instant,
    },
    /// It is ready, and waits for the create that starts it.
    Prepared,
    Running,
    /// It was asked to end, and is made to at that time; `None` when it was.
    Stopping {
        until: Option<Instant>,
    },
    /// It has crashed and is started again at that time.
    BackOff {
        until: Instant,
    },
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Loading { .. } => "loading",
            State::Prepared => "prepared",
            State::Running => "running",
            State::Stopping { .. } => "stopping",
            State::BackOff { .. } => "restarting",
        }
    }

    /// Whether the module runs, and nothing ends it yet.
    fn uses_cpu(self) -> bool {
        matches!(self, State::Running | State::Stopping { until: Some(_) })
    }

    /// When it is over.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            State::Loading { until } | State::BackOff { until } => Some(until),
            State::Stopping { until } => until,
            State::Prepared | State::Running => None,
        }
    }
}

/// All modules of the node.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashMap<Uuid, Entry>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get_mut(&mut self, uuid: Uuid) -> Option<&mut Entry> {
        self.entries.get_mut(&uuid)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.entries.insert(entry.uuid, entry);
    }

    pub(super) fn remove(&mut self, uuid: Uuid) -> Option<Entry> {
        self.entries.remove(&uuid)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(super) fn uuids(&self) -> Vec<Uuid> {
        self.entries.keys().copied().collect()
    }

    /// When the next module needs something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.entries.values().filter_map(Entry::deadline).min()
    }

    /// The modules that need something now.
    pub(super) fn due(&self, now: Instant) -> Vec<Uuid> {
        let due = |entry: &&Entry| entry.deadline().is_some_and(|until| until <= now);
        self.entries
            .values()
            .filter(due)
            .map(|entry| entry.uuid)
            .collect()
    }
}
