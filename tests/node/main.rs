//! The node: `arena runtime` against a real Mosquitto and a supervisor of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

#[path = "../support/mosquitto.rs"]
mod mosquitto;

#[allow(dead_code, reason = "the benchmark uses the rest")]
mod client;
mod compiled;
mod files;
mod groups;
mod lifecycle;
#[path = "../support/program.rs"]
mod program;
mod registration;
#[allow(dead_code, reason = "the benchmark uses the rest")]
mod runtime;
mod samples;
mod signed;
mod streams;
