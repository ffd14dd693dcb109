//! `arena deploy`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::cli::status::{Failure, Status, print, printable};
use crate::cli::{engine, parse};
use crate::guest::{ChannelMode, ChannelSpec};
use crate::trust::{self, Trust};

use super::figures::{list, short, text};
use super::logs::{Written, follow_module, plain, write};
use super::server::{Client, ServerArgs};
use super::upload::upload;

/// Start a module in a realm.
///
/// The file is uploaded to the supervisor's store, with the signature beside it (FILE.sig) in it, if
/// there is one; the supervisor chooses a runtime, and the
/// command ends when that runs the module.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena deploy hello.wasm\n  \
    arena deploy echo.wasm --name me/echo --channel ping=realm/ping:r --channel pong=realm/pong:w\n  \
    arena deploy app.wasm --runtime kitchen --memory 16MiB --restart always --arg=--verbose\n  \
    arena deploy worker.wasm --replicas 4\n  \
    arena deploy hello.wasm --wait")]
pub(in crate::cli) struct Args {
    /// The module: .wasm, or .wat (text)
    file: PathBuf,

    /// What it is called [default: the file's name without its ending]
    #[arg(long)]
    name: Option<String>,

    /// The runtime that it is for, a name or the beginning of a uuid [default: as the supervisor
    /// chooses]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,

    /// An argument of the module. For several, give it several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    arg: Vec<String>,

    /// A variable of the module
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::env)]
    env: Vec<(String, String)>,

    /// A channel: a path of the module's own, and the topic that it stands for
    #[arg(long, value_name = "PATH=TOPIC[:r|w|rw]", value_parser = parse::channel)]
    channel: Vec<ChannelSpec>,

    /// How much linear memory it may have, as in 16MiB
    #[arg(long, value_name = "SIZE", value_parser = parse::memory_size)]
    memory: Option<u64>,

    /// Whether it is started again: never, on-failure or always
    #[arg(long, value_name = "WORD", value_parser = ["never", "on-failure", "always"])]
    restart: Option<String>,

    /// How many of them to start, all or none; they are named NAME-1, NAME-2 and so on
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=100))]
    replicas: Option<u64>,

    /// Show its output until it ends, and end with its exit status
    #[arg(long, conflicts_with_all = ["replicas", "json"])]
    wait: bool,

    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut bytes = engine::read(&args.file)?;
    // One in the module counts more, wherever it is loaded.
    let own = Trust::default().signatures(&bytes, None);
    if !own.is_ok_and(|own| !own.is_empty())
        && let Some(signature) = engine::read_signature(&args.file)?
    {
        // In the module it goes wherever that goes.
        bytes = trust::embed(&bytes, &signature)
            .map_err(|e| Failure::of_file(Status::CannotLoad, "sign", &args.file, e))?;
    }
    let client = args.server.client()?;
    let stem = name_of(args.file.file_stem());
    let stored = upload(&client, &user(), &format!("{stem}.wasm"), &bytes)?;
    let answer = client.post(&["api", "v1", "modules"], &args.request(&stem, &stored))?;
    if args.json {
        print(&format!("{answer}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let modules = list(&answer, "modules");
    if args.wait {
        let module = modules.first().and_then(|module| module["uuid"].as_str());
        return wait(&client, module.unwrap_or_default());
    }
    for module in modules {
        let line = format!(
            "{} {} is {} on {}",
            text(&module["name"]),
            short(&module["uuid"]),
            text(&module["state"]),
            text(&module["runtime"]["name"])
        );
        print(&(printable(&line) + "\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where uploads go in the store.
fn user() -> String {
    name_of(std::env::var_os("USER").as_deref())
}

/// Of letters, digits and what else does no harm.
fn name_of(text: Option<&std::ffi::OsStr>) -> String {
    let text = text.unwrap_or_default().to_string_lossy();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = text.chars().filter(|c| good(*c)).take(100).collect();
    let name = name.trim_matches('.');
    if name.is_empty() {
        "module".to_owned()
    } else {
        name.to_owned()
    }
}

impl Args {
    fn request(&self, stem: &str, stored: &Value) -> Value {
        let mut request = Map::new();
        let mut set = |key: &str, value: Value| request.insert(key.to_owned(), value);
        set("name", self.name.as_deref().unwrap_or(stem).into());
        // Not by its name: somebody else may upload another one meanwhile.
        set("sha256", stored["sha256"].clone());
        if !self.arg.is_empty() {
            set("args", json!(self.arg));
        }
        if !self.env.is_empty() {
            let env: Vec<String> = self.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
            set("env", json!(env));
        }
        if !self.channel.is_empty() {
            let channels = self.channel.iter().map(|channel| {
                let mode = match channel.mode {
                    ChannelMode::Read => "r",
                    ChannelMode::Write => "w",
                    ChannelMode::ReadWrite => "rw",
                };
                json!({"path": channel.path, "topic": channel.topic, "mode": mode})
            });
            set("channels", channels.collect());
        }
        if let Some(runtime) = &self.runtime {
            set("runtime", json!(runtime));
        }
        if let Some(memory) = self.memory {
            set("memory", json!(memory));
        }
        if let Some(restart) = &self.restart {
            set("restart", json!(restart));
        }
        if let Some(replicas) = self.replicas {
            set("replicas", json!(replicas));
        }
        Value::Object(request)
    }
}

/// Shows the output to the end.
fn wait(client: &Client, module: &str) -> Result<ExitCode, Failure> {
    for line in follow_module(client, module, None, true)? {
        let line = line?;
        if let Some(end) = line["end"].as_str() {
            return ended(end, &line["exit"]);
        }
        if plain(&line).is_some_and(|text| write(&text).is_ok_and(|is| is == Written::NobodyReads))
        {
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(Failure::new(
        Status::NoAnswer,
        "the supervisor has ended before the module",
    ))
}

/// The exit status of a module that has ended, as `arena run` has it.
fn ended(end: &str, exit: &Value) -> Result<ExitCode, Failure> {
    let message = exit["message"].as_str().unwrap_or(end);
    let failure = |status| {
        let why = format!("the module has ended: {message}");
        Err(Failure::new(status, printable(&why)))
    };
    match (end, exit["reason"].as_str()) {
        ("exited", Some("returned" | "exited")) => {
            let code = exit["code"].as_i64().unwrap_or_default();
            Ok(ExitCode::from(code.to_le_bytes()[0]))
        }
        ("exited", Some("trapped")) => failure(Status::Trapped),
        _ => failure(Status::Refused),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn names() {
        for (given, is) in [
            ("hello", "hello"),
            ("../a b/é", "ab"),
            ("..", "module"),
            ("", "module"),
        ] {
            assert_eq!(name_of(Some(OsStr::new(given))), is, "{given}");
        }
        assert_eq!(name_of(None), "module");
    }
}
