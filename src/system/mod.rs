//! What rooms that know nothing of each other want of the system alike: directories that are one
//! process's, and servers on threads of their own.

mod dir_lock;
mod server;

pub(crate) use dir_lock::{DirLock, DirLockError};
pub(crate) use server::{Server, Threads, accept};

pub use server::ServerError;
