//! `arena run`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, bounded, never, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::Dir;
use crate::guest::Guest;
use crate::trust::Trust;
use crate::wamr::{
    CallError, Instance, InstanceConfig, InstantiateError, Limits, Module, Profiler, StopHandle,
    Trap, TrapKind, Val,
};
use crate::wasi::{Stream, Wasi, WasiConfig};

use super::channels::ChannelArgs;
use super::compiled::Compiled;
use super::engine::{self, Context, EngineChoice};
use super::parse;
use super::profile::ProfileArgs;
use super::stats::{Stats, StatsArgs};
use super::status::{Failure, Status, print, printable};

/// Run a WebAssembly module.
///
/// The module's exit status is that of the command. A trap prints the wasm
/// call stack and gives 134, a timeout 124, Ctrl-C 130; a file that cannot be
/// loaded gives 126, and one that is not there 127.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena run hello.wasm\n  \
    arena run --env COLOUR=blue --dir ./data::/data:ro app.wasm -- --verbose input.txt\n  \
    arena run --max-memory 64MiB --timeout 5s untrusted.wasm\n  \
    arena run --invoke add library.wasm 2 3\n  \
    arena run --stats --profile app.svg app.wasm\n  \
    arena run --broker mqtt://localhost --channel light=realm/kitchen/light:r subscriber.wasm light")]
pub(super) struct Args {
    /// The module: .wasm, .wat (text) or .aot (compiled)
    file: PathBuf,

    /// The module's arguments, or the values for --invoke
    #[arg(trailing_var_arg = true, allow_negative_numbers = true)]
    args: Vec<String>,

    /// Set an environment variable of the module; without =VALUE the one here
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::env)]
    env: Vec<(String, String)>,

    /// Let the module use a directory, under its own or another name
    #[arg(long, value_name = "HOST[::GUEST][:ro]", value_parser = parse::dir)]
    dir: Vec<Dir>,

    /// How to execute the module [default: auto, or the setting engine.mode]
    #[arg(long, value_enum)]
    engine: Option<EngineChoice>,

    /// Run an .aot file, which is native code and not confined
    #[arg(long)]
    trust_aot: bool,

    /// The most linear memory that the module may have, for example 64MiB
    #[arg(long, value_name = "SIZE", value_parser = parse::memory_size)]
    max_memory: Option<u64>,

    /// The size of the module's stack
    #[arg(long, value_name = "SIZE", value_parser = parse::stack_size, default_value = "1MiB")]
    stack_size: u32,

    /// Stop the module after this time, for example 5s or 250ms
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    timeout: Option<Duration>,

    /// Call this exported function instead of _start, and print its results
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,

    #[command(flatten)]
    stats: StatsArgs,

    #[command(flatten)]
    profile: ProfileArgs,

    #[command(flatten)]
    channels: ChannelArgs,
}

/// How a run ended by itself.
type Outcome = Result<ExitCode, Failure>;

/// Why we end a run.
#[derive(Clone, Copy)]
enum Stop {
    TimedOut,
    Signal(i32),
}

/// How long a module has to end after it was told to, before the process ends
/// without waiting for it.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Stack for host functions, beside what the module has.
const HOST_STACK: usize = 512 * 1024;

pub(super) fn run(args: Args) -> Outcome {
    let deadline = args.timeout.map_or_else(never, after);
    let signals = signals()?;
    let stop = StopHandle::new();
    let outcome = start(args, stop.clone())?;
    let why = select! {
        recv(outcome) -> outcome => return outcome.unwrap_or_else(|_| Err(panicked())),
        recv(deadline) -> _ => Stop::TimedOut,
        recv(signals) -> signal => Stop::Signal(signal.unwrap_or(SIGINT)),
    };
    stop.stop();
    select! {
        recv(outcome) -> _ => {}
        recv(after(STOP_GRACE)) -> _ => {}
        // Asked again: at once.
        recv(signals) -> _ => {}
    }
    Err(match why {
        Stop::TimedOut => {
            Failure::new(Status::TimedOut, "the module was stopped: its time is over")
        }
        Stop::Signal(SIGTERM) => {
            Failure::new(Status::Terminated, "the module was stopped by SIGTERM")
        }
        Stop::Signal(_) => Failure::new(Status::Interrupted, "the module was stopped by Ctrl-C"),
    })
}

/// The signals that end a run, as they come.
pub(super) fn signals() -> Result<Receiver<i32>, Failure> {
    let failure =
        |e: std::io::Error| Failure::new(Status::CannotLoad, format!("cannot handle signals: {e}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failure)?;
    let (sender, receiver) = bounded(2);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            for signal in signals.forever() {
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })
        .map_err(failure)?;
    Ok(receiver)
}

/// Loads and runs the module on a thread of its own, whose stack is as large
/// as the module wants.
fn start(args: Args, stop: StopHandle) -> Result<Receiver<Outcome>, Failure> {
    let (sender, receiver) = bounded(1);
    let stack = args.stack_size as usize + HOST_STACK;
    std::thread::Builder::new()
        .name("module".to_owned())
        .stack_size(stack)
        .spawn(move || {
            // The receiver is gone only when the process ends.
            let _ = sender.send(execute(&args, stop));
        })
        .map_err(|e| Failure::new(Status::CannotLoad, format!("cannot start a thread: {e}")))?;
    Ok(receiver)
}

fn panicked() -> Failure {
    Failure::new(
        Status::Trapped,
        "a fault in arena itself ended the module; see above",
    )
}

fn execute(args: &Args, stop: StopHandle) -> Outcome {
    let mut stats = args.stats.begin();
    let outcome = load_and_run(args, stop, &mut stats);
    if stats.is_loaded() {
        stats.print();
    }
    outcome
}

fn load_and_run(args: &Args, stop: StopHandle, stats: &mut Stats) -> Outcome {
    let bytes = engine::read(&args.file)?;
    let mut settings = args.channels.connection.settings()?;
    if let Some(asked) = args.engine {
        settings.engine.mode = asked.mode();
    }
    if args.timeout.is_some() {
        // The time is the module's.
        settings.engine.compile_first = Duration::ZERO;
    }
    let config = args.channels.connection.config();
    let compiled = Compiled::new(&settings, config, stop.clone());
    let trust = Trust::new(&settings.security)
        .map_err(|e| Failure::new(Status::Usage, printable(&e.to_string())))?;
    let options = engine::Options {
        asked: args.engine,
        mode: settings.engine.mode,
        trust_aot: args.trust_aot,
        trust: &trust,
        compiled: compiled.as_ref(),
        host_calls: stats.host_calls(),
    };
    let module = engine::load(&args.file, &bytes, &options)?;
    drop(bytes);
    let values = values(args, &module)?;
    let files = args.profile.open()?;
    stats.loaded(module.kind());
    let config = InstanceConfig {
        limits: Limits {
            memory: args.max_memory,
            stack: args.stack_size,
        },
        stop,
    };
    let channels = args.channels.connect(&config.stop)?;
    let profiler = files
        .as_ref()
        .map(|files| files.start(&module, &config.stop));
    let profiler = profiler.transpose()?;
    stats.begin_module();
    let outcome = run_module(args, &module, &values, &channels.guest, config, stats);
    let profile = profiler.map(Profiler::finish);
    // The module is gone, and with it what it had open.
    channels.finish();
    if let (Some(files), Some(profile)) = (files, profile)
        && let Err(failure) = files.write(&args.file, profile)
    {
        // Also when the module was stopped, which the caller tells instead of the outcome.
        let status = failure.report();
        return outcome.map(|_| status);
    }
    outcome
}

fn run_module(
    args: &Args,
    module: &Module<Context>,
    values: &[Val],
    guest: &Guest,
    config: InstanceConfig,
    stats: &mut Stats,
) -> Outcome {
    let context = Context::new(wasi(args, guest)?, guest.clone());
    let instance = Instance::new(module, context, config);
    stats.instantiated();
    let instance = match instance {
        Ok(instance) => instance,
        Err(InstantiateError::Trap(trap)) => return trapped(&trap),
        Err(InstantiateError::Memory { initial, limit }) => {
            let why = format!(
                "it begins with {initial} bytes of memory, and --max-memory allows {limit}"
            );
            return Err(cannot_run(args, &why));
        }
        Err(error) => return Err(cannot_run(args, &printable(&error.to_string()))),
    };
    let status = match &args.invoke {
        Some(name) => instance.call(name, values).map(|results| {
            let lines: String = results.iter().map(|value| format!("{value}\n")).collect();
            print(&lines).map(|()| 0)
        }),
        None => instance.start().map(Ok),
    };
    stats.ran(instance.memory().size());
    match status {
        // The system sees the lowest byte.
        Ok(status) => Ok(ExitCode::from(status?.to_le_bytes()[0])),
        Err(CallError::Trap(trap)) => trapped(&trap),
        Err(error) => Err(cannot_run(args, &printable(&error.to_string()))),
    }
}

fn cannot_run(args: &Args, why: &str) -> Failure {
    Failure::of_file(Status::CannotLoad, "run", &args.file, why)
}

/// The values for `--invoke`, checked before anything runs.
fn values(args: &Args, module: &Module<Context>) -> Result<Vec<Val>, Failure> {
    let Some(name) = &args.invoke else {
        return match module.info().exported_func("_start") {
            Some(_) => Ok(Vec::new()),
            None => Err(cannot_run(
                args,
                "it has no _start function\nCall one of its exports: --invoke NAME (arena inspect lists them)",
            )),
        };
    };
    let ty = module.info().exported_func(name).ok_or_else(|| {
        cannot_run(
            args,
            &format!("it exports no function \"{name}\" (arena inspect lists its exports)"),
        )
    })?;
    parse::values(ty, &args.args)
        .map_err(|why| Failure::new(Status::Usage, format!("cannot call {name}: {why}")))
}

fn wasi(args: &Args, guest: &Guest) -> Result<Wasi, Failure> {
    let name = args.file.file_name().unwrap_or(args.file.as_os_str());
    let mut config = WasiConfig::new();
    config.arg(name.to_string_lossy());
    if args.invoke.is_none() {
        for arg in &args.args {
            config.arg(arg);
        }
    }
    for (name, value) in &args.env {
        config.env(name, value);
    }
    // Before the host's: that is their place.
    if args.channels.any() {
        guest.add_to_wasi(&mut config);
    }
    for dir in &args.dir {
        config.preopen(&dir.host, &dir.guest, dir.read_only);
    }
    config
        .stdin(Stream::Inherit)
        .stdout(Stream::Inherit)
        .stderr(Stream::Inherit);
    Wasi::new(config).map_err(|e| Failure::new(Status::Usage, e.to_string()))
}

/// Tells of a trap on stderr, with the wasm call stack.
fn trapped(trap: &Trap) -> Outcome {
    match trap.kind() {
        TrapKind::Exit(status) => return Ok(ExitCode::from(status.to_le_bytes()[0])),
        // Whoever stopped it says so.
        TrapKind::Stopped => return Ok(Status::Trapped.into()),
        _ => {}
    }
    let mut text = format!("arena: trap: {}\n", printable(trap.message()));
    let mut depth = 0;
    for same in trap.frames().chunk_by(PartialEq::eq) {
        if let [frame, more @ ..] = same {
            text.push_str(&format!(
                "  {depth:>2}: {}\n",
                printable(&frame.to_string())
            ));
            if !more.is_empty() {
                text.push_str(&format!("      and the same {} times more\n", more.len()));
            }
        }
        depth += same.len();
    }
    if trap.omitted_frames() > 0 {
        text.push_str(&format!(
            "      and {} outer frames\n",
            trap.omitted_frames()
        ));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    Ok(Status::Trapped.into())
}
