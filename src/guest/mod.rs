//! What a module may call beside WASI: channels as functions and as files, signals, uuids,
//! periods.
//!
//! A [`Guest`] is the state of one instance, which its host functions and its files share. It is
//! part of the instance's context; clones are handles of the same state, so that whoever runs the
//! module can raise a signal and read counters. What modules see is described in
//! `docs/guest-api.md`. What that leaves open is done so:
//!
//! - A channel is known by the path it is opened with. All descriptors and files of one path have
//!   the same queue: each message is read once. Two paths with one topic are two channels.
//! - Descriptors of `ch_open` are none of WASI's: they begin at 1,000,000.
//! - A topic that may be one of the control topics, also by a wildcard, is refused whatever says
//!   it: the module, a declared channel, or a declared channel with more behind it.
//! - Nothing waits but `ch_poll`, `poll_oneoff` and reads of the standard input. A wait is one
//!   system call, which a stop interrupts.
//! - A bad pointer or length is an error result, and nothing has happened then.

mod channel;
mod channels;
mod config;
mod files;
mod functions;
mod periods;
mod policy;
mod refusal;
mod signals;
mod state;

pub use config::{ChannelMode, ChannelSpec, GuestConfig, GuestError, UndeclaredTopics};
pub use functions::add_to_imports;
pub use periods::PeriodStats;
pub use state::{Guest, GuestStats};
