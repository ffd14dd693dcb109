//! What becomes of the modules of runtimes that are lost.

use std::collections::HashMap;
use std::time::Instant;

use uuid::Uuid;

use super::times::Times;

/// How a runtime is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Will,
    Silence,
}

#[derive(Debug)]
struct Loss {
    how: How,
    at: Instant,
    /// Modules that do not run elsewhere yet.
    open: u64,
    moved: u64,
}

/// What is known of one way to be lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) runtimes: u64,
    pub(super) moved: u64,
    /// From the loss until the last module runs elsewhere.
    pub(super) times: Times,
}

/// The runtimes that are lost, and where their modules are.
#[derive(Debug, Default)]
pub(super) struct Moving {
    losses: HashMap<u64, Loss>,
    next: u64,
    /// The loss that a module does not run for.
    of: HashMap<Uuid, u64>,
    will: Tally,
    silence: Tally,
}

impl Moving {
    /// A runtime is lost that had these modules.
    pub(super) fn lost(&mut self, at: Instant, how: How, modules: impl Iterator<Item = Uuid>) {
        self.tally(how).runtimes += 1;
        let number = self.next;
        self.next += 1;
        let mut open = 0;
        for module in modules {
            self.forget(at, module);
            self.of.insert(module, number);
            open += 1;
        }
        if open > 0 {
            let moved = 0;
            self.losses.insert(
                number,
                Loss {
                    how,
                    at,
                    open,
                    moved,
                },
            );
        }
    }

    /// A runtime has taken a module.
    pub(super) fn runs(&mut self, at: Instant, module: Uuid) {
        self.close(at, module, true);
    }

    /// A module is not awaited elsewhere: it is deleted, or its runtime is back with it.
    pub(super) fn forget(&mut self, at: Instant, module: Uuid) {
        self.close(at, module, false);
    }

    fn close(&mut self, at: Instant, module: Uuid, moved: bool) {
        let Some(number) = self.of.remove(&module) else {
            return;
        };
        let Some(loss) = self.losses.get_mut(&number) else {
            return;
        };
        loss.open = loss.open.saturating_sub(1);
        loss.moved += u64::from(moved);
        let (how, done) = (loss.how, loss.open == 0);
        let time = at.saturating_duration_since(loss.at);
        let any = loss.moved > 0;
        if done {
            self.losses.remove(&number);
        }
        let tally = self.tally(how);
        tally.moved += u64::from(moved);
        if done && any {
            tally.times.add(time);
        }
    }

    fn tally(&mut self, how: How) -> &mut Tally {
        match how {
            How::Will => &mut self.will,
            How::Silence => &mut self.silence,
        }
    }

    /// What is known, and how many modules do not run elsewhere yet.
    pub(super) fn of(&self, how: How) -> (Tally, u64) {
        let tally = match how {
            How::Will => &self.will,
            How::Silence => &self.silence,
        };
        let open = self.losses.values().filter(|loss| loss.how == how);
        (tally.clone(), open.map(|loss| loss.open).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_module_counts() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let modules: Vec<_> = (0..3).map(|_| Uuid::new_v4()).collect();
        let mut moving = Moving::default();
        moving.lost(now, How::Will, modules.iter().copied());
        moving.runs(now + second, modules[0]);
        moving.runs(now + second, Uuid::new_v4());
        let (tally, open) = moving.of(How::Will);
        assert_eq!((tally.moved, open, tally.times.count()), (1, 2, 0));
        moving.runs(now + second * 2, modules[1]);
        moving.forget(now + second * 3, modules[2]);
        let (tally, open) = moving.of(How::Will);
        assert_eq!((tally.moved, open), (2, 0));
        assert_eq!(tally.times.max(), Some(second * 3));
        assert_eq!(moving.of(How::Silence).0.runtimes, 0);
    }

    #[test]
    fn what_is_lost_twice_is_awaited_once() {
        let now = Instant::now();
        let module = Uuid::new_v4();
        let mut moving = Moving::default();
        moving.lost(now, How::Silence, std::iter::once(module));
        moving.lost(now, How::Will, std::iter::once(module));
        assert_eq!(moving.of(How::Silence).1, 0);
        moving.runs(now, module);
        moving.runs(now, module);
        assert_eq!(moving.of(How::Will).0.moved, 1);
        assert_eq!(moving.of(How::Silence).0.times.count(), 0);
        moving.lost(now, How::Will, std::iter::empty());
        assert_eq!(moving.of(How::Will).0.runtimes, 2);
    }
}
