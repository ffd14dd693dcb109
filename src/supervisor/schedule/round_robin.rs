//! One after the other.

use uuid::Uuid;

use super::{Candidate, Scheduler};
use crate::supervisor::records::Wish;

/// The runtimes in the order of their uuids, each in its turn.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    last: Option<Uuid>,
}

impl Scheduler for RoundRobin {
    fn choose(&mut self, _: &Wish, candidates: &[Candidate<'_>]) -> Option<usize> {
        let uuid = |at: &usize| candidates.get(*at).map(|c| c.runtime.uuid);
        // The next one after the last, or the first of all.
        let chosen = (0..candidates.len()).min_by_key(|at| (uuid(at) <= self.last, uuid(at)))?;
        self.last = uuid(&chosen);
        Some(chosen)
    }
}
