//! The program `arena arts` as a child process, and a supervisor in this process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use arena_runtime::config::{FlagValues, Surroundings, load};
use arena_runtime::runtime::link;
use arena_runtime::supervisor::{Refusal, Reply, Supervisor, SupervisorConfig};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

use crate::client::{Client, PATIENCE};

/// Where clients ask.
pub const CONTROL: &str = "realm/proc/control";

/// What is set for all tests.
fn settings(dir: &Path, port: u16, more: &[&str]) -> Vec<String> {
    let mut settings = vec![
        format!("broker.url=mqtt://127.0.0.1:{port}"),
        format!("supervisor.data_dir={}", dir.display()),
        "supervisor.listen=127.0.0.1:0".to_owned(),
        "supervisor.keepalive_interval=1s".to_owned(),
        "log.level=debug".to_owned(),
    ];
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    settings
}

/// The supervisor as a process. Killed when it is dropped.
pub struct Arts {
    child: Child,
    dir: PathBuf,
}

impl Arts {
    pub fn start(dir: &Path, port: u16, more: &[&str]) -> Arts {
        fs::create_dir_all(dir).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.join("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
        command.env_clear().env("HOME", dir).arg("arts");
        for setting in settings(dir, port, more) {
            command.arg("--set").arg(setting);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Arts {
            child,
            dir: dir.to_owned(),
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = self.process().status().unwrap();
        status.vmrss.unwrap() * 1024
    }

    /// CPU time so far.
    pub fn cpu(&self) -> Duration {
        let stat = self.process().stat().unwrap();
        Duration::from_millis((stat.utime + stat.stime) * 1000 / procfs::ticks_per_second())
    }

    fn process(&self) -> procfs::process::Process {
        let pid = self.child.id().try_into().unwrap();
        procfs::process::Process::new(pid).unwrap()
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Arts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8000);
            eprintln!("the supervisor's log ends with:\n{}", &log[from..]);
        }
    }
}

/// A supervisor in this process.
pub fn supervisor(dir: &Path, port: u16, more: &[&str]) -> Supervisor {
    let mut flags = FlagValues::default();
    for setting in settings(dir, port, more) {
        let (key, value) = setting.split_once('=').unwrap();
        flags.add("--set", key, value);
    }
    let settings = load(&flags, &Surroundings::default()).unwrap().settings;
    let link = link(&settings.broker, format!("arts-{}", uuid::Uuid::new_v4())).unwrap();
    Supervisor::start(SupervisorConfig::new(&settings, link)).unwrap()
}

/// What came of a request of this process.
pub type Outcome = Result<Map<String, Value>, Refusal>;

/// Whom to tell, and where it is heard.
pub fn reply() -> (Reply, mpsc::Receiver<Outcome>) {
    let (to, from) = mpsc::channel();
    let reply = move |outcome| {
        // The test may have ended.
        let _ = to.send(outcome);
    };
    (Box::new(reply), from)
}

/// Asks until somebody answers: a request that is published before the supervisor has subscribed is
/// lost.
pub fn wait_for_supervisor(client: &Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let data = json!({"type": "module", "uuid": uuid::Uuid::new_v4()});
        let id = client.send(CONTROL, "delete", data);
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            let answered = client.count(|got| {
                let message = got.json();
                message["object_id"] == *id && message["type"] == "arts_resp"
            });
            if answered > 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(Instant::now() < deadline, "no supervisor answers");
    }
}

/// Waits until a runtime is registered by the supervisor.
pub fn wait_registered(client: &Client, runtime: &str) {
    client.wait(&format!("the registration of {runtime}"), |got| {
        let message = got.json();
        got.topic == "realm/proc/reg"
            && message["type"] == "arts_resp"
            && message["data"]["details"]["uuid"] == *runtime
    });
}

/// Asks for a module by MQTT; returns the answer's data.
pub fn create(client: &Client, mut data: Value) -> Value {
    data["type"] = "module".into();
    client.request(CONTROL, "create", data)
}

/// Asks for a module that waits for ever.
pub fn create_waiting(client: &Client, more: Value) -> (String, Value) {
    let uuid = uuid::Uuid::new_v4().to_string();
    let mut data = json!({"uuid": uuid, "name": "test", "filename": "wait.wasm"});
    for (key, value) in more.as_object().unwrap() {
        data[key] = value.clone();
    }
    let answer = create(client, data);
    (uuid, answer)
}

pub fn delete(client: &Client, uuid: &str) -> Value {
    let data = json!({"type": "module", "uuid": uuid});
    client.request(CONTROL, "delete", data)
}

/// The modules in the keepalive that a runtime sends next.
pub fn children(client: &Client, runtime: &str) -> Vec<String> {
    let before = Instant::now();
    let keepalive = client.wait("a keepalive", |got| {
        got.at > before
            && got.topic == "realm/proc/keepalive"
            && got.json()["data"]["uuid"] == *runtime
    });
    let children = keepalive.json()["data"]["children"].clone();
    let children = children.as_array().unwrap().iter();
    children
        .map(|child| child["uuid"].as_str().unwrap().to_owned())
        .collect()
}
