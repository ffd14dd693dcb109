//! What is to be done after something has happened.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::protocol::{CreateModule, ObjectId};
use crate::supervisor::events::Event;

/// What is to be done, after what has changed is in the journal.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Effects {
    pub(in crate::supervisor) messages: Vec<Outgoing>,
    pub(in crate::supervisor) replies: Vec<(ReplyTo, Outcome)>,
    pub(in crate::supervisor) events: Vec<Arc<Event>>,
    /// Modules that are known from now on.
    pub(in crate::supervisor) opened: Vec<Uuid>,
    /// Modules that are not known any more.
    pub(in crate::supervisor) closed: Vec<Uuid>,
}

/// A message to send.
#[derive(Debug)]
pub(in crate::supervisor) struct Outgoing {
    pub(in crate::supervisor) to: To,
    pub(in crate::supervisor) body: Body,
}

/// The topic of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum To {
    /// Where runtimes register.
    Registrations,
    /// Where clients ask.
    Clients,
    /// A runtime's own.
    Runtime(Uuid),
}

/// What a message says.
#[derive(Debug)]
pub(in crate::supervisor) enum Body {
    Bytes(Vec<u8>),
    Create {
        object_id: ObjectId,
        create: Box<CreateModule>,
        /// Its file and memory are in the journal.
        stored: Option<Stored>,
    },
}

/// What is in the journal of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::supervisor) struct Stored {
    /// Its memory is wanted too.
    pub(in crate::supervisor) with_memory: bool,
}

/// Who is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum ReplyTo {
    Nobody,
    /// A client, on the topic of clients.
    Mqtt(ObjectId),
    /// Somebody in this process.
    Local(u64),
}

impl ReplyTo {
    /// The request, if it came by MQTT.
    pub(in crate::supervisor) fn mqtt(&self) -> Option<ObjectId> {
        match self {
            Self::Mqtt(id) => Some(id.clone()),
            Self::Nobody | Self::Local(_) => None,
        }
    }
}

/// What somebody is told.
pub(in crate::supervisor) type Outcome = Result<Map<String, Value>, Refusal>;

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of reason it is.
    pub kind: RefusalKind,
    /// The reason.
    pub message: String,
    /// Why each runtime that was asked for a module has not taken it, if any was.
    pub attempts: Vec<String>,
}

/// Kinds of reasons why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The request cannot be.
    Invalid,
    /// There is no such module or runtime.
    Unknown,
    /// The module is there already, or busy with something else.
    Conflict,
    /// A limit is reached.
    Full,
    /// No runtime can take the module.
    NoRuntime,
    /// The runtimes that were asked have refused.
    Rejected,
    /// The runtime has not answered in time.
    NoAnswer,
    /// The supervisor ends.
    Stopping,
}

impl Refusal {
    pub(in crate::supervisor) fn new(kind: RefusalKind, message: impl Into<String>) -> Refusal {
        Refusal {
            kind,
            message: message.into(),
            attempts: Vec::new(),
        }
    }
}
