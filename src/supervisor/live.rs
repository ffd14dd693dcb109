//! Live subscriptions: a bounded queue for each reader, which never makes a writer wait.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live<T> {
    /// The next one.
    Item(T),
    /// The reader was too slow: so many are missing here.
    Missed(u64),
    /// Nothing comes any more.
    Ended,
}

struct State<T> {
    items: VecDeque<T>,
    missed: u64,
    ended: bool,
    waker: Option<Waker>,
}

struct Queue<T> {
    limit: usize,
    state: Mutex<State<T>>,
    arrived: Condvar,
}

impl<T> Queue<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// One reader's end. Dropping it ends the subscription.
pub struct Subscription<T> {
    queue: Arc<Queue<T>>,
}

impl<T> Subscription<T> {
    fn next(state: &mut State<T>) -> Option<Live<T>> {
        // The oldest were dropped, so what is missing comes before what is there.
        if state.missed > 0 {
            return Some(Live::Missed(std::mem::take(&mut state.missed)));
        }
        match state.items.pop_front() {
            Some(item) => Some(Live::Item(item)),
            None if state.ended => Some(Live::Ended),
            None => None,
        }
    }

    /// The next one, if it is there.
    #[must_use]
    pub fn try_next(&self) -> Option<Live<T>> {
        Self::next(&mut self.queue.state())
    }

    /// Waits for the next one, for at most that time.
    #[must_use]
    pub fn next_timeout(&self, timeout: Duration) -> Option<Live<T>> {
        let deadline = Instant::now() + timeout;
        let mut state = self.queue.state();
        loop {
            if let Some(next) = Self::next(&mut state) {
                return Some(next);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.queue.arrived.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next one, for tasks: wakes the task when it is there.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Live<T>> {
        let mut state = self.queue.state();
        match Self::next(&mut state) {
            Some(next) => Poll::Ready(next),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// The writer's end: of all readers of one thing.
pub(crate) struct Readers<T> {
    readers: Vec<Weak<Queue<T>>>,
}

impl<T> Default for Readers<T> {
    fn default() -> Self {
        Self {
            readers: Vec::new(),
        }
    }
}

impl<T: Clone> Readers<T> {
    /// A new reader, who may be behind by `limit` items.
    pub(crate) fn subscribe(&mut self, limit: usize) -> Subscription<T> {
        self.readers.retain(|reader| reader.strong_count() > 0);
        let queue = Arc::new(Queue {
            limit: limit.max(1),
            state: Mutex::new(State {
                items: VecDeque::new(),
                missed: 0,
                ended: false,
                waker: None,
            }),
            arrived: Condvar::new(),
        });
        self.readers.push(Arc::downgrade(&queue));
        Subscription { queue }
    }

    /// Gives an item to all readers. Those who are too far behind lose their oldest.
    pub(crate) fn send(&mut self, item: &T) {
        self.readers.retain(|reader| {
            let Some(queue) = reader.upgrade() else {
                return false;
            };
            queue.change(|state| {
                if state.items.len() >= queue.limit {
                    state.items.pop_front();
                    state.missed += 1;
                }
                state.items.push_back(item.clone());
            });
            true
        });
    }
}

impl<T> Drop for Readers<T> {
    fn drop(&mut self) {
        for reader in &self.readers {
            if let Some(queue) = reader.upgrade() {
                queue.change(|state| state.ended = true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_is_told_what_it_missed() {
        let mut readers = Readers::default();
        let slow = readers.subscribe(3);
        let fast = readers.subscribe(100);
        for number in 0..10 {
            readers.send(&number);
        }
        assert_eq!(slow.try_next(), Some(Live::Missed(7)));
        let rest: Vec<_> = std::iter::from_fn(|| slow.try_next()).collect();
        assert_eq!(rest, [Live::Item(7), Live::Item(8), Live::Item(9)]);
        assert_eq!(fast.try_next(), Some(Live::Item(0)));
        drop(fast);
        readers.send(&10);
        assert_eq!(readers.readers.len(), 1);
        drop(readers);
        assert_eq!(slow.try_next(), Some(Live::Item(10)));
        assert_eq!(slow.try_next(), Some(Live::Ended));
    }

    #[test]
    fn readers_wait() {
        let mut readers = Readers::default();
        let reader = readers.subscribe(3);
        assert_eq!(reader.next_timeout(Duration::from_millis(1)), None);
        std::thread::scope(|scope| {
            scope.spawn(|| readers.send(&1));
            assert_eq!(
                reader.next_timeout(Duration::from_secs(60)),
                Some(Live::Item(1))
            );
        });
    }
}
