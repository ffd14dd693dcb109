//! The channels of a module that `arena run` runs.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use tracing::warn;
use uuid::Uuid;

use crate::config::{LogLevel, Settings};
use crate::guest::{ChannelSpec, Guest, GuestConfig};
use crate::pubsub::{Link, LinkEvent, Qos, Router};
use crate::wamr::StopHandle;

use super::connection::ConnectionArgs;
use super::logging;
use super::parse;
use super::status::{Failure, Status, printable};

/// Which channels a module gets, and what is at their other end.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ChannelArgs {
    /// Give the module a channel: a path of its own, and the topic that it stands for.
    /// Without --broker, messages stay in this process
    #[arg(long, value_name = "PATH=TOPIC[:r|w|rw]", value_parser = parse::channel)]
    channel: Vec<ChannelSpec>,

    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// What a module's channels are connected with.
pub(super) struct Channels {
    pub(super) guest: Guest,
    link: Option<Link>,
}

/// How long the first connection may take, beyond what one attempt may.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what the module has published last may take to the broker.
const FAREWELL: Duration = Duration::from_secs(2);

impl ChannelArgs {
    /// Whether the module is one with channels, and so gets directories for them.
    pub(super) fn any(&self) -> bool {
        !self.channel.is_empty() || self.connection.names_broker()
    }

    /// Connects the channels. Without a broker, messages stay in this process. Who names one
    /// wants it, so the module does not begin without; later the link comes back by itself.
    pub(super) fn connect(&self, stop: &StopHandle) -> Result<Channels, Failure> {
        let mut settings = Settings::default();
        let router = Router::new();
        let mut link = None;
        if self.connection.names_broker() {
            settings = self.connection.settings()?;
            let config = self.connection.link("run")?;
            let patience = config.connect_timeout.saturating_add(PATIENCE);
            let started = Link::start(config, router.clone())
                .map_err(|e| Failure::new(Status::CannotLoad, e.to_string()))?;
            wait_for_broker(&started, patience, stop)?;
            link = Some(started);
        }
        if self.any() {
            // From here on: a first connection that fails is told once, by who waits for it.
            let mut log = Settings::default().log;
            log.level = LogLevel::Warn;
            logging::init(&log);
        }
        let config = GuestConfig {
            uuid: Uuid::new_v4(),
            runtime_uuid: Uuid::new_v4(),
            realm: settings.runtime.realm.clone(),
            channels: self.channel.clone(),
            default_qos: match settings.broker.qos {
                0 => Qos::AtMostOnce,
                _ => Qos::AtLeastOnce,
            },
            ..GuestConfig::default()
        };
        let guest =
            Guest::new(config, &router).map_err(|e| Failure::new(Status::Usage, e.to_string()))?;
        Ok(Channels { guest, link })
    }
}

fn wait_for_broker(link: &Link, patience: Duration, stop: &StopHandle) -> Result<(), Failure> {
    /// How soon a stop is noticed.
    const STEP: Duration = Duration::from_millis(50);
    let failure = |why: &str| {
        let text = format!("cannot reach the broker: {}", printable(why));
        Err(Failure::new(Status::CannotLoad, text))
    };
    let deadline = Instant::now() + patience;
    let events = link.events();
    while Instant::now() < deadline && !stop.is_stopped() {
        match events.recv_timeout(STEP) {
            Ok(LinkEvent::Connected) => return Ok(()),
            Ok(LinkEvent::Disconnected { why, .. }) => return failure(&why),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    failure("it does not answer")
}

impl Channels {
    /// Closes the channels, after what the module has published is with the broker.
    pub(super) fn finish(self) {
        self.guest.close();
        if let Some(link) = self.link
            && !link.close(FAREWELL)
        {
            warn!("the broker did not get all messages in {FAREWELL:?}");
        }
    }
}
