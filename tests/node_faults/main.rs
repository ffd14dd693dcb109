//! What breaks around a node: its broker, its credentials, its disk, itself. `arena runtime`
//! against a real Mosquitto, which is stopped, killed and frozen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

#[path = "../node/client.rs"]
#[allow(dead_code, reason = "the tests of the node use the rest")]
mod client;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[path = "../support/program.rs"]
mod program;
#[path = "../node/runtime.rs"]
#[allow(dead_code, reason = "the tests of the node use the rest")]
mod runtime;

mod disk;
mod outages;
mod refusals;
mod soak;
mod steady;
