//! To whoever has most room.

use super::{Candidate, Scheduler};
use crate::supervisor::records::Wish;

/// The runtime with the most headroom: the less of CPU and memory counts, as a share of what the
/// machine has, with what was placed there since it has told of itself.
#[derive(Debug)]
pub(super) struct Resources;

/// What a module is taken to need of a core, in percent, until its runtime tells.
const CPU: f64 = 5.0;
/// What a module is taken to need of memory that does not say it.
const MEMORY: f64 = 8.0 * 1024.0 * 1024.0;

impl Scheduler for Resources {
    fn choose(&mut self, wish: &Wish, candidates: &[Candidate<'_>]) -> Option<usize> {
        let scored = candidates.iter().map(|c| (headroom(wish, c), c));
        let best = scored
            .enumerate()
            .max_by(|(_, (a, left)), (_, (b, right))| {
                // Where there is as much room, to whoever has less; then by the uuid, so that equals
                // are chosen the same way each time.
                let less = |c: &Candidate<'_>| (c.runtime.modules.len(), c.runtime.uuid);
                a.total_cmp(b).then_with(|| less(right).cmp(&less(left)))
            });
        best.map(|(at, _)| at)
    }
}

/// From 0, for none, to 1.
fn headroom(wish: &Wish, candidate: &Candidate<'_>) -> f64 {
    let load = &candidate.runtime.load;
    let placed = candidate.placed;
    // Runtimes of others may tell nothing of their machine: then it is one core, with only the
    // runtime on it.
    let cores = load.cores.filter(|cores| *cores > 0.0).unwrap_or(1.0);
    let busy = load.host_cpu_percent.unwrap_or(load.cpu_percent) + CPU * f64::from(placed.modules);
    let cpu = 1.0 - busy / (cores * 100.0);
    let memory = match (load.memory_available, load.memory_total) {
        (Some(available), total) => {
            let available = bytes(available);
            let total = total.map_or(available, bytes).max(1.0);
            let wanted = wish.memory.map_or(MEMORY, bytes);
            // What they have said they want, and what is likely for those that have not.
            let taken = bytes(placed.memory).max(MEMORY * f64::from(placed.modules));
            (available - taken - wanted) / total
        }
        (None, _) => 1.0,
    };
    let room = cpu.min(memory);
    // What a runtime tells may be nonsense.
    if room.is_finite() {
        room.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Exact enough for a share.
fn bytes(bytes: u64) -> f64 {
    let mebibytes = u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
    f64::from(mebibytes) * 1024.0
}
