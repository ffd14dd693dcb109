//! What all parts of a simulation have.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;
use tracing::warn;

use crate::protocol::Topics;
use crate::pubsub::{Filter, LinkConfig, Message, PeerError, Qos, Topic};

use super::config::{SimulateConfig, SimulateError};
use super::crew::Order;
use super::fate::Reach;
use super::report::Figures;

/// So many connections register at a time. On their topic everybody hears everybody.
const REGISTERING: usize = 32;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: SimulateConfig,
    pub(super) topics: Topics,
    pub(super) reg: Topic,
    pub(super) keepalive: Topic,
    pub(super) control: Topic,
    pub(super) begin: Instant,
    /// Who may connect and register.
    pub(super) gate: Arc<Semaphore>,
    /// Where orders for each runtime go, in their order.
    pub(super) reach: OnceLock<Vec<Reach>>,
    figures: Mutex<Figures>,
}

impl Shared {
    pub(super) fn new(config: SimulateConfig) -> Result<Shared, SimulateError> {
        let topics = Topics::new(&config.realm)?;
        Ok(Shared {
            reg: Topic::new(&topics.reg())?,
            keepalive: Topic::new(&topics.keepalive())?,
            control: Topic::new(&topics.control_any())?,
            topics,
            config,
            begin: Instant::now(),
            gate: Arc::new(Semaphore::new(REGISTERING)),
            reach: OnceLock::new(),
            figures: Mutex::default(),
        })
    }

    /// What the connection with this name is made from.
    pub(super) fn link(&self, name: &str) -> LinkConfig {
        let mut link = self.config.link.clone();
        link.client_id = format!("{}-{name}", link.client_id);
        link
    }

    /// All that is counted. Nobody waits while having it.
    pub(super) fn figures(&self) -> MutexGuard<'_, Figures> {
        // Nothing in here is left half done.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an order to a runtime. Whether there is one with this number.
    pub(super) fn order(&self, runtime: usize, order: fn(usize) -> Order) -> bool {
        let reach = self.reach.get().and_then(|reach| reach.get(runtime));
        reach.is_some_and(|(connection, at)| connection.send(order(*at)).is_ok())
    }

    /// A connection could not be made, or was lost.
    pub(super) fn failed(&self, error: &PeerError) {
        let mut figures = self.figures();
        let report = &mut figures.report;
        report.failures += 1;
        let why = error.to_string();
        if report.last_failure.as_ref() != Some(&why) {
            // A thousand may say the same.
            warn!("a connection to {}: {why}", self.config.link.broker);
            report.last_failure = Some(why);
        }
    }
}

pub(super) fn message(topic: &Topic, payload: Vec<u8>) -> Message {
    Message::new(topic.clone(), payload, Qos::AtMostOnce)
}

pub(super) fn filter(topic: &Topic) -> Filter {
    Filter::from(topic.clone())
}
