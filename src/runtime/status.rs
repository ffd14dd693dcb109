//! The node's status for the HTTP server, which asks the node's thread for it.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use serde_json::{Value, json};

use crate::monitor::{Health, Monitor, Sample, StatusSource};

use super::event::Event;

/// Answers the HTTP server.
#[derive(Debug)]
pub(super) struct Source {
    monitor: Monitor,
    events: Sender<Event>,
}

/// The node's thread does nothing that takes long.
const PATIENCE: Duration = Duration::from_secs(2);

impl Source {
    pub(super) fn new(monitor: Monitor, events: Sender<Event>) -> Source {
        Source { monitor, events }
    }

    fn ask(&self) -> Option<Value> {
        let (sender, answer) = bounded(1);
        self.events.send(Event::Status(sender)).ok()?;
        answer.recv_timeout(PATIENCE).ok()
    }
}

impl StatusSource for Source {
    fn sample(&self) -> Arc<Sample> {
        self.monitor.latest()
    }

    /// A node without its broker runs its modules, but nobody reaches it.
    fn health(&self) -> Health {
        let mut reasons = Vec::new();
        match self.ask() {
            None => reasons.push("the node does not answer".to_owned()),
            Some(status) => {
                if status["broker"]["connected"] != json!(true) {
                    reasons.push("the broker is not connected".to_owned());
                } else if status["runtime"]["registration"] != json!("registered") {
                    reasons.push("ARTS has not registered this runtime".to_owned());
                }
            }
        }
        Health {
            ok: reasons.is_empty(),
            reasons,
        }
    }

    fn status(&self) -> Value {
        self.ask()
            .unwrap_or_else(|| json!({ "error": "the node does not answer" }))
    }
}
