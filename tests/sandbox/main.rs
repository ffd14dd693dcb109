//! What a broken host function reaches in the sandbox of `arena runtime`: a guest calls one that
//! does natively what it is told. It runs in a process of its own, with the real sandbox of a node's
//! settings, on the kernel that is there.
//!
//! The harness is this file's, since Landlock holds for a thread and what it starts, and the one of
//! the standard library runs tests on other threads than the first.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

mod attacks;
mod child;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use serde_json::Value;

use attacks::{ATTACKS, Held};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, level, only @ ..] = &*args
        && mode == child::MODE
    {
        child::run(level, only);
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, fn()); 4] = [
        (
            "nothing_is_reached_with_default",
            nothing_is_reached_with_default,
        ),
        ("strict_ends_the_process", strict_ends_the_process),
        ("without_it_all_is_reached", without_it_all_is_reached),
        ("what_is_needed_still_goes", what_is_needed_still_goes),
    ];
    if args.iter().any(|arg| arg == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    let chosen = tests
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|part| name.contains(part.as_str())));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in chosen {
        let ok = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        *(if ok { &mut passed } else { &mut failed }) += 1;
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out\n"
    );
    ExitCode::from(u8::from(failed > 0))
}

/// What a child has told: its sandbox, and what came of each attack: 0 or an error number.
struct Told {
    sandbox: Value,
    outcomes: BTreeMap<String, i64>,
    status: ExitStatus,
}

/// Runs the child, with a broker's port that answers, and another one.
fn child(level: &str, only: &[&str]) -> Told {
    let dir = tempfile::tempdir().unwrap();
    for name in ["state", "cache", "apps", "outside"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("apps/module.wasm"), "module").unwrap();
    // As Kubernetes mounts a secret.
    let secret = dir.path().join("secret");
    for (version, token) in [("..1", "first"), ("..2", "second")] {
        std::fs::create_dir_all(secret.join(version)).unwrap();
        std::fs::write(secret.join(version).join("token"), token).unwrap();
    }
    symlink("..1", secret.join("..data")).unwrap();
    symlink("..data/token", secret.join("token")).unwrap();
    let local = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let (broker, other) = (listener(), listener());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([child::MODE, level])
        .args(only)
        .env_clear()
        .env("DIR", dir.path())
        .env("BROKER", port(&broker))
        .env("OTHER", port(&other))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = BufReader::new(child.stdout.take().unwrap());
    let mut sandbox = String::new();
    text.read_line(&mut sandbox).unwrap();
    // It is confined now.
    symlink("..2", secret.join("new")).unwrap();
    std::fs::rename(secret.join("new"), secret.join("..data")).unwrap();
    std::fs::remove_dir_all(secret.join("..1")).unwrap();
    drop(child.stdin.take());
    let mut lines = String::new();
    text.read_to_string(&mut lines).unwrap();
    let status = child.wait().unwrap();
    drop(local);
    assert!(!sandbox.is_empty(), "{status:?}");
    let lines = lines.lines();
    let outcomes = lines.map(|line| {
        let (name, number) = line.split_once(' ').unwrap();
        (name.to_owned(), number.parse().unwrap())
    });
    Told {
        sandbox: serde_json::from_str(&sandbox).unwrap(),
        outcomes: outcomes.collect(),
        status,
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn port(listener: &TcpListener) -> String {
    listener.local_addr().unwrap().port().to_string()
}

/// Whether what holds an attack off is there; says so if not.
fn is_held(attack: &str, by: Held, sandbox: &Value) -> bool {
    let landlock = sandbox["landlock"].as_u64().unwrap_or_default();
    let held = match by {
        Held::Files => landlock >= 1,
        Held::Tcp => landlock >= 4,
        Held::Signals => landlock >= 6,
        Held::Calls => !sandbox["system_calls"].is_null(),
    };
    if !held {
        println!("NOT CHECKED: {attack}, since this kernel lacks what holds it off ({by:?})");
    }
    held
}

fn nothing_is_reached_with_default() {
    let told = child("default", &[]);
    assert!(told.status.success(), "{:?}", told.status);
    for attack in ATTACKS {
        let outcome = told.outcomes[attack.name];
        if is_held(attack.name, attack.held_by, &told.sandbox) {
            let refused = [libc::EPERM, libc::EACCES, libc::ENOSYS].map(i64::from);
            assert!(refused.contains(&outcome), "{}: {outcome}", attack.name);
        }
    }
}

fn strict_ends_the_process() {
    for attack in ATTACKS
        .iter()
        .filter(|attack| attack.held_by == Held::Calls)
    {
        let told = child_where_strict_holds(&[attack.name]);
        let Some(told) = told else { return };
        if attack.is_soft {
            assert_eq!(
                told.outcomes[attack.name],
                i64::from(libc::EACCES),
                "{}",
                attack.name
            );
        } else {
            assert_eq!(told.status.signal(), Some(libc::SIGSYS), "{}", attack.name);
        }
    }
}

/// `None`, said aloud, where the kernel has not all of it: then there must be no start.
fn child_where_strict_holds(only: &[&str]) -> Option<Told> {
    let told = child("strict", only);
    if let Some(refused) = told.sandbox["refused"].as_str() {
        println!("NOT CHECKED: strict, which this kernel cannot hold: {refused}");
        return None;
    }
    Some(told)
}

/// Each attack is a real one: it leads somewhere where nothing holds it off. Two need a privilege.
fn without_it_all_is_reached() {
    let told = child("off", &[]);
    assert!(told.status.success(), "{:?}", told.status);
    assert_eq!(told.sandbox, Value::Null);
    for attack in ATTACKS {
        let outcome = told.outcomes[attack.name];
        let refused = i64::from(libc::EPERM);
        let privileged = attack.takes_privilege && outcome == refused;
        assert!(outcome == 0 || privileged, "{}: {outcome}", attack.name);
    }
}

fn what_is_needed_still_goes() {
    for level in ["default", "strict"] {
        let told = child(level, child::NEEDED);
        if told.sandbox.get("refused").is_some() {
            println!("NOT CHECKED: {level}");
            continue;
        }
        assert!(told.status.success(), "{level}: {:?}", told.status);
        for name in child::NEEDED {
            assert_eq!(told.outcomes[*name], 0, "{level}: {name}");
        }
    }
}

/// A file of the child's directory.
fn file(dir: &Path, name: &str) -> std::path::PathBuf {
    dir.join(name)
}
