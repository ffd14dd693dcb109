//! The native Linux runtime of the ARENA: runs WebAssembly modules on WAMR.
//!
//! The rooms of this crate and what each may use are described in
//! `docs/architecture.md`.
#![deny(unsafe_code)]

pub mod artifacts;
pub mod broker;
pub mod cli;
pub mod config;
pub mod guest;
pub mod monitor;
pub mod protocol;
pub mod pubsub;
pub mod runtime;
pub mod sandbox;
pub mod simulate;
pub mod supervisor;
mod system;
pub mod trust;
pub mod wamr;
pub mod wasi;
