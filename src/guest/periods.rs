//! Periods: the rounds of a module's work, as it marks them or as `ch_poll` does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What is known of a module's periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodStats {
    /// How many have ended.
    pub count: u64,
    /// How long the last one took.
    pub last: Duration,
    /// The processor time that the last one took. Only of periods that the module marks itself;
    /// 0 for one that ended on another thread than it began on.
    pub last_cpu: Duration,
    /// How long all took together.
    pub total: Duration,
    /// Their processor time.
    pub total_cpu: Duration,
}

/// The periods of a module. Its threads share them, as they share everything.
#[derive(Debug, Default)]
pub(super) struct Periods(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    manual: bool,
    running: Option<Begun>,
    stats: PeriodStats,
}

#[derive(Debug)]
struct Begun {
    at: Instant,
    /// Asked for only where the module marks the period: it is a system call.
    cpu: Option<(ThreadId, Duration)>,
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

impl Periods {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> PeriodStats {
        self.state().stats
    }

    /// 1: periods are as the module marks them; 0: each `ch_poll` begins one.
    pub(super) fn set_flags(&self, flags: i32) {
        let mut state = self.state();
        state.manual = flags & 1 != 0;
        // One that was begun the other way would be measured across both.
        state.running = None;
    }

    /// Begins one. One that runs is given up.
    pub(super) fn start(&self) {
        let cpu = Some((thread::current().id(), cpu_time()));
        self.state().running = Some(Begun {
            at: Instant::now(),
            cpu,
        });
    }

    /// Ends the one that runs, if one does.
    pub(super) fn end(&self) {
        self.state().end();
    }

    /// A wait begins, and with it ends the period before.
    pub(super) fn wait_begins(&self) {
        let mut state = self.state();
        if !state.manual {
            state.end();
        }
    }

    /// A wait is over, and a period begins.
    pub(super) fn wait_ends(&self) {
        let mut state = self.state();
        if !state.manual {
            state.running = Some(Begun {
                at: Instant::now(),
                cpu: None,
            });
        }
    }
}

impl State {
    fn end(&mut self) {
        let Some(begun) = self.running.take() else {
            return;
        };
        let stats = &mut self.stats;
        stats.count += 1;
        stats.last = begun.at.elapsed();
        stats.total += stats.last;
        stats.last_cpu = match begun.cpu {
            Some((thread, before)) if thread == thread::current().id() => {
                cpu_time().saturating_sub(before)
            }
            _ => Duration::ZERO,
        };
        stats.total_cpu += stats.last_cpu;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_mark_periods() {
        let periods = Periods::default();
        periods.wait_begins();
        assert_eq!(periods.stats().count, 0);
        periods.wait_ends();
        thread::sleep(Duration::from_millis(2));
        periods.wait_begins();
        let stats = periods.stats();
        assert_eq!((stats.count, stats.last_cpu), (1, Duration::ZERO));
        assert!(stats.last >= Duration::from_millis(2) && stats.total == stats.last);
    }

    #[test]
    fn the_module_marks_periods() {
        let periods = Periods::default();
        periods.set_flags(1);
        periods.wait_ends();
        periods.wait_begins();
        periods.end();
        assert_eq!(periods.stats().count, 0);
        periods.start();
        let cpu = cpu_time();
        while cpu_time() < cpu + Duration::from_millis(1) {}
        periods.end();
        let stats = periods.stats();
        assert_eq!(stats.count, 1);
        assert!(stats.last_cpu >= Duration::from_millis(1));
        // One that ends elsewhere has no processor time that could be told.
        periods.start();
        thread::scope(|scope| scope.spawn(|| periods.end()).join()).unwrap();
        let stats = periods.stats();
        assert_eq!((stats.count, stats.last_cpu), (2, Duration::ZERO));
        periods.set_flags(0);
        periods.wait_ends();
        periods.wait_begins();
        assert_eq!(periods.stats().count, 3);
    }
}
