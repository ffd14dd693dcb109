//! What the service manager hears of a service that runs on threads of its own, while the main
//! thread waits for its end.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never};
use tracing::{info, warn};

use crate::system::ServiceManager;

/// So many times in the watchdog's time the threads are asked.
const QUESTIONS: u32 = 3;

/// How old the status may be.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Tells the service manager, if there is one that wants to know.
#[derive(Debug)]
pub(super) struct Service {
    manager: Option<ServiceManager>,
    next: Receiver<Instant>,
    status: String,
    hung: Option<&'static str>,
}

impl Service {
    /// The service does its work from now on. Its status, in words, is made only for somebody who
    /// wants to know.
    pub(super) fn begin(status: impl FnOnce() -> String) -> Service {
        let mut service = Service {
            manager: ServiceManager::of_process(),
            next: never(),
            status: String::new(),
            hung: None,
        };
        if let Some(manager) = &service.manager {
            service.status = status();
            manager.tell_ready(&service.status);
            service.next = after(Duration::ZERO);
        }
        service
    }

    /// When to look again: something comes then. Without a service manager nothing does.
    pub(super) fn next(&self) -> &Receiver<Instant> {
        &self.next
    }

    /// Feeds the watchdog if all that is asked has answered.
    pub(super) fn look(
        &mut self,
        pulses: &[(&'static str, bool)],
        status: impl FnOnce() -> String,
    ) {
        let Some(manager) = &self.manager else {
            return;
        };
        let watchdog = manager.watchdog().map(|within| within / QUESTIONS);
        self.next = after(watchdog.unwrap_or(STATUS_EVERY).min(STATUS_EVERY));
        let hung = pulses
            .iter()
            .find(|(_, beats)| !beats)
            .map(|(what, _)| *what);
        match hung {
            None => {
                if let Some(what) = self.hung {
                    info!("{what} answers again");
                }
                if watchdog.is_some() {
                    manager.feed_watchdog();
                }
            }
            Some(what) if self.hung.is_none() => {
                warn!("{what} does not answer; the watchdog is not fed");
            }
            Some(_) => {}
        }
        self.hung = hung;
        // Of what hangs nothing is asked that could wait for it.
        if hung.is_none() {
            let status = status();
            if status != self.status {
                manager.tell_status(&status);
                self.status = status;
            }
        }
    }

    /// The service ends, which takes that long at most.
    pub(super) fn end(&self, within: Duration) {
        if let Some(manager) = &self.manager {
            manager.tell_stopping(within);
        }
    }
}
