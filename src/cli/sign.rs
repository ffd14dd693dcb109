//! `arena sign`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::trust::{self, KeyError, KeyId, SignatureError, SigningKey};

use super::engine;
use super::output::write;
use super::status::{Failure, Status, print, printable};

/// Sign modules, or make a key that does.
///
/// The signature goes into the file, where it stays wherever that is copied, uploaded or sent;
/// whatever else runs the module does not see it. Signing again with the same key replaces the
/// signature, another key adds one. Runtimes look at signatures where the settings say so:
/// security.require_signed_modules and security.trusted_keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena sign --new-key ops.key\n      \
        makes ops.key, which is secret, and ops.key.pub, which runtimes get\n  \
    arena sign --key ops.key app.wasm\n  \
    arena sign --key ops.key --detached app.wasm\n      \
        app.wasm.sig beside it; app.wasm stays as it is\n  \
    arena sign --key ops.key app.wasm -o signed.wasm")]
pub(super) struct Args {
    /// The modules: .wasm or .aot (compiled)
    #[arg(required_unless_present = "new_key")]
    file: Vec<PathBuf>,

    /// The key that signs: a private key of Ed25519 (PEM)
    #[arg(
        long,
        value_name = "KEY",
        required_unless_present = "new_key",
        env = "ARENA_SIGNING_KEY"
    )]
    key: Option<PathBuf>,

    /// Make a key: KEY, which only you can read, and KEY.pub
    #[arg(long, value_name = "KEY", conflicts_with_all = ["file", "output", "detached"])]
    new_key: Option<PathBuf>,

    /// Where the signed module goes [default: in its own place]
    #[arg(short, long, value_name = "OUTPUT", conflicts_with = "detached")]
    output: Option<PathBuf>,

    /// Leave the module as it is, and write FILE.sig
    #[arg(long)]
    detached: bool,

    /// Print what was made as JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if let Some(path) = &args.new_key {
        return new_key(args, path);
    }
    if args.output.is_some() && args.file.len() > 1 {
        let why = "--output is for one file, and there are several";
        return Err(Failure::new(Status::Usage, why));
    }
    let key = args.key.as_deref().unwrap_or(Path::new(""));
    let key = SigningKey::read(key).map_err(|e| failure(&e))?;
    for file in &args.file {
        let output = sign(args, file, &key)?;
        // Where the module itself is, nothing else may be.
        if output == Path::new("-") {
            continue;
        }
        let told = if args.json {
            let (key, id) = (key.public(), KeyId::of(&key.public()));
            let output = output.to_string_lossy();
            json!({"output": output, "key": key.to_string(), "key_id": id.to_string()}).to_string()
        } else {
            let output = printable(&output.to_string_lossy());
            format!("{output}: signed by {}", key.public())
        };
        print(&(told + "\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is no failure.
fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "arena: {text}");
}

fn failure(error: &KeyError) -> Failure {
    Failure::new(Status::Usage, printable(&error.to_string()))
}

/// Where the signature was put.
fn sign(args: &Args, file: &Path, key: &SigningKey) -> Result<PathBuf, Failure> {
    let refused = |error: SignatureError| {
        Failure::of_file(
            Status::CannotLoad,
            "sign",
            file,
            printable(&error.to_string()),
        )
    };
    let bytes = engine::read_as_it_is(file)?;
    let (output, signed) = if args.detached {
        let before = engine::read_signature(file)?;
        let signature = trust::sign_detached(&bytes, before.as_deref(), key).map_err(refused)?;
        (engine::signature_path(file), signature)
    } else {
        let output = args.output.clone().unwrap_or_else(|| file.to_owned());
        (output, trust::sign(&bytes, key).map_err(refused)?)
    };
    write(&output, &signed)
        .map_err(|e| Failure::of_file(Status::CannotWrite, "write", &output, e))?;
    let beside = engine::signature_path(&output);
    if !args.detached && beside.exists() {
        let (output, beside) = (output.to_string_lossy(), beside.to_string_lossy());
        let (output, beside) = (printable(&output), printable(&beside));
        warn(&format!(
            "{beside} counts no more, since {output} has its signature in it: remove it"
        ));
    }
    Ok(output)
}

fn new_key(args: &Args, path: &Path) -> Result<ExitCode, Failure> {
    let (key, public) = SigningKey::create(path).map_err(|e| failure(&e))?;
    let absolute = std::path::absolute(&public).unwrap_or_else(|_| public.clone());
    let key = key.public();
    let id = KeyId::of(&key);
    print(&if args.json {
        let (path, public) = (path.to_string_lossy(), public.to_string_lossy());
        let made = json!({
            "key": path,
            "public_key": public,
            "public": key.to_string(),
            "key_id": id.to_string(),
        });
        format!("{made}\n")
    } else {
        let (path, public) = (path.to_string_lossy(), public.to_string_lossy());
        let absolute = printable(&absolute.to_string_lossy());
        format!(
            "{}: the key; whoever has it can sign\n\
             {}: what it is known by, {key}\n\
             in signatures it is called {id}\n\
             \nA runtime that runs only what it has signed:\n    \
             [security]\n    \
             require_signed_modules = true\n    \
             trusted_keys = [\"{absolute}\"]\n",
            printable(&path),
            printable(&public),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
