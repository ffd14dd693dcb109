//! What watching modules costs, and how well it counts their CPU time:
//! `cargo bench --bench monitor [-- SECONDS]`.
//!
//! First some modules are sampled, each with a thread that waits, or with one
//! of its host and one of its guest; then a few modules work for some seconds, at shares from little to all of a
//! core, and what samples said is held against their threads' own clocks.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]
#![allow(missing_docs, reason = "programs have no documentation")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant, SystemTime};

use arena_runtime::monitor::{ModuleCounters, ModuleMonitor, ModuleProbe, Monitor};
use nix::time::ClockId;
use uuid::Uuid;

const SAMPLES: u32 = 200;

fn main() {
    // cargo bench adds an option that is for harnesses.
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let seconds = Duration::from_secs(seconds.unwrap_or(10));
    println!("a sample, {SAMPLES} times: CPU time, and share of a core if it is one a second");
    for (modules, guest_threads) in [(0, false), (100, false), (1000, false), (100, true)] {
        cost(modules, guest_threads);
    }
    println!(
        "\nCPU time of modules over {} s, a sample a second",
        seconds.as_secs()
    );
    accuracy(seconds);
}

/// CPU time of the calling thread.
fn own_time() -> Duration {
    let time = ClockId::CLOCK_THREAD_CPUTIME_ID
        .now()
        .expect("every thread has this clock");
    time.into()
}

fn add(monitor: &Monitor, number: usize, guest_threads: bool) -> ModuleMonitor {
    // What a module's counters take to read: as many atomics.
    let counters: Arc<[AtomicU64; 9]> = Arc::default();
    let read = move || {
        let [a, b, c, d, e, f, g, h, i] = std::array::from_fn(|at| {
            counters
                .get(at)
                .map_or(0, |counter: &AtomicU64| counter.load(Ordering::Relaxed))
        });
        ModuleCounters {
            memory: a,
            stack: b,
            messages_in: c,
            bytes_in: d,
            messages_out: e,
            bytes_out: f,
            messages_dropped: g,
            bytes_dropped: h,
            last_activity: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(i)),
        }
    };
    monitor.add(ModuleProbe {
        uuid: Uuid::new_v4(),
        name: format!("module-{number}"),
        guest_threads,
        counters: Arc::new(read),
    })
}

/// Prints what a sample of so many modules takes.
fn cost(count: usize, guest_threads: bool) {
    let monitor = Monitor::new();
    let (all_there, may_end) = (Barrier::new(count + 1), Barrier::new(count + 1));
    std::thread::scope(|scope| {
        for number in 0..count {
            let (monitor, all_there, may_end) = (&monitor, &all_there, &may_end);
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .stack_size(64 * 1024)
                .spawn_scoped(scope, move || {
                    let module = add(monitor, number, guest_threads);
                    let _running = module.enter();
                    // Without a name of its own it has its parent's, as one
                    // that a guest starts.
                    let (end, ended) = std::sync::mpsc::channel::<()>();
                    if guest_threads {
                        scope.spawn(move || ended.recv());
                    }
                    all_there.wait();
                    may_end.wait();
                    drop(end);
                })
                .expect("the system allows as many threads");
        }
        all_there.wait();
        let before = own_time();
        for _ in 0..SAMPLES {
            std::hint::black_box(monitor.sample());
            // As if it were not the last thing that the caches saw.
            std::thread::sleep(Duration::from_millis(2));
        }
        let each = (own_time() - before) / SAMPLES;
        may_end.wait();
        println!(
            "{count:>5} modules{:<24} {:>8.0} µs {:>7.3} %",
            if guest_threads {
                " and threads of theirs"
            } else {
                ""
            },
            each.as_secs_f64() * 1e6,
            each.as_secs_f64() * 1e2,
        );
    });
}

/// Prints how samples and threads differ about what the threads used.
fn accuracy(time: Duration) {
    let monitor = Monitor::new();
    let shares = [1, 10, 50, 100, 100];
    let modules: Vec<ModuleMonitor> = (0..shares.len())
        .map(|number| add(&monitor, number, false))
        .collect();
    let sampler = monitor
        .start(Duration::from_secs(1))
        .expect("the system allows one more thread");
    let begin = Instant::now();
    println!(
        "{:<10} {:>14} {:>14} {:>12}   {:>22}",
        "wants", "own clock", "counted", "off by", "percent in last sample"
    );
    std::thread::scope(|scope| {
        let workers: Vec<_> = modules
            .iter()
            .zip(shares)
            .map(|(module, share)| {
                scope.spawn(move || {
                    let before = own_time();
                    let running = module.enter();
                    work(share, begin, time);
                    drop(running);
                    own_time() - before
                })
            })
            .collect();
        // Just before they end.
        std::thread::sleep((time - Duration::from_millis(100)).saturating_sub(begin.elapsed()));
        let latest = monitor.latest();
        for ((worker, module), share) in workers.into_iter().zip(&modules).zip(shares) {
            let own = worker.join().expect("it only works");
            let counted = module.now();
            let shown = latest.module(&counted.uuid).map_or(0.0, |m| m.cpu_percent);
            let counted = Duration::from_nanos(counted.cpu_nanos);
            println!(
                "{:<10} {:>11.6} s {:>11.6} s {:>10.4} %   {:>20.1} %",
                format!("{share} %"),
                own.as_secs_f64(),
                counted.as_secs_f64(),
                (counted.as_secs_f64() / own.as_secs_f64() - 1.0) * 1e2,
                shown,
            );
        }
    });
    drop(sampler);
}

/// Works so many percent of each 10 ms.
fn work(share: u32, begin: Instant, time: Duration) {
    while begin.elapsed() < time {
        let end = own_time() + Duration::from_micros(100) * share;
        let round = Instant::now();
        while own_time() < end {
            std::hint::black_box((0..1000).sum::<u64>());
        }
        std::thread::sleep(Duration::from_millis(10).saturating_sub(round.elapsed()));
    }
}
