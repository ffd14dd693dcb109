//! Modules and samples, against the real `/proc`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::clock::own_time;
use super::host::Roots;
use super::{ModuleCounters, ModuleMonitor, ModuleProbe, Monitor};

fn probe(name: &str) -> ModuleProbe {
    ModuleProbe {
        uuid: Uuid::new_v4(),
        name: name.to_owned(),
        guest_threads: false,
        counters: Arc::new(ModuleCounters::default),
    }
}

/// Uses the CPU for so long, as this thread's clock has it.
fn burn(time: Duration) {
    let end = own_time() + time;
    while own_time() < end {
        std::hint::black_box((0..1000).sum::<u64>());
    }
}

/// Waits for what happens soon.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}

const WORK: Duration = Duration::from_millis(20);

#[test]
fn cpu_time_is_that_of_the_threads_own_clock() {
    let monitor = Monitor::new();
    let module = monitor.add(probe("exact"));
    let uuid = module.now().uuid;
    // Three meetings: it has worked; it was sampled; all is over.
    let meet = Barrier::new(2);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // What was before is not the module's.
            burn(WORK);
            let meter = module.meter();
            assert_eq!(meter.used(), Duration::ZERO);
            let outside = own_time();
            let guard = module.enter();
            let inside = own_time();
            burn(WORK);
            let least = own_time() - inside;
            meet.wait();
            meet.wait();
            let most = own_time() - outside;
            burn(WORK);
            let last = own_time() - inside;
            drop(guard);
            (least, most, last, own_time() - outside)
        });
        meet.wait();
        let sample = monitor.sample();
        let sampled = sample.module(&uuid).unwrap().clone();
        meet.wait();
        let (least, most, last, total) = worker.join().unwrap();
        let within = |value, least, most| nanos(least) <= value && value <= nanos(most);
        assert!(
            within(sampled.cpu_nanos, least, most),
            "{sampled:?} {least:?} {most:?}"
        );
        assert_eq!(sampled.threads, 1);
        assert!(sampled.cpu_percent > 0.0);
        // Nothing of its last slice is lost.
        let after = module.now();
        assert!(
            within(after.cpu_nanos, last, total),
            "{after:?} {last:?} {total:?}"
        );
        assert_eq!(after.threads, 0);
    });
    let sampled = monitor.sample().module(&uuid).unwrap().clone();
    // No thread runs, so the final figures are those.
    let finished = module.finish();
    assert_eq!(finished.cpu_nanos, sampled.cpu_nanos);
    assert!(monitor.sample().modules.is_empty());
}

#[test]
fn a_guard_within_a_guard_counts_once() {
    let monitor = Monitor::new();
    let module = monitor.add(probe("nested"));
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let before = own_time();
                let outer = module.enter();
                let inner = module.enter();
                burn(WORK);
                drop(outer);
                assert_eq!(module.now().threads, 1);
                drop(inner);
                let finished = module.now();
                assert_eq!(finished.threads, 0);
                assert!(finished.cpu_nanos >= nanos(WORK));
                assert!(finished.cpu_nanos <= nanos(own_time() - before));
            })
            .join()
            .unwrap();
    });
}

#[test]
fn samples_have_the_counters_in_order_of_registration() {
    let monitor = Monitor::new();
    assert!(monitor.latest().modules.is_empty());
    let count = Arc::new(AtomicU64::new(7));
    let counters = {
        let count = Arc::clone(&count);
        move || ModuleCounters {
            messages_in: count.load(Ordering::Relaxed),
            ..ModuleCounters::default()
        }
    };
    let first = monitor.add(ModuleProbe {
        counters: Arc::new(counters),
        ..probe("first")
    });
    let second = monitor.add(probe("second"));
    let sample = monitor.sample();
    let names: Vec<&str> = sample.modules.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(sample.modules[0].counters.messages_in, 7);
    // The latest is this one, and the next is another.
    assert!(Arc::ptr_eq(&sample, &monitor.latest()));
    count.store(8, Ordering::Relaxed);
    drop(second);
    let next = monitor.sample();
    assert_eq!(next.modules.len(), 1);
    assert_eq!(next.modules[0].counters.messages_in, 8);
    assert_eq!(sample.modules[0].counters.messages_in, 7);
    assert!(next.at >= sample.at && next.host.cores == sample.host.cores);
    drop(first);
}

/// A thread of the name `comm` that runs a module and starts a thread as a
/// guest does; both do what they are told, until nobody tells them.
struct Worker {
    thread: JoinHandle<ModuleMonitor>,
    guest: Sender<Duration>,
    did: Receiver<()>,
}

impl Worker {
    fn start(monitor: &Monitor, comm: &str) -> Worker {
        let module = monitor.add(ModuleProbe {
            guest_threads: true,
            ..probe(comm)
        });
        let (guest, told) = channel::<Duration>();
        let (say, did) = channel();
        let thread = std::thread::Builder::new()
            .name(comm.to_owned())
            .spawn(move || {
                let guard = module.enter();
                // Without a name of its own it has its parent's.
                let guest = std::thread::spawn(move || {
                    say.send(()).unwrap();
                    for work in told {
                        burn(work);
                        say.send(()).unwrap();
                    }
                });
                guest.join().unwrap();
                drop(guard);
                module
            })
            .unwrap();
        did.recv().unwrap();
        Worker { thread, guest, did }
    }

    fn work(&self, time: Duration) {
        self.guest.send(time).unwrap();
        self.did.recv().unwrap();
    }

    fn end(self) -> ModuleMonitor {
        drop(self.guest);
        self.thread.join().unwrap()
    }
}

#[test]
fn threads_of_a_guest_are_the_modules() {
    let monitor = Monitor::new();
    let worker = Worker::start(&monitor, "guest-threads-1");
    let other = Worker::start(&monitor, "guest-threads-2");
    let before = monitor.sample();
    assert!(before.modules.iter().all(|m| m.threads == 2), "{before:?}");
    let before = before.modules[0].cpu_nanos;
    worker.work(WORK);
    let sample = monitor.sample();
    let worked = sample.modules[0].cpu_nanos;
    assert!(worked - before >= nanos(WORK), "{sample:?}");
    assert!(sample.modules[1].cpu_nanos < nanos(WORK), "{sample:?}");
    // What was sampled stays when the thread is gone.
    let module = worker.end();
    until("the threads' end is seen", || {
        let sample = monitor.sample();
        assert!(sample.modules[0].cpu_nanos >= worked);
        sample.modules[0].threads == 0
    });
    assert!(module.finish().cpu_nanos >= worked);
    drop(other.end());
    assert!(monitor.sample().modules.is_empty());
}

#[test]
fn threads_that_could_be_of_two_modules_are_nobodys() {
    let monitor = Monitor::new();
    let workers = [
        Worker::start(&monitor, "same-name"),
        Worker::start(&monitor, "same-name"),
    ];
    for worker in &workers {
        worker.work(WORK);
    }
    for module in &monitor.sample().modules {
        assert_eq!(module.threads, 1, "{module:?}");
        assert!(module.cpu_nanos < nanos(WORK), "{module:?}");
    }
    for worker in workers {
        drop(worker.end());
    }
}

#[test]
fn a_sampler_samples_until_it_is_dropped() {
    let monitor = Monitor::new();
    let first = monitor.latest();
    let sampler = monitor.start(Duration::from_millis(10)).unwrap();
    until("two samples are taken", || {
        monitor.latest().host.cpu_percent.is_some()
    });
    drop(sampler);
    let last = monitor.latest();
    assert!(last.at > first.at);
    assert!(Arc::ptr_eq(&last, &monitor.latest()));
}

#[test]
fn samples_are_json() {
    let monitor = Monitor::new();
    let module = monitor.add(probe("json"));
    let json = serde_json::to_value(&*monitor.sample()).unwrap();
    assert_eq!(json["modules"][0]["name"], "json");
    assert_eq!(json["modules"][0]["messages_dropped"], 0);
    assert_eq!(json["modules"][0]["last_activity"], serde_json::Value::Null);
    assert!(json["at"].as_str().unwrap().ends_with('Z'));
    assert!(json["process"]["cpu_nanos"].as_u64().unwrap() > 0);
    assert!(json["host"]["cores"].as_u64().unwrap() > 0);
    drop(module);
}

#[test]
fn a_system_that_tells_nothing_is_no_fault() {
    let monitor = Monitor::of(Roots {
        proc: "/nonexistent".into(),
        sys: "/nonexistent".into(),
    });
    let module = monitor.add(ModuleProbe {
        guest_threads: true,
        ..probe("blind")
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = module.enter();
            burn(WORK);
            assert!(monitor.sample().modules[0].cpu_nanos >= nanos(WORK));
        });
    });
    assert_eq!(monitor.sample().host.memory_total, None);
    assert!(module.finish().cpu_nanos >= nanos(WORK));
}
