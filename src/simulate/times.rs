//! How long something took, again and again.

use std::time::Duration;

use fastrand::Rng;

/// So many are kept, of more a fair choice: a simulation may run for days.
const KEPT: usize = 100_000;

/// A number of durations. Of very many, median and percentiles are those of a sample.
#[derive(Clone, Debug)]
pub struct Times {
    count: u64,
    min: Duration,
    max: Duration,
    sample: Vec<Duration>,
    rng: Rng,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            count: 0,
            min: Duration::MAX,
            max: Duration::ZERO,
            sample: Vec::new(),
            rng: Rng::with_seed(0),
        }
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.count += 1;
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        if self.sample.len() < KEPT {
            self.sample.push(time);
            return;
        }
        // Each so far is in the sample with the same chance.
        let at = self.rng.u64(0..self.count);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(place) = self.sample.get_mut(at) {
            *place = time;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The shortest; `None` when there are none.
    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.min)
    }

    /// The longest; `None` when there are none.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.max)
    }

    /// So many percent of them took no longer; `None` when there are none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.sample.clone();
        let last = sorted.len().checked_sub(1)?;
        let at = (sorted.len() * percent / 100).min(last);
        let (_, time, _) = sorted.select_nth_unstable(at);
        Some(*time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none() {
        let times = Times::default();
        assert_eq!(
            (times.min(), times.percentile(50), times.max()),
            (None, None, None)
        );
    }

    #[test]
    fn percentiles_of_few_and_of_many() {
        let mut times = Times::default();
        for millis in (1..=100).rev() {
            times.add(Duration::from_millis(millis));
        }
        assert_eq!(times.min(), Some(Duration::from_millis(1)));
        assert_eq!(times.percentile(50), Some(Duration::from_millis(51)));
        assert_eq!(times.percentile(99), Some(Duration::from_millis(100)));
        for number in 0..1_000_000 {
            times.add(Duration::from_micros(number));
        }
        assert_eq!(times.count(), 1_000_100);
        assert_eq!(times.sample.len(), KEPT);
        let median = times.percentile(50).unwrap().as_millis();
        assert!((450..=550).contains(&median), "{median}");
        assert_eq!(times.max(), Some(Duration::from_micros(999_999)));
    }
}
