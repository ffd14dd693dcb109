//! Our own broker, as the program that people start, with our own link, with a plain client of
//! rumqttc, and with Mosquitto's clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod certs;
mod ends;
mod example;
mod hostile;
mod interoperation;
mod tokens;
mod traffic;

#[path = "../support/arena_broker.rs"]
mod arena_broker;
#[path = "../link/certificates.rs"]
#[expect(dead_code, reason = "the tests of the link use all of it")]
mod certificates;
#[path = "../link/harness.rs"]
#[expect(dead_code, reason = "the tests of the link use all of it")]
mod harness;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
