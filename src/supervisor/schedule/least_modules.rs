//! To whoever has least.

use super::{Candidate, Scheduler};
use crate::supervisor::records::Wish;

/// The runtime with the fewest modules.
#[derive(Debug)]
pub(super) struct LeastModules;

impl Scheduler for LeastModules {
    fn choose(&mut self, _: &Wish, candidates: &[Candidate<'_>]) -> Option<usize> {
        let key = |c: &Candidate<'_>| (c.runtime.modules.len(), c.runtime.uuid);
        let least = candidates.iter().enumerate().min_by_key(|(_, c)| key(c));
        least.map(|(at, _)| at)
    }
}
