//! What goes over the wire: the messages and topics of ARTS. No I/O.
//!
//! [`parse`] takes a message apart, and is lenient: `docs/protocol.md` tells which spellings it
//! takes. `to_message` of the types of requests, and the functions of [`Response`], build
//! messages, which are always well-formed JSON.

mod create;
mod engine;
mod envelope;
mod error;
mod fields;
mod from_data;
mod incoming;
pub mod limits;
mod literal;
mod object_id;
mod request;
mod response;
mod runtime;
mod topics;
mod value;

#[cfg(test)]
mod tests;

pub use create::{Channel, ChannelMode, CreateModule, FaultCrash, FileType, Parent, Resources};
pub use engine::ModuleEngine;
pub use error::{ParseError, Reason};
pub use incoming::{Incoming, parse};
pub use object_id::{MAX_OBJECT_ID, ObjectId};
pub use request::{
    Action, DeleteModule, DeleteRuntime, ExitReason, ExitReport, OUT_OF_CPU_TIME, Request,
    RequestData,
};
pub use response::{RegisterAnswer, Response};
pub use runtime::{APIS, Child, KeepAlive, Runtime, timestamp};
pub use topics::{MAX_REALM, RealmError, Topics};
