//! The program `arena runtime` as a child process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Arts, Client, PATIENCE};
use crate::mosquitto::Broker;

/// A broker, a supervisor that registers runtimes, and one runtime, all of this test's own.
pub struct Realm {
    pub runtime: Runtime,
    pub arts: Arts,
    /// A client that sees everything in the realm, or less.
    pub client: Client,
    pub broker: Broker,
}

impl Realm {
    /// With these settings beside the usual ones: the contents of a settings file.
    pub fn start(settings: &str) -> Realm {
        Realm::watched(settings, "realm/#", 1)
    }

    /// The same, with a client that sees what matches the filter, and so many seconds from one
    /// keepalive to the next.
    pub fn watched(settings: &str, filter: &str, interval: u64) -> Realm {
        Realm::with(filter, interval, |port| Runtime::start(port, settings))
    }

    /// With a runtime that is started for the broker's port.
    pub fn with(filter: &str, interval: u64, start: impl FnOnce(u16) -> Runtime) -> Realm {
        let broker = Broker::start();
        let arts = Arts::start(broker.port(), interval);
        let client = Client::connect(broker.port());
        client.subscribe(filter);
        let runtime = start(broker.port());
        let realm = Realm {
            runtime,
            arts,
            client,
            broker,
        };
        realm.wait_registered();
        realm
    }

    /// Waits until ARTS has answered a registration, and the runtime has heard it.
    pub fn wait_registered(&self) {
        let uuid = self.runtime.uuid();
        self.client.wait("a registration that is answered", |got| {
            let message = got.json();
            got.topic == "realm/proc/reg"
                && message["type"] == "arts_resp"
                && message["data"]["details"]["uuid"] == *uuid
        });
    }

    pub fn control(&self) -> String {
        format!("realm/proc/control/{}", self.runtime.uuid())
    }

    /// Asks the runtime for a module, and returns the answer's data. The uuid is made up unless
    /// `data` has one.
    pub fn create(&self, mut data: Value) -> Value {
        data["type"] = "module".into();
        self.client.request(&self.control(), "create", data)
    }

    /// Starts a module of a file that must run; returns its uuid.
    pub fn run(&self, filename: &str, more: Value) -> String {
        let mut data = json!({"uuid": uuid::Uuid::new_v4(), "name": "test", "filename": filename});
        for (key, value) in more.as_object().into_iter().flatten() {
            data[key] = value.clone();
        }
        let uuid = data["uuid"].as_str().unwrap().to_owned();
        let answer = self.create(data);
        assert_eq!(answer["result"], "ok", "{answer}");
        uuid
    }

    pub fn delete(&self, uuid: &str) -> Value {
        self.client.request(
            &self.control(),
            "delete",
            json!({"type": "module", "uuid": uuid}),
        )
    }

    /// The exit report of a module: `data.exit`. All of the module's lines have come then, too.
    pub fn exit(&self, uuid: &str) -> Value {
        let report = self
            .client
            .wait(&format!("the exit report of {uuid}"), |got| {
                let message = got.json();
                got.topic == "realm/proc/control"
                    && message["action"] == "delete"
                    && message["data"]["uuid"] == *uuid
            });
        self.client.fence();
        report.json()["data"]["exit"].clone()
    }
}

/// A runtime in its own directory, ended when it is dropped.
pub struct Runtime {
    child: Child,
    dir: tempfile::TempDir,
    uuid: std::cell::OnceCell<String>,
}

impl Runtime {
    pub fn start(port: u16, settings: &str) -> Runtime {
        Runtime::start_in(tempfile::tempdir().unwrap(), port, settings)
    }

    /// In a directory that an earlier one has left.
    pub fn start_in(dir: tempfile::TempDir, port: u16, settings: &str) -> Runtime {
        let program = crate::program::arena();
        Runtime::start_by(program, dir, port, settings)
    }

    /// By a command that ends in the program.
    pub fn start_by(
        mut command: Command,
        dir: tempfile::TempDir,
        port: u16,
        settings: &str,
    ) -> Runtime {
        let apps = dir.path().join("apps");
        if !apps.exists() {
            fs::create_dir(&apps).unwrap();
            for from in ["tests/guests/build/node", "wasm-samples/build"] {
                copy_modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join(from), &apps);
            }
        }
        let config = dir.path().join("arena.toml");
        fs::write(&config, settings).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.path().join("log"))
            .unwrap();
        command
            .env_clear()
            // To see whether all goes with "strict", too, where a missing call ends the runtime.
            .envs(std::env::var_os("ARENA_SANDBOX").map(|level| ("ARENA_SANDBOX", level)))
            .arg("runtime")
            .arg("--config")
            .arg(&config);
        for setting in [
            format!("broker.url=mqtt://127.0.0.1:{port}"),
            format!("runtime.state_dir={}", dir.path().join("state").display()),
            format!("runtime.app_dir={}", apps.display()),
            format!("store.cache_dir={}", dir.path().join("cache").display()),
            "engine.mode=interpreter".to_owned(),
        ] {
            // What the test's own settings say comes first.
            let (section, key) = setting.split_once('=').unwrap().0.split_once('.').unwrap();
            let own: toml::Table = settings.parse().unwrap();
            if own
                .get(section)
                .and_then(|section| section.get(key))
                .is_none()
            {
                command.arg("--set").arg(&setting);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Runtime {
            child,
            dir,
            uuid: std::cell::OnceCell::new(),
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn apps(&self) -> PathBuf {
        self.dir.path().join("apps")
    }

    /// Its uuid, as soon as it has one.
    pub fn uuid(&self) -> &str {
        self.uuid.get_or_init(|| {
            let file = self.dir.path().join("state/runtime-uuid");
            wait_until("the runtime has a uuid", || file.exists());
            fs::read_to_string(file).unwrap().trim().to_owned()
        })
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the runtime does not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it without a word, and returns its directory.
    pub fn kill(mut self) -> tempfile::TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory in bytes, without that of an emulator.
    pub fn memory(&self) -> u64 {
        let process = procfs::process::Process::new(self.pid()).unwrap();
        if !crate::program::is_emulated() {
            return process.status().unwrap().vmrss.unwrap() * 1024;
        }
        // Itself, with the code that it makes, qemu-user has above what it gives to the program.
        let maps = process.smaps().unwrap();
        let programs = maps
            .into_iter()
            .filter(|map| map.address.0 < 0x5000_0000_0000);
        programs.map(|map| map.extension.map["Rss"]).sum()
    }

    /// CPU time in clock ticks so far.
    pub fn cpu(&self) -> Duration {
        let stat = procfs::process::Process::new(self.pid())
            .unwrap()
            .stat()
            .unwrap();
        Duration::from_millis((stat.utime + stat.stime) * 1000 / procfs::ticks_per_second())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the runtime's log:\n{}", self.log());
        }
    }
}

fn copy_modules(from: &Path, to: &Path) {
    let files = fs::read_dir(from)
        .unwrap_or_else(|e| panic!("{}: {e}; run scripts/build-samples --tests", from.display()));
    for file in files {
        let file = file.unwrap().path();
        let to = to.join(file.file_name().unwrap());
        // The test's own guests come first.
        if file.extension().is_some_and(|e| e == "wasm") && !to.exists() {
            fs::copy(&file, &to).unwrap();
        }
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
