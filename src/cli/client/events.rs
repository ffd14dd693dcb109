//! `arena events`.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::status::{Failure, printable};

use super::figures::{short, text};
use super::logs::{Written, write};
use super::server::ServerArgs;

/// Show what has happened in a realm.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena events\n  \
    arena events --follow --json\n  \
    arena events --after 120")]
pub(in crate::cli) struct Args {
    /// Go on with what happens from now on
    #[arg(long, short)]
    follow: bool,

    /// Only those after the one with this id [default: 0; with --follow the last one]
    #[arg(long, value_name = "ID")]
    after: Option<u64>,

    /// Print each as a line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let client = args.server.client()?;
    let after = args.after.map(|after| after.to_string());
    let mut query = Vec::new();
    if args.follow {
        query.push(("follow", "true"));
    }
    if let Some(after) = &after {
        query.push(("after", after));
    }
    for event in client.lines(&["api", "v1", "events"], &query)? {
        let event = event?;
        let line = if args.json {
            event.to_string()
        } else {
            line(&event)
        };
        if write(&line)? == Written::NobodyReads {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(event: &Value) -> String {
    if let Some(missed) = event["missed"].as_u64() {
        return format!("({missed} events are missing here)");
    }
    let about = if event["module"].is_string() {
        &event["module"]
    } else {
        &event["runtime"]
    };
    printable(&format!(
        "{}  {:<12}  {} {}: {}",
        text(&event["at"]),
        text(&event["kind"]),
        short(about),
        text(&event["name"]),
        text(&event["message"])
    ))
}
