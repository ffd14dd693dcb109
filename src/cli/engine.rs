//! Files into modules: which engine runs what, and what modules may import.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::EngineMode;
use crate::guest::{self, Guest};
use crate::trust::{self, SIGNATURE_LIMIT, Trust};
use crate::wamr::{
    AotTrust, CLASSIC_INTERPRETER, Engine, HostCalls, Imports, LoadError, Module, ModuleKind,
};
use crate::wasi::{self, Wasi};

use super::compiled::Compiled;
use super::status::{Failure, Status, printable};

/// How a module's code is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EngineChoice {
    /// Compiled code if it can be had quickly, else the interpreter
    Auto,
    /// The interpreter that this build has
    Interpreter,
    /// The fast interpreter
    Fast,
    /// The classic interpreter, in builds that have it instead
    Classic,
    /// Compiled code only
    Aot,
}

impl EngineChoice {
    /// As the settings say it.
    pub(super) fn mode(self) -> EngineMode {
        match self {
            EngineChoice::Auto => EngineMode::Auto,
            EngineChoice::Aot => EngineMode::Aot,
            EngineChoice::Interpreter | EngineChoice::Fast | EngineChoice::Classic => {
                EngineMode::Interpreter
            }
        }
    }
}

/// What a module's host functions see.
pub(super) struct Context {
    wasi: Wasi,
    guest: Guest,
}

impl Context {
    pub(super) fn new(wasi: Wasi, guest: Guest) -> Context {
        Context { wasi, guest }
    }
}

impl AsRef<Guest> for Context {
    fn as_ref(&self) -> &Guest {
        &self.guest
    }
}

impl AsRef<Wasi> for Context {
    fn as_ref(&self) -> &Wasi {
        &self.wasi
    }
}

/// Everything that `arena run` offers to modules.
pub(super) fn imports() -> Imports<Context> {
    let mut imports = Imports::new();
    wasi::add_to_imports(&mut imports);
    guest::add_to_imports(&mut imports);
    imports
}

/// Reads a file, and compiles it if it is WebAssembly text.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_as_it_is(file)?;
    if !is_text(file, &bytes) {
        return Ok(bytes);
    }
    let failure =
        |why: &dyn std::fmt::Display| Failure::of_file(Status::CannotLoad, "load", file, why);
    let text = std::str::from_utf8(&bytes).map_err(|_| failure(&"the text is not UTF-8"))?;
    wat::Parser::new()
        .parse_str(Some(file), text)
        .map_err(|e| failure(&text_error(&e)))
}

/// Reads a file.
pub(super) fn read_as_it_is(file: &Path) -> Result<Vec<u8>, Failure> {
    read_bounded(file).map_err(|e| {
        let status = match e.kind() {
            io::ErrorKind::NotFound => Status::NotFound,
            _ => Status::CannotLoad,
        };
        let why = match e.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            _ => e.to_string(),
        };
        Failure::of_file(status, "read", file, why)
    })
}

/// The parser's error in one line; its own text draws the place in five.
fn text_error(error: &wat::Error) -> String {
    let text = error.to_string();
    let place = text.lines().find_map(|line| {
        let mut place = line.trim_start().strip_prefix("--> ")?.rsplit(':');
        Some((place.next()?, place.next()?))
    });
    let what = text.lines().next().unwrap_or_default();
    match place {
        Some((column, line)) => printable(&format!("{what} (line {line}, column {column})")),
        None => printable(what),
    }
}

/// More than any module has; a device may never end.
pub(super) const MAX_FILE: u64 = 1 << 30;

fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(file)?;
    let mut bytes = Vec::new();
    // Room for what a file says it has; a device says nothing.
    let size = file.metadata()?.len().min(MAX_FILE);
    bytes.reserve_exact(usize::try_from(size).unwrap_or(0));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 1 GiB"));
    }
    Ok(bytes)
}

/// Where the signature of a file is that is not in it.
pub(super) fn signature_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// The signature beside a file, if there is one.
pub(super) fn read_signature(file: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let path = signature_path(file);
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(&path)?;
        file.take(SIGNATURE_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SIGNATURE_LIMIT {
            let why =
                format!("it is larger than the {SIGNATURE_LIMIT} bytes that a signature may have");
            return Err(io::Error::other(why));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::of_file(Status::CannotLoad, "read", &path, e)),
    }
}

/// Text by its name, or because it begins like it.
fn is_text(file: &Path, bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\0") {
        return false;
    }
    let begin = bytes.trim_ascii_start();
    file.extension().is_some_and(|extension| extension == "wat")
        || begin.starts_with(b"(module")
        || begin.starts_with(b";;")
}

/// How a file is to be executed.
pub(super) struct Options<'a> {
    /// What the command line says.
    pub(super) asked: Option<EngineChoice>,
    /// What is done where it says nothing.
    pub(super) mode: EngineMode,
    /// Whether the file may be native code.
    pub(super) trust_aot: bool,
    /// Whose modules may run.
    pub(super) trust: &'a Trust,
    /// Where compiled code of modules is.
    pub(super) compiled: Option<&'a Compiled>,
    /// Where the module's calls of host functions are counted, if they are.
    pub(super) host_calls: Option<&'a HostCalls>,
}

/// Loads a module for the engine that was chosen.
pub(super) fn load(
    file: &Path,
    bytes: &[u8],
    options: &Options<'_>,
) -> Result<Module<Context>, Failure> {
    let failure = |why: String| Failure::of_file(Status::CannotLoad, "load", file, why);
    let kind = ModuleKind::of(bytes).map_err(|e| failure(printable(&e.to_string())))?;
    if let Some(asked) = options.asked {
        check_choice(asked, kind).map_err(failure)?;
    }
    let engine = Engine::new().map_err(|e| failure(e.to_string()))?;
    let imports = || {
        let mut imports = imports();
        if let Some(calls) = options.host_calls {
            imports.count_calls(calls);
        }
        imports
    };
    if options.trust.is_required() || (kind == ModuleKind::Aot && !options.trust_aot) {
        admit(file, bytes, options.trust)?;
    }
    if kind == ModuleKind::Aot {
        let code = trust::without_trailer(bytes);
        return Module::load_trusted_aot(&engine, code, &imports(), AotTrust::given_by_user())
            .map_err(|e| failure(printable(&e.to_string())));
    }
    let load_code = |code: &[u8]| {
        Module::load_trusted_aot(&engine, code, &imports(), AotTrust::compiled_here())
    };
    match (options.mode, options.compiled) {
        (EngineMode::Aot, Some(compiled)) => {
            let code = compiled
                .made(file, bytes)
                .map_err(|e| Failure::of_file(Status::CannotLoad, "compile", file, e))?;
            load_code(&code)
        }
        (EngineMode::Aot, None) => {
            return Err(failure("this arena runs no compiled code".to_owned()));
        }
        (EngineMode::Auto, Some(compiled)) => {
            // Where compiled code cannot be had or loaded, the interpreter runs the module, or
            // says what is wrong with it.
            if let Some(code) = compiled.at_hand(file, bytes)
                && let Ok(module) = load_code(&code)
            {
                return Ok(module);
            }
            let module = Module::load(&engine, bytes, &imports());
            if module.is_ok() {
                compiled.make_later(file, bytes);
            }
            module
        }
        _ => Module::load(&engine, bytes, &imports()),
    }
    .map_err(|e| failure(printable(&e.to_string())))
}

/// Whether the settings let a file run.
fn admit(file: &Path, bytes: &[u8], trust: &Trust) -> Result<(), Failure> {
    let signature = if trust.wants_signature(bytes) {
        read_signature(file)?
    } else {
        None
    };
    let Err(why) = trust.admit(bytes, signature.as_deref()) else {
        return Ok(());
    };
    let why = if trust.is_required() {
        format!("{why}\nThe settings want it so: security.require_signed_modules")
    } else if trust.is_empty() {
        let native = LoadError::UntrustedAot;
        format!("{native}\nIf you know where it comes from: --trust-aot")
    } else {
        format!("{why}\nIf you know where it comes from: --trust-aot")
    };
    Err(Failure::of_file(Status::CannotLoad, "load", file, why))
}

/// Loads native code that the user trusts.
pub(super) fn load_trusted(file: &Path, bytes: &[u8]) -> Result<Module<Context>, Failure> {
    let options = Options {
        asked: None,
        mode: EngineMode::Auto,
        trust_aot: true,
        trust: &Trust::default(),
        compiled: None,
        host_calls: None,
    };
    load(file, bytes, &options)
}

fn check_choice(choice: EngineChoice, kind: ModuleKind) -> Result<(), String> {
    match (choice, kind) {
        (EngineChoice::Auto | EngineChoice::Aot, _) => Ok(()),
        (_, ModuleKind::Aot) => {
            Err("it is AOT code, which interpreters do not run; leave --engine out".to_owned())
        }
        (EngineChoice::Fast, ModuleKind::Wasm) if CLASSIC_INTERPRETER => Err(
            "this arena was built with the classic interpreter instead of the fast one".to_owned(),
        ),
        (EngineChoice::Classic, ModuleKind::Wasm) if !CLASSIC_INTERPRETER => Err(
            "this arena was built without the classic interpreter\nBuild it: cargo build --release --features classic-interp".to_owned(),
        ),
        _ => Ok(()),
    }
}
