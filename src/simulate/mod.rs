//! Runtimes and modules that are made up, to load a supervisor and to try schedulers.
//!
//! [`Simulation::start`] starts a simulation; the handle tells how it goes, and ends it.
//!
//! - To the supervisor and the broker a simulated runtime (`runtime.rs`) is one like all others:
//!   it registers, sends keepalives and answers requests. It says of itself that its
//!   `runtime_type` is `simulated`, and runs nothing.
//! - A runtime has a connection of its own with a last will, or shares one (`line.rs`). All are
//!   tasks on one thread.
//! - A client (`client.rs`) has the supervisor start and delete the simulation's modules, and
//!   takes the time until it is answered.
//! - Fate (`fate.rs`) lets runtimes die and modules crash; `moves.rs` takes the time until what a
//!   runtime had runs elsewhere.

mod agenda;
mod client;
mod config;
mod crew;
mod endings;
mod fate;
mod line;
mod machine;
mod moves;
mod population;
mod report;
mod requests;
mod runtime;
mod shared;
mod simulation;
mod times;

pub use config::{FleetConfig, ModulesConfig, SimulateConfig, SimulateError};
pub use report::{Moves, Progress, Report, Requests};
pub use simulation::Simulation;
pub use times::Times;
