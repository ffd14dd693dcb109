//! What a link tells of itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

/// A change of a link's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// There is a connection, and all that is subscribed was asked for.
    Connected,
    /// There is none, or the one that was there has ended.
    Disconnected {
        /// Why.
        why: String,
        /// When the next attempt is.
        retry_in: Duration,
    },
}

/// How a link is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStatus {
    /// Whether there is a connection.
    pub connected: bool,
    /// When that last changed; `None` before the first connection.
    pub since: Option<SystemTime>,
    /// Why the last connection ended or could not be made.
    pub last_failure: Option<String>,
    /// Whether that was a refusal (credentials, certificates), over which somebody has to change
    /// something.
    pub refused: bool,
}

/// What a link has done, since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Connections that were made.
    pub connects: u64,
    /// Messages handed to the broker, with those that were sent again.
    pub sent: u64,
    /// Their bytes, of topic and payload.
    pub sent_bytes: u64,
    /// Messages of quality 1 that the broker has acknowledged.
    pub acknowledged: u64,
    /// Messages that were in flight when a connection ended, and are sent again.
    pub resent: u64,
    /// Messages from the broker.
    pub received: u64,
    /// Their bytes, of topic and payload.
    pub received_bytes: u64,
    /// Messages dropped since the outbox was full.
    pub dropped_full: u64,
    /// Messages of quality 0 dropped since there was no connection.
    pub dropped_offline: u64,
    /// Messages dropped since MQTT or the broker does not take any that large.
    pub dropped_too_large: u64,
    /// Messages given up since the broker did not take them, or ended every connection over them.
    pub dropped_refused: u64,
    /// Messages in the outbox now, with those in flight.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
}

/// How many refusals are kept for somebody who does not fetch them.
const REFUSALS: usize = 64;

/// How many events are kept for somebody who does not fetch them.
const EVENTS: usize = 64;

/// Where a link writes what it tells.
#[derive(Debug)]
pub(super) struct Teller {
    status: Mutex<LinkStatus>,
    sender: Sender<LinkEvent>,
    receiver: Receiver<LinkEvent>,
    refuse: Sender<String>,
    refusals: Receiver<String>,
}

impl Teller {
    pub(super) fn new() -> Teller {
        let (sender, receiver) = bounded(EVENTS);
        let (refuse, refusals) = bounded(REFUSALS);
        Teller {
            status: Mutex::default(),
            sender,
            receiver,
            refuse,
            refusals,
        }
    }

    pub(super) fn refusals(&self) -> Receiver<String> {
        self.refusals.clone()
    }

    /// Tells what the broker has refused. Who does not fetch it has had enough of it.
    pub(super) fn refuse(&self, refused: Vec<String>) {
        for text in refused {
            let _ = self.refuse.try_send(text);
        }
    }

    pub(super) fn status(&self) -> LinkStatus {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn events(&self) -> Receiver<LinkEvent> {
        self.receiver.clone()
    }

    pub(super) fn tell(&self, event: LinkEvent, refused: bool) {
        {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            let connected = event == LinkEvent::Connected;
            if connected || status.connected {
                status.since = Some(SystemTime::now());
            }
            status.connected = connected;
            status.refused = refused;
            if let LinkEvent::Disconnected { why, .. } = &event {
                status.last_failure = Some(why.clone());
            }
        }
        // The oldest makes room. If somebody fetches it meanwhile, there is room too.
        let mut event = event;
        while let Err(error) = self.sender.try_send(event) {
            event = error.into_inner();
            let _ = self.receiver.try_recv();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_events_make_room() {
        let teller = Teller::new();
        for number in 0..EVENTS + 3 {
            teller.tell(
                LinkEvent::Disconnected {
                    why: number.to_string(),
                    retry_in: Duration::ZERO,
                },
                true,
            );
        }
        teller.tell(LinkEvent::Connected, false);
        assert!(!teller.status().refused);
        let events: Vec<_> = teller.events().try_iter().collect();
        assert_eq!(events.len(), EVENTS);
        assert_eq!(events.last(), Some(&LinkEvent::Connected));
        let status = teller.status();
        assert!(status.connected);
        assert_eq!(status.last_failure, Some((EVENTS + 2).to_string()));
    }
}
