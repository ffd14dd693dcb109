//! The supervisor: `arena arts`, and the library behind it, with a real Mosquitto and real
//! runtimes.
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
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;
#[path = "../node/runtime.rs"]
#[allow(dead_code, reason = "the tests of the node use the rest")]
mod runtime;

#[allow(dead_code, reason = "the benchmark uses the rest")]
mod arts;
mod basics;
mod hostile;
mod losses;
mod peers;
mod simulated;
mod storm;
