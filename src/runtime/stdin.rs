//! Lines for the standard input of modules.
//!
//! A module reads from a pipe, so that its reads wait as those of any program. What does not fit
//! into the pipe waits here, up to a bound, and one thread for all modules writes it as they read:
//! the link's thread, which brings the lines, must not wait for a module.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tracing::warn;
use uuid::Uuid;

use crate::pubsub::{Message, Subscriber};
use crate::wasi::Stream;

/// The standard input of one module.
#[derive(Debug)]
pub(super) struct Stdin {
    uuid: Uuid,
    limit: usize,
    state: Mutex<State>,
    feeder: Arc<Feeder>,
    /// Itself, for the feeder.
    this: Weak<Stdin>,
}

#[derive(Debug)]
struct State {
    /// What has not been written into the pipe.
    waiting: VecDeque<u8>,
    writer: PipeWriter,
    /// Until the module takes it.
    reader: Option<PipeReader>,
    dropped: u64,
}

impl Stdin {
    /// An empty one. `limit` bounds the bytes that wait beside those in the pipe.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub(super) fn new(uuid: Uuid, limit: usize, feeder: &Arc<Feeder>) -> io::Result<Arc<Stdin>> {
        let (reader, writer) = io::pipe()?;
        let flags = fcntl_getfl(&writer)?;
        fcntl_setfl(&writer, flags | OFlags::NONBLOCK)?;
        Ok(Arc::new_cyclic(|this| Stdin {
            uuid,
            limit,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                writer,
                reader: Some(reader),
                dropped: 0,
            }),
            feeder: Arc::clone(feeder),
            this: this.clone(),
        }))
    }

    /// The module's end; nothing to read for a second one.
    pub(super) fn stream(&self) -> Stream {
        let reader = self.state().reader.take();
        reader.map_or(Stream::Null, |reader| Stream::Fd(reader.into()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Stdin {
    fn deliver(&self, message: &Message) {
        let mut state = self.state();
        if state.waiting.len() + message.payload.len() > self.limit {
            state.dropped += 1;
            if state.dropped.is_power_of_two() {
                let lines = state.dropped;
                warn!(module = %self.uuid, lines, "the module does not read its input; lines were dropped");
            }
            return;
        }
        state.waiting.extend(&*message.payload);
        state.waiting.push_back(b'\n');
        if state.feed() == Fed::Partly {
            drop(state);
            if let Some(this) = self.this.upgrade() {
                self.feeder.take(this);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    /// Nothing waits any more.
    All,
    /// The pipe is full.
    Partly,
}

impl State {
    /// Writes what the pipe takes.
    fn feed(&mut self) -> Fed {
        loop {
            let (next, _) = self.waiting.as_slices();
            if next.is_empty() {
                self.waiting.shrink_to(4096);
                return Fed::All;
            }
            match self.writer.write(next) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Fed::Partly,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The module has closed it, or is gone.
                Err(_) => self.waiting.clear(),
            }
        }
    }
}

/// Writes what waits, on a thread that begins with the first module that does not keep up.
#[derive(Debug)]
pub(super) struct Feeder {
    /// Modules that the thread has not seen yet.
    new: Mutex<New>,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct New {
    stdins: Vec<Arc<Stdin>>,
    running: bool,
}

impl Feeder {
    /// # Errors
    /// When the system has no descriptors left.
    pub(super) fn new() -> io::Result<Arc<Feeder>> {
        Ok(Arc::new(Feeder {
            new: Mutex::default(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        }))
    }

    fn take(self: &Arc<Self>, stdin: Arc<Stdin>) {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.stdins.push(stdin);
        if !new.running {
            let feeder = Arc::clone(self);
            let spawned = thread::Builder::new()
                .name("stdin".to_owned())
                .stack_size(64 * 1024)
                .spawn(move || feeder.run());
            // If there is none, the next line tries again.
            new.running = spawned.is_ok();
        }
        drop(new);
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn run(&self) {
        let mut slow: Vec<Arc<Stdin>> = Vec::new();
        loop {
            {
                let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
                for stdin in new.stdins.drain(..) {
                    if !slow.iter().any(|known| Arc::ptr_eq(known, &stdin)) {
                        slow.push(stdin);
                    }
                }
                if slow.is_empty() {
                    new.running = false;
                    return;
                }
            }
            // Modules that are gone have nobody else who holds them.
            slow.retain(|stdin| {
                Arc::strong_count(stdin) > 1 && stdin.state().feed() == Fed::Partly
            });
            self.wait(&slow);
        }
    }

    /// Waits until one of the pipes has room, or there is another module.
    fn wait(&self, slow: &[Arc<Stdin>]) {
        if slow.is_empty() {
            return;
        }
        // A pipe's descriptor stays open as long as its stdin is held here.
        let writers: Vec<_> = slow
            .iter()
            .filter_map(|stdin| stdin.state().writer.try_clone().ok())
            .collect();
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        fds.extend(
            writers
                .iter()
                .map(|writer| PollFd::from_borrowed_fd(writer.as_fd(), PollFlags::OUT)),
        );
        let _ = poll(&mut fds, None);
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::pubsub::{Qos, Topic};

    fn line(text: String) -> Message {
        Message::new(Topic::new("stdin").unwrap(), text, Qos::AtMostOnce)
    }

    fn reader(stdin: &Stdin) -> std::fs::File {
        match stdin.stream() {
            Stream::Fd(fd) => fd.into(),
            _ => panic!("no pipe"),
        }
    }

    #[test]
    fn more_than_the_pipe_holds() {
        let feeder = Feeder::new().unwrap();
        let stdin = Stdin::new(Uuid::nil(), 1 << 20, &feeder).unwrap();
        let mut reader = reader(&stdin);
        let expected: String = (0..20_000).map(|at| format!("line {at}\n")).collect();
        for text in expected.lines() {
            stdin.deliver(&line(text.to_owned()));
        }
        let mut got = vec![0; expected.len()];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), expected);
        assert_eq!(stdin.state().dropped, 0);
    }

    #[test]
    fn bounded_and_after_the_end() {
        let feeder = Feeder::new().unwrap();
        let stdin = Stdin::new(Uuid::nil(), 1000, &feeder).unwrap();
        for _ in 0..1000 {
            stdin.deliver(&line("x".repeat(500)));
        }
        assert!(stdin.state().dropped > 0);
        assert!(stdin.state().waiting.len() <= 1001);
        drop(reader(&stdin));
        stdin.deliver(&line("late".to_owned()));
        let stopped = || !feeder.new.lock().unwrap().running;
        while !stopped() {
            thread::yield_now();
        }
    }
}
