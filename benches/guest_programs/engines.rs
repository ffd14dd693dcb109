//! What the programs run in, and how each is told to run one.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Fallible;
use crate::programs::{Language, Program};

/// What a module is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guest {
    Plain,
    Simd,
}

#[derive(Debug)]
enum Kind {
    /// Native code, by this C compiler; programs in Rust only for the one that is based on LLVM, as
    /// rustc is.
    Native {
        compiler: &'static str,
        rust: bool,
    },
    /// `arena run` of what arena-aotc has made, with these options.
    Aot(Guest, Vec<String>),
    Interpreter(Guest),
    Wasmtime(Guest),
    Node(Guest),
    /// A program that takes a module and its arguments.
    Other {
        program: &'static str,
        args: &'static [&'static str],
    },
}

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) name: String,
    kind: Kind,
    /// By program: the command line, to which the size is added.
    commands: BTreeMap<String, Vec<OsString>>,
}

/// The C compiler's options; the same code has to give the same numbers everywhere.
const C_FLAGS: [&str; 3] = ["-O3", "-ffp-contract=off", "-fno-math-errno"];

pub(crate) const BASELINE: &str = "native";

/// All of them, or those named; the first is the one that all are compared with.
pub(crate) fn find(wanted: &[String], aot: &[String]) -> Fallible<Vec<Engine>> {
    let engine = |name: &str, kind| Engine {
        name: name.to_owned(),
        kind,
        commands: BTreeMap::new(),
    };
    let mut engines = vec![
        engine(
            BASELINE,
            Kind::Native {
                compiler: "clang",
                rust: true,
            },
        ),
        engine(
            "gcc",
            Kind::Native {
                compiler: "gcc",
                rust: false,
            },
        ),
        engine("aot-simd", Kind::Aot(Guest::Simd, Vec::new())),
        engine(
            "aot-native",
            Kind::Aot(Guest::Simd, vec!["--cpu".into(), "native".into()]),
        ),
        engine("aot", Kind::Aot(Guest::Plain, Vec::new())),
        engine("wasmtime-simd", Kind::Wasmtime(Guest::Simd)),
        engine("wasmtime", Kind::Wasmtime(Guest::Plain)),
        engine("node-simd", Kind::Node(Guest::Simd)),
        engine("node", Kind::Node(Guest::Plain)),
        engine("interpreter", Kind::Interpreter(Guest::Plain)),
        engine("interpreter-simd", Kind::Interpreter(Guest::Simd)),
        engine(
            "wamr",
            Kind::Other {
                program: "wamr",
                args: &[],
            },
        ),
        engine(
            "wasmi",
            Kind::Other {
                program: "wasmi",
                args: &["run"],
            },
        ),
    ];
    for name in wanted {
        if engines.iter().all(|engine| engine.name != *name) {
            let names: Vec<&str> = engines.iter().map(|e| e.name.as_str()).collect();
            return Err(format!("there is no engine {name}, only {}", names.join(", ")).into());
        }
    }
    if !wanted.is_empty() {
        engines.retain(|engine| engine.name == BASELINE || wanted.contains(&engine.name));
    }
    for more in aot {
        let (name, options) = more
            .split_once('=')
            .ok_or_else(|| format!("--aot {more}: it has to be NAME=OPTIONS"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("--aot {more}: a name is letters, digits, - and _").into());
        }
        if engines.iter().any(|engine| engine.name == name) {
            return Err(format!("--aot {more}: there is an engine {name} already").into());
        }
        let options = options.split_whitespace().map(str::to_owned).collect();
        engines.push(engine(name, Kind::Aot(Guest::Simd, options)));
    }
    Ok(engines)
}

impl Engine {
    /// Whether it is given less to do, since it would take minutes.
    pub(crate) fn interprets(&self) -> bool {
        matches!(self.kind, Kind::Interpreter(_) | Kind::Other { .. })
    }

    pub(crate) fn has_programs(&self) -> bool {
        !self.commands.is_empty()
    }

    /// The command that runs a program; `None` if this engine does not have it.
    pub(crate) fn command(&self, program: &Program, size: u32) -> Option<Command> {
        let line = self.commands.get(&program.name)?;
        let (first, rest) = line.split_first()?;
        let mut command = Command::new(first);
        command
            .args(rest)
            .arg(size.to_string())
            .stdin(Stdio::null());
        Some(command)
    }

    /// Compiles all programs for it; says what cannot be had, and goes on without.
    pub(crate) fn prepare(&mut self, root: &Path, work: &Path, programs: &[Program]) {
        for program in programs {
            match self.prepare_one(root, work, program) {
                Ok(Some(command)) => {
                    self.commands.insert(program.name.clone(), command);
                }
                Ok(None) => {}
                Err(error) => {
                    eprintln!("LEFT OUT: {} in {}: {error}", program.name, self.name);
                    // What is not installed is said once.
                    if error.is::<Absent>() {
                        return;
                    }
                }
            }
        }
    }

    fn prepare_one(
        &self,
        root: &Path,
        work: &Path,
        program: &Program,
    ) -> Fallible<Option<Vec<OsString>>> {
        let made = work.join(&self.name).join(&program.name);
        fs::create_dir_all(work.join(&self.name))?;
        let module = |guest| {
            let kind = match guest {
                Guest::Plain => "plain",
                Guest::Simd => "simd",
            };
            let modules = root.join("wasm-samples/build/bench").join(kind);
            modules.join(&program.name).with_extension("wasm")
        };
        let line = match &self.kind {
            Kind::Native { compiler, rust } => match program.language {
                Language::C => {
                    compile_c(&c_compiler(compiler)?, &program.source, &made)?;
                    vec![made.into()]
                }
                Language::Rust if *rust => vec![compile_rust(root, work, &program.name)?.into()],
                Language::Rust => return Ok(None),
            },
            Kind::Aot(guest, options) => {
                let compiler = from_environment("ARENA_AOTC", "the AOT compiler")?;
                let mut command = Command::new(compiler);
                command
                    .arg(module(*guest))
                    .arg("-o")
                    .arg(&made)
                    .args(options);
                run(&mut command)?;
                arena(&["--trust-aot"], &made)?
            }
            Kind::Interpreter(guest) => arena(&["--engine", "fast"], &module(*guest))?,
            Kind::Wasmtime(guest) => {
                let host = peer("wasmtime")?;
                run(Command::new(&host)
                    .arg("compile")
                    .arg(module(*guest))
                    .arg(&made))?;
                vec![host.into(), "run".into(), made.into()]
            }
            Kind::Node(guest) => {
                let script = root.join("benches/guest_programs/peers/node.mjs");
                let node = in_path("node")?;
                let module = module(*guest).into();
                vec![node.into(), "--no-warnings".into(), script.into(), module]
            }
            Kind::Other { program, args } => {
                let mut line = vec![peer(program)?.into()];
                line.extend(args.iter().map(OsString::from));
                line.push(module(Guest::Plain).into());
                line
            }
        };
        Ok(Some(line))
    }
}

/// What is not installed here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Absent(String);

/// `arena run` of a module.
fn arena(options: &[&str], module: &Path) -> Fallible<Vec<OsString>> {
    // Features that only tests and benchmarks want of a dependency are in the binary that cargo
    // builds for them, so scripts/bench-guests names another one.
    let arena = env::var_os("ARENA_BIN").unwrap_or(env!("CARGO_BIN_EXE_arena").into());
    let mut line = vec![arena, "run".into()];
    line.extend(options.iter().map(OsString::from));
    line.push(module.into());
    Ok(line)
}

/// A program that scripts/bench-guests has built.
fn peer(name: &str) -> Fallible<PathBuf> {
    let built = from_environment("BENCH_PEERS", "the folder of other engines")?.join(name);
    match built.is_file() {
        true => Ok(built),
        false => Err(Absent(format!("{name} is not there")).into()),
    }
}

fn from_environment(variable: &str, what: &str) -> Fallible<PathBuf> {
    match env::var_os(variable) {
        Some(path) => Ok(path.into()),
        None => Err(Absent(format!("{variable} does not name {what}")).into()),
    }
}

fn in_path(program: &str) -> Fallible<PathBuf> {
    let found = env::var_os("PATH").and_then(|path| {
        env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
    });
    found.ok_or_else(|| Absent(format!("{program} is not installed")).into())
}

/// Clang has its version in its name on Debian; the guests are made with 19 if it is there.
fn c_compiler(name: &str) -> Fallible<PathBuf> {
    in_path(&format!("{name}-19")).or_else(|_| in_path(name))
}

fn compile_c(compiler: &Path, source: &Path, to: &Path) -> Fallible<()> {
    let mut command = Command::new(compiler);
    command
        .args(C_FLAGS)
        .arg(source)
        .arg("-o")
        .arg(to)
        .arg("-lm");
    run(&mut command)
}

fn compile_rust(root: &Path, work: &Path, name: &str) -> Fallible<PathBuf> {
    let target = work.join("rust");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .current_dir(root.join("wasm-samples/bench/rust"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--quiet", "--release", "--locked", "--bin", name])
        .arg("--target-dir")
        .arg(std::path::absolute(&target)?);
    run(&mut command)?;
    Ok(target.join("release").join(name))
}

fn run(command: &mut Command) -> Fallible<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{said}", output.status).into())
}
