//! `arena stop`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::status::{Failure, print, printable};

use super::server::{RequestError, ServerArgs};

/// Stop modules.
///
/// Each is asked to save and end, and made to after its grace time; then it is forgotten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena stop hello\n  \
    arena stop 0c2a1f6e demo/clock")]
pub(in crate::cli) struct Args {
    /// The modules: names, or beginnings of their uuids
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<String>,

    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let client = args.server.client()?;
    // At the same time: each may take its grace time.
    let answers: Vec<Result<Value, RequestError>> = std::thread::scope(|scope| {
        let stops: Vec<_> = args
            .modules
            .iter()
            .map(|module| {
                let client = &client;
                scope.spawn(move || client.delete(&["api", "v1", "modules", module]))
            })
            .collect();
        let lost = || Err(RequestError::Strange("the request was lost".to_owned()));
        let joined = stops.into_iter().map(|stop| stop.join());
        joined
            .map(|answer| answer.unwrap_or_else(|_| lost()))
            .collect()
    });
    let mut failure = None;
    let mut stopped = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) if args.json => stopped.push(answer),
            Ok(answer) => {
                let name = answer["name"].as_str().unwrap_or_default();
                let uuid = answer["uuid"].as_str().unwrap_or_default();
                print(&format!(
                    "{} {} is stopped\n",
                    printable(name),
                    printable(uuid)
                ))?;
            }
            Err(error) => {
                // The last one is told by the caller.
                if let Some(before) = failure.replace(Failure::from(error)) {
                    before.report();
                }
            }
        }
    }
    if args.json {
        print(&format!("{}\n", json!({"modules": stopped})))?;
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}
