//! The flags that say which broker to use, and how: those of the settings in `[broker]`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::{self, FlagValues, Origin, Settings, Surroundings};
use crate::pubsub::LinkConfig;
use crate::runtime;

use super::settings;
use super::status::{Failure, Status};

const CONFIG: &str = "config";

/// How to reach a broker: to be flattened into the arguments of commands that do.
#[derive(Debug, Default)]
pub(super) struct ConnectionArgs {
    values: FlagValues,
    /// `--broker` is among them.
    names_broker: bool,
}

impl ConnectionArgs {
    /// Whether the command line says which broker, and not only environment or settings.
    pub(super) fn names_broker(&self) -> bool {
        self.names_broker
    }

    /// The file of settings that the command line names.
    pub(super) fn config(&self) -> Option<PathBuf> {
        self.values.config.clone()
    }

    /// The settings that hold with these flags.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let effective = config::load(&self.values, &Surroundings::of_process())
            .map_err(|e| settings::failure(&e))?;
        Ok(effective.settings)
    }

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
        runtime::link(broker, client_id)
            .map_err(|e| Failure::new(Status::Usage, format!("the broker {}: {e}", broker.url)))
    }
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
        let names_broker = matches.get_one::<String>("broker").is_some();
        Ok(ConnectionArgs {
            values,
            names_broker,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
