//! The flags that say which broker to use, and how: those of the settings in `[broker]`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::{self, BrokerSettings, FlagValues, MqttVersion, Origin, Surroundings};
use crate::pubsub::{Credentials, LinkConfig, Protocol, TlsConfig};

use super::settings;
use super::status::{Failure, Status};

const CONFIG: &str = "config";

/// How to reach a broker: to be flattened into the arguments of commands that do.
#[derive(Debug, Default)]
pub(super) struct ConnectionArgs {
    values: FlagValues,
}

impl ConnectionArgs {
    /// What makes a link, from flags, environment and file of settings. `kind` becomes a part of
    /// the client id, which is another one each time: the one in the settings is the runtime's,
    /// and a broker ends the connection of whoever had it before.
    pub(super) fn link(&self, kind: &str) -> Result<LinkConfig, Failure> {
        let effective = config::load(&self.values, &Surroundings::of_process())
            .map_err(|e| settings::failure(&e))?;
        let broker = &effective.settings.broker;
        let own = format!("arena-{kind}-{}", uuid::Uuid::new_v4().simple());
        let client_id = match (&broker.client_id, effective.origin("broker.client_id")) {
            (Some(id), Some(Origin::Flag(_))) => id.clone(),
            _ => own,
        };
        link(broker, client_id)
    }
}

/// A link as the settings say.
pub(super) fn link(
    broker: &BrokerSettings,
    client_id: impl Into<String>,
) -> Result<LinkConfig, Failure> {
    let url = broker
        .url
        .as_str()
        .parse()
        .map_err(|e| Failure::new(Status::Usage, format!("the broker {}: {e}", broker.url)))?;
    let password = broker
        .password()
        .map_err(|e| Failure::new(Status::Usage, e.to_string()))?;
    let mut config = LinkConfig::new(url, client_id);
    config.credentials = match (&broker.token_file, password) {
        (Some(path), _) => Credentials::TokenFile {
            user: broker.user.clone(),
            path: path.clone(),
        },
        (None, password) => match (&broker.user, password) {
            (None, None) => Credentials::None,
            (user, password) => Credentials::Password {
                user: user.clone().unwrap_or_default(),
                password: password.map_or_else(String::new, |p| p.expose().to_owned()),
            },
        },
    };
    config.tls = TlsConfig {
        ca: broker.ca.clone(),
        cert: broker.cert.clone(),
        key: broker.key.clone(),
    };
    config.protocol = match broker.mqtt_version {
        MqttVersion::V3 => Protocol::Mqtt311,
        MqttVersion::V5 => Protocol::Mqtt5,
    };
    config.keep_alive = broker.keep_alive;
    config.connect_timeout = broker.connect_timeout;
    config.outbox_bytes = broker.outbox;
    Ok(config)
}

fn flags() -> impl Iterator<Item = config::Flag> {
    config::flags().filter(|flag| flag.key.starts_with("broker."))
}

impl clap::Args for ConnectionArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The file of settings, of which [broker] is used");
        let flags = flags().map(|flag| {
            Arg::new(flag.name)
                .long(flag.name)
                .value_name(flag.value_name)
                .help(flag.help)
        });
        command
            .next_help_heading("Connection")
            .arg(file)
            .args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for ConnectionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ConnectionArgs, clap::Error> {
        let mut values = FlagValues::default();
        values.config = matches.get_one::<PathBuf>(CONFIG).cloned();
        for flag in flags() {
            if let Some(text) = matches.get_one::<String>(flag.name) {
                values.add(&format!("--{}", flag.name), &flag.key, text);
            }
        }
        Ok(ConnectionArgs { values })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
