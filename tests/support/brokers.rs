//! The brokers that realms are tried with: Mosquitto, and our own.
//!
//! For use by several test programs, beside `mosquitto` and `arena_broker`.
#![allow(dead_code)]

use crate::arena_broker::ArenaBroker;
use crate::mosquitto::Broker;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mosquitto,
    Embedded,
}

/// One of them, on a port of its own, killed when it is dropped.
pub(crate) enum AnyBroker {
    Mosquitto(Broker),
    Embedded(ArenaBroker),
}

impl AnyBroker {
    pub(crate) fn start(kind: Kind) -> AnyBroker {
        match kind {
            Kind::Mosquitto => AnyBroker::Mosquitto(Broker::start()),
            Kind::Embedded => AnyBroker::Embedded(ArenaBroker::start()),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            AnyBroker::Mosquitto(broker) => broker.port(),
            AnyBroker::Embedded(broker) => broker.port(),
        }
    }
}
