//! README's tour, and the page about security, show what happens: their commands are run, and their
//! output is compared. Numbers are not, since they differ with the samples' compiler.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[path = "support/mosquitto.rs"]
mod mosquitto;

/// A command of the tour, and the lines that it shows after it.
struct Shown {
    command: String,
    output: String,
}

/// Those between two headings.
fn tour(page: &str, begin: &str, end: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in page.lines().skip_while(|line| *line != begin) {
        match line.strip_prefix("    ") {
            Some(code) => match code.strip_prefix("$ ") {
                Some(command) => all.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                }),
                None => all.last_mut().unwrap().output += &format!("{code}\n"),
            },
            None if line == end => break,
            None => {}
        }
    }
    all
}

/// Digits, and the spaces that align them, do not matter.
fn comparable(text: &str) -> String {
    let no_digits = text.replace(|c: char| c.is_ascii_digit(), "#");
    let lines = no_digits.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut line = words.join(" ");
        while line.contains("##") {
            line = line.replace("##", "#");
        }
        line + "\n"
    });
    lines.collect()
}

#[test]
fn the_tour_is_true() {
    is_true("README.md", "## A tour", "## Building from source", 10);
}

#[test]
fn modules_are_signed_as_it_is_said() {
    is_true("docs/security.md", "## Signed modules", "## Sandbox", 9);
}

/// Runs the commands of a part of a page, in a directory with the samples.
fn is_true(page: &str, begin: &str, end: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_arena"), bin.join("arena")).unwrap();
    let aotc = std::env::var_os("ARENA_AOTC");
    if let Some(aotc) = &aotc {
        symlink(aotc, bin.join("arena-aotc")).unwrap();
    }
    let samples = fs::read_dir(root.join("wasm-samples/build"))
        .expect("the samples are missing: run scripts/build-samples");
    for sample in samples {
        let sample = sample.unwrap();
        if sample.file_type().unwrap().is_file() {
            // Some of the commands change what others read.
            fs::copy(sample.path(), dir.path().join(sample.file_name())).unwrap();
        }
    }
    let path = std::env::var("PATH").unwrap();
    let has_jq = Command::new("jq")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();

    let tour = tour(&fs::read_to_string(root.join(page)).unwrap(), begin, end);
    assert!(tour.len() > at_least, "{} commands", tour.len());
    for Shown { command, output } in tour {
        let lacks = (command.contains("arena compile") && aotc.is_none())
            || (command.contains("jq ") && !has_jq);
        if lacks {
            eprintln!("not run: {command}");
            continue;
        }
        let run = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(dir.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("XDG_CACHE_HOME", dir.path().join("cache"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let happened = String::from_utf8_lossy(&run.stdout);
        assert_eq!(
            comparable(&happened),
            comparable(&output),
            "{command}\nprints\n{happened}"
        );
    }
}

/// The commands of a section: those of one terminal each.
fn terminals(readme: &str, section: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    let section = readme
        .lines()
        .skip_while(|line| *line != section)
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    for line in section {
        match line.strip_prefix("    ") {
            Some(code) => blocks.last_mut().unwrap().push_str(&format!("{code}\n")),
            None if !blocks.last().unwrap().is_empty() => blocks.push(String::new()),
            None => {}
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Runs its commands until it is dropped.
struct Terminal(Child);

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_runtime_is_there_in_five_minutes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let samples = root.join("wasm-samples/build");
    let dir = tempfile::tempdir().unwrap();
    fs::copy(samples.join("echo.wasm"), dir.path().join("echo.wasm")).unwrap();
    let broker = mosquitto::Broker::start();
    let bin = Path::new(env!("CARGO_BIN_EXE_arena")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(dir.path())
            .env("PATH", &path)
            .env("ARENA_BROKER", broker.url())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let terminals = terminals(&readme, "## A runtime in five minutes");
    let [runtime, everything, create, delete] = &terminals[..] else {
        panic!("not the commands of four steps: {terminals:?}");
    };
    let seen = dir.path().join("seen");
    let log = fs::File::create(&seen).unwrap();
    let _watching = Terminal(
        shell(&format!("exec {everything}"))
            .stdout(log)
            .spawn()
            .unwrap(),
    );
    let _runtime = Terminal(shell(&format!("exec {runtime}")).spawn().unwrap());
    let wait_for = |text: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !fs::read_to_string(&seen).unwrap().contains(text) {
            assert!(
                std::time::Instant::now() < deadline,
                "{text} does not come; this did:\n{}",
                fs::read_to_string(&seen).unwrap()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    // Nobody types faster than the runtime connects.
    wait_for("\"name\":\"kitchen\"");
    let (create, ping) = create.split_once("arena pub realm/ping").unwrap();
    assert!(shell(create).status().unwrap().success());
    wait_for("\"result\":\"ok\"");
    wait_for("echo: from");
    assert!(
        shell(&format!("arena pub realm/ping{ping}"))
            .status()
            .unwrap()
            .success()
    );
    wait_for("realm/pong hello there");
    let uuid = "RUNTIME=realm/proc/control/$(cat state/runtime-uuid)\n";
    assert!(
        shell(&format!("{uuid}{delete}"))
            .status()
            .unwrap()
            .success()
    );
    wait_for("Deleted.");
}

/// How long anything may take. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lines that a command writes, as they come.
fn lines(terminal: &mut Terminal) -> Receiver<String> {
    let stdout = BufReader::new(terminal.0.stdout.take().unwrap());
    let (sender, lines) = unbounded();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    lines
}

/// The next line with these words.
fn line_with(words: &str, lines: &Receiver<String>) -> String {
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(words) => return line,
            Ok(_) => {}
            Err(error) => panic!("no line with {words}: {error}"),
        }
    }
}

#[test]
fn the_realm_comes_up_in_one_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    symlink(root.join("wasm-samples"), dir.path().join("wasm-samples")).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_arena")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // Where it is does not change what it does: other tests have realms too.
    let shell = |line: &str, server: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec {line}")])
            .current_dir(dir.path())
            .env("PATH", &path)
            .env("XDG_DATA_HOME", dir.path())
            .env("ARENA_MQTT_SERVER_LISTEN", "127.0.0.1:0")
            .env("ARENA_MQTT_SERVER_WS", "127.0.0.1:0")
            .env("ARENA_SUPERVISOR_LISTEN", "127.0.0.1:0")
            .env("ARENA_SERVER", server)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Terminal(command.spawn().unwrap())
    };
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let terminals = terminals(&readme, "## A realm in one command");
    let [up, others] = &terminals[..] else {
        panic!("not the commands of two terminals: {terminals:?}");
    };
    let mut realm = shell(up.trim(), "");
    let said = lines(&mut realm);
    let http = line_with("http://", &said);
    let mut words = http.split_whitespace();
    let server = words.find(|word| word.starts_with("http://")).unwrap();
    line_with("What to try next", &said);
    line_with("Ctrl-C ends everything", &said);

    let [ps, logs, deploy] = others.lines().collect::<Vec<_>>()[..] else {
        panic!("not three commands: {others}");
    };
    let mut ps = shell(ps, server);
    let listed: Vec<String> = lines(&mut ps).iter().collect();
    for module in ["demo/clock", "demo/counter", "demo/echo"] {
        let of_it = |line: &&String| line.starts_with(module) && line.contains("running");
        assert_eq!(listed.iter().filter(of_it).count(), 1, "{listed:?}");
    }
    assert!(ps.0.wait().unwrap().success());
    let mut logs = shell(logs, server);
    line_with("echo of tick", &lines(&mut logs));
    drop(logs);
    let mut deploy = shell(deploy, server);
    line_with("Hello from WebAssembly!", &lines(&mut deploy));
    assert!(deploy.0.wait().unwrap().success());

    let up = Pid::from_raw(i32::try_from(realm.0.id()).unwrap());
    kill(up, Signal::SIGINT).unwrap();
    assert!(realm.0.wait().unwrap().success());
}
