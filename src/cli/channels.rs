//! The channels of a module that `arena run` runs.

use uuid::Uuid;

use crate::config::{LogLevel, Settings};
use crate::guest::{ChannelSpec, Guest, GuestConfig};
use crate::pubsub::Router;

use super::logging;
use super::parse;
use super::status::{Failure, Status};

/// Which channels a module gets.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ChannelArgs {
    /// Give the module a channel: a path of its own, and the topic that it stands for
    #[arg(long, value_name = "PATH=TOPIC[:r|w|rw]", value_parser = parse::channel)]
    channel: Vec<ChannelSpec>,
}

/// What a module's channels are connected with.
pub(super) struct Channels {
    pub(super) guest: Guest,
}

impl ChannelArgs {
    /// Whether the module is one with channels, and so gets directories for them.
    pub(super) fn any(&self) -> bool {
        !self.channel.is_empty()
    }

    /// Connects the channels. Without a broker, messages stay in this process.
    pub(super) fn connect(&self) -> Result<Channels, Failure> {
        if self.any() {
            let mut log = Settings::default().log;
            log.level = LogLevel::Warn;
            logging::init(&log);
        }
        let router = Router::new();
        let config = GuestConfig {
            uuid: Uuid::new_v4(),
            runtime_uuid: Uuid::new_v4(),
            channels: self.channel.clone(),
            ..GuestConfig::default()
        };
        let guest =
            Guest::new(config, &router).map_err(|e| Failure::new(Status::Usage, e.to_string()))?;
        Ok(Channels { guest })
    }
}
