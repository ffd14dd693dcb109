//! The node's status for the HTTP server, which asks the node's thread for it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::monitor::{Health, Monitor, Sample, StatusSource};

use super::registration::REGISTERED;
use super::start::NodeHandle;

/// Answers the HTTP server.
#[derive(Debug)]
pub(super) struct Source {
    monitor: Monitor,
    node: NodeHandle,
}

/// The node's thread does nothing that takes long.
const PATIENCE: Duration = Duration::from_secs(2);

impl Source {
    pub(super) fn new(monitor: Monitor, node: NodeHandle) -> Source {
        Source { monitor, node }
    }

    fn ask(&self) -> Option<Value> {
        self.node.status(PATIENCE)
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
                } else if status["runtime"]["registration"] != REGISTERED {
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
