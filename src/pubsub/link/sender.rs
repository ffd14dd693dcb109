//! The way out: the outbox, and the connection when there is one.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::super::message::{Lane, Message, PublishError, Qos, Share, Uplink};
use super::super::topic::Filter;
use super::changes::Change;
use super::failure::Failure;
use super::outbox::Outbox;
use super::wire::Wire;
use crate::system::Pulse;

#[derive(Debug)]
pub(super) struct Sender {
    pub(super) outbox: Outbox,
    /// Locked before the outbox, never the other way round.
    wire: Mutex<Option<Wire>>,
    /// Of the link's thread.
    pub(super) pulse: Pulse,
}

impl Sender {
    pub(super) fn new(limit: usize) -> Sender {
        Sender {
            outbox: Outbox::new(limit),
            wire: Mutex::new(None),
            pulse: Pulse::default(),
        }
    }

    /// From now on this is the connection.
    pub(super) fn plug(&self, wire: Wire) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = Some(wire);
    }

    /// There is no connection any more. Returns what there was, also after a panic in it.
    pub(super) fn unplug(&self) -> Option<Wire> {
        self.wire.clear_poison();
        self.wire
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Does something with the connection.
    pub(super) fn with<R>(
        &self,
        act: impl FnOnce(&mut Wire, &Outbox) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        // After a panic nobody knows what the broker has got.
        let mut wire = self
            .wire
            .lock()
            .map_err(|_| Failure::network("a fault in the program, which is told above"))?;
        match wire.as_mut() {
            Some(wire) => act(wire, &self.outbox),
            None => Err(Failure::network("there is no connection")),
        }
    }

    /// Has the connection do what may take waiting.
    pub(super) async fn wait(
        &self,
        mut act: impl FnMut(&mut Wire, &mut Context<'_>) -> Poll<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        poll_fn(|cx| match self.with(|wire, _| Ok(act(wire, cx))) {
            Ok(poll) => poll,
            Err(failure) => Poll::Ready(Err(failure)),
        })
        .await
    }

    fn put(&self, message: Message, lane: Lane, share: Share) -> Result<(), PublishError> {
        self.outbox.put(message, lane, share)?;
        // When somebody else has it, that is the link's thread, or one who has to wake it.
        let sent = self.wire.try_lock().is_ok_and(|mut wire| {
            wire.as_mut()
                .is_some_and(|wire| wire.send_directly(&self.outbox))
        });
        if !sent {
            self.outbox.wake.notify_one();
        }
        Ok(())
    }

    fn change(&self, change: Change) {
        if self.outbox.change(change) {
            self.outbox.wake.notify_one();
        }
    }
}

impl Uplink for Sender {
    fn publish(&self, message: Message) -> Result<(), PublishError> {
        self.put(message, Lane::COMMON, Share::Messages)
    }

    fn publish_in(&self, lane: Lane, share: Share, message: Message) -> Result<(), PublishError> {
        self.put(message, lane, share)
    }

    fn publish_own(&self, message: Message) -> Result<(), PublishError> {
        self.put(message, Lane::OWN, Share::Node)
    }

    fn subscribe(&self, filter: Filter, qos: Qos, id: u32) {
        self.change(Change::Subscribe(filter, qos, id));
    }

    fn unsubscribe(&self, filter: Filter) {
        self.change(Change::Unsubscribe(filter));
    }
}
