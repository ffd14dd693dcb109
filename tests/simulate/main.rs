//! Simulated runtimes and modules, and `arena simulate`, with real brokers and a real supervisor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

#[allow(dead_code, reason = "the tests of the supervisor use the rest")]
#[path = "../supervisor/arts.rs"]
mod arts;
#[allow(dead_code, reason = "the tests of the node use the rest")]
#[path = "../node/client.rs"]
mod client;
#[path = "../support/mosquitto.rs"]
mod mosquitto;

mod command;
mod fleet;
