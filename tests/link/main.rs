//! The MQTT link, against a real Mosquitto.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod harness;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
mod outages;
mod refusals;
mod secure;
mod tools;
mod traffic;
mod web_socket;
