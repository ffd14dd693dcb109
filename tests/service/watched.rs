//! A service that tells the test how it is.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Long, since nothing waits for its end that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the watchdog is to be fed. It is asked for thrice that.
pub(crate) const FED_EVERY: Duration = Duration::from_millis(100);

/// Killed when it is dropped.
pub(crate) struct Watched {
    child: Child,
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Watched {
    pub(crate) fn runtime(port: u16) -> Watched {
        let broker = format!("mqtt://127.0.0.1:{port}");
        Watched::start(&["runtime", "--broker", &broker])
    }

    pub(crate) fn arts(port: u16) -> Watched {
        let broker = format!("mqtt://127.0.0.1:{port}");
        Watched::start(&["arts", "--broker", &broker, "--listen", "127.0.0.1:0"])
    }

    pub(crate) fn broker() -> Watched {
        Watched::start(&["broker", "--listen", "127.0.0.1:0"])
    }

    pub(crate) fn start(args: &[&str]) -> Watched {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(args)
            .env_clear()
            .env("HOME", dir.path())
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", (FED_EVERY * 3).as_micros().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Watched { child, socket, dir }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    fn within(&self, timeout: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(timeout)).unwrap();
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    /// What it tells next.
    pub(crate) fn next(&self) -> String {
        self.within(PATIENCE).expect("it tells something")
    }

    /// The next that begins like this.
    pub(crate) fn wait(&self, beginning: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.next();
            if message.starts_with(beginning) {
                return message;
            }
            assert!(Instant::now() < deadline, "not told: {beginning}");
        }
    }

    /// Waits until the watchdog was fed so many times more.
    pub(crate) fn fed(&self, times: usize) {
        for _ in 0..times {
            self.wait("WATCHDOG=1");
        }
    }

    /// Whether the watchdog is not fed any more: after what is on its way already, nothing comes
    /// for five times as long as that would take.
    pub(crate) fn starves(&self) -> bool {
        let mut fed = 0;
        while let Some(message) = self.within(FED_EVERY * 5) {
            fed += usize::from(message == "WATCHDOG=1");
            if fed > 3 {
                return false;
            }
        }
        true
    }

    /// What it has told that was not looked at.
    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.within(Duration::from_millis(1))).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end; `None` if a signal ended it.
    pub(crate) fn exit_status(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// The ids of its threads with this name.
    pub(crate) fn threads(&self, name: &str) -> Vec<Pid> {
        let tasks = Path::new("/proc").join(self.pid().to_string()).join("task");
        let tasks = std::fs::read_dir(tasks).unwrap().map(|task| task.unwrap());
        tasks
            .filter(|task| {
                // A thread may end meanwhile.
                std::fs::read_to_string(task.path().join("comm"))
                    .is_ok_and(|comm| comm.trim() == name)
            })
            .map(|task| Pid::from_raw(task.file_name().to_str().unwrap().parse().unwrap()))
            .collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log"));
            eprintln!("--- its log:\n{}", log.unwrap_or_default());
        }
    }
}
