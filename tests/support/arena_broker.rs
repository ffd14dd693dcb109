//! Our own broker as a process, `arena broker`, on free loopback ports and in a directory of its
//! own. It is started and stopped like the Mosquitto of `mosquitto.rs`.
//!
//! For use by several test programs: `#[path = "../support/arena_broker.rs"] mod arena_broker;`
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A broker, which is killed when it is dropped.
pub(crate) struct ArenaBroker {
    child: Option<Child>,
    dir: tempfile::TempDir,
    args: Vec<OsString>,
    /// By scheme.
    ports: HashMap<String, u16>,
}

impl ArenaBroker {
    /// For MQTT over TCP.
    pub(crate) fn start() -> ArenaBroker {
        ArenaBroker::with(["--listen", "127.0.0.1:0"])
    }

    /// With these arguments. Ports are to be 0; paths may be relative to its directory if the
    /// files are made by `prepare`.
    pub(crate) fn with<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> ArenaBroker {
        ArenaBroker::prepared(args, |_| ())
    }

    pub(crate) fn prepared<A: AsRef<OsStr>>(
        args: impl IntoIterator<Item = A>,
        prepare: impl FnOnce(&Path),
    ) -> ArenaBroker {
        let dir = tempfile::tempdir().expect("a directory can be made");
        prepare(dir.path());
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let mut broker = ArenaBroker {
            child: None,
            dir,
            args: args.collect(),
            ports: HashMap::new(),
        };
        broker.launch();
        broker
    }

    /// `arena`, in the broker's directory, and with nobody's settings.
    pub(crate) fn arena(dir: &Path) -> Command {
        let program = std::env::var_os("ARENA_BIN");
        let program = program.unwrap_or(env!("CARGO_BIN_EXE_arena").into());
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .env("HOME", dir)
            .stdin(Stdio::null());
        command
    }

    fn launch(&mut self) {
        let mut child = ArenaBroker::arena(self.dir.path())
            .arg("broker")
            .args(&self.args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        // It prints all addresses at once when it listens, and closes nothing.
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let asked = |flag: &str| {
            let given = self.args.iter().position(|arg| arg == flag);
            given
                .and_then(|at| self.args.get(at + 1))
                .map(|v| !v.is_empty())
        };
        let count = [
            asked("--listen").unwrap_or(true),
            asked("--tls-listen").unwrap_or(false),
            asked("--ws").unwrap_or(false),
            asked("--wss").unwrap_or(false),
        ];
        for _ in count.into_iter().filter(|is| *is) {
            let mut line = String::new();
            lines.read_line(&mut line).expect("it can be read");
            let (scheme, rest) = line.trim().split_once("://").expect("it listens");
            let (_, port) = rest.rsplit_once(':').expect("there is a port");
            let port = port.parse().expect("it is a number");
            self.ports.insert(scheme.to_owned(), port);
        }
        self.child = Some(child);
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The port for MQTT over TCP.
    pub(crate) fn port(&self) -> u16 {
        self.port_of("mqtt")
    }

    pub(crate) fn port_of(&self, scheme: &str) -> u16 {
        self.ports[scheme]
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("mqtt")
    }

    pub(crate) fn url_of(&self, scheme: &str) -> String {
        // The certificates of tests are for this name.
        let host = match scheme {
            "mqtts" | "wss" => "localhost",
            _ => "127.0.0.1",
        };
        format!("{scheme}://{host}:{}", self.port_of(scheme))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().expect("it runs");
        child.wait().expect("it can be waited for")
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the ports that it had.
    pub(crate) fn restart(&mut self) {
        for (flag, scheme) in [
            ("--listen", "mqtt"),
            ("--tls-listen", "mqtts"),
            ("--ws", "ws"),
            ("--wss", "wss"),
        ] {
            if let (Some(at), Some(port)) = (
                self.args.iter().position(|arg| arg == flag),
                self.ports.get(scheme),
            ) {
                self.args[at + 1] = format!("127.0.0.1:{port}").into();
            }
        }
        self.launch();
    }

    /// It hangs from now on; the kernel still accepts connections and bytes for it.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it takes of the host's memory, in bytes.
    pub(crate) fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// How many files and connections it has open.
    pub(crate) fn open_files(&self) -> usize {
        let dir = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        dir.unwrap().count()
    }
}

impl Drop for ArenaBroker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command says, with how it ended.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> (ExitStatus, String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut err = child.stderr.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = err.read_to_string(&mut text);
        text
    });
    let mut text = String::new();
    let mut out = child.stdout.take().expect("it is piped");
    out.read_to_string(&mut text).expect("it is text");
    let _ = writer.join();
    let err = reader.join().expect("it reads");
    (child.wait().expect("it ends"), text, err)
}
