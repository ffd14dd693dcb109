//! `arena config`.

use std::path::PathBuf;
use std::process::ExitCode;

use tracing::warn;

use crate::config::{self, Effective, Surroundings};

use super::check;
use super::logging;
use super::settings::{self, Has as _, OfBroker, OfRuntime, OfSupervisor, RuntimeFlags};
use super::status::{Failure, Status, print};

/// Show the settings that hold, and where each comes from.
///
/// It is printed as a file of settings that can be used as it is; passwords are left out. What
/// is wrong anywhere is said on stderr, with its place, and the exit status is 2. So it is with files
/// that they name: keys, certificates, passwords and rules are read as runtime, supervisor and broker
/// would read them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena config\n  \
    arena config --broker mqtts://broker.example --set limits.module_memory=64MiB\n  \
    arena config --file arena.toml\n  \
    arena config --template runtime > arena.toml\n  \
    arena config --doc | less")]
pub(super) struct Args {
    /// Check this file by itself, without environment and flags, and print nothing if it is good
    #[arg(long, value_name = "FILE", conflicts_with_all = ["doc", "json"])]
    file: Option<PathBuf>,

    /// Describe all settings, in Markdown
    #[arg(long, conflicts_with = "json")]
    doc: bool,

    /// Print a file of settings for a service to begin with, in which all are described and none is
    /// set
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["doc", "json", "file"])]
    template: Option<Service>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    flags: RuntimeFlags,
}

/// Whose settings.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Service {
    Runtime,
    Arts,
    Broker,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::Runtime => "runtime",
            Service::Arts => "arts",
            Service::Broker => "broker",
        }
    }

    /// Whether it looks at the setting with this key.
    fn has(self, key: &str) -> bool {
        match self {
            Service::Runtime => OfRuntime::key(key),
            Service::Arts => {
                let more = ["engine", "restart"];
                let section = key.split('.').next().unwrap_or_default();
                key != "broker.client_id" && (OfSupervisor::key(key) || more.contains(&section))
            }
            Service::Broker => OfBroker::key(key),
        }
    }

    fn template(self) -> String {
        let name = self.name();
        let head = format!(
            "Settings of arena-{name}.service, which runs `arena {name}`.\n\
             What is commented out is the default, or an example. After a change:\n\
             \n\
             \x20   arena config --file /etc/arena/{name}.toml    # says what is wrong\n\
             \x20   systemctl restart arena-{name}"
        );
        config::template(&head, |key| self.has(key))
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if args.doc {
        return print(&config::markdown()).map(|()| ExitCode::SUCCESS);
    }
    if let Some(service) = args.template {
        return print(&service.template()).map(|()| ExitCode::SUCCESS);
    }
    let (text, found) = if let Some(file) = &args.file {
        if !args.flags.is_empty() {
            let why = "--file looks at the file by itself, so it takes no settings\n\
                       Use --config to see them together";
            return Err(Failure::new(Status::Usage, why));
        }
        let effective = config::load_file(file, &Surroundings::of_process());
        let effective = effective.map_err(|e| settings::failure(&e))?;
        (String::new(), look(&effective))
    } else {
        let effective = args.flags.load()?;
        let text = if args.json {
            format!("{:#}\n", config::to_json(&effective))
        } else {
            config::to_toml(&effective)
        };
        (text, look(&effective))
    };
    print(&text)?;
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(Status::Usage, found.join("\n")))
}

/// Says what should be looked at, in the way that the settings want messages; returns what is wrong
/// with the files that they name.
fn look(effective: &Effective) -> Vec<String> {
    logging::init(&effective.settings.log);
    let found = check::look(effective);
    for warning in effective.warnings.iter().chain(&found.unseen) {
        warn!("{warning}");
    }
    found.problems
}
