//! `arena runtime`.

use std::process::ExitCode;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{info, warn};

use crate::runtime::{Node, NodeHandle, confine};

use super::check;
use super::logging;
use super::settings::RuntimeFlags;
use super::status::{Failure, Status};

/// Join a realm as a runtime: run the modules that ARTS sends here.
///
/// Registers with ARTS over MQTT, runs modules, connects them to their channels, and reports CPU
/// and memory. The broker and ARTS need not be there yet. Ctrl-C or SIGTERM asks the modules to
/// save and end, tells ARTS, and ends; a second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena runtime\n  \
    arena runtime --name kitchen --broker mqtt://broker.local --app-dir ./modules\n  \
    arena runtime --http 127.0.0.1:9464 --log-level debug\n  \
    arena runtime --set runtime.grace_time=2s --set limits.module_memory=64MiB")]
pub(super) struct Args {
    #[command(flatten)]
    flags: RuntimeFlags,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let effective = args.flags.load()?;
    logging::init(&effective.settings.log);
    for warning in &effective.warnings {
        warn!("{warning}");
    }
    match confine(&effective.settings) {
        Ok(Some(held)) => info!("sandbox {held}"),
        Ok(None) => info!("sandbox off: the runtime keeps all that its user may do"),
        Err(error) => return Err(Failure::new(Status::CannotStart, error.to_string())),
    }
    let files = effective.settings.files();
    let (mut node, handle) = Node::start(effective.settings)
        .map_err(|e| check::cannot_start(&files, e.is_of_settings(), &e.to_string()))?;
    end_on_signals(handle)
        .map_err(|e| Failure::new(Status::CannotStart, format!("cannot handle signals: {e}")))?;
    node.tell_service_manager();
    node.run();
    Ok(ExitCode::SUCCESS)
}

/// The first SIGINT or SIGTERM ends the node in order, the second one at once.
fn end_on_signals(handle: NodeHandle) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            for (count, signal) in signals.forever().enumerate() {
                if count == 0 {
                    handle.shut_down();
                } else {
                    info!("told to end again: at once");
                    std::process::exit(128 + signal);
                }
            }
        })?;
    Ok(())
}
