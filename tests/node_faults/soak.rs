//! A day's service in minutes: modules come, talk, trap, hang and are stopped, and the broker is
//! restarted, until a time is over. What the runtime then holds is what it held after the beginning.
//!
//! `cargo test --test node_faults soak -- --ignored --nocapture`; `ARENA_SOAK` is the time in seconds
//! (1200), `ARENA_AOTC` a compiler with which modules are also run as native code.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use procfs::process::Process;
use serde_json::json;

use crate::runtime::{Realm, Runtime, wait_until};

/// What a runtime has of the machine.
#[derive(Clone, Copy)]
struct Held {
    /// Without the pages of files, which come and go as the machine likes.
    memory: u64,
    descriptors: usize,
    threads: usize,
    mappings: usize,
}

impl Held {
    fn by(runtime: &Runtime) -> Held {
        let process = Process::new(runtime.pid()).unwrap();
        Held {
            memory: process.status().unwrap().rssanon.unwrap() * 1024,
            descriptors: process.fd_count().unwrap(),
            threads: process.tasks().unwrap().count(),
            mappings: process.maps().unwrap().into_iter().count(),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MB, {} descriptors, {} threads, {} mappings",
            self.memory as f64 / 1e6,
            self.descriptors,
            self.threads,
            self.mappings
        )
    }
}

/// What was done so far.
#[derive(Debug, Default)]
struct Counts {
    modules: u64,
    messages: u64,
    trapped: u64,
    stopped: u64,
    broker_restarts: u64,
}

const MESSAGES: u64 = 500;

/// Some modules of each kind, of which none is left at the end.
fn round(realm: &Realm, counts: &mut Counts) {
    let half = |file: &str| realm.run(file, json!({"args": [MESSAGES.to_string(), "50"]}));
    let receiver = half("receiver.wasm");
    realm.client.wait_line(&receiver, "receiving");
    let talking = [receiver, half("sender.wasm")];
    let trapping = ["trap.wasm", "recurse.wasm"].map(|file| realm.run(file, json!({})));
    let printing = realm.run("print_lines.wasm", json!({"args": ["50"]}));
    let exiting = realm.run("exit_code.wasm", json!({"args": ["3"]}));
    let hanging =
        ["spin.wasm", "wait.wasm", "cat_lines.wasm"].map(|file| realm.run(file, json!({})));
    let ended = |modules: &[String], reason: &str| {
        for module in modules {
            let exit = realm.exit(module);
            assert_eq!(
                exit["reason"],
                reason,
                "{exit}: {:?}",
                realm.client.lines(module)
            );
        }
    };
    ended(&talking, "returned");
    ended(&trapping, "trapped");
    ended(&[printing], "returned");
    ended(&[exiting], "exited");
    for module in &hanging {
        let answer = realm.delete(module);
        assert_eq!(answer["details"]["exit"]["reason"], "stopped", "{answer}");
    }
    counts.modules += 9;
    counts.messages += MESSAGES;
    counts.trapped += 2;
    counts.stopped += 3;
}

fn restart_broker(realm: &mut Realm, hard: bool) {
    if hard {
        realm.broker.kill();
    } else {
        realm.broker.stop();
    }
    realm.broker.restart();
    let since = Instant::now();
    wait_until("the clients are back", || {
        realm.client.is_back() && realm.arts.client().is_back()
    });
    let registered = |got: &crate::client::Got| {
        got.at > since && got.topic == "realm/proc/reg" && got.json()["type"] == "arts_resp"
    };
    realm
        .client
        .wait("the runtime is registered again", registered);
    realm.client.forget();
}

/// The warnings and errors of a log, without what differs from one to the next, and how often each.
fn complaints(log: &str) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for line in log.lines() {
        let Some(at) = ["WARN", "ERROR"].iter().find_map(|level| line.find(level)) else {
            continue;
        };
        let kind = line[at..]
            .split_whitespace()
            .map(|word| {
                if word.contains(|c: char| c.is_ascii_digit()) {
                    "#"
                } else {
                    word
                }
            })
            .collect::<Vec<_>>()
            .join(" ");
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

#[test]
#[ignore = "takes twenty minutes, and is run by hand"]
fn soak() {
    let time = std::env::var("ARENA_SOAK").map_or(1200, |text| text.parse().unwrap());
    let time = Duration::from_secs(time);
    let engine = std::env::var("ARENA_AOTC").map_or_else(
        |_| String::new(),
        |path| format!("[engine]\nmode = \"auto\"\ncompiler = {path:?}\n"),
    );
    // Some of the modules do not end by themselves when they are told to.
    let mut realm = Realm::start(&format!(
        "[runtime]\nregister_retry = \"500ms\"\ngrace_time = \"100ms\"\n{engine}"
    ));
    let mut counts = Counts::default();
    let (begin, mut told) = (Instant::now(), Instant::now());
    let mut warm = None;
    while begin.elapsed() < time {
        for _ in 0..5 {
            round(&realm, &mut counts);
            realm.client.forget();
        }
        restart_broker(&mut realm, counts.broker_restarts % 2 == 1);
        counts.broker_restarts += 1;
        if warm.is_none() && begin.elapsed() > time / 10 {
            warm = Some(settled(&realm.runtime));
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!(
                "{:4} s: {}",
                begin.elapsed().as_secs(),
                Held::by(&realm.runtime)
            );
        }
    }
    let (warm, end) = (warm.unwrap(), settled(&realm.runtime));
    println!("{counts:?} in {:?}", begin.elapsed());
    println!("after a tenth of the time: {warm}\nat the end:                {end}");
    println!(
        "warnings and errors: {:#?}",
        complaints(&realm.runtime.log())
    );
    assert!(realm.runtime.is_running());
    assert_eq!(end.descriptors, warm.descriptors);
    assert_eq!(end.threads, warm.threads);
    // Free memory of the C library lies in a few more or fewer.
    assert!(end.mappings <= warm.mappings + 16);
    assert!(end.memory <= warm.memory + (2 << 20));
}

/// What it holds when the ends of all modules are behind it: the least of some seconds.
fn settled(runtime: &Runtime) -> Held {
    let mut least = Held::by(runtime);
    for _ in 0..25 {
        std::thread::sleep(Duration::from_millis(200));
        let now = Held::by(runtime);
        least = Held {
            memory: least.memory.min(now.memory),
            descriptors: least.descriptors.min(now.descriptors),
            threads: least.threads.min(now.threads),
            mappings: least.mappings.min(now.mappings),
        };
    }
    least
}
