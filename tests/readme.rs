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
        let lacks =
            (command.contains(".aot") && aotc.is_none()) || (command.contains("jq ") && !has_jq);
        if lacks {
            eprintln!("not run: {command}");
            continue;
        }
        let run = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(dir.path())
            .env("PATH", format!("{}:{path}", bin.display()))
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
