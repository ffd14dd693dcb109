//! What modules see: channels as functions and files, signals, uuids, periods, polls.
//!
//! The guests are in `tests/guests/ch/`. Those that check themselves need nobody; the others
//! print what comes to them, and the tests here make it come.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

mod broker;
mod harness;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[path = "../support/program.rs"]
mod program;
#[cfg(feature = "wasi-threads")]
mod threads;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use arena_runtime::guest::{ChannelMode, ChannelSpec, GuestConfig};
use arena_runtime::pubsub::{
    Filter, MailboxLimits, Message, Overflow, PublishError, Qos, Router, Subscriber, Uplink,
};
use arena_runtime::wamr::{CallError, StopHandle, TrapKind};
use arena_runtime::wasi::Stream;

use harness::{Running, config, in_each_mode, passes};

#[test]
fn every_function() {
    in_each_mode("ch/functions", |module| {
        let before = SystemTime::now();
        let guest = passes(module, config(), |_, _| {});
        let stats = guest.stats();
        assert_eq!(stats.periods.count, 3 + 1);
        assert!(stats.messages_out > 10 && stats.messages_in > 10);
        assert_eq!(stats.opens_refused, 7);
        assert!(stats.last_activity.unwrap() >= before);
        guest.close();
        assert_eq!(
            (guest.stats().channels, guest.stats().bytes_waiting),
            (0, 0)
        );
    });
}

#[test]
fn bad_pointers() {
    in_each_mode("ch/bad_pointers", |module| {
        passes(module, config(), |_, _| {});
    });
}

#[test]
fn ten_thousand_channels() {
    in_each_mode("ch/many", |module| {
        let guest = passes(module, config(), |_, _| {});
        assert_eq!(guest.stats().channels, 0);
    });
}

#[test]
fn files() {
    in_each_mode("ch/files", |module| {
        passes(module, config(), |guest, _| {
            for signal in [15, 3, 3, 0, 65] {
                guest.raise(signal);
            }
        });
    });
}

#[test]
fn a_wait_for_functions() {
    in_each_mode("ch/waits", |module| {
        let running = Running::start(module, &["ch"], config(), Stream::Null, |_, _| {});
        assert_eq!(running.line(), "waits: ch");
        running.publish("realm/test/in", "one");
        assert_eq!(running.line(), "in: one");
        running.publish("kitchen/light", "on");
        assert_eq!(running.line(), "light: on");
        running.publish("realm/test/other", "not for it");
        running.publish("realm/test/in", "two");
        assert_eq!(running.line(), "in: two");
        is_stopped(running);
    });
}

#[test]
fn a_wait_for_files() {
    in_each_mode("ch/waits", |module| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stdin = Stream::Fd(reader.into());
        let running = Running::start(module, &["files"], config(), stdin, |_, _| {});
        assert_eq!(running.line(), "waits: files");
        running.publish("realm/test/in", "one");
        assert_eq!(running.line(), "in: one");
        writer.write_all(b"typed").unwrap();
        assert_eq!(running.line(), "stdin: typed");
        running.publish("other/both", "two");
        assert_eq!(running.line(), "both: two");
        // Time in which it would go round and round if anything were ready.
        thread::sleep(Duration::from_millis(50));
        running.guest.wake();
        running.guest.raise(3);
        let (ended, lines) = running.end();
        assert!(matches!(ended, Ok(0)), "{ended:?}");
        assert_eq!(lines, ["signal: 3 in 4 rounds"]);
    });
}

#[test]
fn a_wait_for_files_is_stopped() {
    in_each_mode("ch/waits", |module| {
        let (reader, _writer) = std::io::pipe().unwrap();
        let stdin = Stream::Fd(reader.into());
        let running = Running::start(module, &["files"], config(), stdin, |_, _| {});
        assert_eq!(running.line(), "waits: files");
        is_stopped(running);
    });
}

/// Stops a guest that waits, and expects it to end by that.
fn is_stopped(running: Running) {
    thread::sleep(Duration::from_millis(20));
    running.stop.stop();
    match running.end() {
        (Err(CallError::Trap(trap)), _) => assert_eq!(trap.kind(), TrapKind::Stopped),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_be_written_ends_no_wait() {
    in_each_mode("ch/waits", |module| {
        let running = Running::start(module, &["write"], config(), Stream::Null, |_, _| {});
        let (ended, lines) = running.end();
        assert!(matches!(ended, Ok(0)), "{ended:?}");
        assert_eq!(lines, ["alone: 1 1", "both: 0", "something: 1 1"]);
    });
}

/// A guest of the older interface, whose libc asks for both directions of everything.
#[test]
fn a_wait_in_the_older_interface() {
    in_each_mode("node/unstable_poll", |module| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stdin = Stream::Fd(reader.into());
        let running = Running::start(module, &[], config(), stdin, |_, _| {});
        assert_eq!(running.line(), "polling");
        running.publish("realm/test/in", "one");
        assert_eq!(running.line(), "channel: one");
        writer.write_all(b"typed\n").unwrap();
        assert_eq!(running.line(), "stdin: typed");
        running.guest.raise(3);
        assert_eq!(running.line(), "signal: 3");
        let sent = running.guest.stats().messages_out;
        assert!(matches!(running.end(), (Ok(0), _)));
        assert_eq!(sent, 2, "what came was copied to the other channel");
    });
}

/// Counts what it gets, and refuses it.
#[derive(Default)]
struct FullOutbox {
    refused: AtomicUsize,
}

impl Uplink for FullOutbox {
    fn publish(&self, _message: Message) -> Result<(), PublishError> {
        self.refused.fetch_add(1, Ordering::SeqCst);
        Err(PublishError::Full)
    }
    fn subscribe(&self, _filter: Filter, _qos: Qos, _id: u32) {}
    fn unsubscribe(&self, _filter: Filter) {}
}

struct Counter(AtomicUsize);

impl Subscriber for Counter {
    fn deliver(&self, _message: &Message) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_message_that_the_broker_does_not_get() {
    let module = wat_module(
        r#"(module
            (import "env" "ch_open" (func $open (param i32 i32 i32) (result i32)))
            (import "env" "ch_write_msg" (func $write (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "light\00")
            (func (export "_start")
                (call $exit (i32.add (i32.const 50)
                    (call $write (call $open (i32.const 0) (i32.const 1) (i32.const 0))
                                 (i32.const 0) (i32.const 5))))))"#,
    );
    let uplink = Arc::new(FullOutbox::default());
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let mut subscription = None;
    let running = Running::start(
        &module,
        &[],
        config(),
        Stream::Null,
        |_, router: &Router| {
            router.set_uplink(uplink.clone());
            let filter = Filter::new("kitchen/+").unwrap();
            subscription = Some(router.subscribe(filter, Qos::AtMostOnce, counter.clone()));
        },
    );
    let guest = running.guest.clone();
    assert!(matches!(running.end().0, Ok(49)), "-1");
    assert_eq!(uplink.refused.load(Ordering::SeqCst), 1);
    assert_eq!(counter.0.load(Ordering::SeqCst), 1, "who is here got it");
    assert_eq!(guest.stats().messages_refused, 1);
}

fn wat_module(text: &str) -> arena_runtime::wamr::Module<harness::Context> {
    let engine = arena_runtime::wamr::Engine::new().unwrap();
    let wasm = wat::parse_str(text).unwrap();
    arena_runtime::wamr::Module::load(&engine, &wasm, &harness::imports()).unwrap()
}

/// Nobody reads, and neither memory nor anybody else suffers.
#[test]
fn a_module_that_never_reads() {
    in_each_mode("ch/waits", |module| {
        let limits = MailboxLimits {
            messages: 100,
            bytes: 1 << 20,
            overflow: Overflow::DropOldest,
        };
        let config = GuestConfig {
            mailbox: limits,
            channels: vec![ChannelSpec {
                path: "/ch/in".to_owned(),
                topic: "flood".to_owned(),
                mode: ChannelMode::Read,
                qos: Some(Qos::AtLeastOnce),
            }],
            ..config()
        };
        let running = Running::start(module, &["files"], config, Stream::Null, |_, _| {});
        assert_eq!(running.line(), "waits: files");
        running.stop.stop();
        for _ in 0..10_000 {
            running.publish("flood", "0123456789");
        }
        let stats = running.guest.stats();
        assert!(stats.messages_waiting <= 100 && stats.bytes_waiting <= 1 << 20);
        // It may have read some, or have ended, before the stop reached it.
        assert!(stats.messages_in >= stats.messages_dropped);
        drop(running.end());
    });
}

/// A stop handle that is used before the wait ends it, too.
#[test]
fn a_stop_before_the_wait() {
    in_each_mode("ch/waits", |module| {
        let running = Running::start(module, &["ch"], config(), Stream::Null, |_, _| {});
        let stop: StopHandle = running.stop.clone();
        stop.stop();
        let ended = thread::spawn(|| running.end());
        match ended.join().expect("the guest ends") {
            (Err(CallError::Trap(trap)), _) => assert_eq!(trap.kind(), TrapKind::Stopped),
            (other, _) => panic!("{other:?}"),
        }
    });
}
