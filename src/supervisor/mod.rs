//! The supervisor: ARTS, which knows the runtimes of a realm and places modules on them.
//!
//! [`Supervisor::start`] starts one; the handle tells what it knows and takes requests, as clients
//! do by MQTT.
//!
//! - The registry is a state machine (`model`) without clock, network and disk.
//! - The supervisor's own thread (`actor.rs`) gives it what happens, writes what has changed to
//!   the journal (`journal`), and only then does what is to be done: messages, answers, events.
//! - Schedulers (`schedule`) choose among the runtimes that can take a module.
//! - What modules write does not come to that thread: the link's thread keeps it (`output.rs`).
//! - The module store (`store`) has the files that were uploaded.
//! - [`HttpServer`] (`http`) serves all of it: it uses the handle alone, as anybody may.

mod actor;
mod compiled;
mod events;
mod handle;
mod http;
mod inbox;
mod journal;
mod live;
mod model;
mod output;
mod records;
mod schedule;
mod start;
mod stats;
mod store;
mod wishes;

pub use crate::system::ServerError;
pub use compiled::{Available, CompiledStore};
pub use events::{Event, EventKind};
pub use handle::{EventStream, NewModule, OutputStream, Reply, Supervisor};
pub use http::{HttpConfig, HttpError, HttpServer};
pub use journal::JournalError;
pub use live::{Live, Subscription};
pub use model::{Refusal, RefusalKind};
pub use output::Line;
pub use records::{Exit, Load, Module, ModuleState, RestartPolicy, Runtime, RuntimeState, Usage};
pub use start::{SupervisorConfig, SupervisorError};
pub use stats::Stats;
pub use store::{FileName, ModuleStore, NameError, StoreError, StoredFile};
