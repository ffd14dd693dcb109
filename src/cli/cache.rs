//! `arena cache`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::artifacts::{Artifacts, Cache, CacheError, Listed};
use crate::config::EngineMode;

use super::figures::size;
use super::settings::EngineFlags;
use super::status::{Failure, Status, print, printable};
use super::table::table;

/// Look at the code that was compiled of modules, or remove it.
///
/// `arena run` and runtimes keep compiled code, so that a module is compiled once. It can be removed
/// at any time: it is made again when it is wanted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena cache list\n  \
    arena cache clear\n  \
    du -sh \"$(arena cache path)\"")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the code, what was used last first
    List {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        settings: EngineFlags,
    },
    /// Remove all of it
    Clear {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        settings: EngineFlags,
    },
    /// Print where it is
    Path {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        settings: EngineFlags,
    },
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let text = match &args.command {
        Command::List { json, settings } => {
            let listed = cache(settings)?.list().map_err(|e| failure(&e))?;
            if *json {
                to_json(&listed)
            } else {
                to_text(&listed)
            }
        }
        Command::Clear { json, settings } => {
            let (count, bytes) = cache(settings)?.clear().map_err(|e| failure(&e))?;
            if *json {
                format!("{:#}\n", json!({ "removed": count, "bytes": bytes }))
            } else {
                format!("removed: {count} ({})\n", size(bytes))
            }
        }
        Command::Path { json, settings } => {
            let cache = cache(settings)?;
            if *json {
                format!("{:#}\n", json!({ "path": cache.dir().to_string_lossy() }))
            } else {
                format!("{}\n", cache.dir().display())
            }
        }
    };
    print(&text).map(|()| ExitCode::SUCCESS)
}

fn cache(flags: &EngineFlags) -> Result<Cache, Failure> {
    let mut settings = flags.load()?.settings;
    // Also where modules are interpreted now there may be some.
    settings.engine.mode = EngineMode::Auto;
    Artifacts::new(&settings.engine, &settings.store.cache_dir)
        .map(|artifacts| artifacts.cache().clone())
        .ok_or_else(|| Failure::new(Status::CannotStart, "this arena runs no compiled code"))
}

fn failure(error: &CacheError) -> Failure {
    Failure::new(Status::CannotLoad, printable(&error.to_string()))
}

fn to_json(listed: &[Listed]) -> String {
    let artifacts: Vec<_> = listed
        .iter()
        .map(|artifact| {
            let used = artifact.used.duration_since(UNIX_EPOCH);
            json!({
                "key": artifact.key,
                "bytes": artifact.bytes,
                "used": used.map_or(0, |time| time.as_secs()),
                "refused": artifact.refused(),
                "too_large": artifact.too_large(),
                "about": artifact.about,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "artifacts": artifacts }))
}

fn to_text(listed: &[Listed]) -> String {
    let rows = listed.iter().map(|artifact| {
        let about = artifact.about.as_ref();
        let text = |value: Option<String>| value.unwrap_or_else(|| "damaged".to_owned());
        [
            artifact.key.get(..12).unwrap_or_default().to_owned(),
            if artifact.refused() {
                "cannot be compiled".to_owned()
            } else if artifact.too_large() {
                "too large".to_owned()
            } else {
                size(artifact.bytes)
            },
            text(about.map(|about| format!("{} ({})", about.arch, about.cpu))),
            text(about.map(|about| format!("{:.1} s", about.seconds))),
            ago(artifact.used),
            text(about.map(|about| about.name.clone())),
        ]
    });
    let total: u64 = listed.iter().map(|artifact| artifact.bytes).sum();
    let head = ["KEY", "SIZE", "FOR", "COMPILED IN", "USED", "MODULE"];
    format!("{}{} in {}\n", table(head, rows), size(total), listed.len())
}

/// In whole units, for people.
fn ago(time: SystemTime) -> String {
    let passed = time.elapsed().unwrap_or_default();
    let seconds = passed.as_secs();
    let whole = match seconds {
        0..60 => seconds,
        60..3600 => seconds - seconds % 60,
        3600..86_400 => seconds - seconds % 3600,
        _ => seconds - seconds % 86_400,
    };
    format!(
        "{} ago",
        humantime::format_duration(Duration::from_secs(whole))
    )
}
