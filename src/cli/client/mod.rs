//! The commands that ask a supervisor, by its HTTP API.
//!
//! `server.rs` asks, `figures.rs` makes lists for people; of the others each is a
//! command. With `--json` they print what the API gives.

mod figures;
mod server;
mod upload;

pub(super) use server::ServerArgs;

pub(super) mod deploy;
pub(super) mod events;
pub(super) mod health;
pub(super) mod inspect;
pub(super) mod logs;
pub(super) mod ps;
pub(super) mod runtimes;
pub(super) mod stop;
pub(super) mod top;
