//! The HTTP API of `arena arts` and its dashboard, with real brokers, real runtimes and real modules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

#[path = "../support/arena_broker.rs"]
mod arena_broker;
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

mod artifacts;
mod arts;
mod bad_input;
mod browser;
mod dashboard;
mod http;
mod modules;
mod schema;
mod store;
mod tokens;
