//! The state of one instance: what its host functions and its files share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use uuid::Uuid;

use crate::pubsub::{Lane, Mailbox, MailboxStats, Message, PublishError, Router};
use crate::wasi::{Access, WasiConfig};

use super::channel::Channel;
use super::channels::{Channels, Descriptor};
use super::config::{GuestConfig, GuestError};
use super::files;
use super::periods::{PeriodStats, Periods};
use super::policy::Policy;
use super::refusal::{Refusal, Told};
use super::signals::Signals;

/// What a module has beside WASI: its channels, signals and periods. A handle; clones have the
/// same state.
///
/// It is part of the instance's context, and gives the instance's WASI its files
/// ([`Guest::add_to_wasi`]). Whoever runs the module keeps a clone, to raise signals, to read
/// counters, and to [`close`](Guest::close) it when the module has ended.
#[derive(Clone)]
pub struct Guest {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) uuid: Uuid,
    pub(super) runtime_uuid: Uuid,
    pub(super) policy: Policy,
    router: Router,
    /// A module that floods is not to stand in the way of others.
    lane: Lane,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) channels: Channels,
    pub(super) signals: Signals,
    pub(super) periods: Periods,
    max_message: usize,
    pub(super) max_channels: usize,
    told: Told,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    refused: AtomicU64,
    opens_refused: AtomicU64,
    /// Nanoseconds since 1970; 0 for never.
    last_activity: AtomicU64,
}

/// What a module's channels have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestStats {
    /// Messages that came for it, those that were dropped among them.
    pub messages_in: u64,
    /// Bytes of their payloads.
    pub bytes_in: u64,
    /// Messages that it published.
    pub messages_out: u64,
    /// Bytes of their payloads.
    pub bytes_out: u64,
    /// Messages for it that its mailbox had no room for.
    pub messages_dropped: u64,
    /// Bytes of their payloads.
    pub bytes_dropped: u64,
    /// Messages that it published and that did not go to the broker.
    pub messages_refused: u64,
    /// Messages that wait for it.
    pub messages_waiting: usize,
    /// Bytes that they take.
    pub bytes_waiting: usize,
    /// Channels that it has open.
    pub channels: usize,
    /// How often it asked for a channel that it does not get.
    pub opens_refused: u64,
    /// When it last took a message or published one.
    pub last_activity: Option<SystemTime>,
    /// Its periods of work.
    pub periods: PeriodStats,
}

/// How long a message takes for which nobody has room.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(1);

impl Guest {
    /// The state of an instance to be, whose channels are those of the router.
    ///
    /// # Errors
    /// When a declared channel cannot be had.
    pub fn new(config: GuestConfig, router: &Router) -> Result<Guest, GuestError> {
        let policy = Policy::new(&config)?;
        let mailbox = Mailbox::new(config.mailbox);
        Ok(Guest {
            shared: Arc::new(Shared {
                uuid: config.uuid,
                runtime_uuid: config.runtime_uuid,
                channels: Channels::new(router, &mailbox, config.max_channels, &policy),
                policy,
                router: router.clone(),
                lane: config.lane.unwrap_or_else(|| router.lane()),
                mailbox,
                signals: Signals::default(),
                periods: Periods::default(),
                max_message: config.max_message,
                max_channels: config.max_channels,
                told: Told::default(),
                counters: Counters::default(),
            }),
        })
    }

    /// Gives the instance its files: the directory `/sys`, and one for each declared channel
    /// whose path is `/ch/NAME`, in order. Called before directories of the host are added, they
    /// are descriptors 3, 4 and so on.
    pub fn add_to_wasi(&self, config: &mut WasiConfig) {
        files::add_to_wasi(&self.shared, config);
    }

    /// Makes a signal pending for the module, which reads it from `/sys/signals`: 3 asks it to
    /// save its state and exit. Numbers other than 1 to 64 are none.
    pub fn raise(&self, signal: u32) {
        if self.shared.signals.raise(signal) {
            self.wake();
        }
    }

    /// Has the module's waits look again whether they are over.
    pub fn wake(&self) {
        self.shared.mailbox.wake();
    }

    /// Closes all channels, for good: for when the module has ended. What waits for it is
    /// dropped, and its subscriptions end.
    pub fn close(&self) {
        self.shared.channels.close();
    }

    /// What has been counted so far.
    #[must_use]
    pub fn stats(&self) -> GuestStats {
        let MailboxStats {
            messages,
            bytes,
            received,
            received_bytes,
            dropped,
            dropped_bytes,
        } = self.shared.mailbox.stats();
        let counters = &self.shared.counters;
        let activity = counters.last_activity.load(Ordering::Relaxed);
        GuestStats {
            messages_in: received,
            bytes_in: received_bytes,
            messages_out: counters.sent.load(Ordering::Relaxed),
            bytes_out: counters.sent_bytes.load(Ordering::Relaxed),
            messages_dropped: dropped,
            bytes_dropped: dropped_bytes,
            messages_refused: counters.refused.load(Ordering::Relaxed),
            messages_waiting: messages,
            bytes_waiting: bytes,
            channels: self.shared.channels.len(),
            opens_refused: counters.opens_refused.load(Ordering::Relaxed),
            last_activity: (activity > 0)
                .then(|| SystemTime::UNIX_EPOCH + Duration::from_nanos(activity)),
            periods: self.shared.periods.stats(),
        }
    }
}

impl AsRef<Guest> for Guest {
    fn as_ref(&self) -> &Guest {
        self
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest")
            .field("uuid", &self.shared.uuid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The descriptor of a path, for `ch_open`.
    pub(super) fn open_descriptor(&self, path: &str, access: Access) -> Result<i32, Refusal> {
        let opened = self
            .policy
            .resolve(path, access)
            .and_then(|resolved| self.channels.open_descriptor(path, resolved, access));
        opened.inspect_err(|refusal| self.refused_open(path, *refusal))
    }

    /// A channel for a file.
    pub(super) fn open_file(&self, path: &str, access: Access) -> Result<Descriptor, Refusal> {
        let opened = self
            .policy
            .resolve(path, access)
            .and_then(|resolved| self.channels.open_file(path, resolved, access));
        opened.inspect_err(|refusal| self.refused_open(path, *refusal))
    }

    fn refused_open(&self, path: &str, refusal: Refusal) {
        self.counters.opens_refused.fetch_add(1, Ordering::Relaxed);
        self.told.tell(&self.uuid, path, refusal);
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// When it is too long, or when the broker will not get it because what waits for the broker
    /// is full; modules of this runtime have got it then.
    pub(super) fn publish(&self, channel: &Channel, payload: Bytes) -> Result<(), Refusal> {
        let size = payload.len();
        let published = self.try_publish(channel, payload);
        if let Err(refusal) = published {
            self.told.tell(&self.uuid, &channel.path, refusal);
        }
        if matches!(published, Ok(()) | Err(Refusal::Full)) {
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
            self.counters
                .sent_bytes
                .fetch_add(size as u64, Ordering::Relaxed);
            channel.counters.add_sent(size);
        }
        published
    }

    fn try_publish(&self, channel: &Channel, payload: Bytes) -> Result<(), Refusal> {
        if payload.len() > self.max_message {
            return Err(Refusal::TooLong);
        }
        let topic = channel.resolved.topic.clone().ok_or(Refusal::Wildcard)?;
        self.active();
        let message = Message::new(topic, payload, channel.resolved.qos);
        let Err(error) = self.router.publish_in(self.lane, message) else {
            return Ok(());
        };
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        channel.counters.add_refused();
        match error {
            // As it is with QoS 0 when nobody listens: published, and lost.
            PublishError::Offline => Ok(()),
            PublishError::TooLarge => Err(Refusal::TooLong),
            PublishError::AllFull => {
                // Whoever goes on all the same takes time from those who are to make room.
                std::thread::sleep(WAIT_FOR_ROOM);
                Err(Refusal::Full)
            }
            _ => Err(Refusal::Full),
        }
    }

    /// The module does something on a channel.
    pub(super) fn active(&self) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.counters.last_activity.store(nanos, Ordering::Relaxed);
    }
}
