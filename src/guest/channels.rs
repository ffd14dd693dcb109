//! The channels that a module has open: by path, and by descriptor.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pubsub::{Mailbox, Queue, Router};
use crate::wasi::Access;

use super::channel::{Channel, Counters, Receiving};
use super::policy::{Policy, Resolved};
use super::refusal::Refusal;

/// The number of the first descriptor of `ch_open`: far from those of WASI, so that neither is
/// taken for the other.
pub(super) const FIRST_DESCRIPTOR: i32 = 1_000_000;

/// What a descriptor stands for.
#[derive(Clone, Debug)]
pub(super) struct Descriptor {
    pub(super) channel: Arc<Channel>,
    pub(super) access: Access,
    /// What has come, if it is open for reading.
    pub(super) queue: Option<Arc<Queue>>,
}

/// All open channels of a module.
#[derive(Debug)]
pub(super) struct Channels {
    router: Router,
    mailbox: Arc<Mailbox>,
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<Arc<str>, Open>,
    descriptors: Vec<Option<Descriptor>>,
    /// Numbers below the end of `descriptors` that are not in use.
    free: BTreeSet<usize>,
    /// Of declared channels, open or not.
    counters: HashMap<Arc<str>, Arc<Counters>>,
    /// The module is over.
    closed: bool,
}

/// A channel and who has it open.
#[derive(Debug)]
struct Open {
    channel: Arc<Channel>,
    /// Descriptors (one at most) and files.
    handles: usize,
    /// Those of them that read.
    readers: usize,
    /// There as long as there are readers.
    receiving: Option<Receiving>,
    descriptor: Option<usize>,
}

impl Channels {
    pub(super) fn new(
        router: &Router,
        mailbox: &Arc<Mailbox>,
        limit: usize,
        policy: &Policy,
    ) -> Channels {
        let declared = policy.declared().iter();
        Channels {
            router: router.clone(),
            mailbox: Arc::clone(mailbox),
            limit,
            state: Mutex::new(State {
                counters: declared
                    .map(|channel| (channel.path.as_str().into(), Arc::default()))
                    .collect(),
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every state that a panic could leave is usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a channel for a file, which closes it with [`Channels::close_file`].
    pub(super) fn open_file(
        &self,
        path: &str,
        resolved: Resolved,
        access: Access,
    ) -> Result<Descriptor, Refusal> {
        let mut state = self.state();
        let open = self.attach(&mut state, path, resolved, access)?;
        Ok(open.descriptor(access))
    }

    pub(super) fn close_file(&self, path: &str, access: Access) {
        self.detach(&mut self.state(), path, access);
    }

    /// The descriptor of a path, which is made if there is none. One that is there can then do
    /// what it could before, and what is asked for now.
    pub(super) fn open_descriptor(
        &self,
        path: &str,
        resolved: Resolved,
        access: Access,
    ) -> Result<i32, Refusal> {
        let mut state = self.state();
        let at = state.open.get(path).and_then(|open| open.descriptor);
        let known = at.and_then(|at| state.descriptors.get(at).cloned().flatten());
        if let (Some(at), Some(known)) = (at, known) {
            let wider = Access {
                read: access.read || known.access.read,
                write: access.write || known.access.write,
            };
            if wider != known.access {
                // The new one first, so that nothing is lost in between.
                let open = self.attach(&mut state, path, resolved, wider)?;
                let descriptor = open.descriptor(wider);
                if let Some(slot) = state.descriptors.get_mut(at) {
                    *slot = Some(descriptor);
                }
                self.detach(&mut state, path, known.access);
            }
            return Ok(number(at));
        }
        let at = state.free.first().copied();
        let at = at.unwrap_or(state.descriptors.len());
        let open = self.attach(&mut state, path, resolved, access)?;
        open.descriptor = Some(at);
        let descriptor = open.descriptor(access);
        if at == state.descriptors.len() {
            state.descriptors.push(None);
        }
        state.free.remove(&at);
        if let Some(slot) = state.descriptors.get_mut(at) {
            *slot = Some(descriptor);
        }
        Ok(number(at))
    }

    /// Closes a descriptor; false if there is none of that number.
    pub(super) fn close_descriptor(&self, fd: i32) -> bool {
        let mut state = self.state();
        let Some(at) = index(fd) else { return false };
        let Some(closed) = state.descriptors.get_mut(at).and_then(Option::take) else {
            return false;
        };
        state.free.insert(at);
        let path = &closed.channel.path;
        if let Some(open) = state.open.get_mut(path) {
            open.descriptor = None;
        }
        self.detach(&mut state, path, closed.access);
        drop(state);
        // Another thread may wait for it.
        self.mailbox.wake();
        true
    }

    /// What a descriptor stands for.
    pub(super) fn get(&self, fd: i32) -> Option<Descriptor> {
        self.state().descriptors.get(index(fd)?)?.clone()
    }

    /// The queues of these descriptors, into `queues`; false if one is not open for reading.
    pub(super) fn queues(&self, fds: &[i32], queues: &mut Vec<Arc<Queue>>) -> bool {
        queues.clear();
        let state = self.state();
        fds.iter().all(|&fd| {
            let slot = index(fd).and_then(|at| state.descriptors.get(at)?.as_ref());
            match slot.and_then(|descriptor| descriptor.queue.as_ref()) {
                Some(queue) => {
                    queues.push(Arc::clone(queue));
                    true
                }
                None => false,
            }
        })
    }

    /// The counters of a path, and how much has come in the present opening: messages, and those
    /// of them that were dropped or wait.
    pub(super) fn counted(&self, path: &str) -> (super::channel::Counted, usize) {
        let state = self.state();
        let open = state.open.get(path);
        let counters = match open {
            Some(open) => Some(&open.channel.counters),
            None => state.counters.get(path),
        };
        let mut counted = counters.map(|c| c.now()).unwrap_or_default();
        let mut waiting = 0;
        if let Some(receiving) = open.and_then(|open| open.receiving.as_ref()) {
            let (received, dropped) = receiving.queue.counted();
            counted.received += received;
            counted.dropped += dropped;
            waiting = receiving.queue.len();
        }
        (counted, waiting)
    }

    /// How many channels are open.
    pub(super) fn len(&self) -> usize {
        self.state().open.len()
    }

    /// Closes all, for good.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.descriptors.clear();
        state.free.clear();
        let open = std::mem::take(&mut state.open);
        drop(state);
        drop(open);
        self.mailbox.wake();
    }

    fn attach<'s>(
        &self,
        state: &'s mut State,
        path: &str,
        resolved: Resolved,
        access: Access,
    ) -> Result<&'s mut Open, Refusal> {
        if state.closed || state.open.len() >= self.limit && !state.open.contains_key(path) {
            return Err(Refusal::TooMany);
        }
        let path: Arc<str> = path.into();
        let counters = state.counters.get(&path).cloned().unwrap_or_default();
        let open = state.open.entry(Arc::clone(&path)).or_insert_with(|| Open {
            channel: Arc::new(Channel {
                path,
                resolved,
                counters,
            }),
            handles: 0,
            readers: 0,
            receiving: None,
            descriptor: None,
        });
        open.handles += 1;
        if access.read {
            open.readers += 1;
            if open.receiving.is_none() {
                let queue = self.mailbox.open();
                let Resolved { filter, qos, .. } = &open.channel.resolved;
                let to = Arc::clone(&queue);
                let subscription = self.router.subscribe(filter.clone(), *qos, to);
                let counters = Arc::clone(&open.channel.counters);
                open.receiving = Some(Receiving::new(queue, subscription, counters));
            }
        }
        Ok(open)
    }

    fn detach(&self, state: &mut State, path: &str, access: Access) {
        let Some(open) = state.open.get_mut(path) else {
            return;
        };
        open.handles -= 1;
        if access.read {
            open.readers -= 1;
        }
        if open.readers == 0 {
            open.receiving = None;
        }
        if open.handles == 0 {
            state.open.remove(path);
        }
    }
}

impl Open {
    fn descriptor(&self, access: Access) -> Descriptor {
        let receiving = self.receiving.as_ref().filter(|_| access.read);
        Descriptor {
            channel: Arc::clone(&self.channel),
            access,
            queue: receiving.map(|receiving| Arc::clone(&receiving.queue)),
        }
    }
}

fn number(at: usize) -> i32 {
    i32::try_from(at).map_or(-1, |at| FIRST_DESCRIPTOR.saturating_add(at))
}

fn index(fd: i32) -> Option<usize> {
    usize::try_from(fd.checked_sub(FIRST_DESCRIPTOR)?).ok()
}
