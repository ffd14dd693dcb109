//! `arena verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::trust::{Signed, Trust};

use super::engine;
use super::settings::TrustFlags;
use super::status::{Failure, Status, print, printable};

/// Say who has signed modules, and whether they are trusted.
///
/// Trusted are the keys that are named here, or else those of the settings
/// (security.trusted_keys). Ends with 0 when each file has a signature that is valid and trusted,
/// or is named in security.trusted_files, else with 126.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena verify --key ops.key.pub app.wasm\n  \
    arena verify --config /etc/arena/arena.toml modules/*.wasm\n  \
    arena verify --json app.wasm")]
pub(super) struct Args {
    /// The modules: .wasm or .aot (compiled). A signature beside one (FILE.sig) counts, too
    #[arg(required = true)]
    file: Vec<PathBuf>,

    /// A public key to trust, in place of those of the settings
    #[arg(long, value_name = "KEY")]
    key: Vec<PathBuf>,

    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: TrustFlags,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let unusable =
        |error: &dyn std::fmt::Display| Failure::new(Status::Usage, printable(&error.to_string()));
    let trust = if args.key.is_empty() {
        let settings = args.settings.load()?.settings;
        Trust::new(&settings.security)
            .map_err(|e| unusable(&e))?
            .requiring()
    } else {
        Trust::of_keys(args.key.iter().map(PathBuf::as_path)).map_err(|e| unusable(&e))?
    };
    if trust.is_empty() {
        let why =
            "no key is trusted\nName one: --key KEY, or security.trusted_keys in the settings";
        return Err(Failure::new(Status::Usage, why));
    }
    let mut all = true;
    for file in &args.file {
        let (good, told) = look(args, file, &trust)?;
        all &= good;
        print(&told)?;
    }
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        Status::CannotLoad.into()
    })
}

/// Whether a file is trusted, and what is to be said of it.
fn look(args: &Args, file: &Path, trust: &Trust) -> Result<(bool, String), Failure> {
    let bytes = engine::read_as_it_is(file)?;
    let detached = engine::read_signature(file)?;
    let admitted = trust.admit(&bytes, detached.as_deref());
    // What cannot be read has been told by the first.
    let signed = trust.signatures(&bytes, detached.as_deref());
    let signed = signed.unwrap_or_default();
    let name = file.to_string_lossy();
    if args.json {
        let told = json!({
            "file": name,
            "trusted": admitted.is_ok(),
            "why": admitted.as_ref().err().map(ToString::to_string),
            "signatures": signed.iter().map(SignedBy::of).collect::<Vec<_>>(),
        });
        return Ok((admitted.is_ok(), format!("{told}\n")));
    }
    let what = match &admitted {
        Ok(_) => {
            let by = signed.iter().find_map(|signed| match signed {
                Signed::Known {
                    key,
                    name,
                    valid: true,
                } => Some(format!("trusted: signed by {key} ({name})")),
                _ => None,
            });
            by.unwrap_or_else(|| "trusted".to_owned())
        }
        Err(why) => format!("NOT trusted: {why}"),
    };
    let line = format!("{name}: {what}");
    Ok((admitted.is_ok(), printable(&line) + "\n"))
}

/// A signature, as JSON has it.
#[derive(Serialize)]
pub(super) struct SignedBy {
    /// The key, or what an unknown one is called.
    key: String,
    /// The name of the key's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Whether the file is what the key has signed; only a key that is known can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    /// Whether it is a valid signature of a key that the settings trust.
    trusted: bool,
}

impl SignedBy {
    pub(super) fn of(signed: &Signed) -> SignedBy {
        match signed {
            Signed::Known { key, name, valid } => SignedBy {
                key: key.to_string(),
                name: Some(name.clone()),
                valid: Some(*valid),
                trusted: *valid,
            },
            Signed::Unknown(id) => SignedBy {
                key: id.to_string(),
                name: None,
                valid: None,
                trusted: false,
            },
        }
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        match self.valid {
            Some(true) => format!("by {} ({name}), valid, trusted", self.key),
            Some(false) => {
                let key = &self.key;
                format!("by {key} ({name}), NOT VALID: the file is not what was signed")
            }
            None => format!("by key {}, which is not trusted here", self.key),
        }
    }
}
