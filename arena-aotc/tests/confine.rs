//! What the process gives up, and when it ends.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_arena-aotc");

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A line of `/proc/PID/status`; `None` when the process is gone.
fn status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

#[test]
fn in_a_pipe_system_calls_are_filtered() {
    let mut child = Command::new(PROGRAM)
        .args(["-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for the module.
    wait_until("it is not filtered", || {
        status(child.id(), "Seccomp").is_none_or(|mode| mode == "2")
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_ends_with_its_parent() {
    // The input stays open, and the shell's own end is not the end of it.
    let script = r#"exec 3<&0; "$0" --parent $$ - -o /dev/null <&3 & echo $!; wait"#;
    let mut shell = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    // Its core dumps are switched off when it has said that it ends with its parent.
    let limits = format!("/proc/{pid}/limits");
    wait_until("it does not start", || {
        let text = fs::read_to_string(&limits).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Max core"));
        line.is_some_and(|line| line.split_whitespace().nth(5) == Some("0"))
    });
    shell.kill().unwrap();
    wait_until("it outlives its parent", || {
        status(pid, "State").is_none_or(|state| state.starts_with('Z'))
    });
    shell.wait().unwrap();
}

#[test]
fn it_is_not_started_for_another() {
    let output = Command::new(PROGRAM)
        .args(["--parent", "1", "-", "-o", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
}
