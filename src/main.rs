//! The program `arena`: parses the command line and runs one subcommand.
#![deny(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    arena_runtime::cli::main()
}
