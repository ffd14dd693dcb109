//! Messages and modules that mean harm: the node stays, answers, and gives everything back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../node/client.rs"]
mod client;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../support/neighbour.rs"]
mod neighbour;
#[path = "../support/program.rs"]
mod program;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../node/runtime.rs"]
mod runtime;

mod contained;
mod endings;
mod large;
mod messages;
mod probe;
mod random;
mod usage;
