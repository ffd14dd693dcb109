//! `arena arts`: the supervisor, as a service.

use std::process::ExitCode;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{error, warn};
use uuid::Uuid;

use crate::runtime;
use crate::supervisor::{
    HttpConfig, HttpServer, ModuleState, RuntimeState, Supervisor, SupervisorConfig,
};

use super::check;
use super::logging;
use super::service::Service;
use super::settings::SupervisorFlags;
use super::status::{Failure, Status, print};

/// How long the end may take.
const STOP: Duration = Duration::from_secs(10);

/// Supervises a realm: knows its runtimes, and places modules on them.
///
/// Clients ask for modules by MQTT, or by HTTP at the address that is printed. The registry is kept in the data directory, so that a
/// supervisor that was killed goes on where it was; runtimes and modules do not need it to go on.
/// The broker need not be there yet. Ctrl-C or SIGTERM ends it in order, a second one at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena arts\n  \
    arena arts --broker mqtt://broker.local --realm lab --data-dir /var/lib/arena/supervisor\n  \
    arena arts --scheduler round-robin --keepalive-interval 10s\n  \
    arena arts --listen 0.0.0.0:8000 --jwt-public-key /etc/arena/api-key.pem\n  \
    arena arts --restart on-failure --set supervisor.answer_timeout=30s")]
pub(super) struct Args {
    #[command(flatten)]
    flags: SupervisorFlags,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let effective = args.flags.load()?;
    let settings = &effective.settings;
    logging::init(&settings.log);
    for warning in &effective.warnings {
        warn!("{warning}");
    }
    let cannot_start = |why: String| Failure::new(Status::CannotStart, why);
    // First, so that nothing is begun with an address or keys that cannot be.
    let files = settings.files();
    let http =
        HttpConfig::new(settings).map_err(|e| check::cannot_start(&files, true, &e.to_string()))?;
    // The client id of the settings is the runtime's.
    let id = format!("arena-arts-{}", Uuid::new_v4().simple());
    let link = runtime::link(&settings.broker, id)
        .map_err(|e| check::cannot_start(&files, true, &e.to_string()))?;
    let supervisor = Supervisor::start(SupervisorConfig::new(settings, link))
        .map_err(|e| check::cannot_start(&files, e.is_of_settings(), &e.to_string()))?;
    let server = HttpServer::start(http, supervisor.clone()).map_err(|e| {
        supervisor.stop(STOP);
        cannot_start(e.to_string())
    })?;
    print(&format!("http://{}\n", server.local_addr()))?;
    let signal = signals().map_err(|e| cannot_start(format!("cannot handle signals: {e}")))?;
    let ended = supervisor.ended();
    let mut service = Service::begin(|| in_words(&supervisor));
    loop {
        select! {
            recv(signal) -> _ => break,
            recv(ended) -> _ => {
                error!("the supervisor has ended by a fault; start it again");
                return Ok(ExitCode::FAILURE);
            }
            recv(service.next()) -> _ => {
                let pulses = [
                    ("the thread of the supervisor or of its MQTT link", supervisor.pulse()),
                    ("the thread of the HTTP API", server.pulse()),
                ];
                service.look(&pulses, || in_words(&supervisor));
            }
        }
    }
    service.end(2 * STOP);
    drop(server);
    if !supervisor.stop(STOP) {
        warn!("the supervisor does not end in order");
    }
    Ok(ExitCode::SUCCESS)
}

/// How the supervisor is, for people.
fn in_words(supervisor: &Supervisor) -> String {
    let stats = supervisor.stats();
    let runtimes = stats.runtimes.get(&RuntimeState::Alive).copied();
    let modules = stats.modules.get(&ModuleState::Running).copied();
    let broker = if stats.link.connected {
        "connected to the broker"
    } else {
        "waiting for the broker"
    };
    format!(
        "{broker}; runtimes: {}, running modules: {}",
        runtimes.unwrap_or_default(),
        modules.unwrap_or_default()
    )
}

/// Tells of the first SIGINT or SIGTERM. The second one ends the process.
fn signals() -> std::io::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (first, came) = bounded(1);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            for (count, signal) in signals.forever().enumerate() {
                if count == 0 {
                    // Nobody waits only when the process is about to end.
                    let _ = first.send(());
                } else {
                    std::process::exit(128 + signal);
                }
            }
        })?;
    Ok(came)
}
