//! `arena up`: a realm in one process.
//!
//! Broker, supervisor and runtime are as they are in processes of their own: each of the last two
//! has a link of its own to the first. `settings.rs` makes their settings, `realm.rs` starts and
//! ends them.

mod demo;
mod node;
mod ready;
mod realm;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, never, select};
use tracing::{info, warn};

use crate::config::{Effective, LogLevel};

use super::logging;
use super::run::signals;
use super::service::Service;
use super::settings::RealmFlags;
use super::status::{Failure, Status, print};

use node::RunningNode;
use ready::Ready;
use realm::Realm;

/// Bring up a realm: a broker, a supervisor and a runtime in one process.
///
/// Everything is kept in one directory, and is there again the next time. Ports are the usual ones
/// when they are free, and others when they are not. Ctrl-C or SIGTERM ends all in order: modules
/// are asked to save and end, the runtime leaves, then the supervisor and the broker end; a second
/// one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena up\n  \
    arena up --demo\n  \
    arena up --data ./realm --mqtt 0.0.0.0:1883\n  \
    arena up --join mqtt://192.168.1.20 --name kitchen")]
pub(super) struct Args {
    /// Where everything is kept [default: arena in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Start a runtime only, that joins the realm of this broker
    #[arg(long, value_name = "URL", conflicts_with_all = ["demo", "mqtt", "ws", "http"])]
    join: Option<String>,

    /// Start three modules, too, that talk to each other
    #[arg(long)]
    demo: bool,

    /// Where the broker takes MQTT [default: 127.0.0.1:1883, or a free port]
    #[arg(long, value_name = "ADDRESS")]
    mqtt: Option<String>,

    /// Where the broker takes MQTT over WebSocket [default: 127.0.0.1:9001, or a free port]
    #[arg(long, value_name = "ADDRESS")]
    ws: Option<String>,

    /// Where the supervisor serves HTTP [default: 127.0.0.1:8000, or a free port]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,

    /// When all is ready, print where everything is as one line of JSON
    #[arg(long)]
    json: bool,

    /// Say more of what happens: --log-level info
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    flags: RealmFlags,
}

/// What the service manager hears.
const STATUS: &str = "the realm is up";
/// How long a realm may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end takes at the most, beside the modules' time to save.
const ENDING: Duration = Duration::from_secs(15);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(1);

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let begin = Instant::now();
    let data = settings::data_dir(args)?;
    let effective = settings::load(args, &data)?;
    logging::init(&effective.settings.log);
    for warning in &effective.warnings {
        warn!("{warning}");
    }
    let signals = signals()?;
    if args.join.is_some() {
        join(args, effective, &signals)
    } else {
        up(args, effective, data, &signals, begin)
    }
}

fn up(
    args: &Args,
    effective: Effective,
    data: PathBuf,
    signals: &Receiver<i32>,
    begin: Instant,
) -> Result<ExitCode, Failure> {
    let grace = effective.settings.runtime.grace_time;
    let quiet = matches!(
        effective.settings.log.level,
        LogLevel::Off | LogLevel::Error | LogLevel::Warn
    );
    let realm = Realm::start(effective)?;
    // From here on all ends in order, whatever happens.
    let lived = live(args, &realm, data, signals, begin);
    end_at_once_from_now_on(signals.clone());
    if quiet {
        logging::errors_only();
    }
    let said = if args.json || lived.is_err() {
        Ok(())
    } else {
        print(&format!(
            "Ending. Modules have {} to save; a second Ctrl-C ends all at once.\n",
            humantime::format_duration(grace)
        ))
    };
    realm.stop();
    lived.and(said).map(|()| ExitCode::SUCCESS)
}

/// From the start of a realm to the wish that it ends.
fn live(
    args: &Args,
    realm: &Realm,
    data: PathBuf,
    signals: &Receiver<i32>,
    begin: Instant,
) -> Result<(), Failure> {
    if !wait(signals, || realm.is_ready())? {
        return Ok(());
    }
    let ready = Ready::new(realm, data, begin.elapsed());
    if args.demo {
        demo::deploy(realm.supervisor())?;
    }
    print(&if args.json {
        ready.to_json()
    } else {
        ready.to_text(args.demo)
    })?;
    let service = Service::begin(|| STATUS.to_owned());
    let ended = realm.supervisor().ended();
    until_told(signals, realm.node(), &ended, service, || realm.pulses())
}

fn join(args: &Args, effective: Effective, signals: &Receiver<i32>) -> Result<ExitCode, Failure> {
    let broker = effective.settings.broker.url.to_string();
    let node = RunningNode::start(effective.settings)?;
    let text = if args.json {
        ready::joined_json(&node, &broker)
    } else {
        ready::joining(&node, &broker)
    };
    if !args.json {
        print(&text)?;
    }
    // The broker and ARTS may come later, however late.
    let told = loop {
        match signals.recv_timeout(Duration::from_millis(20)) {
            Ok(_) | Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if node.is_registered() {
            break false;
        }
        if node.has_ended() {
            break true;
        }
    };
    if !told {
        let said = if args.json {
            print(&text)
        } else {
            print("Registered. Ctrl-C ends it.\n")
        };
        said?;
        let service = Service::begin(|| STATUS.to_owned());
        until_told(signals, &node, &never(), service, || vec![node.pulse()])?;
    }
    end_at_once_from_now_on(signals.clone());
    node.stop();
    Ok(ExitCode::SUCCESS)
}

/// Waits until it is so. Not when a signal comes first: whether it is.
fn wait(signals: &Receiver<i32>, is: impl Fn() -> bool) -> Result<bool, Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        match signals.recv_timeout(LOOK) {
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() > deadline {
            let why = "the runtime is not registered with the supervisor; --verbose shows more";
            return Err(Failure::new(Status::CannotStart, why));
        }
    }
    Ok(true)
}

/// Waits for a signal, or for the end of a part, without which the others are of no use. Meanwhile the
/// service manager hears how it is, and that all ends.
fn until_told(
    signals: &Receiver<i32>,
    node: &RunningNode,
    supervisor: &Receiver<()>,
    mut service: Service,
    pulses: impl Fn() -> Vec<(&'static str, bool)>,
) -> Result<(), Failure> {
    loop {
        select! {
            recv(signals) -> _ => {
                info!("told to end");
                break;
            }
            recv(node.ended()) -> _ => {
                warn!("the runtime was told to end, and so all ends");
                break;
            }
            recv(supervisor) -> _ => {
                let why = "the supervisor has ended by a fault; start it again";
                return Err(Failure::new(Status::NoAnswer, why));
            }
            recv(service.next()) -> _ => service.look(&pulses(), || STATUS.to_owned()),
        }
    }
    service.end(node.grace + ENDING);
    Ok(())
}

/// The first signal has come, or is not needed any more.
pub(super) fn end_at_once_from_now_on(signals: Receiver<i32>) {
    // Without the thread a second signal does nothing, and all ends in order.
    let _ = std::thread::Builder::new()
        .name("second-signal".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            if let Ok(signal) = signals.recv() {
                std::process::exit(128 + signal);
            }
        });
}
