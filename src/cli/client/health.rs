//! `arena health`.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::status::{Failure, Status, print, printable};

use super::server::ServerArgs;

/// Ask a supervisor, or a runtime, whether all is well.
///
/// All is well when it does what it is there for; what is not well is said otherwise, with exit
/// status 4. A runtime answers where its setting runtime.http says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena health\n  \
    arena health --server http://127.0.0.1:9464")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let health = args.server.client()?.health()?;
    if health["ok"] == true {
        print("all is well\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let reasons = health["reasons"].as_array().into_iter().flatten();
    let reasons: Vec<&str> = reasons.filter_map(Value::as_str).collect();
    let why = if reasons.is_empty() {
        "it does not say why".to_owned()
    } else {
        reasons.join("; ")
    };
    let why = printable(&why);
    Err(Failure::new(Status::Refused, format!("not well: {why}")))
}
