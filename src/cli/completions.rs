//! `arena completions` and `arena man`: from the definitions of the commands.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::status::{Failure, Status, print};

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena completions bash > ~/.local/share/bash-completion/completions/arena\n  \
    arena completions zsh > ~/.zfunc/_arena")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// Write the manual's pages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena man ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// Where to: a directory, which is made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "arena", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir))
        .map_err(|e| Failure::of_file(Status::CannotWrite, "write to", &args.dir, e))?;
    Ok(ExitCode::SUCCESS)
}
