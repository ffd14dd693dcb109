//! Running `arena-aotc`.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::Deserialize;
use tracing::warn;

use crate::wamr::{AotHeader, Engine};

use super::key::Target;
use super::memory_file;

/// The program that compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    program: PathBuf,
    identity: String,
}

/// What a compilation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CPU time; the time by the clock may be ten times that.
    pub time: Duration,
    /// Memory, and the size of the code, in bytes.
    pub memory: u64,
    /// Let everything else on the machine go first.
    pub background: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The code, an AOT file.
    pub code: Vec<u8>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler cannot be started.
    #[error("cannot start the compiler {}: {why}", .program.display())]
    Start {
        /// The compiler.
        program: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// The module cannot be compiled.
    #[error("{0}")]
    Refused(String),
    /// It took too long.
    #[error("compiling takes longer than the {} s that it may", .0.as_secs())]
    Time(Duration),
    /// It does not get on: on a busy machine, or for ever.
    #[error("the compiler has not ended after {} s", .0.as_secs())]
    Waits(Duration),
    /// The compiler ended without a word, as it does when it has no memory left.
    #[error(
        "the compiler was ended by signal {0}; it may have needed more memory than it may have"
    )]
    Ended(i32),
    /// The compiler says that it cannot do what it was asked for.
    #[error("the compiler fails: {0}")]
    Failed(String),
    /// The compiler is another version's.
    #[error("the compiler {} makes code for WAMR {theirs}, and this is {ours}", .program.display())]
    Version {
        /// The compiler.
        program: PathBuf,
        /// The WAMR that it compiles for.
        theirs: String,
        /// The WAMR of this program.
        ours: String,
    },
    /// It was to stop.
    #[error("the compilation was stopped")]
    Stopped,
    /// The code cannot be taken over.
    #[error("cannot exchange the module and its code with the compiler: {0}")]
    Io(#[from] io::Error),
}

impl CompileError {
    /// Whether the same module comes to the same end again: not where somebody has ended the
    /// compiler, by Ctrl-C for example, or where it was the machine that was slow.
    pub(super) fn would_repeat(&self) -> bool {
        match self {
            CompileError::Refused(_) | CompileError::Time(_) => true,
            CompileError::Ended(signal) => FAULTS.iter().any(|fault| fault.as_raw() == *signal),
            _ => false,
        }
    }
}

/// How the compiler ends by itself when it does not get on.
const FAULTS: [Signal; 7] = [
    Signal::ABORT,
    Signal::BUS,
    Signal::FPE,
    Signal::ILL,
    Signal::SEGV,
    Signal::TRAP,
    Signal::XFSZ,
];

/// The compiler's name.
const PROGRAM: &str = "arena-aotc";
/// How it begins what it says of the module.
const OF_THE_MODULE: &str = "arena-aotc: -: ";
/// How much it may write to stderr that anybody reads.
const MAX_MESSAGES: u64 = 64 << 10;
/// How often whoever waits is asked whether to go on.
const ASK: Duration = Duration::from_millis(100);
/// On a busy machine a compilation at the lowest priority takes longer by the clock.
const PATIENCE: u32 = 10;
/// What the compiler needs of the environment: where its libraries are.
const ENVIRONMENT: [&str; 2] = ["LD_LIBRARY_PATH", "PATH"];

/// The summary that the compiler prints as JSON.
#[derive(Deserialize)]
struct Summary {
    seconds: f64,
    wamr: String,
}

impl Compiler {
    /// The compiler that is named, or else `arena-aotc` beside this program, or in `$PATH`; `None`
    /// when there is none.
    #[must_use]
    pub fn find(named: Option<&Path>) -> Option<Compiler> {
        let program = match named {
            Some(named) if !named.is_file() => {
                warn!("there is no compiler {}", named.display());
                return None;
            }
            Some(named) => named.to_owned(),
            None => beside_this_program().or_else(in_path)?,
        };
        let identity = identity(&program).unwrap_or_default();
        Some(Compiler { program, identity })
    }

    /// What tells it from another one, or from what it was before an update.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Where it is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Compiles a module. `go_on` is asked ten times a second, with the time that has passed.
    ///
    /// # Errors
    /// When the module is not valid or needs what the compiler does not have, when it passes the
    /// bounds, or when `go_on` says no.
    pub fn compile(
        &self,
        wasm: &[u8],
        target: &Target,
        bounds: &Bounds,
        go_on: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<Compiled, CompileError> {
        let code = memory_file::empty("arena-code")?;
        let messages = memory_file::empty("arena-messages")?;
        let mut child = self
            .command(target, bounds)
            .stdin(memory_file::holding("arena-module", wasm)?)
            .stdout(code.try_clone()?)
            .stderr(messages.try_clone()?)
            .spawn()
            .map_err(|why| CompileError::Start {
                program: self.program.clone(),
                why,
            })?;
        let status = wait(&mut child, bounds.time * PATIENCE, go_on);
        if status.is_err() {
            // It may have ended meanwhile; in any case it is waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
        let messages = memory_file::contents(messages, MAX_MESSAGES)?;
        let messages = String::from_utf8_lossy(&messages);
        self.outcome(status?, code, &messages, bounds)
    }

    fn command(&self, target: &Target, bounds: &Bounds) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["-", "-o", "-", "--json", "--target", &target.arch])
            .args(["--cpu", &target.cpu, "--opt", &target.opt.to_string()])
            .args(["--parent", &std::process::id().to_string()])
            .args(["--limit-time", &bounds.time.as_secs().max(1).to_string()])
            .args(["--limit-memory", &(bounds.memory >> 20).max(1).to_string()]);
        if !target.features.is_empty() {
            command.arg(format!("--features={}", target.features.join(",")));
        }
        if target.size {
            command.arg("--size");
        }
        if bounds.background {
            command.arg("--background");
        }
        let environment = ENVIRONMENT.map(|name| Some((name, std::env::var_os(name)?)));
        command
            .env_clear()
            .envs(environment.into_iter().flatten())
            .current_dir("/");
        command
    }

    fn outcome(
        &self,
        status: ExitStatus,
        code: File,
        messages: &str,
        bounds: &Bounds,
    ) -> Result<Compiled, CompileError> {
        let said = |messages: &str| {
            // One of another version may not know an option, and has more to say after that.
            let usage = messages.lines().find(|line| line.starts_with("error: "));
            let last = usage.or_else(|| messages.lines().last());
            let last = last.unwrap_or("it says nothing");
            let last = last.strip_prefix("arena-aotc: ").unwrap_or(last);
            last.strip_prefix("-: ").unwrap_or(last).to_owned()
        };
        match (status.code(), status.signal()) {
            (Some(0), _) => {}
            // What is said of the module begins with its name; another program may end so, too.
            (Some(1), _) if messages.lines().any(|line| line.starts_with(OF_THE_MODULE)) => {
                return Err(CompileError::Refused(said(messages)));
            }
            (Some(_), _) => return Err(CompileError::Failed(said(messages))),
            (None, Some(signal)) if signal == Signal::XCPU.as_raw() => {
                return Err(CompileError::Time(bounds.time));
            }
            (None, signal) => return Err(CompileError::Ended(signal.unwrap_or_default())),
        }
        let summary = messages
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<Summary>(line).ok())
            .ok_or_else(|| CompileError::Failed("it gives no summary".to_owned()))?;
        let ours = Engine::wamr_version();
        if summary.wamr != ours {
            return Err(CompileError::Version {
                program: self.program.clone(),
                theirs: summary.wamr,
                ours,
            });
        }
        let code = memory_file::contents(code, bounds.memory)?;
        AotHeader::read(&code).map_err(|e| CompileError::Failed(e.to_string()))?;
        Ok(Compiled {
            code,
            seconds: summary.seconds,
        })
    }
}

/// Waits for a child to end, asking at intervals whether to go on.
fn wait(
    child: &mut Child,
    most: Duration,
    go_on: &mut dyn FnMut(Duration) -> bool,
) -> Result<ExitStatus, CompileError> {
    let begun = Instant::now();
    // Old kernels do not have it; there the child is looked at more often.
    let ended = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    loop {
        match &ended {
            Some(ended) => {
                let interval = Timespec::try_from(ASK).map_err(io::Error::other)?;
                let mut ends = [PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
                // An interrupted wait is one that is over early.
                let _ = poll(&mut ends, Some(&interval));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let passed = begun.elapsed();
        if passed > most {
            return Err(CompileError::Waits(most));
        }
        if !go_on(passed) {
            return Err(CompileError::Stopped);
        }
    }
}

/// The file's size and time: to read tens of megabytes at each start would take longer than the start.
fn identity(program: &Path) -> Option<String> {
    let metadata = fs::metadata(program).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let (size, time) = (metadata.len(), changed.as_nanos());
    Some(format!("{size}-{time}"))
}

fn beside_this_program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name(PROGRAM);
    beside.is_file().then_some(beside)
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(PROGRAM))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        time: Duration::from_secs(5),
        memory: 64 << 20,
        background: false,
    };

    /// A compiler that is this shell script. Another process writes it: a file that this one has
    /// open, or a child that another test is just starting, could not be run.
    fn script(dir: &Path, text: &str) -> Compiler {
        let program = dir.join("compiler");
        let written = Command::new("sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod +x \"$0\"",
            ])
            .arg(&program)
            .arg(text)
            .status();
        assert!(written.unwrap().success());
        Compiler::find(Some(&program)).unwrap()
    }

    fn outcome(text: &str) -> Result<Compiled, CompileError> {
        let dir = tempfile::tempdir().unwrap();
        let compiler = script(dir.path(), text);
        compiler.compile(b"module", &Target::host("native"), &BOUNDS, &mut |_| true)
    }

    /// What a compiler of this version says.
    fn summary() -> String {
        let wamr = Engine::wamr_version();
        format!("echo '{{\"seconds\":0.5,\"wamr\":\"{wamr}\"}}' >&2")
    }

    #[test]
    fn takes_what_it_makes() {
        // An AOT file's header, up to the target's name.
        let header = r"printf '\000aot\005\000\000\000\000\000\000\000'; head -c 52 /dev/zero";
        let made = outcome(&format!("cat >/dev/null; {header}; {}", summary())).unwrap();
        assert_eq!(made.code.len(), 64);
        assert!((made.seconds - 0.5).abs() < 1e-9);
    }

    #[test]
    fn tells_what_goes_wrong() {
        for (text, wanted) in [
            (
                "echo 'arena-aotc: -: invalid module: x' >&2; exit 1",
                "invalid module: x",
            ),
            ("exit 1", "the compiler fails: it says nothing"),
            (
                "echo 'arena-aotc: no such cpu' >&2; exit 2",
                "the compiler fails: no such cpu",
            ),
            (
                "printf 'error: unexpected argument\\n\\nUsage: x\\n' >&2; exit 2",
                "the compiler fails: error: unexpected argument",
            ),
            ("kill -ABRT $$", "signal 6"),
            ("kill -XCPU $$", "longer than the 5 s"),
            ("exit 0", "it gives no summary"),
            (
                "echo '{\"seconds\":1,\"wamr\":\"0.0.1\"}' >&2",
                "for WAMR 0.0.1",
            ),
            (&summary(), "not a"),
        ] {
            let error = outcome(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        // A file, and no program.
        let program = tempfile::NamedTempFile::new().unwrap();
        let no_program = Compiler::find(Some(program.path())).unwrap();
        let error = no_program.compile(b"", &Target::host("native"), &BOUNDS, &mut |_| true);
        // In an emulator only the child finds out.
        if std::env::var_os("ARENA_TEST_RUNNER").is_none() {
            assert!(matches!(error, Err(CompileError::Start { .. })));
        }
        assert_eq!(Compiler::find(Some(Path::new("/nowhere/arena-aotc"))), None);
    }

    #[test]
    fn an_updated_compiler_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let before = script(dir.path(), "exit 1");
        assert_eq!(Compiler::find(Some(before.program())).unwrap(), before);
        let after = script(dir.path(), "exit 1 # better");
        assert_ne!(after.identity(), before.identity());
    }

    #[test]
    fn an_end_that_others_make_says_nothing_of_the_module() {
        for (text, repeats) in [
            ("echo 'arena-aotc: -: invalid module: x' >&2; exit 1", true),
            ("echo 'no such library' >&2; exit 1", false),
            ("kill -ABRT $$", true),
            ("kill -SEGV $$", true),
            ("kill -XCPU $$", true),
            ("kill -USR1 $$; sleep 60", false),
            ("kill -TERM $$; sleep 60", false),
            ("kill -KILL $$", false),
            ("exit 3", false),
        ] {
            let error = outcome(text).unwrap_err();
            assert_eq!(error.would_repeat(), repeats, "{text}: {error}");
        }
    }

    #[test]
    fn can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let compiler = script(dir.path(), "exec sleep 600");
        let target = Target::host("native");
        let stopped = compiler.compile(b"", &target, &BOUNDS, &mut |_| false);
        assert!(matches!(stopped, Err(CompileError::Stopped)));
        let short = Bounds {
            time: Duration::from_millis(10),
            ..BOUNDS
        };
        let late = compiler.compile(b"", &target, &short, &mut |_| true);
        let late = late.unwrap_err();
        assert!(matches!(late, CompileError::Waits(_)) && !late.would_repeat());
    }

    #[test]
    fn inherits_little() {
        let dir = tempfile::tempdir().unwrap();
        let compiler = script(
            dir.path(),
            "echo \"arena-aotc: -: $(env | cut -d= -f1 | sort | tr '\\n' ' ')\" >&2; exit 1",
        );
        let error = compiler.compile(b"", &Target::host("native"), &BOUNDS, &mut |_| true);
        let names = error.unwrap_err().to_string();
        for name in names.split_whitespace() {
            let known = ["LD_LIBRARY_PATH", "PATH", "PWD", "_", "SHLVL", "OLDPWD"];
            assert!(known.contains(&name), "{names}");
        }
    }
}
