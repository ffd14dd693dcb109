//! The program `arena arts` as a child process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::http::Api;
use crate::runtime::wait_until;

/// A supervisor in a directory of its own. Killed when it is dropped.
pub struct Arts {
    child: Child,
    dir: tempfile::TempDir,
    pub api: Api,
}

/// The command, with settings that all tests need.
pub fn command(dir: &Path, broker: u16, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command
        .env_clear()
        .env("HOME", dir)
        .current_dir(dir)
        .arg("arts")
        .arg(format!("--broker=mqtt://127.0.0.1:{broker}"))
        .arg("--data-dir=data")
        .arg("--set=supervisor.keepalive_interval=1s");
    if !more.iter().any(|arg| arg.starts_with("--listen")) {
        command.arg("--listen=127.0.0.1:0");
    }
    command.args(more).stdin(Stdio::null());
    command
}

impl Arts {
    pub fn start(broker: u16, more: &[&str]) -> Arts {
        Arts::start_in(tempfile::tempdir().unwrap(), broker, more)
    }

    pub fn start_in(dir: tempfile::TempDir, broker: u16, more: &[&str]) -> Arts {
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut child = command(dir.path(), broker, more)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|a| a.parse().ok());
        let arts = Arts {
            child,
            dir,
            api: Api {
                address: address.unwrap_or_else(|| ([127, 0, 0, 1], 1).into()),
                token: None,
            },
        };
        assert!(address.is_some(), "{line:?}");
        // What is asked before the broker is connected has to wait.
        wait_until("the broker is connected", || {
            arts.api.get("/healthz").status == 200
        });
        arts
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until so many runtimes are registered.
    pub fn wait_runtimes(&self, count: usize) -> Vec<Value> {
        let runtimes = || {
            let runtimes = self.api.get("/api/v1/runtimes").granted(200)["runtimes"].clone();
            runtimes.as_array().unwrap().clone()
        };
        wait_until("the runtimes are registered", || runtimes().len() == count);
        runtimes()
    }

    /// All modules.
    pub fn modules(&self) -> Vec<Value> {
        let modules = self.api.get("/api/v1/modules").granted(200)["modules"].clone();
        modules.as_array().unwrap().clone()
    }
}

impl Drop for Arts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the supervisor's log:\n{}", self.log());
        }
    }
}
