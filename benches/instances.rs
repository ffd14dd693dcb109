//! Many instances of one module at once, each on a thread of its own with a
//! small stack: `cargo bench --bench instances [-- COUNT]`.
//!
//! Prints what one costs in resident memory and in time, and what a thread
//! costs that runs no module.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]
#![allow(missing_docs, reason = "programs have no documentation")]

mod guests;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use arena_runtime::wamr::{Engine, Instance, InstanceConfig, Limits, Module};

use guests::Context;

const STACK: usize = 256 * 1024;
const ROUNDS: usize = 3;

fn main() {
    // cargo bench adds an option that is for harnesses.
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let count = count.unwrap_or(1000);
    println!(
        "{count} threads with stacks of {} KiB, all alive at once",
        STACK / 1024
    );
    println!(
        "{:<28} {:>12} {:>11} {:>11} {:>9}",
        "each runs", "RSS each", "start all", "end all", "mappings"
    );

    measure("nothing", count, || {}, |()| {});

    let engine = Engine::new().expect("the first engine");
    let small = Module::load(&engine, &guests::small(), &guests::imports()).expect("it is sound");
    let hello =
        Module::load(&engine, &guests::sample("hello"), &guests::imports()).expect("it is sound");
    measure(
        "a small module",
        count,
        || {
            let instance = instantiate(&small);
            instance.call("touch", &[]).expect("it returns");
            instance
        },
        drop,
    );
    measure(
        "hello (C, WASI), twice",
        count,
        || {
            let instance = instantiate(&hello);
            instance.start().expect("it returns");
            instance
        },
        |instance| {
            instance.start().expect("it returns again");
        },
    );
}

fn instantiate(module: &Module<Context>) -> Instance<Context> {
    let config = InstanceConfig {
        limits: Limits {
            memory: Some(1024 * 1024),
            stack: 64 * 1024,
        },
        ..InstanceConfig::default()
    };
    Instance::new(module, Context::new(), config).expect("memory for it")
}

/// Starts `count` threads that all `begin`, measures while all are there, and
/// lets them `end`; prints the median round.
fn measure<S>(what: &str, count: usize, begin: impl Fn() -> S + Sync, end: impl Fn(S) + Sync) {
    let mut rounds: Vec<Round> = (0..ROUNDS).map(|_| round(count, &begin, &end)).collect();
    rounds.sort_by_key(|round| round.rss);
    let Round {
        rss,
        started,
        ended,
        mappings,
    } = rounds[ROUNDS / 2];
    let per = |total: usize| total as f64 / count as f64;
    println!(
        "{what:<28} {:>8.1} KiB {:>8.1} ms {:>8.1} ms {:>9.1}",
        per(rss) / 1024.0,
        started.as_secs_f64() * 1e3,
        ended.as_secs_f64() * 1e3,
        per(mappings),
    );
}

struct Round {
    /// Bytes and mappings more than before.
    rss: usize,
    mappings: usize,
    started: Duration,
    ended: Duration,
}

fn round<S>(count: usize, begin: &(impl Fn() -> S + Sync), end: &(impl Fn(S) + Sync)) -> Round {
    let (all_begun, all_may_end) = (Barrier::new(count + 1), Barrier::new(count + 1));
    let (rss_before, mappings_before) = (rss(), mappings());
    let began = Instant::now();
    let (mut round, ending) = std::thread::scope(|scope| {
        for _ in 0..count {
            let (all_begun, all_may_end) = (&all_begun, &all_may_end);
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || {
                    let state = begin();
                    all_begun.wait();
                    all_may_end.wait();
                    end(state);
                })
                .expect("the system allows as many threads");
        }
        all_begun.wait();
        let round = Round {
            started: began.elapsed(),
            rss: rss().saturating_sub(rss_before),
            mappings: mappings().saturating_sub(mappings_before),
            ended: Duration::ZERO,
        };
        let ending = Instant::now();
        all_may_end.wait();
        (round, ending)
    });
    // All threads are joined here.
    round.ended = ending.elapsed();
    round
}

/// The process's resident memory in bytes.
fn rss() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("statm has a second number");
    pages * 4096
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .expect("procfs")
        .lines()
        .count()
}
