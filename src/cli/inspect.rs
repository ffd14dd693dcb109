//! `arena inspect`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use crate::trust::{SignatureError, Trust};
use crate::wamr::{
    AotHeader, Imports, ModuleInfo, ModuleKind, PAGE_SIZE, needed_features, provides,
};

use super::client::{self, ServerArgs};
use super::engine::{self, Context};
use super::figures::size;
use super::settings::TrustFlags;
use super::status::{Failure, Status, print, printable};
use super::verify::SignedBy;

/// Show what a module is made of, or what a realm knows of a module or a runtime.
///
/// A file is looked at without running it. What is no file is the name, or the beginning of the
/// uuid, of a module or a runtime: the supervisor is asked. Of files, imports are marked with whether `arena run` has them. Of an .aot file only
/// the header is read, unless it is trusted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena inspect hello.wasm\n  \
    arena inspect --json hello.wasm | jq .imports\n  \
    arena inspect demo/clock")]
pub(super) struct Args {
    /// The file: .wasm, .wat (text) or .aot (compiled); or a module or runtime of the realm
    file: PathBuf,

    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    /// Load an .aot file, which is native code, to list what it imports
    #[arg(long)]
    trust_aot: bool,

    #[command(flatten)]
    server: ServerArgs,

    #[command(flatten)]
    settings: TrustFlags,
}

/// What is printed; the names of the fields are those of the JSON.
#[derive(Serialize)]
struct Report {
    kind: &'static str,
    /// Of the binary, in bytes.
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    aot: Option<Aot>,
    signatures: Vec<SignedBy>,
    /// Why the signature that is there cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_error: Option<String>,
    #[serde(flatten)]
    contents: Option<Contents>,
}

#[derive(Serialize)]
struct Aot {
    version: u32,
    target: String,
}

#[derive(Serialize)]
struct Contents {
    imports: Vec<Import>,
    exports: Vec<Export>,
    memories: Vec<Memory>,
    features: Vec<&'static str>,
    custom_sections: Vec<Custom>,
}

#[derive(Serialize)]
struct Import {
    module: String,
    name: String,
    #[serde(rename = "type")]
    ty: String,
    provided: bool,
}

#[derive(Serialize)]
struct Export {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

#[derive(Serialize)]
struct Memory {
    initial_bytes: u64,
    maximum_bytes: Option<u64>,
    shared: bool,
}

#[derive(Serialize)]
struct Custom {
    name: String,
    size: usize,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if let Some(known) = known_to_the_realm(args)? {
        print(&if args.json {
            format!("{known:#}\n")
        } else {
            client::inspect::to_text(&known)
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = engine::read(&args.file)?;
    let report = report(args, &bytes)?;
    if args.json {
        let json =
            serde_json::to_string_pretty(&report).map_err(|e| cannot_load(&args.file, &e))?;
        print(&(json + "\n"))?;
    } else {
        print(&report.to_text())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the supervisor says of a name that is none of a file. `None` when it is a file's, or is to
/// be told as one: where there is no supervisor there is nothing else.
fn known_to_the_realm(args: &Args) -> Result<Option<Value>, Failure> {
    let ending = args.file.extension().and_then(|ending| ending.to_str());
    let absent = matches!(args.file.try_exists(), Ok(false));
    let Some(name) = args.file.to_str().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if !absent || matches!(ending, Some("wasm" | "wat" | "aot")) {
        return Ok(None);
    }
    match client::inspect::ask(&args.server.client()?, name) {
        Ok(known) => Ok(Some(known)),
        Err(error) if error.is_unreachable() => Ok(None),
        Err(error) if error.is_unknown() => Err(Failure::new(
            Status::NotFound,
            format!("there is no file, module or runtime {}", printable(name)),
        )),
        Err(error) => Err(error.into()),
    }
}

fn cannot_load(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::of_file(
        Status::CannotLoad,
        "load",
        file,
        printable(&why.to_string()),
    )
}

fn report(args: &Args, bytes: &[u8]) -> Result<Report, Failure> {
    let offered = engine::imports();
    let (signatures, signature_error) = match signatures(args, bytes)? {
        Ok(signatures) => (signatures, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let kind = ModuleKind::of(bytes).map_err(|e| cannot_load(&args.file, &e))?;
    match kind {
        ModuleKind::Wasm => {
            let info = ModuleInfo::of_wasm(bytes).map_err(|e| cannot_load(&args.file, &e))?;
            Ok(Report {
                kind: "wasm",
                size: bytes.len(),
                aot: None,
                signatures,
                signature_error,
                contents: Some(Contents::new(&info, &offered, needed_features(bytes))),
            })
        }
        ModuleKind::Aot => {
            let header = AotHeader::read(bytes).map_err(|e| cannot_load(&args.file, &e))?;
            let contents = if args.trust_aot {
                let module = engine::load_trusted(&args.file, bytes)?;
                Some(Contents::new(module.info(), &offered, None))
            } else {
                None
            };
            Ok(Report {
                kind: "aot",
                size: bytes.len(),
                aot: Some(Aot {
                    version: header.version,
                    target: header.target,
                }),
                signatures,
                signature_error,
                contents,
            })
        }
    }
}

/// Who has signed it, in the file or beside it, and what the settings think of them; or why that
/// cannot be told.
fn signatures(args: &Args, bytes: &[u8]) -> Result<Result<Vec<SignedBy>, String>, Failure> {
    let detached = engine::read_signature(&args.file)?;
    let unread = |error: SignatureError| {
        if Trust::default().signatures(bytes, None).is_err() {
            return error.to_string();
        }
        let beside = engine::signature_path(&args.file);
        format!("in {}: {error}", beside.display())
    };
    match Trust::default().signatures(bytes, detached.as_deref()) {
        // Whoever loads it says better what it is.
        Err(SignatureError::NotAModule) => return Ok(Ok(Vec::new())),
        // For a file without any, no settings are read.
        Ok(signed) if signed.is_empty() => return Ok(Ok(Vec::new())),
        Ok(_) => {}
        Err(error) => return Ok(Err(unread(error))),
    }
    let settings = args.settings.load()?.settings;
    let trust = Trust::new(&settings.security)
        .map_err(|e| Failure::new(Status::Usage, printable(&e.to_string())))?;
    let signed = trust.signatures(bytes, detached.as_deref());
    Ok(signed
        .map(|signed| signed.iter().map(SignedBy::of).collect())
        .map_err(unread))
}

impl Contents {
    fn new(
        info: &ModuleInfo,
        offered: &Imports<Context>,
        features: Option<Vec<&'static str>>,
    ) -> Contents {
        let imports = info.imports.iter().map(|import| Import {
            module: import.module.clone(),
            name: import.name.clone(),
            ty: import.ty.to_string(),
            provided: provides(offered, import),
        });
        let exports = info.exports.iter().map(|export| Export {
            name: export.name.clone(),
            ty: export.ty.to_string(),
        });
        let memories = info.memories.iter().map(|memory| Memory {
            initial_bytes: memory.initial.saturating_mul(PAGE_SIZE),
            maximum_bytes: memory.maximum.map(|pages| pages.saturating_mul(PAGE_SIZE)),
            shared: memory.shared,
        });
        let custom_sections = info.custom_sections.iter().map(|section| Custom {
            name: section.name.clone(),
            size: section.size,
        });
        Contents {
            imports: imports.collect(),
            exports: exports.collect(),
            memories: memories.collect(),
            features: features.unwrap_or_default(),
            custom_sections: custom_sections.collect(),
        }
    }
}

impl Report {
    fn to_text(&self) -> String {
        let mut text = format!("kind:     {}, {} bytes\n", self.kind, self.size);
        if let Some(aot) = &self.aot {
            line(
                &mut text,
                "AOT",
                &format!("version {}, for {}", aot.version, aot.target),
            );
        }
        for signed in &self.signatures {
            line(&mut text, "signed", &signed.to_text());
        }
        if let Some(why) = &self.signature_error {
            line(
                &mut text,
                "signed",
                &format!("NOT VALID: {}", printable(why)),
            );
        }
        match &self.contents {
            Some(contents) => contents.write(&mut text),
            None => line(
                &mut text,
                "contents",
                "not read: native code (--trust-aot reads it)",
            ),
        }
        text
    }
}

impl Contents {
    fn write(&self, text: &mut String) {
        for memory in &self.memories {
            let mut limits = size(memory.initial_bytes);
            if let Some(maximum) = memory.maximum_bytes {
                limits += &format!(", at most {}", size(maximum));
            }
            if memory.shared {
                limits += ", shared";
            }
            line(text, "memory", &limits);
        }
        if !self.features.is_empty() {
            line(text, "features", &self.features.join(", "));
        }
        let imports = self.imports.iter().map(|import| {
            let mark = if import.provided {
                "provided"
            } else {
                "MISSING "
            };
            format!("{mark}  {}.{}: {}", import.module, import.name, import.ty)
        });
        list(text, "imports", imports);
        let exports = self
            .exports
            .iter()
            .map(|export| format!("{}: {}", export.name, export.ty));
        list(text, "exports", exports);
        let custom = self.custom_sections.iter();
        list(
            text,
            "custom sections",
            custom.map(|c| format!("{}: {} bytes", c.name, c.size)),
        );
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:<9} {}", format!("{name}:"), printable(value));
}

fn list(text: &mut String, name: &str, rows: impl ExactSizeIterator<Item = String>) {
    if rows.len() == 0 {
        return;
    }
    let _ = writeln!(text, "{name} ({}):", rows.len());
    for row in rows {
        let _ = writeln!(text, "  {}", printable(&row));
    }
}
