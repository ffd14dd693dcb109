//! The protocol (dialect A), as one suite of cases about what is on the wire. It is run against our
//! runtime together with our supervisor, and against each of them alone with a scripted peer; each
//! with Mosquitto and with our own broker.
//!
//! A case is one function and one line in `cases.rs`. It looks at the messages that a client of the
//! realm sees, and does not care who sends them, but where only one side is ours and the other is
//! its script.
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
#[path = "../support/brokers.rs"]
mod brokers;
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
#[path = "../support/scripted_arts.rs"]
mod scripted_arts;
#[path = "../support/scripted_runtime.rs"]
mod scripted_runtime;

mod cases;
mod ends;
mod messages;
mod modules;
mod moves;
mod realm;
mod registration;
mod spellings;
mod streams;
mod wrong;

use brokers::Kind;
use realm::Setup;

#[test]
fn both_with_mosquitto() {
    cases::run(Setup::Both, Kind::Mosquitto);
}

#[test]
fn both_with_the_embedded_broker() {
    cases::run(Setup::Both, Kind::Embedded);
}

#[test]
fn the_runtime_alone_with_mosquitto() {
    cases::run(Setup::RuntimeAlone, Kind::Mosquitto);
}

#[test]
fn the_runtime_alone_with_the_embedded_broker() {
    cases::run(Setup::RuntimeAlone, Kind::Embedded);
}

#[test]
fn the_supervisor_alone_with_mosquitto() {
    cases::run(Setup::SupervisorAlone, Kind::Mosquitto);
}

#[test]
fn the_supervisor_alone_with_the_embedded_broker() {
    cases::run(Setup::SupervisorAlone, Kind::Embedded);
}
