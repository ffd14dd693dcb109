//! How much CPU time a module has, and when to look whether it is used up.
//!
//! The kernel counts the time and tells nobody that it is over. A thread cannot use more CPU time than
//! passes, so there is nothing to see before what is left could have been used; the closer it
//! gets, the more often it is looked at.

use std::time::{Duration, Instant};

/// The module's time may be exceeded by so much, or by as much of [`SELDOM`] as passes in each thread.
const OFTEN: Duration = Duration::from_millis(10);
/// The same for a module that waits with next to no time left.
const SELDOM: Duration = Duration::from_millis(100);

/// What a module may use of CPU time, from its create to its end here.
#[derive(Clone, Debug)]
pub(super) struct CpuTime {
    all: Duration,
    /// What it has used in starts before this one.
    before: Duration,
    /// What it had used when that was last looked at, of this start.
    used: Duration,
    pause: Duration,
    look_at: Instant,
}

impl CpuTime {
    pub(super) fn new(millis: u64, now: Instant) -> CpuTime {
        CpuTime {
            all: Duration::from_millis(millis),
            before: Duration::ZERO,
            used: Duration::ZERO,
            pause: OFTEN,
            look_at: now,
        }
    }

    /// The module begins to run.
    pub(super) fn begin(&mut self, now: Instant) {
        self.used = Duration::ZERO;
        self.pause = OFTEN;
        self.look_at = now + OFTEN;
    }

    /// When it has to be looked at, while the module runs.
    pub(super) fn deadline(&self) -> Instant {
        self.look_at
    }

    /// The module has used so much since it began to run, and can use so many processors at a time;
    /// whether that is all that it may.
    pub(super) fn look(&mut self, now: Instant, used: Duration, processors: u32) -> bool {
        let waits = used == self.used;
        self.used = used;
        let left = self.left();
        self.pause = if waits {
            self.pause.saturating_mul(2).min(SELDOM)
        } else {
            OFTEN
        };
        self.look_at = now + self.pause.max(left / processors.max(1));
        left.is_zero()
    }

    /// The module has ended by itself after so much, and may be started again; whether it has used all.
    pub(super) fn end(&mut self, used: Duration) -> bool {
        self.before = self.before.saturating_add(used);
        self.used = Duration::ZERO;
        self.is_used_up()
    }

    /// Whether there was nothing left when that was last looked at.
    pub(super) fn is_used_up(&self) -> bool {
        self.left().is_zero()
    }

    /// In milliseconds.
    pub(super) fn millis(&self) -> u128 {
        self.all.as_millis()
    }

    fn left(&self) -> Duration {
        self.all
            .saturating_sub(self.before)
            .saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A module that has begun to run, and when.
    fn begun(millis: u64) -> (Instant, CpuTime) {
        let begin = Instant::now();
        let mut time = CpuTime::new(millis, begin);
        time.begin(begin);
        (begin, time)
    }

    #[test]
    fn who_computes_is_looked_at_when_it_could_be_over() {
        let (begin, mut time) = begun(1000);
        let (mut now, mut looks) = (time.deadline(), 1);
        while !time.look(now, now - begin, 1) {
            now = time.deadline();
            looks += 1;
        }
        assert!(now - begin <= ms(1010), "{:?}", now - begin);
        assert!(looks <= 4, "{looks}");
        assert!(time.is_used_up());
    }

    #[test]
    fn threads_use_it_sooner() {
        let (begin, mut time) = begun(1000);
        let mut now = begin;
        let mut looks = 0;
        while !time.look(now, (now - begin) * 4, 4) {
            now = time.deadline();
            looks += 1;
        }
        assert!(now - begin <= ms(260), "{:?}", now - begin);
        assert!(looks < 20, "{looks}");
    }

    #[test]
    fn who_waits_with_little_left_is_looked_at_seldom() {
        let (begin, mut time) = begun(100);
        let mut now = begin;
        for _ in 0..10 {
            assert!(!time.look(now, ms(99), 1));
            now = time.deadline();
        }
        assert_eq!(time.deadline() - now, Duration::ZERO);
        assert!(!time.look(now, ms(99), 1));
        assert_eq!(time.deadline() - now, SELDOM);
        // As soon as it goes on it is looked at often.
        assert!(!time.look(now, ms(99) + Duration::from_micros(1), 1));
        assert_eq!(time.deadline() - now, OFTEN);
        assert!(time.look(now, ms(100), 1));
    }

    #[test]
    fn starts_count_together() {
        let (now, mut time) = begun(100);
        assert!(!time.end(ms(60)));
        time.begin(now);
        assert!(!time.look(now, ms(39), 1));
        assert!(!time.end(ms(39)));
        time.begin(now);
        assert!(time.look(now, ms(1), 1));
        assert!(time.end(ms(1)));
    }
}
