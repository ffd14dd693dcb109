//! The node with our own broker: the tests that `tests/node` has with Mosquitto, and what happens
//! when the broker is restarted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

#[path = "../support/arena_broker.rs"]
mod arena_broker;
#[path = "../supervisor/arts.rs"]
#[allow(dead_code, reason = "the tests of the supervisor use the rest")]
mod arts;
#[path = "../node/client.rs"]
#[allow(dead_code, reason = "the tests of the node use the rest")]
mod client;
/// The broker of the node's tests, which is started and stopped in the same way.
mod mosquitto {
    pub(crate) use crate::arena_broker::ArenaBroker as Broker;
}
#[path = "../node/lifecycle.rs"]
mod lifecycle;
#[path = "../support/program.rs"]
mod program;
#[path = "../node/registration.rs"]
mod registration;
mod restarts;
#[path = "../node/runtime.rs"]
#[allow(dead_code, reason = "the tests of the node use the rest")]
mod runtime;
#[path = "../node/samples.rs"]
mod samples;
#[path = "../node/streams.rs"]
mod streams;
