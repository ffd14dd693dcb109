//! The task that keeps a connection to the broker for some runtimes, or for one.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until};

use crate::protocol::ObjectId;
use crate::pubsub::{Peer, PeerError};

use super::crew::{Crew, Order};
use super::shared::{filter, message};

/// How long to wait before another attempt to connect: twice as long each time.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// A connection, or none, and whose it is.
pub(super) struct Line {
    pub(super) crew: Crew,
    pub(super) number: usize,
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) rng: Rng,
    /// Its only runtime has a last will.
    pub(super) has_will: bool,
}

/// Why a connection is over that has not failed.
enum Over {
    /// All of its runtimes have died.
    Died,
    /// The simulation ends.
    Left,
}

impl Line {
    pub(super) async fn run(mut self) {
        let mut wait = WAITS[0];
        loop {
            if self.crew.is_gone() {
                if !self.idle(None).await {
                    return;
                }
                continue;
            }
            match self.connection().await {
                Ok(Over::Left) => return,
                Ok(Over::Died) => wait = WAITS[0],
                Err(error) => {
                    self.crew.shared.failed(&error);
                    self.crew.disconnected();
                    let time = wait.mul_f64(1.0 + self.rng.f64());
                    if !self.idle(Some(Instant::now() + time)).await {
                        return;
                    }
                    wait = (wait * 2).min(WAITS[1]);
                }
            }
        }
    }

    /// Does what needs no connection, until then, or until something has happened. Whether it goes
    /// on.
    async fn idle(&mut self, until: Option<Instant>) -> bool {
        loop {
            let due = [self.crew.agenda.next_due(), until];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                order = self.orders.recv() => match order {
                    None | Some(Order::Leave) => return false,
                    Some(order) => self.crew.on_order(Instant::now(), order),
                },
                () = at(due) => self.crew.on_time(Instant::now()),
            }
            // Nobody hears it.
            self.crew.out.clear();
            if until.is_none_or(|until| until <= Instant::now()) {
                return true;
            }
        }
    }

    /// A connection from its beginning to its end.
    async fn connection(&mut self) -> Result<Over, PeerError> {
        let gate = self.crew.shared.gate.clone();
        // It is never closed.
        let mut permit = gate.acquire_owned().await.ok();
        let mut link = self.crew.shared.link(&self.number.to_string());
        if self.has_will
            && let Some(member) = self.crew.members.first()
        {
            let farewell = member.runtime.farewell();
            let payload = farewell.to_message(&ObjectId::random());
            link.will = Some(message(&self.crew.shared.reg, payload));
        }
        let mut peer = Peer::connect(&link).await?;
        let topics = self.crew.members.iter().map(|m| filter(&m.topic));
        let topics: Vec<_> = topics.collect();
        peer.subscribe(&topics).await?;
        let over = self.serve(&mut peer, &mut permit).await?;
        match over {
            // The broker publishes the will.
            Over::Died => drop(peer),
            Over::Left => peer.leave().await,
        }
        Ok(over)
    }

    async fn serve(
        &mut self,
        peer: &mut Peer,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Over, PeerError> {
        let reg = filter(&self.crew.shared.reg);
        let mut hears_answers = false;
        let begin = Instant::now();
        loop {
            if self.crew.is_new() {
                if !hears_answers {
                    peer.subscribe(std::slice::from_ref(&reg)).await?;
                    hears_answers = true;
                }
                self.crew.register(Instant::now());
            } else if hears_answers && !self.crew.is_registering() {
                peer.unsubscribe(&reg)?;
                hears_answers = false;
            }
            self.publish(peer)?;
            // Nobody waits for those whom no supervisor answers.
            if !hears_answers || begin.elapsed() > Duration::from_secs(1) {
                *permit = None;
            }
            let due = self.crew.agenda.next_due();
            tokio::select! {
                message = peer.next() => {
                    let message = message?;
                    self.crew.shared.figures().report.received += 1;
                    self.crew.on_message(Instant::now(), message);
                }
                order = self.orders.recv() => match order {
                    None | Some(Order::Leave) => {
                        self.crew.on_order(Instant::now(), Order::Leave);
                        self.publish(peer)?;
                        return Ok(Over::Left);
                    }
                    Some(order) => self.crew.on_order(Instant::now(), order),
                },
                () = at(due) => self.crew.on_time(Instant::now()),
            }
            if self.has_will && self.crew.is_gone() {
                if self.crew.stopped {
                    self.publish(peer)?;
                    return Ok(Over::Left);
                }
                self.crew.out.clear();
                return Ok(Over::Died);
            }
        }
    }

    fn publish(&mut self, peer: &mut Peer) -> Result<(), PeerError> {
        if self.crew.out.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(self.crew.out.len()).unwrap_or_default();
        for message in self.crew.out.drain(..) {
            peer.publish(&message)?;
        }
        self.crew.shared.figures().report.sent += count;
        Ok(())
    }
}

/// Until then; for ever when there is nothing to wait for.
pub(super) async fn at(due: Option<Instant>) {
    match due {
        // The others have their turn, too.
        Some(due) if due <= Instant::now() => tokio::task::yield_now().await,
        Some(due) => sleep_until(due.into()).await,
        None => sleep(Duration::MAX).await,
    }
}
