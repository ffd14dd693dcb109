//! The command line: one file a subcommand, each parses, calls and prints.

mod engine;
mod inspect;
mod parse;
mod run;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use status::Failure;

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
    /// Run a WebAssembly module
    Run(run::Args),
    /// Show what a module is made of, without running it
    Inspect(inspect::Args),
}

/// Parses the command line, runs the subcommand, and says on stderr what went
/// wrong. Returns the program's exit status.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Inspect(args) => inspect::run(&args),
    };
    result.unwrap_or_else(|failure: Failure| failure.report())
}
