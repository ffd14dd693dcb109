//! `arena simulate`.

mod summary;

use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, select};

use crate::config::RestartWord;
use crate::simulate::{
    FleetConfig, ModulesConfig, Progress, Requests, SimulateConfig, SimulateError, Simulation,
};

use super::connection::ConnectionArgs;
use super::logging;
use super::parse;
use super::run::signals;
use super::status::{Failure, Status, print};
use super::up::end_at_once_from_now_on;

/// Load a supervisor with runtimes and modules that are made up.
///
/// The runtimes register, send keepalives and answer requests as real ones do, marked with
/// `runtime_type: simulated`; they take modules and run nothing. The modules are asked for by MQTT,
/// as clients do, and only simulated runtimes get them. Others' modules that are placed on a
/// simulated runtime do not run either, so better give it a realm of its own.
///
/// It goes on until Ctrl-C, --duration or --once, then has its modules deleted and its runtimes
/// leave, and says what it has seen. A second Ctrl-C ends at once: the runtimes are lost then.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena simulate\n  \
    arena simulate --runtimes 1000 --modules 10000 --rate 500 --once\n  \
    arena simulate --runtimes 50 --churn 20 --fail 5% --lose 6 --silent 6 --duration 10m\n  \
    arena simulate --modules 0 --connections 1 --realm test --broker mqtt://broker.local\n  \
    arena simulate --lifetime 30s --crash 60 --restart always --json --duration 1m")]
pub(super) struct Args {
    /// How many runtimes there are
    #[arg(long, value_name = "N", default_value = "10")]
    runtimes: NonZeroUsize,

    /// How many modules there are to be; those that end for good are replaced
    #[arg(long, value_name = "N", default_value = "100")]
    modules: usize,

    /// The realm, better one of its own: others' modules that get to a simulated runtime do not run
    /// [default: runtime.realm of the settings]
    #[arg(long)]
    realm: Option<String>,

    /// How many modules are asked for in a second, at most
    #[arg(long, value_name = "PER SECOND", value_parser = some_rate, default_value = "100")]
    rate: f64,

    /// How many modules are deleted, and replaced, in a second
    #[arg(long, value_name = "PER SECOND", value_parser = rate, default_value = "0")]
    churn: f64,

    /// The share of creates that runtimes answer with an error: 0.05, or 5%
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    fail: f64,

    /// How many runtimes die in a minute, with their connection: their last will is published
    #[arg(long, value_name = "PER MINUTE", value_parser = rate, default_value = "0")]
    lose: f64,

    /// How many runtimes fall silent in a minute, with their connection still there
    #[arg(long, value_name = "PER MINUTE", value_parser = rate, default_value = "0")]
    silent: f64,

    /// After how long those are back, the dead without modules, the silent with theirs; 0: never
    #[arg(long, value_name = "TIME", value_parser = parse::duration, default_value = "30s")]
    away: Duration,

    /// How many modules crash in a minute
    #[arg(long, value_name = "PER MINUTE", value_parser = rate, default_value = "0")]
    crash: f64,

    /// How long modules run before they end, half as long to half as long again [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    lifetime: Option<Duration>,

    /// What the modules ask for when they crash or their runtime is lost
    #[arg(long, value_name = "WORD", default_value = "on-failure")]
    restart: Restart,

    /// How many modules a runtime takes; 0 is no limit
    #[arg(long, value_name = "N", default_value = "100")]
    slots: u64,

    /// How long a runtime takes to start a module
    #[arg(long, value_name = "TIME", value_parser = parse::duration, default_value = "0s")]
    start_time: Duration,

    /// How often runtimes send keepalives; 0 is never [default: as the supervisor says]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    keepalive: Option<Duration>,

    /// All machines have four cores, instead of one to sixteen
    #[arg(long)]
    alike: bool,

    /// Have runtimes share so many connections. What their wills would say, they say themselves
    /// then [default: each has its own]
    #[arg(long, value_name = "N")]
    connections: Option<NonZeroUsize>,

    /// With the same number all that is drawn by chance is the same, and so are all uuids [default:
    /// another one each time]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    duration: Option<Duration>,

    /// End when there are as many modules as wanted
    #[arg(long)]
    once: bool,

    /// How long to wait for the supervisor
    #[arg(long, value_name = "TIME", value_parser = parse::duration, default_value = "10s")]
    timeout: Duration,

    /// Print what it has seen as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Restart {
    Never,
    OnFailure,
    Always,
}

impl From<Restart> for RestartWord {
    fn from(restart: Restart) -> RestartWord {
        match restart {
            Restart::Never => RestartWord::Never,
            Restart::OnFailure => RestartWord::OnFailure,
            Restart::Always => RestartWord::Always,
        }
    }
}

/// How often something happens.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to 1000000".to_owned()),
    }
}

/// The same of what has to happen.
fn some_rate(text: &str) -> Result<f64, String> {
    match rate(text)? {
        rate if rate > 0.0 => Ok(rate),
        _ => Err("expected a number more than 0".to_owned()),
    }
}

/// Part of a whole.
fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share from 0 to 1, or from 0% to 100%".to_owned()),
    }
}

/// How often a terminal is told how it goes.
const TOLD: Duration = Duration::from_millis(500);
/// And a file or a pipe.
const LOGGED: Duration = Duration::from_secs(10);
/// How often is looked whether it is done.
const LOOK: Duration = Duration::from_millis(50);

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let settings = args.connection.settings()?;
    logging::init(&settings.log);
    let realm = args.realm.clone().unwrap_or(settings.runtime.realm);
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let config = SimulateConfig {
        realm,
        link: args.connection.link("simulate")?,
        seed,
        fleet: fleet(args),
        modules: ModulesConfig {
            churn: args.churn,
            restart: args.restart.into(),
            ..ModulesConfig::new(args.modules, args.rate)
        },
        patience: args.timeout,
    };
    let signals = signals()?;
    let simulation = Simulation::start(config).map_err(|e| failure(&e))?;
    watch(args, &simulation, &signals);
    let report = simulation.report();
    let seen = summary::Summary {
        seed,
        runtimes: args.runtimes.get(),
        modules: args.modules,
        report,
    };
    end_at_once_from_now_on(signals);
    let begin = Instant::now();
    let after = simulation.stop().map_err(|e| failure(&e))?;
    let removed = summary::Removed {
        modules: after
            .deletes
            .granted
            .saturating_sub(seen.report.deletes.granted),
        left: waits(&after.creates) + waits(&after.deletes),
        time: begin.elapsed(),
    };
    print(&if args.json {
        seen.to_json(&removed)
    } else {
        seen.to_text(&removed)
    })?;
    if removed.left > 0 {
        let why = format!(
            "the supervisor has not answered {} requests at the end; their modules may be left",
            removed.left
        );
        return Err(Failure::new(Status::NoAnswer, why));
    }
    Ok(ExitCode::SUCCESS)
}

/// Requests that are not answered.
fn waits(requests: &Requests) -> u64 {
    requests
        .asked
        .saturating_sub(requests.granted + requests.refused)
}

fn fleet(args: &Args) -> FleetConfig {
    FleetConfig {
        connections: args.connections.map(NonZeroUsize::get),
        slots: args.slots,
        keepalive: args.keepalive,
        alike: args.alike,
        start_time: args.start_time,
        fail: args.fail,
        lose: args.lose,
        silent: args.silent,
        crash: args.crash,
        away: args.away,
        lifetime: args.lifetime.filter(|time| !time.is_zero()),
        ..FleetConfig::new(args.runtimes.get())
    }
}

fn failure(error: &SimulateError) -> Failure {
    let status = match error {
        SimulateError::Realm(_) | SimulateError::Topic(_) => Status::Usage,
        SimulateError::NoSupervisor { .. } => Status::NoAnswer,
        SimulateError::Refused(_) => Status::Refused,
        _ => Status::CannotStart,
    };
    Failure::new(status, error.to_string())
}

/// Tells how it goes until it is to end, or has ended.
fn watch(args: &Args, simulation: &Simulation, signals: &Receiver<i32>) {
    let ended = simulation.ended();
    let terminal = std::io::stderr().is_terminal();
    let interval = if terminal { TOLD } else { LOGGED };
    let mut told = Progress::default();
    let mut next = interval;
    loop {
        select! {
            recv(signals) -> _ => break,
            recv(ended) -> _ => break,
            recv(after(LOOK)) -> _ => {}
        }
        let now = simulation.progress();
        if now.time >= next {
            tell(args, now, told, terminal);
            told = now;
            next = now.time + interval;
        }
        let over = args.duration.is_some_and(|duration| now.time >= duration);
        if over || (args.once && now.whole) {
            break;
        }
    }
    if terminal {
        // Nothing is left to do if nobody reads it.
        let _ = writeln!(std::io::stderr());
    }
}

fn tell(args: &Args, now: Progress, before: Progress, terminal: bool) {
    let seconds = (now.time - before.time).as_secs_f64();
    let messages = u32::try_from(now.messages - before.messages).unwrap_or(u32::MAX);
    let line = format!(
        "{:.1} s: runtimes {}/{}, modules {}/{}, refused {}, unanswered {}, {:.0} messages/s",
        now.time.as_secs_f64(),
        now.alive,
        args.runtimes,
        now.placed,
        args.modules,
        now.refused,
        now.unanswered,
        f64::from(messages) / seconds.max(0.001),
    );
    let mut stderr = std::io::stderr();
    // Nothing is left to do if nobody reads it.
    let _ = if terminal {
        write!(stderr, "\r{line}\x1b[K")
    } else {
        writeln!(stderr, "{line}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.5"), Ok(0.5));
        for text in ["", "%", "101%", "-1", "1.1", "NaN", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!((rate("0"), rate("0.5")), (Ok(0.0), Ok(0.5)));
        assert!(some_rate("0").is_err());
        for text in ["", "-1", "inf", "NaN", "1e9"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
