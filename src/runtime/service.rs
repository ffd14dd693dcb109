//! What the service manager hears of the node, and how its watchdog is fed.
//!
//! The node's thread feeds it, and only as long as the threads answer that everything goes through:
//! that of the link and that of the monitor. When one of the three hangs, the service manager
//! hears no more, and starts the runtime anew.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::system::ServiceManager;

use super::node::Node;
use super::registration::{OFFLINE, REGISTERED};

/// So many times in the watchdog's time the other threads are asked.
const QUESTIONS: u32 = 3;

/// The status is told at most that often: modules may come and go by the hundred.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// How long the end takes at most after the modules' own.
const END: Duration = Duration::from_secs(15);

/// Tells the service manager.
#[derive(Debug)]
pub(super) struct Service {
    manager: ServiceManager,
    watch: Option<Watch>,
    told: Seen,
    /// When the status may be told again, if it has changed.
    retell: Option<Instant>,
    told_at: Instant,
}

#[derive(Debug)]
struct Watch {
    every: Duration,
    next: Instant,
    hung: Option<&'static str>,
}

/// What the status is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    registration: &'static str,
    modules: usize,
}

impl Seen {
    fn of(node: &Node) -> Seen {
        Seen {
            registration: node.registration.name(),
            modules: node.table.len(),
        }
    }

    fn in_words(self, node: &Node) -> String {
        let settings = &node.shared.settings;
        let modules = match self.modules {
            1 => "1 module".to_owned(),
            modules => format!("{modules} modules"),
        };
        match self.registration {
            REGISTERED => format!(
                "registered in {} as {}; {modules}",
                settings.runtime.realm, settings.runtime.name
            ),
            OFFLINE => format!("waiting for the broker {}; {modules}", settings.broker.url),
            _ => format!(
                "waiting for ARTS to register it in {}; {modules}",
                settings.runtime.realm
            ),
        }
    }
}

impl Service {
    /// When there is something to tell.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let watch = self.watch.as_ref().map(|watch| watch.next);
        [watch, self.retell].into_iter().flatten().min()
    }
}

impl Node {
    /// Has the node tell the service manager (systemd) how it is, if that has started this process
    /// and wants to know: that it is ready, once it does its work; its status; that it ends; and
    /// that all is well, as long as its threads answer. Ready is the node without broker and ARTS
    /// too: it runs, and looks for them.
    pub fn tell_service_manager(&mut self) {
        self.service = ServiceManager::of_process().map(|manager| {
            let now = Instant::now();
            let watch = manager.watchdog().map(|within| Watch {
                every: within / QUESTIONS,
                next: now,
                hung: None,
            });
            Service {
                manager,
                watch,
                told: Seen::of(self),
                retell: None,
                told_at: now,
            }
        });
    }

    pub(super) fn tell_ready(&self) {
        if let Some(service) = &self.service {
            service.manager.tell_ready(&service.told.in_words(self));
        }
    }

    pub(super) fn tell_stopping(&self) {
        if let Some(service) = &self.service {
            let within = self.shared.settings.runtime.grace_time.saturating_add(END);
            service.manager.tell_stopping(within);
        }
    }

    /// Tells what is to be told now.
    pub(super) fn tell_service(&mut self, now: Instant) {
        let Some(mut service) = self.service.take() else {
            return;
        };
        if let Some(watch) = &mut service.watch
            && watch.next <= now
        {
            watch.next = now + watch.every;
            let hung = self.hung();
            match hung {
                None => {
                    if let Some(what) = watch.hung {
                        info!("{what} answers again");
                    }
                    service.manager.feed_watchdog();
                }
                Some(what) if watch.hung.is_none() => {
                    warn!("{what} does not answer; the watchdog is not fed");
                }
                Some(_) => {}
            }
            watch.hung = hung;
        }
        let seen = Seen::of(self);
        service.retell = None;
        if seen != service.told && !self.stopping {
            let quiet_until = service.told_at + STATUS_EVERY;
            if seen.registration == service.told.registration && now < quiet_until {
                service.retell = Some(quiet_until);
            } else {
                service.manager.tell_status(&seen.in_words(self));
                service.told = seen;
                service.told_at = now;
            }
        }
        self.service = Some(service);
    }

    /// Which of the threads that everything goes through does not answer.
    fn hung(&self) -> Option<&'static str> {
        // Both are asked at a time.
        let link = self.link.pulse();
        let monitor = self.helpers.sampler.pulse();
        match (link, monitor) {
            (false, _) => Some("the thread of the MQTT link"),
            (true, false) => Some("the thread of the monitor"),
            (true, true) => None,
        }
    }
}
