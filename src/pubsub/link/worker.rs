//! The link's thread: one connection after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::runtime::Runtime;
use tokio::time::{sleep, sleep_until, timeout};

use super::super::router::Router;
use super::config::{Backoff, LinkConfig};
use super::connection::Connection;
use super::failure::{Failure, FailureKind};
use super::login;
use super::outbox::{Stop, as_u64};
use super::sender::Sender;
use super::session::{self, WINDOW};
use super::status::{LinkEvent, Teller};
use super::token::Watch;
use super::transport;
use super::wire::Flight;

/// A connection that has lasted so long was a good one; what comes next begins anew.
const LASTED: Duration = Duration::from_secs(5);

/// A message over which the broker ends so many connections in a row is given up.
const MAX_FAILED: u32 = 8;

pub(super) struct Worker {
    pub(super) config: LinkConfig,
    pub(super) router: Router,
    pub(super) sender: Arc<Sender>,
    pub(super) teller: Arc<Teller>,
}

/// How long to wait, by what has happened.
struct Waits {
    config: [Backoff; 2],
    network: ExponentialBackoff,
    refused: ExponentialBackoff,
}

impl Waits {
    fn new(network: Backoff, refused: Backoff) -> Waits {
        Waits {
            config: [network, refused],
            network: exponential(network),
            refused: exponential(refused),
        }
    }

    fn begin_anew(&mut self) {
        *self = Waits::new(self.config[0], self.config[1]);
    }

    fn next(&mut self, kind: FailureKind) -> Duration {
        let (waits, config) = match kind {
            FailureKind::Network => (&mut self.network, self.config[0]),
            FailureKind::Refused => (&mut self.refused, self.config[1]),
        };
        waits.next().unwrap_or(config.max)
    }
}

fn exponential(backoff: Backoff) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(backoff.min)
        .with_max_delay(backoff.max)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

impl Worker {
    /// Runs until the link is to end.
    pub(super) fn run(self, runtime: Runtime) {
        let mut waits = Waits::new(self.config.backoff, self.config.backoff_refused);
        let mut told = None;
        while !self.is_over() {
            let mut connected_at = None;
            let attempt = AssertUnwindSafe(|| runtime.block_on(self.attempt(&mut connected_at)));
            // A panic in a library, or in a subscriber, must not end the link.
            let ended = catch_unwind(attempt).unwrap_or_else(|_| {
                Err(Failure::network(
                    "a fault in the program, which is told above",
                ))
            });
            self.take_back();
            let Err(failure) = ended else {
                break;
            };
            if connected_at.is_some_and(|at| at.elapsed() > LASTED) {
                waits.begin_anew();
            }
            if connected_at.is_some() {
                told = None;
            }
            let retry_in = waits.next(failure.kind);
            self.tell(&failure, retry_in, connected_at.is_some(), &mut told);
            runtime.block_on(async {
                tokio::select! {
                    () = sleep(retry_in) => {}
                    () = self.over() => {}
                }
            });
        }
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
    }

    /// Connects, and moves messages until the connection fails.
    async fn attempt(&self, connected_at: &mut Option<Instant>) -> Result<(), Failure> {
        let connecting = timeout(self.config.connect_timeout, self.connect());
        let mut connection = tokio::select! {
            connection = connecting => connection.unwrap_or_else(|_| Err(Failure::network(format!(
                "no answer within {} s", self.config.connect_timeout.as_secs_f32()
            ))))?,
            () = self.over() => return Ok(()),
        };
        *connected_at = Some(Instant::now());
        tracing::info!("connected to {}", self.config.broker);
        self.sender.outbox.count(|counters| counters.connects += 1);
        self.teller.tell(LinkEvent::Connected, false);
        connection.run().await
    }

    async fn connect(&self) -> Result<Connection<'_>, Failure> {
        let hello = login::hello(&self.config)?;
        let session = session::of(self.config.protocol, WINDOW);
        let ends = transport::connect(&self.config).await?;
        Connection::open(
            ends,
            session,
            &hello,
            self.config.keep_alive,
            Watch::new(&self.config.credentials),
            (&self.sender, &self.router, &self.teller),
        )
        .await
    }

    /// Puts back what was in flight, to be sent again.
    fn take_back(&self) {
        let outbox = &self.sender.outbox;
        let Some(wire) = self.sender.unplug() else {
            return outbox.go_offline(std::iter::empty());
        };
        let Flight { mut sent, next } = wire.flight;
        if !wire.acknowledged
            && let Some((_, first)) = sent.front_mut()
        {
            first.failed += 1;
            if first.failed >= MAX_FAILED {
                tracing::error!(
                    "a message of {} bytes on {} is given up: the broker ended {} connections over it",
                    first.message.payload.len(),
                    first.message.topic.as_str().escape_debug(),
                    first.failed
                );
                sent.pop_front();
                outbox.count(|counters| counters.dropped_refused += 1);
            }
        }
        outbox.count(|counters| counters.resent += as_u64(sent.len()));
        outbox.go_offline(sent.into_iter().map(|(_, entry)| entry).chain(next));
    }

    /// Says why there is no connection: in the log once, however often it is the same.
    fn tell(
        &self,
        failure: &Failure,
        retry_in: Duration,
        was_connected: bool,
        told: &mut Option<Failure>,
    ) {
        let what = if was_connected {
            "lost the connection to"
        } else {
            "cannot connect to"
        };
        let text = format!(
            "{what} {}: {}; next attempt in {:.1} s",
            self.config.broker,
            failure.why,
            retry_in.as_secs_f32()
        );
        if told.as_ref() == Some(failure) {
            tracing::debug!("{text}");
        } else {
            tracing::warn!("{text}");
        }
        *told = Some(failure.clone());
        self.teller.tell(
            LinkEvent::Disconnected {
                why: failure.why.clone(),
                retry_in,
            },
            failure.kind == FailureKind::Refused,
        );
    }

    /// Whether nothing more is to be tried.
    fn is_over(&self) -> bool {
        match self.sender.outbox.stopping() {
            None => false,
            Some(Stop::Abandoned) => true,
            Some(Stop::Closing(at)) => self.sender.outbox.is_drained() || Instant::now() >= at,
        }
    }

    /// Until nothing more is to be tried.
    async fn over(&self) {
        while !self.is_over() {
            self.sender.pulse.beat();
            match self.sender.outbox.stopping() {
                Some(Stop::Closing(at)) => tokio::select! {
                    () = sleep_until(at.into()) => {}
                    () = self.sender.outbox.wake.notified() => {}
                },
                _ => self.sender.outbox.wake.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let backoff = |min, max| Backoff {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
        };
        let mut waits = Waits::new(backoff(50, 700), backoff(1000, 20_000));
        let mut shortest = 50;
        for _ in 0..20 {
            let wait = waits.next(FailureKind::Network).as_millis();
            assert!((shortest..=2 * shortest).contains(&wait), "{wait}");
            shortest = (2 * shortest).min(700);
        }
        assert!(waits.next(FailureKind::Refused) >= Duration::from_secs(1));
        waits.begin_anew();
        assert!(waits.next(FailureKind::Network) <= Duration::from_millis(100));
    }
}
