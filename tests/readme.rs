//! README's tour shows what happens: its commands are run, and their output is
//! compared. Numbers are not, since they differ with the samples' compiler.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "support/mosquitto.rs"]
mod mosquitto;

/// A command of the tour, and the lines that it shows after it.
struct Shown {
    command: String,
    output: String,
}

fn tour(readme: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in readme.lines().skip_while(|line| *line != "## A tour") {
        match line.strip_prefix("    ") {
            Some(code) => match code.strip_prefix("$ ") {
                Some(command) => all.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                }),
                None => all.last_mut().unwrap().output += &format!("{code}\n"),
            },
            None if line.starts_with("## Building") => break,
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
        symlink(sample.path(), dir.path().join(sample.file_name())).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let has_jq = Command::new("jq")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();

    let tour = tour(&fs::read_to_string(root.join("README.md")).unwrap());
    assert!(tour.len() > 10, "{} commands", tour.len());
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

/// The commands of the section about the runtime: those of one terminal each.
fn terminals(readme: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    let section = readme
        .lines()
        .skip_while(|line| *line != "## A runtime in five minutes")
        .take_while(|line| *line != "## A tour");
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
struct Terminal(std::process::Child);

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
    let [runtime, everything, create, delete] = &terminals(&readme)[..] else {
        panic!("not the commands of four steps: {:?}", terminals(&readme));
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
