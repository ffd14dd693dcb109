//! What is to be done later.

use std::collections::BTreeMap;
use std::time::Instant;

/// Things with the time when they are due.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    entries: BTreeMap<(Instant, u64), T>,
    next: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda {
            entries: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Agenda<T> {
    pub(super) fn add(&mut self, at: Instant, what: T) {
        self.entries.insert((at, self.next), what);
        self.next += 1;
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the first one that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<T> {
        let first = self.entries.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn in_the_order_of_their_time() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut agenda = Agenda::default();
        assert_eq!(agenda.next_due(), None);
        agenda.add(later, 'c');
        agenda.add(now, 'a');
        agenda.add(now, 'b');
        assert_eq!(agenda.next_due(), Some(now));
        let due: String = std::iter::from_fn(|| agenda.due(now)).collect();
        assert_eq!(due, "ab");
        assert_eq!(agenda.due(later), Some('c'));
    }
}
