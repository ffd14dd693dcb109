//! `arena compile`.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::artifacts::{
    Artifacts, Bounds, CompileError, Compiler, MakeError, Target, compile_time,
};
use crate::config::{EngineMode, EngineSettings, Settings};

use super::engine;
use super::figures::size;
use super::output::write;
use super::settings::EngineFlags;
use super::status::{Failure, Status, print, printable};

/// Compile a WebAssembly module to native code.
///
/// `arena run` and runtimes do so by themselves for the machine that they are on; this is for other
/// machines, and for looking at what comes of it. The work is done by the program arena-aotc. What
/// it makes is native code: it has the rights of whoever runs it, and is run only where it is
/// trusted (arena run --trust-aot). The same module, options and versions give the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena compile app.wasm\n      \
        app.aot, for any machine of this architecture\n  \
    arena compile --cpu native app.wasm -o fast.aot\n      \
        for this machine's processor\n  \
    arena compile --cpu rpi5 app.wasm\n      \
        for a Raspberry Pi 5\n  \
    arena compile --cache app.wasm\n      \
        so that the first arena run app.wasm has it at hand")]
pub(super) struct Args {
    /// The module: .wasm or .wat (text); "-" is standard input
    file: PathBuf,

    /// Where the code goes; "-" is standard output [default: FILE with the ending .aot]
    #[arg(short, long, value_name = "OUTPUT")]
    output: Option<PathBuf>,

    /// The architecture to compile for [default: that of --cpu, or this machine's]
    #[arg(long, value_name = "ARCH", value_parser = TARGETS)]
    target: Option<String>,

    /// The processor: "baseline" is any of the architecture, "native" this machine's, "rpi3", "rpi4"
    /// and "rpi5" are Raspberry Pis (also as "pi4" or "raspberrypi4"); or a name that LLVM knows
    #[arg(long, value_name = "NAME", default_value = "baseline")]
    cpu: String,

    /// Features of the processor to add or take away, as "+avx2,-bmi"
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    features: Vec<String>,

    /// How much to optimize, 0 (compile fast) to 3 (run fast)
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    opt: u8,

    /// Prefer small code to fast code
    #[arg(long)]
    size: bool,

    /// Keep the code in the cache, for this machine, instead of a file
    #[arg(long, conflicts_with_all = ["output", "target", "cpu", "features", "opt", "size"])]
    cache: bool,

    /// Let everything else on the machine go first
    #[arg(long)]
    background: bool,

    /// What the module is called in the cache [default: FILE]
    #[arg(long, requires = "cache")]
    name: Option<String>,

    /// Print what was made as JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: EngineFlags,
}

/// What architectures are called, here and by packagers.
const TARGETS: [&str; 5] = ["host", "x86_64", "aarch64", "amd64", "arm64"];
/// What names of Raspberry Pis begin with, which are all of one architecture.
const RASPBERRY_PI: [&str; 3] = ["rpi", "pi", "raspberry"];

/// Code that was made.
struct Made {
    bytes: usize,
    /// Of a file; in the cache it was asked for by whoever is satisfied that it is there.
    output: Option<PathBuf>,
    seconds: f64,
    target: Target,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let settings = args.settings.load()?.settings;
    let wasm = read(&args.file)?;
    let mut progress = Progress::new(&args.file, &wasm);
    let made = if args.cache {
        cache(args, settings, &wasm, &mut progress)
    } else {
        file(args, &settings.engine, &wasm, &mut progress)
    };
    progress.end();
    let made = made?;
    if made.output.as_deref() != Some(Path::new("-")) {
        print(&made.told(args, wasm.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file != Path::new("-") {
        return engine::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(engine::MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::of_file(Status::CannotLoad, "read", file, e))?;
    Ok(bytes)
}

fn file(
    args: &Args,
    settings: &EngineSettings,
    wasm: &[u8],
    progress: &mut Progress,
) -> Result<Made, Failure> {
    let output = output(args)?;
    let compiler = Compiler::find(settings.compiler.as_deref())
        .ok_or_else(|| failure(args, &MakeError::NoCompiler))?;
    let bounds = Bounds {
        time: settings.compile_time,
        memory: settings.compile_memory,
        background: args.background,
    };
    let target = target(args);
    let compiled = compiler
        .compile(wasm, &target, &bounds, &mut |passed| progress.tell(passed))
        .map_err(|e| failure(args, &e.into()))?;
    write(&output, &compiled.code)
        .map_err(|e| Failure::of_file(Status::CannotWrite, "write", &output, e))?;
    Ok(Made {
        bytes: compiled.code.len(),
        output: Some(output),
        seconds: compiled.seconds,
        target,
    })
}

fn cache(
    args: &Args,
    mut settings: Settings,
    wasm: &[u8],
    progress: &mut Progress,
) -> Result<Made, Failure> {
    settings.engine.mode = EngineMode::Aot;
    let artifacts = Artifacts::new(&settings.engine, &settings.store.cache_dir);
    let mut artifacts = artifacts
        .ok_or_else(|| Failure::new(Status::CannotStart, "this arena runs no compiled code"))?;
    if args.background {
        artifacts = artifacts.in_background();
        // It may outlive whoever has started it, and is to keep no disk from being taken out. The
        // settings have whole paths by now.
        let _ = std::env::set_current_dir("/");
    }
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| args.file.to_string_lossy().into_owned());
    let begun = std::time::Instant::now();
    let code = artifacts
        .make(&name, wasm, &mut |passed| progress.tell(passed))
        .map_err(|e| failure(args, &e))?;
    Ok(Made {
        bytes: code.len(),
        output: None,
        seconds: begun.elapsed().as_secs_f64(),
        target: Target::host(&settings.engine.cpu),
    })
}

fn target(args: &Args) -> Target {
    let arch = match args.target.as_deref() {
        Some("host") => std::env::consts::ARCH,
        Some("amd64") => "x86_64",
        Some("arm64") => "aarch64",
        Some(named) => named,
        None if RASPBERRY_PI.iter().any(|pi| args.cpu.starts_with(pi)) => "aarch64",
        None => std::env::consts::ARCH,
    };
    Target {
        arch: arch.to_owned(),
        cpu: args.cpu.clone(),
        features: args.features.clone(),
        opt: args.opt,
        size: args.size,
    }
}

fn output(args: &Args) -> Result<PathBuf, Failure> {
    match &args.output {
        Some(output) => Ok(output.clone()),
        None if args.file == Path::new("-") => Err(Failure::new(
            Status::Usage,
            "standard input has no name\nSay where the code goes: -o OUTPUT",
        )),
        None => Ok(args.file.with_extension("aot")),
    }
}

fn failure(args: &Args, error: &MakeError) -> Failure {
    let status = match error {
        MakeError::Compile(
            CompileError::Refused(_)
            | CompileError::Time(_)
            | CompileError::Waits(_)
            | CompileError::Ended(_),
        ) => Status::CannotLoad,
        _ => Status::CannotStart,
    };
    Failure::of_file(status, "compile", &args.file, printable(&error.to_string()))
}

impl Made {
    fn told(&self, args: &Args, wasm_bytes: usize) -> String {
        if args.json {
            let made = json!({
                "output": self.output.as_ref().map(|path| path.to_string_lossy()),
                "wasm_bytes": wasm_bytes,
                "aot_bytes": self.bytes,
                "seconds": self.seconds,
                "target": self.target.arch,
                "cpu": self.target.cpu,
            });
            return format!("{made}\n");
        }
        let output = match &self.output {
            Some(output) => output.to_string_lossy(),
            None => "in the cache".into(),
        };
        format!(
            "{} ({}) -> {} ({}), for {} ({}), {:.2} s\n",
            printable(&args.file.to_string_lossy()),
            size(wasm_bytes as u64),
            printable(&output),
            size(self.bytes as u64),
            self.target.arch,
            self.target.cpu,
            self.seconds
        )
    }
}

/// How long it takes already, on a terminal.
struct Progress {
    name: String,
    expected: Duration,
    shown: bool,
    told: bool,
}

/// What takes less is there before anybody has looked.
const SHORT: Duration = Duration::from_secs(1);

impl Progress {
    fn new(file: &Path, wasm: &[u8]) -> Progress {
        Progress {
            name: printable(&file.to_string_lossy()),
            expected: compile_time(wasm),
            shown: io::stderr().is_terminal(),
            told: false,
        }
    }

    fn tell(&mut self, passed: Duration) -> bool {
        if self.shown && passed >= SHORT {
            self.told = true;
            // Nobody misses it.
            let _ = write!(
                io::stderr(),
                "\rcompiling {}: {} s of about {} s ",
                self.name,
                passed.as_secs(),
                self.expected.max(SHORT).as_secs()
            );
        }
        true
    }

    fn end(&self) {
        if self.told {
            let _ = writeln!(io::stderr());
        }
    }
}
