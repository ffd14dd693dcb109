//! The MQTT link, against a real Mosquitto.

mod harness;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
mod outages;
mod traffic;
