//! A realm that a test brings up.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that is awaited. Only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A home, in which the program runs.
pub struct Home {
    dir: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(mut command: Command) -> Outcome {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome {
            status: output.status,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Home {
    pub fn new() -> Home {
        Home {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `arena`, with nobody's settings.
    pub fn arena<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("ARENA_ENGINE", "interpreter")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(self.arena(args))
    }

    /// `arena up --json` on free ports, with its data in `data`.
    pub fn up(&self, args: &[&str]) -> Realm {
        let ports = [
            "--mqtt=127.0.0.1:0",
            "--ws=127.0.0.1:0",
            "--http=127.0.0.1:0",
        ];
        let all = ["--data=data"].iter().chain(&ports).chain(args);
        self.up_with(all)
    }

    /// `arena up --json` with these arguments.
    pub fn up_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Realm {
        let mut child = self
            .arena(["up", "--json"])
            .args(args)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let ready = lines.recv_timeout(PATIENCE).expect("it is ready");
        Realm {
            child,
            ready: serde_json::from_str(&ready).unwrap(),
            _lines: lines,
        }
    }

    /// All files in it, sorted, by their path within.
    pub fn files(&self) -> Vec<String> {
        fn collect(dir: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, root, found);
                } else {
                    let within = path.strip_prefix(root).unwrap();
                    found.push(within.to_str().unwrap().to_owned());
                }
            }
        }
        let mut found = Vec::new();
        collect(self.dir.path(), self.dir.path(), &mut found);
        found.sort();
        found
    }
}

/// The lines of a program, which never has to wait for somebody to read them.
pub fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A realm, killed when it is dropped.
pub struct Realm {
    pub child: Child,
    /// What it has printed when it was ready.
    pub ready: Value,
    _lines: Receiver<String>,
}

impl Realm {
    pub fn address(&self, of: &str) -> &str {
        self.ready[of].as_str().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.signal(Signal::SIGINT);
        assert_eq!(self.wait().code(), Some(0));
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
