//! The flags that set settings, made from the table of them.

use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::config::{self, Effective, FlagValues, Surroundings};

use super::status::{Failure, Status};

const CONFIG: &str = "config";
const SET: &str = "set";

/// Which settings have flags of their own with a command. Those of different sections may have
/// the same name.
pub(super) trait Has: std::fmt::Debug + Default + Send + Sync + Clone + 'static {
    /// Whether those of this section are among them.
    fn section(name: &str) -> bool;

    /// Whether the one with this key is.
    fn key(key: &str) -> bool {
        // A section that is one setting has no point in its key.
        Self::section(key.split('.').next().unwrap_or_default())
    }
}

/// The flags of `arena runtime`.
#[derive(Clone, Debug, Default)]
pub(super) struct OfRuntime;

impl Has for OfRuntime {
    fn section(name: &str) -> bool {
        !matches!(name, "mqtt_server" | "supervisor")
    }
}

/// The flags of `arena broker`.
#[derive(Clone, Debug, Default)]
pub(super) struct OfBroker;

impl Has for OfBroker {
    fn section(name: &str) -> bool {
        matches!(name, "mqtt_server" | "log")
    }
}

/// The flags of `arena arts`.
#[derive(Clone, Debug, Default)]
pub(super) struct OfSupervisor;

impl Has for OfSupervisor {
    fn section(name: &str) -> bool {
        matches!(name, "supervisor" | "broker" | "log")
    }

    fn key(key: &str) -> bool {
        let section = key.split('.').next().unwrap_or_default();
        key == "runtime.realm" || Self::section(section)
    }
}

/// The flags of `arena up`: those of all its parts that mean one thing there. It has others for the
/// addresses, and `--set` sets the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct OfRealm;

impl Has for OfRealm {
    fn section(name: &str) -> bool {
        matches!(name, "log" | "dirs")
    }

    fn key(key: &str) -> bool {
        let section = key.split('.').next().unwrap_or_default();
        let of_broker = section == "broker" && !matches!(key, "broker.url" | "broker.client_id");
        let others = matches!(
            key,
            "runtime.name"
                | "runtime.realm"
                | "runtime.max_modules"
                | "runtime.undeclared_topics"
                | "supervisor.scheduler"
                | "supervisor.restart"
        );
        of_broker || others || Self::section(section)
    }
}

/// The flags of commands that compile.
#[derive(Clone, Debug, Default)]
pub(super) struct OfEngine;

impl Has for OfEngine {
    fn section(_: &str) -> bool {
        false
    }

    fn key(key: &str) -> bool {
        matches!(key, "engine.compiler" | "store.cache_dir")
    }
}

/// The settings of commands that look at signatures: without flags of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct OfTrust;

impl Has for OfTrust {
    fn section(_: &str) -> bool {
        false
    }
}

/// The flags of commands that look at signatures.
pub(super) type TrustFlags = SettingsFlags<OfTrust>;
/// The flags of commands that compile.
pub(super) type EngineFlags = SettingsFlags<OfEngine>;
/// The flags of commands that run a node, or look at settings.
pub(super) type RuntimeFlags = SettingsFlags<OfRuntime>;
/// The flags of the supervisor.
pub(super) type SupervisorFlags = SettingsFlags<OfSupervisor>;
/// The flags of a realm in one process.
pub(super) type RealmFlags = SettingsFlags<OfRealm>;
/// The flags of the broker.
pub(super) type BrokerFlags = SettingsFlags<OfBroker>;

/// The flags of commands that use the settings: to be flattened into theirs.
#[derive(Debug, Default)]
pub(super) struct SettingsFlags<H> {
    values: FlagValues,
    has: PhantomData<H>,
}

fn flags<H: Has>() -> impl Iterator<Item = config::Flag> {
    config::flags().filter(|flag| H::key(&flag.key))
}

impl<H: Has> SettingsFlags<H> {
    /// Whether none of them is given.
    pub(super) fn is_empty(&self) -> bool {
        self.values == FlagValues::default()
    }

    /// The settings from all sources, with these flags.
    pub(super) fn load(&self) -> Result<Effective, Failure> {
        self.load_over(FlagValues::default())
    }

    /// The same over flags that a command has beside them.
    pub(super) fn load_over(&self, base: FlagValues) -> Result<Effective, Failure> {
        let values = self.values.clone().over(base);
        config::load(&values, &Surroundings::of_process()).map_err(|e| failure(&e))
    }
}

/// Settings that are wrong are a wrong way to call the program.
pub(super) fn failure(error: &config::ConfigError) -> Failure {
    Failure::new(Status::Usage, error.to_string())
}

impl<H: Has> clap::Args for SettingsFlags<H> {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The file of settings [default: arena/arena.toml in ~/.config, or in /etc]");
        let flags = flags::<H>().map(|flag| {
            Arg::new(flag.name)
                .long(flag.name)
                .value_name(flag.value_name)
                .action(if flag.many {
                    ArgAction::Append
                } else {
                    ArgAction::Set
                })
                .help(flag.help)
        });
        let set = Arg::new(SET)
            .long(SET)
            .value_name("SECTION.KEY=VALUE")
            .action(ArgAction::Append)
            .value_parser(assignment)
            .help("Any other setting; arena config --doc describes them");
        command
            .next_help_heading("Settings")
            .arg(file)
            .args(flags)
            .arg(set)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<H: Has> clap::FromArgMatches for SettingsFlags<H> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingsFlags<H>, clap::Error> {
        let mut values = FlagValues::default();
        values.config = matches.get_one::<PathBuf>(CONFIG).cloned();
        // Those of any name first, so that a flag of its own goes over them.
        for (key, text) in matches
            .get_many::<(String, String)>(SET)
            .unwrap_or_default()
        {
            values.add("--set", key, text);
        }
        for flag in flags::<H>() {
            for text in matches.get_many::<String>(flag.name).unwrap_or_default() {
                values.add(&format!("--{}", flag.name), &flag.key, text);
            }
        }
        Ok(SettingsFlags {
            values,
            has: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `SECTION.KEY=VALUE`.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected SECTION.KEY=VALUE, for example broker.qos=0".to_owned()),
    }
}
