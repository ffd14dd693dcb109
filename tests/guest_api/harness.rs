//! Runs a guest of `tests/guests/` in this process, with channels over a router without a broker.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arena_runtime::guest::{self, ChannelMode, ChannelSpec, Guest, GuestConfig};
use arena_runtime::pubsub::{Message, Qos, Router, Topic};
use arena_runtime::wamr::{
    AotTrust, CallError, Engine, Imports, Instance, InstanceConfig, InstantiateError, Module,
    StopHandle,
};
use arena_runtime::wasi::{self, Stream, Wasi, WasiConfig};
use tempfile::TempDir;

/// What a guest may take at the most, so that one that hangs is a failure with a message.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Context {
    wasi: Wasi,
    guest: Guest,
}

impl Context {
    pub(crate) fn new(wasi: Wasi, guest: Guest) -> Context {
        Context { wasi, guest }
    }
}

impl AsRef<Wasi> for Context {
    fn as_ref(&self) -> &Wasi {
        &self.wasi
    }
}

impl AsRef<Guest> for Context {
    fn as_ref(&self) -> &Guest {
        &self.guest
    }
}

pub(crate) fn imports() -> Imports<Context> {
    let mut imports = Imports::new();
    wasi::add_to_imports(&mut imports);
    guest::add_to_imports(&mut imports);
    imports
}

/// The channels that the guests expect.
pub(crate) fn config() -> GuestConfig {
    let channel = |path: &str, topic: &str, mode| ChannelSpec {
        path: path.to_owned(),
        topic: topic.to_owned(),
        mode,
        qos: None,
    };
    GuestConfig {
        uuid: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        runtime_uuid: "66666666-7777-8888-9999-aaaaaaaaaaaa".parse().unwrap(),
        channels: vec![
            channel("/ch/in", "realm/test/in", ChannelMode::Read),
            channel("light", "kitchen/light", ChannelMode::ReadWrite),
            channel("/ch/out", "realm/test/out", ChannelMode::Write),
            channel("/ch/both", "other/both", ChannelMode::ReadWrite),
            channel("/ch/wild", "house/#", ChannelMode::ReadWrite),
        ],
        ..GuestConfig::default()
    }
}

/// A guest's module, and what is run of it: itself, and its compiled form where `ARENA_AOTC`
/// names the compiler.
pub(crate) fn in_each_mode(name: &str, test: impl Fn(&Module<Context>)) {
    let engine = Engine::new().unwrap();
    let path = module_path(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}: run `scripts/build-samples --tests`",
            path.display()
        )
    });
    test(&Module::load(&engine, &bytes, &imports()).unwrap());
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let compiled = dir.path().join("guest.aot");
    let status = Command::new(compiler)
        .args(["--target", std::env::consts::ARCH])
        .arg(&path)
        .arg("-o")
        .arg(&compiled)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{name} does not compile");
    let bytes = std::fs::read(&compiled).unwrap();
    let trust = AotTrust::given_by_user();
    test(&Module::load_trusted_aot(&engine, &bytes, &imports(), trust).unwrap());
}

fn module_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/guests/build")
        .join(name)
        .with_extension("wasm")
}

/// A guest that runs on a thread of its own.
pub(crate) struct Running {
    pub(crate) guest: Guest,
    pub(crate) router: Router,
    pub(crate) stop: StopHandle,
    thread: JoinHandle<Result<i32, CallError>>,
    lines: Receiver<String>,
    _data: TempDir,
}

impl Running {
    /// Starts it. `prepare` is called before it runs.
    pub(crate) fn start(
        module: &Module<Context>,
        args: &[&str],
        config: GuestConfig,
        stdin: Stream,
        prepare: impl FnOnce(&Guest, &Router),
    ) -> Running {
        let router = Router::new();
        let guest = Guest::new(config, &router).unwrap();
        prepare(&guest, &router);
        let data = TempDir::new().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut wasi = WasiConfig::new();
        guest.add_to_wasi(&mut wasi);
        wasi.arg("guest.wasm")
            .args(args.iter().copied())
            .preopen(data.path(), "/data", false)
            .stdin(stdin)
            .stdout(Stream::Fd(writer.into()))
            .terminal_streams(true);
        let context = Context::new(Wasi::new(wasi).unwrap(), guest.clone());
        let stop = StopHandle::new();
        let config = InstanceConfig {
            stop: stop.clone(),
            ..InstanceConfig::default()
        };
        let module = module.clone();
        let thread = thread::spawn(move || {
            match Instance::new(&module, context, config) {
                Ok(instance) => instance.start(),
                // Stopped before it began.
                Err(InstantiateError::Trap(trap)) => Err(trap.into()),
                Err(error) => panic!("{error}"),
            }
        });
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running {
            guest,
            router,
            stop,
            thread,
            lines,
            _data: data,
        }
    }

    pub(crate) fn publish(&self, topic: &str, payload: &str) {
        let topic = Topic::new(topic).unwrap();
        let message = Message::new(topic, payload.to_owned(), Qos::AtMostOnce);
        self.router.publish(message).unwrap();
    }

    /// The next line that it writes.
    pub(crate) fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("the guest says nothing"))
    }

    /// Waits for its end; the rest of what it has written.
    pub(crate) fn end(self) -> (Result<i32, CallError>, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            assert!(Instant::now() < deadline, "the guest does not end");
            thread::sleep(Duration::from_millis(1));
        }
        let ended = self.thread.join().unwrap();
        (ended, self.lines.iter().collect())
    }
}

/// Runs a guest that checks itself.
pub(crate) fn passes(
    module: &Module<Context>,
    config: GuestConfig,
    prepare: impl FnOnce(&Guest, &Router),
) -> Guest {
    let running = Running::start(module, &[], config, Stream::Null, prepare);
    let guest = running.guest.clone();
    let (ended, lines) = running.end();
    let counted = lines.last().is_some_and(|line| line.ends_with(" checks"));
    assert!(
        matches!(ended, Ok(0)) && counted,
        "{ended:?}\n{}",
        lines.join("\n")
    );
    guest
}
