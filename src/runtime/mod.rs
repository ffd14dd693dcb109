//! The node: registers with ARTS, and runs, watches and ends modules.
//!
//! [`Node::start`] sets a node up, [`Node::run`] runs it until its [`NodeHandle`] ends it.
//!
//! - The node's own thread (`node.rs`) has the module table and the registration, and does one
//!   thing after the other: what comes as a message (`control.rs`), what a module's life needs
//!   (`lifecycle.rs`), what is due. Nothing there waits.
//! - Each module has a thread (`worker.rs`), which fetches, loads and runs it, and reports.
//! - What modules write goes out from their own threads (`output.rs`).

mod app_dir;
mod broker;
mod cache;
mod compiling;
mod confine;
mod context;
mod control;
mod cpu_time;
mod event;
mod exit;
mod fetch;
mod files;
mod groups;
mod identity;
mod job;
mod lifecycle;
mod lines;
mod loader;
mod node;
mod output;
mod registration;
mod reply;
mod report;
mod restart;
mod scheduling;
mod service;
mod shared;
mod start;
mod status;
mod stdin;
mod store;
mod table;
mod worker;

pub use broker::{BrokerError, link};
pub use confine::confine;
pub use identity::IdentityError;
pub use node::Node;
pub use start::{NodeError, NodeHandle};
