//! What all subcommands have in common: help, version, the command line.

use std::process::Stdio;

use crate::harness::{Place, arena, sample};

#[test]
fn the_short_version_is_one_line() {
    arena(["-V"]).prints(concat!("arena ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_long_version_says_what_was_built() {
    let outcome = arena(["--version"]);
    outcome.exits(0);
    let text = outcome.stdout();
    let fact = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    assert!(text.starts_with(concat!("arena ", env!("CARGO_PKG_VERSION"), "\n")));
    let commit = fact("commit");
    assert!(
        commit == "unknown" || commit.chars().all(|c| c.is_ascii_hexdigit()),
        "{commit}"
    );
    assert!(fact("target").contains("linux"));
    assert_eq!(fact("WAMR").split('.').count(), 3);
    assert!(fact("features").contains("-interp"));
}

#[test]
fn help_has_examples() {
    for args in [
        &["--help"][..],
        &["run", "--help"],
        &["inspect", "--help"],
        &["help", "run"],
    ] {
        arena(args).exits(0).stdout_has("Examples:\n  arena ");
    }
    arena(["run", "--help"])
        .stdout_has("--env")
        .stdout_has("--dir")
        .stdout_has("--engine")
        .stdout_has("--max-memory")
        .stdout_has("--stack-size")
        .stdout_has("--timeout")
        .stdout_has("--invoke")
        .stdout_has("--trust-aot");
}

#[test]
fn without_a_subcommand_the_help_is_shown_and_it_is_an_error() {
    let none: [&str; 0] = [];
    arena(none).exits(2).stderr_has("Usage: arena <COMMAND>");
}

#[test]
fn a_wrong_command_line_is_told_in_two_lines() {
    for (args, parts) in [
        (&["frob"][..], &["frob", "Usage: arena"][..]),
        (&["run"], &["<FILE>", "Usage: arena run"]),
        (&["inspect"], &["<FILE>", "Usage: arena inspect"]),
        (
            &["run", "--timout", "5s", "x.wasm"],
            &["--timout", "'--timeout'"],
        ),
        (&["run", "--timeout", "soon", "x.wasm"], &["soon", "5s"]),
        (&["run", "--timeout", "-1s", "x.wasm"], &["-1"]),
        (&["run", "--engine", "jit", "x.wasm"], &["jit", "fast"]),
        (&["run", "--env", "=x", "x.wasm"], &["=x", "NAME=VALUE"]),
        (
            &["run", "--env", "NOT_SET", "x.wasm"],
            &["NOT_SET", "NAME=VALUE"],
        ),
        (&["run", "--dir", "::/x", "x.wasm"], &["::/x", "HOST"]),
        (&["run", "--max-memory", "lots", "x.wasm"], &["lots", "MiB"]),
        (&["run", "--stack-size", "1", "x.wasm"], &["16KiB"]),
    ] {
        arena(args).fails(2, parts);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let hello = sample("hello.wasm");
    let hello = hello.to_str().unwrap();
    for args in [
        &["inspect", hello][..],
        &["inspect", "--json", hello],
        &[
            "run",
            "--invoke",
            "add",
            sample("library.wasm").to_str().unwrap(),
            "1",
            "2",
        ],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut run = Place::new().arena(args);
        run.command.stdout(writer);
        let outcome = run.outcome();
        outcome.exits(0);
        assert_eq!(outcome.stderr, "");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let mut run = Place::new().arena(["inspect", sample("hello.wasm").to_str().unwrap()]);
    run.command.stdout(Stdio::from(full()));
    run.outcome().fails(1, &["stdout", "No space left"]);
}
