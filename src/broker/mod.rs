//! The MQTT broker: a server for MQTT 3.1.1 and 5, over TCP and WebSocket, plain and encrypted.
//!
//! [`Broker::start`] makes one from a [`BrokerConfig`]; it runs on threads of its own until it is
//! stopped or dropped. It writes no files, and listens on the addresses that it is told only.
//!
//! The crate `mqtt5` knows the protocol: packets, sessions, subscriptions, queues. It is used in
//! `engine.rs`, `listener.rs`, `access.rs`, `passwords.rs`, `probe.rs` and `stream.rs`, and named in
//! none of the public types, so that another can take its place. Its own listeners are not used: they
//! make the handshakes of TLS and WebSocket one after the other, so that one slow client keeps all
//! others out, go on with a warning when an address is taken, and read a first packet of any size.
//! So connections are accepted here (`listener.rs`), and may send no more than a CONNECT packet
//! before they are let in (`stream.rs`).

mod access;
mod config;
mod ending;
mod engine;
mod error;
mod grants;
mod listener;
mod passwords;
mod probe;
mod rules;
mod server;
mod stream;
mod tls;
mod watched;
mod web_socket;

pub use config::{BrokerConfig, TlsFiles};
pub use error::BrokerError;
pub use passwords::{PasswordError, hash_password, set_password};
pub use server::{Addresses, Broker};
