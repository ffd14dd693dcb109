//! Waiting for something to change, without missing it: with a futex or with descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

/// Something happens, and threads wait for it.
///
/// A thread that waits reads [`Arrivals::now`], looks whether there is something for it, and
/// sleeps with what it has read: it does not fall asleep when something happened in between.
/// One that waits for descriptors too has a [`Watch`].
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Grows by 2. The lowest bit says that somebody sleeps: so only the first of many changes
    /// costs a system call.
    count: AtomicU32,
    /// How many watches there are: nearly always none.
    watched: AtomicUsize,
    watches: Mutex<Watches>,
}

#[derive(Debug, Default)]
struct Watches {
    active: Vec<Arc<Event>>,
    /// Of watches that are over.
    spare: Vec<Arc<Event>>,
}

const SLEEPER: u32 = 1;

/// What had happened when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u32);

impl Arrivals {
    /// What has happened so far.
    pub(super) fn now(&self) -> Seen {
        Seen(self.count.load(Ordering::SeqCst) & !SLEEPER)
    }

    /// Something has happened.
    pub(super) fn announce(&self) {
        let before = self
            .count
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
                Some(count.wrapping_add(2) & !SLEEPER)
            })
            .unwrap_or_default();
        if before & SLEEPER != 0 {
            // Fails for an address only that is not ours.
            let _ = futex::wake(&self.count, futex::Flags::PRIVATE, i32::MAX.unsigned_abs());
        }
        if self.watched.load(Ordering::SeqCst) > 0 {
            for event in &self.watches().active {
                event.set();
            }
        }
    }

    /// Sleeps until something happens that was not in `seen`, or until the deadline. May return
    /// earlier.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, `Interrupted` when a signal has interrupted the sleep.
    pub(super) fn sleep(&self, Seen(seen): Seen, deadline: Option<Instant>) -> io::Result<()> {
        let timeout = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Errno::TIMEDOUT.into());
                }
                // A time beyond the range is as good as none: whoever waits looks again.
                Timespec::try_from(left).ok()
            }
        };
        let asleep = seen | SLEEPER;
        let marked = self
            .count
            .compare_exchange(seen, asleep, Ordering::SeqCst, Ordering::SeqCst);
        if marked.is_err_and(|now| now != asleep) {
            return Ok(());
        }
        match futex::wait(&self.count, futex::Flags::PRIVATE, asleep, timeout.as_ref()) {
            // It has happened meanwhile.
            Ok(()) | Err(Errno::AGAIN) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }

    /// Begins to watch with a descriptor.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub(super) fn watch(&self) -> io::Result<Watch<'_>> {
        let spare = self.watches().spare.pop();
        let event = match spare {
            Some(event) => event,
            None => Arc::new(Event {
                fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
                set: AtomicBool::new(false),
            }),
        };
        self.watches().active.push(Arc::clone(&event));
        self.watched.fetch_add(1, Ordering::SeqCst);
        Ok(Watch {
            arrivals: self,
            event,
        })
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        // Nothing panics while it is held.
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A descriptor that can be read when something has happened.
#[derive(Debug)]
struct Event {
    fd: OwnedFd,
    /// It was written since it was cleared: once is enough.
    set: AtomicBool,
}

impl Event {
    fn set(&self) {
        if !self.set.swap(true, Ordering::SeqCst) {
            // It cannot overflow: one is added for each time that it is cleared.
            let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    /// In this order: what is announced in between is seen by who looks after this.
    fn clear(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        self.set.store(false, Ordering::SeqCst);
    }
}

/// Watches a mailbox for as long as it lives, for `poll(2)`: its descriptor can be read after
/// an arrival or a wake.
#[derive(Debug)]
pub struct Watch<'a> {
    arrivals: &'a Arrivals,
    event: Arc<Event>,
}

impl Watch<'_> {
    /// Makes the descriptor unreadable until the next arrival. What is waited for must be looked
    /// at after this, and before the wait.
    pub fn clear(&self) {
        self.event.clear();
    }
}

impl AsFd for Watch<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.fd.as_fd()
    }
}

/// As many descriptors are kept for later watches.
const MAX_SPARE: usize = 2;

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.arrivals.watched.fetch_sub(1, Ordering::SeqCst);
        self.arrivals
            .watches()
            .active
            .retain(|event| !Arc::ptr_eq(event, &self.event));
        // Nobody sets it any more.
        self.event.clear();
        let mut watches = self.arrivals.watches();
        if watches.spare.len() < MAX_SPARE {
            watches.spare.push(Arc::clone(&self.event));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn readable(watch: &Watch<'_>) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&now)).unwrap() == 1
    }

    #[test]
    fn what_has_happened_lets_nobody_sleep() {
        let arrivals = Arrivals::default();
        let seen = arrivals.now();
        arrivals.announce();
        arrivals.sleep(seen, None).unwrap();
        let soon = Some(Instant::now() + Duration::from_millis(2));
        let error = arrivals.sleep(arrivals.now(), soon).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let past = Some(Instant::now());
        assert!(arrivals.sleep(arrivals.now(), past).is_err());
        // The one who is gone is not asleep for the next one.
        arrivals.announce();
        arrivals.sleep(seen, None).unwrap();
    }

    #[test]
    fn nothing_is_missed() {
        const TOTAL: usize = 20_000;
        let (arrivals, done) = (Arrivals::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let seen = arrivals.now();
                        if done.load(Ordering::SeqCst) == TOTAL {
                            break;
                        }
                        arrivals.sleep(seen, None).unwrap();
                    }
                });
            }
            scope.spawn(|| {
                let watch = arrivals.watch().unwrap();
                loop {
                    watch.clear();
                    if done.load(Ordering::SeqCst) == TOTAL {
                        break;
                    }
                    let mut fds = [PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)];
                    poll(&mut fds, None).unwrap();
                }
            });
            for _ in 0..TOTAL {
                done.fetch_add(1, Ordering::SeqCst);
                arrivals.announce();
            }
        });
        assert!(arrivals.watches().active.is_empty());
    }

    #[test]
    fn each_watch_has_its_own_descriptor() {
        let arrivals = Arrivals::default();
        let (first, second) = (arrivals.watch().unwrap(), arrivals.watch().unwrap());
        assert!(!readable(&first));
        arrivals.announce();
        arrivals.announce();
        assert!(readable(&first) && readable(&second));
        first.clear();
        assert!(!readable(&first) && readable(&second));
        drop((first, second));
        arrivals.announce();
        let later = arrivals.watch().unwrap();
        assert!(!readable(&later));
    }
}
