//! WASI preview 1, as specified: every function with its success and error cases.
//!
//! The checks themselves are in the guests, `tests/guests/wasi/*.c`, one topic each. A test here
//! prepares the directories and streams its guest expects, runs it in the real program as a
//! child process, and looks at what is left behind.
//!
//! Every guest runs once for each engine of this build: the module itself with the engine the
//! program chooses (an interpreter), and, when `ARENA_AOTC` names the ahead-of-time compiler,
//! its compiled form.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

/// What a guest may take at the most; the longest sleeps six seconds in all. A guest that hangs
/// is a failure with a message, not a test run that never ends.
const PATIENCE: Duration = Duration::from_secs(90);
/// Long enough for a guest to be inside of a call when something happens.
const A_MOMENT: Duration = Duration::from_millis(200);

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

/// One guest in one mode, with a fresh directory of its own.
struct Bench {
    name: &'static str,
    mode: &'static str,
    module: PathBuf,
    options: &'static [&'static str],
    dir: TempDir,
}

/// What came of a run.
struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// A guest that runs. Its lines of output can be waited for.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: String,
    stderr: Option<JoinHandle<String>>,
    deadline: Instant,
    what: String,
}

impl Bench {
    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn make_dir(&self, relative: &str) {
        fs::create_dir_all(self.path(relative)).expect("make a directory");
    }

    fn make_file(&self, relative: &str, content: &str) {
        fs::write(self.path(relative), content).expect("make a file");
    }

    fn make_link(&self, target: impl AsRef<Path>, relative: &str) {
        symlink(target, self.path(relative)).expect("make a symbolic link");
    }

    /// `arena run` with these directories (`"work::/work"`, the host's part relative to the
    /// bench unless it is absolute) and arguments.
    fn arena(&self, dirs: &[&str], args: &[&str]) -> Command {
        self.arena_with(&[], dirs, args)
    }

    fn arena_with(&self, env: &[&str], dirs: &[&str], args: &[&str]) -> Command {
        let mut command = program::arena();
        command
            .env("ARENA_ENGINE", "interpreter")
            .arg("run")
            .args(self.options);
        for variable in env {
            command.args(["--env", variable]);
        }
        for dir in dirs {
            let (host, guest) = dir.split_once("::").expect("HOST::GUEST");
            let host = self.path(host);
            command
                .arg("--dir")
                .arg(format!("{}::{guest}", host.display()));
        }
        command.arg(&self.module);
        if !args.is_empty() {
            command.arg("--").args(args);
        }
        // A directory with the names the guests use in it: a guest's relative path must never
        // be looked up here.
        command.current_dir(self.path("cwd"));
        command.stdin(Stdio::null());
        command
    }

    fn start(&self, mut command: Command) -> Running {
        if !self.module.exists() {
            panic!(
                "{} is missing: run `scripts/build-samples --tests`",
                self.module.display()
            );
        }
        let mut child = command.spawn().expect("start arena");
        // The command keeps our copies of descriptors it gave to the child; a socket with a
        // copy here would never be at its end.
        drop(command);
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                let mut line = Vec::new();
                while matches!(stdout.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                    if sender
                        .send(String::from_utf8_lossy(&line).into_owned())
                        .is_err()
                    {
                        break;
                    }
                    line.clear();
                }
            });
        }
        let stderr = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                // What was read before an error is all there is to show.
                let _ = stderr.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        Running {
            child,
            lines,
            seen: String::new(),
            stderr,
            deadline: Instant::now() + PATIENCE,
            what: format!("{} ({})", self.name, self.mode),
        }
    }

    fn run(&self, mut command: Command) -> Outcome {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start(command).finish()
    }

    /// Runs a guest that checks itself.
    fn passes(&self, command: Command) -> Outcome {
        let outcome = self.run(command);
        self.passed(&outcome);
        outcome
    }

    fn passed(&self, outcome: &Outcome) {
        let checks = outcome.stdout.lines().rev().find_map(|line| {
            line.trim()
                .strip_suffix(" checks")
                .and_then(|n| n.parse::<u32>().ok())
        });
        if outcome.status.code() != Some(0) || checks.is_none_or(|n| n == 0) {
            self.fail("does not pass", outcome);
        }
    }

    fn fail(&self, why: &str, outcome: &Outcome) -> ! {
        panic!(
            "wasi guest {} ({}) {why}: {}\n--- stdout\n{}\n--- stderr\n{}",
            self.name, self.mode, outcome.status, outcome.stdout, outcome.stderr
        );
    }
}

impl Running {
    /// Waits until the guest has written this line.
    fn says(&mut self, wanted: &str) {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push_str(&line);
                    if line.trim_end() == wanted {
                        return;
                    }
                }
                Err(_) => {
                    let _ = self.child.kill();
                    panic!(
                        "{} never said {wanted:?}\n--- stdout\n{}",
                        self.what, self.seen
                    );
                }
            }
        }
    }

    fn finish(mut self) -> Outcome {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for arena") {
                break status;
            }
            if Instant::now() > self.deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                self.seen.extend(self.lines.try_iter());
                panic!("{} does not end\n--- stdout\n{}", self.what, self.seen);
            }
            thread::sleep(Duration::from_millis(5));
        };
        self.seen.extend(self.lines.iter());
        let stderr = self.stderr.take().map(|t| t.join().expect("read stderr"));
        Outcome {
            status,
            stdout: self.seen,
            stderr: stderr.unwrap_or_default(),
        }
    }
}

/// Calls the test with the guest prepared for each mode.
fn in_each_mode(name: &'static str, test: fn(&Bench)) {
    let module = guests()
        .join("build/wasi")
        .join(name)
        .with_extension("wasm");
    assert!(
        module.exists(),
        "{} is missing: run `scripts/build-samples --tests`",
        module.display()
    );
    let bench = |mode, options, module| {
        let dir = TempDir::new().expect("make a temporary directory");
        let bench = Bench {
            name,
            mode,
            module,
            options,
            dir,
        };
        for dir in ["work", "second", "cwd", "cwd/dir"] {
            bench.make_dir(dir);
        }
        for file in ["file", "hard", "link", "sym", "inside", "dir/hard"] {
            bench.make_file(&format!("cwd/{file}"), "of the host");
        }
        bench
    };

    test(&bench("module", &[], module.clone()));

    if let Some(compiler) = std::env::var_os("ARENA_AOTC") {
        let folder = TempDir::new().expect("make a temporary directory");
        let compiled = folder.path().join(name).with_extension("aot");
        let status = Command::new(compiler)
            .args(["--target", &program::arch()])
            .arg(&module)
            .arg("-o")
            .arg(&compiled)
            .stdout(Stdio::null())
            .status()
            .expect("run the compiler that ARENA_AOTC names");
        assert!(status.success(), "{name} does not compile: {status}");
        test(&bench("aot", &["--trust-aot"], compiled));
    }
}

macro_rules! guests {
    ($($name:ident => $test:expr;)*) => {
        $(#[test] fn $name() { in_each_mode(stringify!($name), $test); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

const WORK: &[&str] = &["work::/work"];
const BOTH: &[&str] = &["work::/work", "second::/second"];

/// A guest that needs nothing but directories.
fn alone(bench: &Bench) {
    bench.passes(bench.arena(WORK, &[]));
}

fn with_second_directory(bench: &Bench) {
    bench.passes(bench.arena(BOTH, &[]));
}

guests! {
    args_environ => |bench| {
        let env = ["EMPTY=", "KEY=value", "EQUALS=a=b", "UNI=ß"];
        bench.passes(bench.arena_with(&env, &[], &["one", "", "drei vier", "ü"]));
    };
    bad_pointers => bad_pointers_test;
    clocks => alone;
    fd_allocate_advise_sync => alone;
    fd_close => with_second_directory;
    fd_fdstat => alone;
    fd_filestat => alone;
    fd_prestat => |bench| {
        bench.passes(bench.arena(&["work::/work", "second::a longer näme/with parts"], &[]));
    };
    fd_read_write => alone;
    fd_readdir => alone;
    fd_renumber => |bench| {
        let outcome = bench.passes(bench.arena(BOTH, &[]));
        if !outcome.stderr.contains("to stderr") {
            bench.fail("does not write through the renumbered stderr", &outcome);
        }
    };
    fd_seek => alone;
    libc => alone;
    path_directory => alone;
    path_escape => path_escape_test;
    path_filestat => alone;
    path_link => with_second_directory;
    path_open => alone;
    path_rename => with_second_directory;
    path_symlink => alone;
    path_unlink => alone;
    poll_oneoff => alone;
    poll_stdin => |bench| {
        let mut command = bench.arena(&[], &[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = bench.start(command);
        let mut stdin = running.child.stdin.take().expect("a pipe");
        running.says("ready");
        thread::sleep(A_MOMENT);
        stdin.write_all(b"hello").expect("write to the guest");
        running.says("read");
        thread::sleep(A_MOMENT);
        drop(stdin);
        bench.passed(&running.finish());
    };
    proc => proc_test;
    random => alone;
    read_only => |bench| {
        bench.make_dir("ro/dir");
        bench.make_dir("ro/empty");
        bench.make_file("ro/file", "content");
        bench.make_file("ro/dir/inner", "inner");
        bench.make_link("file", "ro/link");
        let before = fs::metadata(bench.path("ro/file")).expect("look at a file");
        bench.passes(bench.arena(&["ro::/ro:ro", "work::/work"], &[]));
        let after = fs::metadata(bench.path("ro/file")).expect("look at a file");
        assert_eq!(before.modified().ok(), after.modified().ok());
        assert_eq!(names_in(&bench.path("ro")), ["dir", "empty", "file", "link"]);
        assert_eq!(names_in(&bench.path("ro/dir")), ["inner"]);
    };
    rights => alone;
    sock_accept => |bench| {
        let address = bench.path("listener");
        let listener = UnixListener::bind(&address).expect("listen");
        // Both connections are in the queue before the guest starts.
        let mut clients = ["one", "two"].map(|text| {
            let mut client = UnixStream::connect(&address).expect("connect");
            client.write_all(text.as_bytes()).expect("send");
            client
        });
        let mut command = bench.arena(&[], &[]);
        command.stdin(OwnedFd::from(listener));
        bench.passes(command);
        for client in &mut clients {
            // The guest closed its end and said nothing.
            assert_eq!(client.read(&mut [0]).ok(), Some(0));
        }
    };
    sock_stream => sock_stream_test;
    sockets => alone;
    special_files => |bench| {
        let status = Command::new("mkfifo").arg(bench.path("work/fifo")).status();
        assert!(status.expect("run mkfifo").success());
        let _listener = UnixListener::bind(bench.path("work/socket")).expect("make a socket");
        bench.passes(bench.arena(&["work::/work", "/dev::/dev"], &[]));
    };
    stdio => stdio_test;
    truncation => alone;
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("list a directory");
    let names: BTreeSet<String> = entries
        .map(|e| {
            e.expect("list a directory")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.into_iter().collect()
}

#[test]
fn every_guest_has_a_test() {
    let sources: Vec<String> = names_in(&guests().join("wasi"))
        .iter()
        .filter_map(|name| name.strip_suffix(".c").map(str::to_owned))
        .collect();
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(sources, tested);
}

fn bad_pointers_test(bench: &Bench) {
    let list = bench.run(bench.arena(WORK, &[]));
    let cases: Vec<&str> = list.stdout.lines().collect();
    assert!(
        cases.len() > 150,
        "{} cases only\n{}",
        cases.len(),
        list.stderr
    );
    let mut failures = String::new();
    for case in cases {
        // With a variable, so that an environment's strings have a length to them.
        let outcome = bench.run(bench.arena_with(&["A=B"], WORK, &[case]));
        // An error by number, which the guest has checked; or a trap, which is a status and a
        // message and neither a signal nor a panic of the runtime.
        let fine = match outcome.status.code() {
            Some(0) => outcome.stdout.contains("1 checks"),
            Some(_) => !outcome.stdout.contains("FAIL") && !outcome.stderr.contains("panicked"),
            None => false,
        };
        if !fine {
            failures += &format!(
                "{case}: {}\n{}{}",
                outcome.status, outcome.stdout, outcome.stderr
            );
        }
    }
    assert!(
        failures.is_empty(),
        "bad_pointers ({}):\n{failures}",
        bench.mode
    );
}

fn path_escape_test(bench: &Bench) {
    let root = bench.dir.path().to_owned();
    let secret = "what the guest must never see";
    bench.make_dir("outside");
    bench.make_file("outside/secret", secret);
    bench.make_dir("work/dir");
    bench.make_file("work/inside", "inside");
    bench.make_file("work/dir/inner", "inner");
    // "/work" and "/workout" begin alike, as strings.
    bench.make_dir("workout");
    for (link, target) in [
        ("out_rel", "../outside/secret"),
        ("out_dir", "../outside"),
        ("new_rel", "../outside/new"),
        ("dir/up2", "../../outside/secret"),
        ("sneaky", "dir/../../outside/secret"),
        ("root", "/"),
        ("up", ".."),
        ("round", "../work/inside"),
        ("hop", "out_dir/secret"),
        ("fine", "dir/../inside"),
        ("dir/fine", "../inside"),
    ] {
        bench.make_link(target, &format!("work/{link}"));
    }
    for (link, target) in [
        ("out_abs", "outside/secret"),
        ("out_dir_abs", "outside"),
        ("new_abs", "outside/new"),
        ("in_abs", "work/inside"),
    ] {
        bench.make_link(root.join(target), &format!("work/{link}"));
    }
    let modified = |path: &str| -> SystemTime {
        let metadata = fs::metadata(bench.path(path)).expect("look at what is outside");
        metadata.modified().expect("a time")
    };
    let before = (modified("outside"), modified("outside/secret"));
    let top = names_in(&root);

    let outcome = bench.run(bench.arena(WORK, &[]));

    // What happened outside counts more than what the guest was told, so it is looked at first.
    let told = outcome.stdout.contains(secret) || outcome.stderr.contains(secret);
    assert!(!told, "the guest saw what is outside");
    assert_eq!(names_in(&bench.path("outside")), ["secret"]);
    assert_eq!(
        fs::read_to_string(bench.path("outside/secret"))
            .ok()
            .as_deref(),
        Some(secret)
    );
    assert_eq!((modified("outside"), modified("outside/secret")), before);
    assert_eq!(names_in(&root), top);
    bench.passed(&outcome);
}

fn proc_test(bench: &Bench) {
    bench.passes(bench.arena(&[], &["yield"]));
    let run = |args: &[&str]| bench.run(bench.arena(&[], args));

    for status in [0, 1, 42, 125, 126, 128, 255] {
        let outcome = run(&["proc_exit", &status.to_string()]);
        if outcome.status.code() != Some(status) || outcome.stdout != "before\n" {
            bench.fail(&format!("proc_exit({status})"), &outcome);
        }
        let outcome = run(&["exit", &status.to_string()]);
        if outcome.status.code() != Some(status) || outcome.stdout != "at exit\n" {
            bench.fail(&format!("exit({status})"), &outcome);
        }
        let outcome = run(&["return", &status.to_string()]);
        if outcome.status.code() != Some(status) {
            bench.fail(&format!("return {status}"), &outcome);
        }
    }
    // Not the module's own status: the runtime ends it, with a message and without a signal.
    for what in ["abort", "unreachable"] {
        let outcome = run(&[what]);
        if outcome.status.code().is_none_or(|code| code == 0) || outcome.stderr.is_empty() {
            bench.fail(what, &outcome);
        }
    }
    // Signal 0 is none, which may well be "raised" with success.
    let outcome = run(&["raise", "0"]);
    if outcome.status.code().is_none() || !outcome.stdout.starts_with("before\n") {
        bench.fail("proc_raise(0)", &outcome);
    }
    for signal in ["6", "9", "15", "200"] {
        let outcome = run(&["raise", signal]);
        let code = outcome.status.code();
        if code.is_none_or(|code| code == 0) || !outcome.stdout.starts_with("before\n") {
            bench.fail(&format!("proc_raise({signal})"), &outcome);
        }
    }
}

fn sock_stream_test(bench: &Bench) {
    let (ours, theirs) = UnixStream::pair().expect("make a pair of sockets");
    // A guest that does not shut its end down must not keep us here.
    ours.set_read_timeout(Some(PATIENCE))
        .expect("set a timeout");
    let peer = thread::spawn(move || -> std::io::Result<Vec<u8>> {
        let mut ours = ours;
        ours.write_all(b"hello wo")?;
        thread::sleep(A_MOMENT * 2);
        ours.write_all(b"rld")?;
        let mut got = Vec::new();
        ours.read_to_end(&mut got)?;
        ours.write_all(b"bye")?;
        Ok(got)
    });
    let mut command = bench.arena(&[], &[]);
    command.stdin(OwnedFd::from(theirs));
    let outcome = bench.run(command);
    let got = peer.join().expect("the peer's thread");
    bench.passed(&outcome);
    assert_eq!(got.expect("the peer's side"), b"ping");
}

fn stdio_test(bench: &Bench) {
    // Pipes.
    let mut command = bench.arena(&[], &["pipe"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = bench.start(command);
    let mut stdin = running.child.stdin.take().expect("a pipe");
    stdin.write_all(b"input").expect("write to the guest");
    drop(stdin);
    let outcome = running.finish();
    bench.passed(&outcome);
    assert!(
        outcome.stdout.starts_with("to stdout\n"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stderr.contains("to stderr\n"), "{}", outcome.stderr);

    // Files.
    bench.make_file("input", "0123456789");
    let open = |name: &str| fs::File::open(bench.path(name)).expect("open a file");
    let mut command = bench.arena(&[], &["file"]);
    let output = fs::File::create(bench.path("output")).expect("make a file");
    command
        .stdin(open("input"))
        .stdout(output)
        .stderr(Stdio::piped());
    let mut outcome = bench.start(command).finish();
    outcome.stdout = fs::read_to_string(bench.path("output")).expect("read the output");
    bench.passed(&outcome);
    assert!(
        outcome.stdout.starts_with("written\n"),
        "{}",
        outcome.stdout
    );

    bench.passes(bench.arena(&[], &["null"]));

    // A terminal: script(1) makes one. It joins our words again, so they must have no spaces.
    let words = words_of(&bench.arena(&[], &["tty"]));
    assert!(
        words.iter().all(|word| !word.contains([' ', '\''])),
        "{words:?}"
    );
    let mut command = Command::new("script");
    command
        .args(["-qec", &words.join(" "), "/dev/null"])
        .stdin(Stdio::null());
    bench.passes(command);

    // Closed before the runtime starts; only a shell can do that without unsafe code.
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" <&-", "sh"])
        .args(words_of(&bench.arena(WORK, &["closed"])));
    bench.passes(command);

    // Nobody reads.
    let (reader, writer) = std::io::pipe().expect("make a pipe");
    drop(reader);
    let mut command = bench.arena(WORK, &["gone"]);
    command.stdout(writer).stderr(Stdio::piped());
    let outcome = bench.start(command).finish();
    if outcome.status.code() != Some(0) || !bench.path("work/survived").exists() {
        bench.fail("writes to a pipe nobody reads", &outcome);
    }
}

fn words_of(command: &Command) -> Vec<String> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_str().expect("UTF-8").to_owned())
        .collect()
}
