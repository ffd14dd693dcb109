//! Figures of the supervisor.

use std::collections::HashMap;
use std::time::Duration;

use crate::pubsub::{LinkCounters, LinkStatus};

use super::records::{ModuleState, RuntimeState};

/// Figures of the supervisor.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// How long it runs.
    pub uptime: Duration,
    /// Runtimes, by their state.
    pub runtimes: HashMap<RuntimeState, usize>,
    /// Modules, by their state.
    pub modules: HashMap<ModuleState, usize>,
    /// What was counted since the start.
    pub counts: Counts,
    /// Messages that wait for the supervisor.
    pub queued_messages: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Messages that were dropped since too many waited.
    pub dropped_messages: u64,
    /// Bytes of output that are kept.
    pub output_bytes: usize,
    /// Lines of output of modules that nobody knows.
    pub output_strangers: u64,
    /// Bytes in the module store.
    pub store_bytes: u64,
    /// The connection to the broker.
    pub link: LinkStatus,
    /// What it has done.
    pub link_counters: LinkCounters,
    /// Why the registry cannot be written, if it cannot. It is kept in memory meanwhile.
    pub journal_failure: Option<String>,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Messages that were understood.
    pub messages: u64,
    /// Messages that were not.
    pub malformed: u64,
    /// Requests for modules, by MQTT or otherwise.
    pub creates: u64,
    /// Requests to delete modules, by MQTT or otherwise, and reports of their ends.
    pub deletes: u64,
    /// Requests that were granted.
    pub granted: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Transactions of the journal.
    pub commits: u64,
    /// Transactions that failed.
    pub failed_commits: u64,
}
