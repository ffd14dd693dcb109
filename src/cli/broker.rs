//! `arena broker`.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use crossbeam_channel::select;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tracing::{info, warn};

use crate::broker::{Broker, BrokerConfig, set_password};

use super::check;
use super::logging;
use super::run::signals;
use super::service::Service;
use super::settings::BrokerFlags;
use super::status::{Failure, Status, print, printable};

/// Be an MQTT broker, for a realm that has none.
///
/// Speaks MQTT 3.1.1 and 5 over TCP and WebSocket, plain or encrypted, and keeps everything in
/// memory. Prints a line for each address that it listens on. Ends with Ctrl-C or SIGTERM.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    arena broker\n  \
    arena broker --listen 0.0.0.0:1883 --password-file users --acl acl\n  \
    arena broker --tls-listen 0.0.0.0:8883 --tls-cert broker.pem --tls-key broker.key\n  \
    arena broker --listen '' --ws 127.0.0.1:9001\n  \
    arena broker passwd users kitchen"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    flags: BrokerFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a user's password in a password file
    ///
    /// The password is asked for, or read from stdin. The file is made if it is not there.
    #[command(after_help = "Examples:\n  \
        arena broker passwd users kitchen\n  \
        arena broker passwd users kitchen < password")]
    Passwd {
        /// The password file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The user
        #[arg(value_name = "USER")]
        user: String,
    },
}

/// How long connections get to end.
const END: Duration = Duration::from_secs(5);

/// The longest password.
const PASSWORD_BYTES: u64 = 65_535;

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(Command::Passwd { file, user }) => passwd(file, user),
        None => serve(args),
    }
}

fn serve(args: &Args) -> Result<ExitCode, Failure> {
    let effective = args.flags.load()?;
    logging::init(&effective.settings.log);
    for warning in &effective.warnings {
        warn!("{warning}");
    }
    raise_file_limit();
    let signals = signals()?;
    let config = BrokerConfig::from(&effective.settings.mqtt_server);
    let files = effective.settings.files();
    let broker = Broker::start(config)
        .map_err(|e| check::cannot_start(&files, e.is_of_settings(), &e.to_string()))?;
    let lines: String = broker
        .addresses()
        .urls()
        .iter()
        .map(|url| format!("{url}\n"))
        .collect();
    print(&lines)?;
    let status = || format!("listening on {}", broker.addresses().urls().join(", "));
    let mut service = Service::begin(status);
    loop {
        select! {
            // The other end is a thread that lives as long as the process.
            recv(signals) -> _ => break,
            recv(service.next()) -> _ => {
                service.look(&[("the broker", broker.pulse())], status);
            }
        }
    }
    info!("told to end");
    service.end(END);
    if !broker.stop(END) {
        warn!("some connections did not end in time");
    }
    Ok(ExitCode::SUCCESS)
}

/// Each connection is an open file, and the usual limit is for programs that have few.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        warn!("the limit of open files stays as it is: {error}");
    }
}

fn passwd(file: &std::path::Path, user: &str) -> Result<ExitCode, Failure> {
    let password = read_password(user)
        .map_err(|e| Failure::new(Status::Usage, format!("cannot read the password: {e}")))?;
    set_password(file, user, &password)
        .map_err(|e| Failure::of_file(Status::Usage, "set the password in", file, e))?;
    Ok(ExitCode::SUCCESS)
}

/// A line of stdin, which a terminal does not show.
fn read_password(user: &str) -> io::Result<String> {
    let stdin = io::stdin();
    let mut line = String::new();
    if stdin.is_terminal() {
        eprint!("Password of {}: ", printable(user));
        io::stderr().flush()?;
        let before = tcgetattr(&stdin)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
        let read = stdin.read_line(&mut line);
        tcsetattr(&stdin, OptionalActions::Flush, &before)?;
        eprintln!();
        read?;
    } else {
        stdin
            .lock()
            .take(PASSWORD_BYTES)
            .read_to_string(&mut line)?;
    }
    let password = line.lines().next().unwrap_or_default();
    Ok(password.to_owned())
}
