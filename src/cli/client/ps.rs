//! `arena ps`.

use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::cli::status::{Failure, print};

use super::figures::{ago, bytes, list, percent, short, text};
use super::server::ServerArgs;
use crate::cli::table::table;

/// List the modules of a realm.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena ps\n  \
    arena ps --all --runtime kitchen\n  \
    arena ps --json | jq -r '.modules[].uuid'")]
pub(in crate::cli) struct Args {
    /// Those that have ended, too
    #[arg(long, short)]
    all: bool,

    /// Only those on this runtime: a name or the beginning of a uuid
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,

    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let client = args.server.client()?;
    let query: Vec<(&str, &str)> = args
        .runtime
        .iter()
        .map(|runtime| ("runtime", runtime.as_str()))
        .collect();
    let answer = client.get(&["api", "v1", "modules"], &query)?;
    let modules = list(&answer, "modules")
        .iter()
        .filter(|module| args.all || !has_ended(module));
    if args.json {
        let modules: Vec<&Value> = modules.collect();
        print(&format!("{}\n", json!({"modules": modules})))?;
    } else {
        let now = SystemTime::now();
        let rows = modules.map(|module| {
            [
                text(&module["name"]),
                short(&module["uuid"]),
                state(module),
                text(&module["runtime"]["name"]),
                text(&module["engine"]),
                percent(&module["usage"]["cpu_percent"]),
                bytes(&module["usage"]["memory"]),
                restarts(module),
                ago(&module["created"], now),
            ]
        });
        let head = [
            "NAME", "UUID", "STATE", "RUNTIME", "ENGINE", "CPU", "MEMORY", "RESTARTS", "AGE",
        ];
        print(&table(head, rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn has_ended(module: &Value) -> bool {
    matches!(module["state"].as_str(), Some("exited" | "lost"))
}

/// With the exit status, where it has ended with one.
fn state(module: &Value) -> String {
    let state = text(&module["state"]);
    match module["exit"]["code"].as_i64() {
        Some(code) if has_ended(module) => format!("{state} ({code})"),
        _ => state,
    }
}

/// By the supervisor and by the runtime.
pub(super) fn restarts(module: &Value) -> String {
    let of = |value: &Value| value.as_u64().unwrap_or_default();
    let all = of(&module["restarts"]).saturating_add(of(&module["usage"]["restarts"]));
    all.to_string()
}
