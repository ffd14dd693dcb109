//! `arena runtimes`.

use std::process::ExitCode;
use std::time::SystemTime;

use crate::cli::status::{Failure, print};

use super::figures::{ago, bytes, list, of, percent, short, text};
use super::server::ServerArgs;
use crate::cli::table::table;

/// List the runtimes of a realm.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena runtimes\n  \
    arena runtimes --json | jq '.runtimes[].load.cpu_percent'")]
pub(in crate::cli) struct Args {
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let answer = args.server.client()?.get(&["api", "v1", "runtimes"], &[])?;
    if args.json {
        print(&format!("{answer}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = SystemTime::now();
    let rows = list(&answer, "runtimes").iter().map(|runtime| {
        let load = &runtime["load"];
        [
            text(&runtime["name"]),
            short(&runtime["uuid"]),
            text(&runtime["state"]),
            text(&runtime["type"]),
            text(&runtime["arch"]),
            of(&runtime["nmodules"], &runtime["max_nmodules"]),
            percent(&load["cpu_percent"]),
            bytes(&load["memory"]),
            ago(&runtime["last_seen"], now),
        ]
    });
    let head = [
        "NAME", "UUID", "STATE", "TYPE", "ARCH", "MODULES", "CPU", "MEMORY", "SEEN",
    ];
    print(&table(head, rows))?;
    Ok(ExitCode::SUCCESS)
}
