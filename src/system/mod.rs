//! What rooms that know nothing of each other want of the system alike: directories that are one
//! process's, servers on threads of their own, and the service manager.

mod dir_lock;
mod pulse;
mod server;
mod service;

pub(crate) use dir_lock::{DirLock, DirLockError};
pub(crate) use pulse::{Pulse, TaskPulse};
pub(crate) use server::{Server, Threads, accept};
pub(crate) use service::ServiceManager;

pub use server::ServerError;
