//! The command.

use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::arts::supervisor;
use crate::client::PATIENCE;
use crate::mosquitto::{Broker, eventually, free_port};

fn command(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command.env_clear().env("HOME", "/nonexistent");
    command.arg("simulate").args(args.split_whitespace());
    command.stdin(Stdio::null());
    command
}

fn simulate(args: &str) -> Output {
    command(args).output().unwrap()
}

fn start(args: &str) -> Child {
    let mut command = command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_run_says_what_it_has_seen() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let url = broker.url();
    let seen = simulate(&format!(
        "--broker {url} --runtimes 3 --modules 12 --rate 200 --once --json --seed 7"
    ));
    assert_eq!(text(&seen.stderr), "");
    assert_eq!(seen.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&seen.stdout).unwrap();
    assert_eq!(json["seed"], 7);
    assert_eq!(json["runtimes"]["alive"], 3);
    assert_eq!(json["modules"]["placed"], 12);
    assert_eq!(json["creates"]["granted"], 12);
    assert_eq!(json["creates"]["answered_in_ms"]["count"], 12);
    assert_eq!(json["removed"]["modules"], 12);
    let uuids = |supervisor: &arena_runtime::supervisor::Supervisor| {
        let mut uuids: Vec<_> = supervisor.runtimes().iter().map(|r| r.uuid).collect();
        uuids.sort_unstable();
        uuids
    };
    let before = uuids(&supervisor);

    // The same seed makes the same runtimes; Ctrl-C ends it in order.
    let running = start(&format!("--broker {url} --runtimes 3 --modules 5 --seed 7"));
    eventually("all run", || {
        let modules = supervisor.modules();
        modules.iter().filter(|m| !m.state.is_final()).count() == 5
    });
    kill(
        Pid::from_raw(running.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let seen = running.wait_with_output().unwrap();
    assert_eq!(text(&seen.stderr), "");
    assert_eq!(seen.status.code(), Some(0));
    let lines = text(&seen.stdout);
    assert!(lines.contains("runtimes   3, registered in"), "{lines}");
    assert!(lines.contains("creates    5 asked"), "{lines}");
    assert!(lines.contains("5 modules deleted in"), "{lines}");
    assert_eq!(uuids(&supervisor), before);
    assert!(supervisor.modules().is_empty());
    assert!(supervisor.stop(PATIENCE));
}

#[test]
fn a_supervisor_that_ends_before_the_modules_are_deleted() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let running = start(&format!(
        "--broker {} --runtimes 2 --modules 4",
        broker.url()
    ));
    eventually("all run", || {
        let modules = supervisor.modules();
        modules.iter().filter(|m| m.started.is_some()).count() == 4
    });
    assert!(supervisor.stop(PATIENCE));
    kill(
        Pid::from_raw(running.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let seen = running.wait_with_output().unwrap();
    assert_eq!(seen.status.code(), Some(5));
    let why = text(&seen.stderr);
    assert!(why.contains("has not answered"), "{why}");
    assert!(text(&seen.stdout).contains("0 modules deleted"), "{seen:?}");
}

#[test]
fn where_nobody_is() {
    let seen = simulate(&format!("--broker mqtt://127.0.0.1:{}", free_port()));
    assert_eq!(seen.status.code(), Some(3));
    assert!(text(&seen.stderr).contains("cannot connect to"), "{seen:?}");

    let broker = Broker::start();
    let seen = simulate(&format!("--broker {} --timeout 200ms", broker.url()));
    assert_eq!(seen.status.code(), Some(5));
    let why = text(&seen.stderr);
    assert!(
        why.contains("no supervisor answers in the realm realm"),
        "{why}"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    for (args, why) in [
        ("--runtimes 0", "--runtimes"),
        ("--connections 0", "--connections"),
        ("--fail 2", "a share from 0 to 1"),
        ("--rate -1", "unexpected argument"),
        ("--rate inf", "a number from 0"),
        ("--rate 0", "more than 0"),
        ("--restart sometimes", "on-failure"),
        ("--realm a//b", "empty level"),
        ("--away soon", "expected a time"),
    ] {
        let seen = simulate(args);
        assert_eq!(seen.status.code(), Some(2), "{args}: {seen:?}");
        let told = text(&seen.stderr);
        assert!(told.contains(why), "{args}: {told}");
    }
}
