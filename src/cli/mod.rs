//! The command line: one file a subcommand, each parses, calls and prints.

mod arts;
mod broker;
mod cache;
mod certs;
mod channels;
mod check;
mod client;
mod compile;
mod compiled;
mod completions;
mod config;
mod connection;
mod deferred;
mod engine;
mod figures;
mod flame_graph;
mod inspect;
mod logging;
mod output;
mod parse;
mod profile;
mod publish;
mod run;
mod runtime;
mod service;
mod settings;
mod sign;
mod simulate;
mod stats;
mod status;
mod subscribe;
mod table;
mod up;
mod verify;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use deferred::Deferred;
use status::{Failure, Status};

/// Version, commit, target, WAMR's version and its options.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("ARENA_COMMIT"),
    "\ntarget: ",
    env!("ARENA_TARGET"),
    "\nWAMR: ",
    env!("ARENA_WAMR_VERSION"),
    "\nfeatures: ",
    env!("ARENA_FEATURES"),
);

#[derive(Debug, Parser)]
#[command(
    name = "arena",
    about = "Runs WebAssembly modules: the native Linux runtime of the ARENA",
    version,
    long_version = LONG_VERSION,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        arena run hello.wasm\n  \
        arena run --dir ./data::/data:ro --timeout 5s app.wasm -- input.txt\n  \
        arena inspect hello.wasm"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring up a realm: a broker, a supervisor and a runtime in one process
    Up(Deferred<up::Args>),
    /// Run a WebAssembly module
    Run(Deferred<run::Args>),
    /// Compile a WebAssembly module to native code
    Compile(Deferred<compile::Args>),
    /// Sign modules, or make a key that does
    Sign(Deferred<sign::Args>),
    /// Say who has signed modules
    Verify(Deferred<verify::Args>),
    /// Look at the code that was compiled of modules, or remove it
    Cache(Deferred<cache::Args>),
    /// Show what a module is made of, or what a realm knows of a module or a runtime
    Inspect(Deferred<inspect::Args>),
    /// Start a module in a realm
    Deploy(Deferred<client::deploy::Args>),
    /// List the modules of a realm
    Ps(Deferred<client::ps::Args>),
    /// List the runtimes of a realm
    Runtimes(Deferred<client::runtimes::Args>),
    /// Show what modules have written
    Logs(Deferred<client::logs::Args>),
    /// Stop modules
    Stop(Deferred<client::stop::Args>),
    /// Show what has happened in a realm
    Events(Deferred<client::events::Args>),
    /// Ask a supervisor, or a runtime, whether all is well
    Health(Deferred<client::health::Args>),
    /// Watch runtimes and modules: CPU, memory, messages
    Top(Deferred<client::top::Args>),
    /// Join a realm as a runtime: run the modules that ARTS sends here
    Runtime(Deferred<runtime::Args>),
    /// Be an MQTT broker, for a realm that has none
    Broker(Deferred<broker::Args>),
    /// Supervise a realm: know its runtimes and place modules on them
    Arts(Deferred<arts::Args>),
    /// Load a supervisor with runtimes and modules that are made up
    Simulate(Deferred<simulate::Args>),
    /// Make the certificates of a realm: an authority, a server and clients
    Certs(Deferred<certs::Args>),
    /// Show the settings that hold, and where each comes from
    Config(Deferred<config::Args>),
    /// Publish a message
    Pub(Deferred<publish::Args>),
    /// Print the messages of topics
    Sub(Deferred<subscribe::Args>),
    /// Print completions for a shell
    Completions(Deferred<completions::Args>),
    /// Write the manual's pages
    Man(Deferred<completions::ManArgs>),
}

/// Parses the command line, runs the subcommand, and says on stderr what went
/// wrong. Returns the program's exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let result = match cli.command {
        Command::Up(Deferred(args)) => up::run(&args),
        Command::Run(Deferred(args)) => run::run(args),
        Command::Compile(Deferred(args)) => compile::run(&args),
        Command::Sign(Deferred(args)) => sign::run(&args),
        Command::Verify(Deferred(args)) => verify::run(&args),
        Command::Cache(Deferred(args)) => cache::run(&args),
        Command::Inspect(Deferred(args)) => inspect::run(&args),
        Command::Runtime(Deferred(args)) => runtime::run(&args),
        Command::Broker(Deferred(args)) => broker::run(&args),
        Command::Arts(Deferred(args)) => arts::run(&args),
        Command::Simulate(Deferred(args)) => simulate::run(&args),
        Command::Certs(Deferred(args)) => certs::run(&args),
        Command::Config(Deferred(args)) => config::run(&args),
        Command::Pub(Deferred(args)) => publish::run(args),
        Command::Sub(Deferred(args)) => subscribe::run(args),
        Command::Deploy(Deferred(args)) => client::deploy::run(&args),
        Command::Ps(Deferred(args)) => client::ps::run(&args),
        Command::Runtimes(Deferred(args)) => client::runtimes::run(&args),
        Command::Logs(Deferred(args)) => client::logs::run(&args),
        Command::Stop(Deferred(args)) => client::stop::run(&args),
        Command::Events(Deferred(args)) => client::events::run(&args),
        Command::Health(Deferred(args)) => client::health::run(&args),
        Command::Top(Deferred(args)) => client::top::run(&args),
        Command::Completions(Deferred(args)) => completions::run(&args),
        Command::Man(Deferred(args)) => completions::man(&args),
    };
    result.unwrap_or_else(|failure: Failure| failure.report())
}

/// Prints the help or version that was asked for, or what is wrong with the
/// command line. clap tells that in several paragraphs: the first is the error,
/// and of the others the most helpful one becomes the second line.
fn not_parsed(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand || !error.use_stderr() {
        // Nothing is left to do if nobody reads it.
        let _ = error.print();
        return ExitCode::from(error.exit_code().to_le_bytes()[0]);
    }
    let text = error.render().to_string();
    let first: Vec<&str> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    let what = first.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    let hint = ["tip: ", "Usage: "].iter().find_map(|kind| {
        text.lines()
            .map(str::trim)
            .find(|line| line.starts_with(kind))
    });
    Failure::new(
        Status::Usage,
        format!("{what}\n{}", hint.unwrap_or("See --help")),
    )
    .report()
}
