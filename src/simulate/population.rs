//! The modules that a simulation has, and how many more it wants.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use fastrand::Rng;
use uuid::Uuid;

/// A module that nobody took is not asked for again at once.
const REFUSED: Duration = Duration::from_secs(1);

/// The modules that there are, as far as the client knows.
#[derive(Debug, Default)]
pub(super) struct Population {
    wanted: usize,
    live: Vec<Uuid>,
    places: HashMap<Uuid, usize>,
    /// Asked for, and not answered.
    pending: usize,
    /// When each of those is asked for again that were refused.
    refused: VecDeque<Instant>,
}

impl Population {
    pub(super) fn new(wanted: usize) -> Population {
        Population {
            wanted,
            ..Population::default()
        }
    }

    /// Whether one more is to be asked for now.
    pub(super) fn wants(&mut self, now: Instant) -> bool {
        while self.refused.front().is_some_and(|until| *until <= now) {
            self.refused.pop_front();
        }
        self.live.len() + self.pending + self.refused.len() < self.wanted
    }

    pub(super) fn asked(&mut self) {
        self.pending += 1;
    }

    pub(super) fn placed(&mut self, module: Uuid) {
        self.pending = self.pending.saturating_sub(1);
        if self.places.contains_key(&module) {
            return;
        }
        self.places.insert(module, self.live.len());
        self.live.push(module);
    }

    /// It is refused, or nobody has answered.
    pub(super) fn not_placed(&mut self, now: Instant) {
        self.pending = self.pending.saturating_sub(1);
        self.refused.push_back(now + REFUSED);
    }

    /// It is gone. Whether it was there.
    pub(super) fn remove(&mut self, module: Uuid) -> bool {
        let Some(place) = self.places.remove(&module) else {
            return false;
        };
        self.live.swap_remove(place);
        if let Some(moved) = self.live.get(place) {
            self.places.insert(*moved, place);
        }
        true
    }

    /// Any of them, taken out.
    pub(super) fn take_any(&mut self, rng: &mut Rng) -> Option<Uuid> {
        let place = (!self.live.is_empty()).then(|| rng.usize(0..self.live.len()))?;
        let module = *self.live.get(place)?;
        self.remove(module);
        Some(module)
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Requests for modules that are not answered.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wants_as_many_as_are_missing() {
        let now = Instant::now();
        let mut population = Population::new(3);
        let ask = |population: &mut Population, now| {
            let mut asked = 0;
            while population.wants(now) {
                population.asked();
                asked += 1;
            }
            asked
        };
        assert_eq!(ask(&mut population, now), 3);
        let modules = [Uuid::new_v4(), Uuid::new_v4()];
        for module in modules {
            population.placed(module);
        }
        population.not_placed(now);
        assert_eq!(ask(&mut population, now), 0);
        assert_eq!(ask(&mut population, now + REFUSED), 1);
        population.placed(Uuid::new_v4());
        assert!(population.remove(modules[0]));
        assert!(!population.remove(modules[0]));
        assert_eq!(ask(&mut population, now), 1);
        assert_eq!((population.len(), population.pending()), (2, 1));
        let mut rng = Rng::with_seed(1);
        while population.take_any(&mut rng).is_some() {}
        assert_eq!(population.len(), 0);
        assert!(!population.remove(modules[1]));
    }
}
