//! The model with a clock that is set by hand.

mod harness;
mod lives;
mod placing;
mod restarts;
mod runtimes;
