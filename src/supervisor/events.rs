//! What has happened: events with rising ids, a bounded history, and live subscriptions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::protocol::timestamp;

use super::live::{Readers, Subscription};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Rises from event to event, also over restarts.
    pub id: u64,
    /// When.
    pub at: SystemTime,
    /// What.
    pub kind: EventKind,
    /// The runtime that it is about.
    pub runtime: Option<Uuid>,
    /// The module that it is about.
    pub module: Option<Uuid>,
    /// The name of the module, or else of the runtime.
    pub name: String,
    /// The same for people.
    pub message: String,
}

macro_rules! kinds {
    ($( $(#[$meta:meta])* $Variant:ident = $word:literal, )+) => {
        /// What has happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind { $( $(#[$meta])* $Variant, )+ }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [EventKind] = &[ $( EventKind::$Variant, )+ ];

            /// As it is in lists.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $( EventKind::$Variant => $word, )+ }
            }
        }
    };
}

kinds! {
    /// A runtime has registered that was not known.
    Registered = "registered",
    /// A runtime is there again.
    Returned = "returned",
    /// A runtime has left or is silent.
    RuntimeLost = "runtime-lost",
    /// A module was placed on a runtime, which is asked to start it.
    Placed = "placed",
    /// A runtime did not take a module.
    Rejected = "rejected",
    /// A module could not be started anywhere, and whoever asked for it was told so.
    Refused = "refused",
    /// A module has to wait for a runtime that can take it.
    Waiting = "waiting",
    /// A module runs, or is prepared.
    Started = "started",
    /// A module has ended by itself.
    Exited = "exited",
    /// A module was deleted.
    Deleted = "deleted",
    /// A module is gone with its runtime, or its runtime has forgotten it.
    ModuleLost = "module-lost",
    /// A module is on its way to another runtime.
    Moving = "moving",
    /// A module runs on another runtime than before.
    Moved = "moved",
    /// A runtime has a module that was not known.
    Adopted = "adopted",
    /// A runtime has a module that it should not have, and is told to delete it.
    Removed = "removed",
}

impl EventKind {
    pub(crate) fn from_name(name: &str) -> Option<EventKind> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl Event {
    /// The event as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut data = Map::new();
        data.insert("id".to_owned(), self.id.into());
        data.insert("at".to_owned(), timestamp(self.at).into());
        data.insert("kind".to_owned(), self.kind.as_str().into());
        data.insert("runtime".to_owned(), json!(self.runtime));
        data.insert("module".to_owned(), json!(self.module));
        data.insert("name".to_owned(), self.name.clone().into());
        data.insert("message".to_owned(), self.message.clone().into());
        Value::Object(data)
    }
}

/// How far behind a reader may be.
const BEHIND: usize = 1024;

/// The history in memory, and its readers.
pub(crate) struct Events {
    state: Mutex<State>,
}

struct State {
    limit: usize,
    history: VecDeque<Arc<Event>>,
    readers: Readers<Arc<Event>>,
}

impl Events {
    /// With the history so far, oldest first.
    pub(crate) fn new(history: Vec<Event>, limit: usize) -> Events {
        let mut history: VecDeque<_> = history.into_iter().map(Arc::new).collect();
        history.drain(..history.len().saturating_sub(limit));
        Events {
            state: Mutex::new(State {
                limit,
                history,
                readers: Readers::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what has happened.
    pub(crate) fn add(&self, events: &[Arc<Event>]) {
        let mut state = self.state();
        for event in events {
            if state.history.len() >= state.limit {
                state.history.pop_front();
            }
            state.history.push_back(Arc::clone(event));
            state.readers.send(event);
        }
    }

    /// The history after an event, and what comes from then on, without a gap between the two.
    pub(crate) fn after(&self, id: u64) -> (Vec<Arc<Event>>, Subscription<Arc<Event>>) {
        let mut state = self.state();
        let from = state.history.partition_point(|event| event.id <= id);
        let history = state.history.range(from..).cloned().collect();
        (history, state.readers.subscribe(BEHIND))
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::live::Live;

    fn event(id: u64) -> Arc<Event> {
        Arc::new(Event {
            id,
            at: SystemTime::UNIX_EPOCH,
            kind: EventKind::Started,
            runtime: None,
            module: None,
            name: String::new(),
            message: String::new(),
        })
    }

    #[test]
    fn history_and_what_comes() {
        let events = Events::new(vec![], 3);
        events.add(&[event(1), event(2), event(3), event(4)]);
        let (history, reader) = events.after(0);
        assert_eq!(history, [event(2), event(3), event(4)]);
        events.add(&[event(5)]);
        assert_eq!(reader.try_next(), Some(Live::Item(event(5))));
        assert_eq!(events.after(4).0, [event(5)]);
        assert!(events.after(9).0.is_empty());
    }

    #[test]
    fn kinds_have_names() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), Some(*kind));
        }
    }
}
