//! `arena logs`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crossbeam_channel::{Sender, bounded};
use serde_json::{Value, json};

use crate::cli::status::{Failure, Status, printable};

use super::server::{Client, RequestError, ServerArgs};

/// Show what modules have written.
///
/// The supervisor keeps the last lines of each module. Following ends when the module has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena logs hello\n  \
    arena logs --follow --tail 10 demo/counter\n  \
    arena logs --timestamps demo/clock demo/echo")]
pub(in crate::cli) struct Args {
    /// The modules: names, or beginnings of their uuids
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<String>,

    /// Go on with what they write from now on
    #[arg(long, short)]
    follow: bool,

    /// So many of the last lines [default: all that are kept]
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,

    /// Say when each line was written
    #[arg(long, short)]
    timestamps: bool,

    /// Print each line as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// Lines that wait to be printed.
const WAITING: usize = 1000;

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let client = args.server.client()?;
    let (sender, lines) = bounded(WAITING);
    // One after the other, or all at once where they do not end.
    if args.follow {
        for module in &args.modules {
            let (client, sender) = (client.clone(), sender.clone());
            let (module, tail) = (module.clone(), args.tail);
            std::thread::Builder::new()
                .name("logs".to_owned())
                .spawn(move || read(&client, &module, tail, true, &sender))
                .map_err(|e| {
                    Failure::new(Status::NoAnswer, format!("cannot start a thread: {e}"))
                })?;
        }
        drop(sender);
    } else {
        let (modules, tail) = (args.modules.clone(), args.tail);
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || {
                for module in modules {
                    read(&client, &module, tail, false, &sender);
                }
            })
            .map_err(|e| Failure::new(Status::NoAnswer, format!("cannot start a thread: {e}")))?;
    }
    let mut failure = None;
    for (module, line) in lines {
        match line {
            Ok(line) => {
                let text = args.line(&module, line);
                if text.is_some_and(|text| write(&text).is_ok_and(|is| is == Written::NobodyReads))
                {
                    break;
                }
            }
            Err(error) => {
                if let Some(before) = failure.replace(Failure::from(error)) {
                    before.report();
                }
            }
        }
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

type Line = (String, Result<Value, RequestError>);

/// Sends the lines of a module, and what went wrong.
fn read(client: &Client, module: &str, tail: Option<usize>, follow: bool, to: &Sender<Line>) {
    let lines = match follow_module(client, module, tail, follow) {
        Ok(lines) => lines,
        Err(error) => {
            // Whoever prints is gone only at the end.
            let _ = to.send((module.to_owned(), Err(error)));
            return;
        }
    };
    for line in lines {
        let failed = line.is_err();
        if to.send((module.to_owned(), line)).is_err() || failed {
            return;
        }
    }
}

/// The lines of a module as the API has them.
pub(super) fn follow_module(
    client: &Client,
    module: &str,
    tail: Option<usize>,
    follow: bool,
) -> Result<impl Iterator<Item = Result<Value, RequestError>> + use<>, RequestError> {
    let tail = tail.map(|tail| tail.to_string());
    let mut query = Vec::new();
    if follow {
        query.push(("follow", "true"));
    }
    if let Some(tail) = &tail {
        query.push(("tail", tail));
    }
    client.lines(&["api", "v1", "modules", module, "logs"], &query)
}

impl Args {
    fn line(&self, module: &str, mut line: Value) -> Option<String> {
        if self.json {
            line["module"] = json!(module);
            return Some(line.to_string());
        }
        let text = plain(&line)?;
        let at = line["at"].as_str().filter(|_| self.timestamps);
        let name = Some(module).filter(|_| self.modules.len() > 1);
        let before: String = at
            .into_iter()
            .chain(name)
            .map(|part| printable(part) + "  ")
            .collect();
        Some(before + &text)
    }
}

/// A line of output. `None` for the end.
pub(super) fn plain(line: &Value) -> Option<String> {
    if let Some(missed) = line["missed"].as_u64() {
        return Some(format!("({missed} lines are missing here)"));
    }
    line["text"].as_str().map(readable)
}

/// Modules may use tabs, and do not steer the terminal.
fn readable(text: &str) -> String {
    let parts: Vec<String> = text.split('\t').map(printable).collect();
    parts.join("\t")
}

/// What came of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Well,
    /// The other end of the pipe is closed.
    NobodyReads,
}

/// Writes a line to stdout, at once.
pub(super) fn write(line: &str) -> Result<Written, Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Written::Well),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Written::NobodyReads),
        Err(e) => Err(Failure::new(
            Status::CannotWrite,
            format!("cannot write to stdout: {e}"),
        )),
    }
}
