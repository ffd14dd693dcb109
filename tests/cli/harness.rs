//! Runs the program and looks at what came of it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What a run may take at the most, on a machine that has much else to do. A
/// program that hangs is a failure with a message.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sample of `wasm-samples/`, built.
pub(crate) fn sample(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("wasm-samples/build")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run scripts/build-samples",
        path.display()
    );
    path
}

/// A directory in which the program runs.
pub(crate) struct Place {
    /// Removed with the last program that runs in it.
    dir: Arc<TempDir>,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            dir: Arc::new(TempDir::new().unwrap()),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a file, and returns the name that it was given.
    pub(crate) fn file<'n>(&self, name: &'n str, content: impl AsRef<[u8]>) -> &'n str {
        fs::write(self.path(name), content).unwrap();
        name
    }

    pub(crate) fn make_dir(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
    }

    /// `arena` with these arguments, in this directory.
    pub(crate) fn arena<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Arena {
        let mut command = crate::program::arena();
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("ARENA_ENGINE", "interpreter")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Arena {
            command,
            input: Vec::new(),
            dir: Arc::clone(&self.dir),
        }
    }
}

/// `arena` with these arguments, where the directory does not matter.
pub(crate) fn arena<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Outcome {
    Place::new().arena(args).outcome()
}

/// `arena run` of a sample with these arguments.
pub(crate) fn run(name: &str, args: &[&str]) -> Outcome {
    let sample = sample(name);
    let args = args.iter().map(OsStr::new);
    arena(
        [OsStr::new("run"), sample.as_os_str()]
            .into_iter()
            .chain(args),
    )
}

/// The program, about to be started.
pub(crate) struct Arena {
    /// For what is not usual.
    pub(crate) command: Command,
    input: Vec<u8>,
    dir: Arc<TempDir>,
}

impl Arena {
    /// What is on standard input; without this, nothing.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Arena {
        self.input = bytes.into();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Runs to the end.
    pub(crate) fn outcome(self) -> Outcome {
        self.start().wait()
    }

    pub(crate) fn start(mut self) -> Running {
        let what = format!("{:?}", self.command);
        let begin = Instant::now();
        let mut child = self.command.spawn().unwrap();
        // The pipe would close here if it were taken without input.
        let input = self.input;
        let stdin = (!input.is_empty()).then(|| child.stdin.take()).flatten();
        let writer = stdin.map(|mut stdin| {
            thread::spawn(move || {
                // A program may end without reading all of it.
                let _ = stdin.write_all(&input);
            })
        });
        let stderr = child.stderr.take().map(collect);
        Running {
            stdout: child.stdout.take().map(BufReader::new),
            first_lines: Vec::new(),
            child,
            stderr,
            writer,
            begin,
            what,
            _dir: self.dir,
        }
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

/// The program, started.
pub(crate) struct Running {
    child: Child,
    stdout: Option<BufReader<std::process::ChildStdout>>,
    first_lines: Vec<u8>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    begin: Instant,
    what: String,
    _dir: Arc<TempDir>,
}

impl Running {
    /// Waits until the program has written a line that is this one.
    pub(crate) fn wait_for_line(&mut self, wanted: &str) {
        let stdout = self.stdout.as_mut().unwrap();
        loop {
            let mut line = Vec::new();
            let length = stdout.read_until(b'\n', &mut line).unwrap();
            assert!(length > 0, "{} ends without {wanted:?}", self.what);
            self.first_lines.extend_from_slice(&line);
            if line.trim_ascii_end() == wanted.as_bytes() {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn wait(mut self) -> Outcome {
        let mut stdout = self.first_lines;
        let rest = self.stdout.map(collect);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.begin.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("{} has not ended after {PATIENCE:?}", self.what);
            }
            thread::sleep(Duration::from_millis(2));
        };
        let took = self.begin.elapsed();
        let joined = |reader: Option<JoinHandle<Vec<u8>>>| {
            reader.map_or_else(Vec::new, |reader| reader.join().unwrap())
        };
        stdout.extend(joined(rest));
        if let Some(writer) = self.writer {
            writer.join().unwrap();
        }
        Outcome {
            status,
            stdout,
            stderr: String::from_utf8(joined(self.stderr)).unwrap(),
            took,
            what: self.what,
        }
    }
}

/// What came of a run. The checks can be chained.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    what: String,
}

impl Outcome {
    fn describe(&self) -> String {
        format!(
            "{}\n{}\n--- stdout\n{}\n--- stderr\n{}",
            self.what,
            self.status,
            self.stdout(),
            self.stderr
        )
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The exit status is this one; no signal has ended the program.
    #[track_caller]
    pub(crate) fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status.signal(), None, "{}", self.describe());
        assert_eq!(self.status.code(), Some(status), "{}", self.describe());
        self
    }

    /// Ends well, having written this and nothing to stderr.
    #[track_caller]
    pub(crate) fn prints(&self, stdout: &str) -> &Self {
        self.exits(0);
        assert_eq!(self.stdout(), stdout, "{}", self.describe());
        assert_eq!(self.stderr, "", "{}", self.describe());
        self
    }

    #[track_caller]
    pub(crate) fn stdout_has(&self, part: &str) -> &Self {
        assert!(
            self.stdout().contains(part),
            "no {part:?} on stdout of {}",
            self.describe()
        );
        self
    }

    #[track_caller]
    pub(crate) fn stderr_has(&self, part: &str) -> &Self {
        assert!(
            self.stderr.contains(part),
            "no {part:?} on stderr of {}",
            self.describe()
        );
        self
    }

    /// Fails with this status and a message of ours of one or two lines, that
    /// has all of `parts` in it; nothing is on stdout.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, parts: &[&str]) -> &Self {
        self.exits(status);
        assert_eq!(self.stdout(), "", "{}", self.describe());
        self.has_message(parts)
    }

    /// Stderr has one message of ours of one or two lines, and nothing else.
    #[track_caller]
    pub(crate) fn has_message(&self, parts: &[&str]) -> &Self {
        assert!(self.stderr.starts_with("arena: "), "{}", self.describe());
        assert!(self.stderr.ends_with('\n'), "{}", self.describe());
        assert!(self.stderr.lines().count() <= 2, "{}", self.describe());
        assert!(
            self.stderr.chars().all(|c| c == '\n' || !c.is_control()),
            "{}",
            self.describe()
        );
        for part in parts {
            self.stderr_has(part);
        }
        self
    }
}
