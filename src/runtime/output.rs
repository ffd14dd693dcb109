//! What modules write to stdout and stderr: lines on MQTT.
//!
//! Lines go out on the thread that writes them, so they need no pipe and no other thread, come in
//! the order in which they were written, and all before the module's exit report.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::warn;
use uuid::Uuid;

use crate::pubsub::{Lane, Message, PublishError, Qos, Router, Share, Topic};
use crate::wasi::{Events, Stream, VirtualError, VirtualHandle};

use super::lines::Lines;
use super::shared::Shared;

/// The two output streams of a module.
#[derive(Clone, Debug)]
pub(super) struct Output {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    uuid: Uuid,
    router: Router,
    lane: Lane,
    topic: Topic,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Of stdout and of stderr.
    begun: [Lines; 2],
    rate: Rate,
}

impl Output {
    /// The streams of the module `uuid`. `None` if no topic can be made for them, which the realm
    /// of a node that runs does not cause.
    pub(super) fn new(shared: &Shared, uuid: Uuid, lane: Lane) -> Option<Output> {
        let topic = Topic::new(&shared.topics.stdout(uuid)).ok()?;
        Some(Output {
            inner: Arc::new(Inner {
                uuid,
                router: shared.router.clone(),
                lane,
                topic,
                state: Mutex::new(State {
                    begun: Default::default(),
                    rate: Rate::new(shared.settings.limits.output_rate, Instant::now()),
                }),
            }),
        })
    }

    /// Standard output and standard error.
    pub(super) fn streams(&self) -> [Stream; 2] {
        [0, 1].map(|which| {
            Stream::Virtual(Box::new(Writer {
                inner: Arc::clone(&self.inner),
                which,
            }))
        })
    }

    /// Publishes lines that were begun and not ended.
    pub(super) fn finish(&self) {
        let mut state = self.inner.state();
        let State { begun, rate } = &mut *state;
        for lines in begun {
            lines.finish(|line| self.inner.publish(rate, line));
        }
        if rate.dropped > 0 {
            self.inner.tell_dropped(rate);
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Lines are whole after each write, also after one that panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, rate: &mut Rate, line: &[u8]) {
        let now = Instant::now();
        if !rate.allows(line.len() + LINE_OVERHEAD, now) {
            return;
        }
        if rate.dropped > 0 {
            self.tell_dropped(rate);
        }
        let message = Message::new(
            self.topic.clone(),
            Bytes::copy_from_slice(line),
            Qos::AtMostOnce,
        );
        // Without the broker nobody reads it.
        let published = self.router.publish_up_in(self.lane, Share::Output, message);
        if published == Err(PublishError::Full) {
            rate.dropped += 1;
        }
    }

    fn tell_dropped(&self, rate: &mut Rate) {
        let lines = std::mem::take(&mut rate.dropped);
        warn!(module = %self.uuid, lines, "the module writes more than limits.output_rate allows, or than the broker takes; lines were dropped");
    }
}

/// One of the two streams, as the module has it open.
#[derive(Debug)]
struct Writer {
    inner: Arc<Inner>,
    which: usize,
}

impl VirtualHandle for Writer {
    fn read(&self, _max: usize) -> Result<Bytes, VirtualError> {
        Err(VirtualError::Access)
    }

    fn write(&self, data: Bytes) -> Result<(), VirtualError> {
        let mut state = self.inner.state();
        let State { begun, rate } = &mut *state;
        if let Some(lines) = begun.get_mut(self.which) {
            lines.write(&data, |line| self.inner.publish(rate, line));
        }
        Ok(())
    }

    fn readable(&self) -> Option<u64> {
        None
    }

    fn events(&self) -> Option<&dyn Events> {
        None
    }
}

/// What a line costs beside its bytes: it becomes a message, however short it is.
const LINE_OVERHEAD: usize = 100;

/// So many bytes a second, and at most those of two seconds at once.
#[derive(Debug)]
struct Rate {
    /// Bytes a second; 0 is no limit.
    limit: u64,
    /// What may be published now.
    left: u64,
    at: Instant,
    /// Lines that were not published.
    dropped: u64,
}

impl Rate {
    fn new(limit: u64, now: Instant) -> Rate {
        Rate {
            limit,
            left: limit.saturating_mul(2),
            at: now,
            dropped: 0,
        }
    }

    fn allows(&mut self, bytes: usize, now: Instant) -> bool {
        if self.limit == 0 {
            return true;
        }
        let elapsed = now
            .saturating_duration_since(self.at)
            .min(Duration::from_secs(2));
        let earned = u128::from(self.limit) * elapsed.as_micros() / 1_000_000;
        if let Ok(earned @ 1..) = u64::try_from(earned) {
            self.left = self
                .left
                .saturating_add(earned)
                .min(self.limit.saturating_mul(2));
            self.at = now;
        }
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.dropped += 1;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_over_time() {
        let mut now = Instant::now();
        let mut rate = Rate::new(1000, now);
        let mut passed = 0;
        for _ in 0..10_000 {
            passed += usize::from(rate.allows(10, now));
            now += Duration::from_millis(1);
        }
        // Two seconds' worth at once, and then ten seconds of it.
        assert!((1190..=1210).contains(&passed), "{passed}");
        assert_eq!(rate.dropped, 10_000 - passed as u64);
    }

    #[test]
    fn no_limit() {
        let now = Instant::now();
        let mut rate = Rate::new(0, now);
        assert!((0..1000).all(|_| rate.allows(1 << 20, now)));
    }
}
