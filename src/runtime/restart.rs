//! How long a module that has crashed waits for its next start.

use std::time::{Duration, Instant};

/// Delays that double from crash to crash, and begin anew after a long run.
#[derive(Clone, Debug)]
pub(super) struct Restarts {
    min: Duration,
    max: Duration,
    next: Duration,
    count: u64,
}

impl Restarts {
    pub(super) fn new(min: Duration, max: Duration) -> Restarts {
        Restarts {
            min,
            max: max.max(min),
            next: min,
            count: 0,
        }
    }

    /// The delay before the next start of a module that began at `started`. One that ran for
    /// longer than the longest delay is taken for healthy.
    pub(super) fn after_crash(&mut self, started: Instant, now: Instant) -> Duration {
        if now.saturating_duration_since(started) > self.max {
            self.next = self.min;
        }
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.max);
        self.count += 1;
        delay
    }

    /// How often it was started again.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_bound_and_begins_anew() {
        let seconds = Duration::from_secs;
        let mut restarts = Restarts::new(seconds(1), seconds(5));
        let now = Instant::now();
        let delays: Vec<_> = (0..4)
            .map(|_| restarts.after_crash(now, now).as_secs())
            .collect();
        assert_eq!(delays, [1, 2, 4, 5]);
        assert_eq!(restarts.after_crash(now, now + seconds(6)), seconds(1));
        assert_eq!(restarts.count(), 5);
    }
}
