//! Signals that wait for the module to read them.

use std::sync::atomic::{AtomicU64, Ordering};

/// The record that a read of `/sys/signals` gives for a signal, `struct signalfd_siginfo`.
pub(super) const RECORD: usize = 128;

/// The signals that are pending: each at most once, as it is with signals.
#[derive(Debug, Default)]
pub(super) struct Signals(AtomicU64);

impl Signals {
    /// Makes a signal pending; false for a number that is none (they go from 1 to 64).
    pub(super) fn raise(&self, signal: u32) -> bool {
        match signal.checked_sub(1).and_then(|at| 1u64.checked_shl(at)) {
            Some(bit) => {
                self.0.fetch_or(bit, Ordering::SeqCst);
                true
            }
            None => false,
        }
    }

    /// How many are pending.
    pub(super) fn pending(&self) -> u32 {
        self.0.load(Ordering::SeqCst).count_ones()
    }

    /// Takes the lowest one that is pending.
    pub(super) fn take(&self) -> Option<u32> {
        let without_lowest = |pending: u64| (pending != 0).then(|| pending & (pending - 1));
        let before = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, without_lowest)
            .ok()?;
        Some(before.trailing_zeros() + 1)
    }

    /// Takes as many as there is room for, as records: in each the number in the first 4 bytes,
    /// little endian, and zeros.
    pub(super) fn read(&self, max: usize) -> Vec<u8> {
        let mut records = Vec::new();
        while records.len() + RECORD <= max
            && let Some(signal) = self.take()
        {
            let end = records.len() + RECORD;
            records.extend(signal.to_le_bytes());
            records.resize(end, 0);
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_the_lowest_first() {
        let signals = Signals::default();
        for signal in [15, 3, 3, 64, 1] {
            assert!(signals.raise(signal));
        }
        for none in [0, 65, u32::MAX] {
            assert!(!signals.raise(none));
        }
        assert_eq!(signals.pending(), 4);
        let taken: Vec<_> = std::iter::from_fn(|| signals.take()).collect();
        assert_eq!(taken, [1, 3, 15, 64]);
    }

    #[test]
    fn whole_records() {
        let signals = Signals::default();
        signals.raise(3);
        signals.raise(15);
        assert!(signals.read(127).is_empty());
        let record = signals.read(255);
        assert_eq!(record.len(), RECORD);
        assert_eq!(record[..4], 3u32.to_le_bytes());
        assert!(record[4..].iter().all(|byte| *byte == 0));
        signals.raise(3);
        assert_eq!(signals.read(1 << 20).len(), 2 * RECORD);
        assert!(signals.read(128).is_empty());
    }
}
