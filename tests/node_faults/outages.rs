//! The broker goes away in every way, and comes back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Arts, Client};
use crate::mosquitto::{Broker, Setup, free_port};
use crate::refusals::{cpu_share, lines_with};
use crate::runtime::{Realm, Runtime, wait_until};
use crate::steady::Steady;

/// How the broker goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Stop,
    Kill,
    /// And is killed after the outage.
    Freeze,
}

/// The runtime is to be back 2 s after the broker; the rest is for a machine that is busy.
const BACK: f32 = 6.0;

fn outage(way: Way, how_long: Duration, settings: &str) {
    let mut steady = Steady::start(settings, Setup::default(), 10);
    let broker = &mut steady.realm.broker;
    match way {
        Way::Stop => broker.stop(),
        Way::Kill => broker.kill(),
        Way::Freeze => broker.freeze(),
    }
    std::thread::sleep(how_long);
    let before = Instant::now();
    if matches!(way, Way::Freeze) {
        broker.kill();
    }
    broker.restart();
    let [registered, started] = steady.wait_back(before, Instant::now());
    steady.wait_printing(before);
    let summary = steady.end();
    let (kept, again) = steady.kept(summary.sent);
    println!(
        "{way:?}, {how_long:?}: registered after {registered:.2} s, a module started after \
         {started:.2} s; {summary:?}, {again} came again"
    );
    assert!(registered < BACK, "{way:?}: {registered} s");
    // Nothing was lost on the way out, and in the runtime each message went round once.
    assert_eq!(summary.refused, 0, "{way:?}");
    assert!(kept.iter().copied().eq(0..summary.sent), "{way:?}");
    assert_eq!(summary.answered, summary.sent, "{way:?}");
    // The modules have not waited for the broker.
    if how_long > Duration::from_secs(30) {
        let longest = Duration::from_millis(summary.longest_ms);
        assert!(longest < how_long / 3, "{way:?}: {longest:?}");
    }
}

/// All ways at once: one after the other, they would take a minute each.
fn outages(how_long: Duration) {
    std::thread::scope(|scope| {
        for way in [Way::Stop, Way::Kill, Way::Freeze] {
            scope.spawn(move || outage(way, how_long, ""));
        }
    });
}

#[test]
fn outages_of_a_second() {
    outages(Duration::from_secs(1));
}

#[test]
fn outages_of_a_minute() {
    outages(Duration::from_secs(60));
}

#[test]
fn an_outage_with_mqtt_5() {
    outage(
        Way::Kill,
        Duration::from_secs(1),
        "[broker]\nmqtt_version = 5",
    );
}

/// The page `/status`.
fn status(port: u16) -> Value {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

#[test]
fn what_the_outbox_has_no_room_for_is_refused() {
    let port = free_port();
    let settings = format!("runtime.http = \"127.0.0.1:{port}\"\nbroker.outbox = \"64KiB\"");
    let mut steady = Steady::start(&settings, Setup::default(), 2);
    steady.realm.broker.stop();
    wait_until("the outbox is full", || {
        steady
            .realm
            .runtime
            .log()
            .contains("what waits for it is full")
    });
    let broker = &status(port)["broker"];
    assert_eq!(broker["connected"], false);
    assert!(broker["counters"]["queued_bytes"].as_u64().unwrap() <= 64 << 10);
    let before = Instant::now();
    steady.realm.broker.restart();
    steady.wait_back(before, Instant::now());
    let summary = steady.end();
    println!("{summary:?}");
    assert!(summary.refused > 0);
    // Modules of this runtime have got all the same.
    assert_eq!(summary.answered, summary.sent);
    // What was taken arrives, and what was refused does not.
    let (kept, _) = steady.kept(summary.sent - summary.refused);
    assert_eq!(kept.len() as u64, summary.sent - summary.refused);
    let counters = &status(port)["broker"]["counters"];
    assert!(
        counters["dropped_full"].as_u64().unwrap() >= summary.refused,
        "{counters}"
    );
    assert_eq!(counters["connects"], 2);
    let told = format!("is full (told once) module={}", steady.module);
    assert_eq!(lines_with(&steady.realm.runtime, &told), 1);
}

#[test]
fn a_broker_that_appears_late() {
    let mut broker = Broker::absent(Setup::default());
    let runtime = Runtime::start(broker.port(), "runtime.register_retry = \"200ms\"");
    wait_until("it says that there is none", || {
        runtime.log().contains("is a broker running there?")
    });
    let share = cpu_share(&runtime);
    assert!(share < 0.2, "{share}");
    assert_eq!(lines_with(&runtime, "cannot connect to"), 1);
    broker.restart();
    let from = Instant::now();
    let arts = Arts::start(broker.port(), 1);
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let realm = Realm {
        runtime,
        arts,
        client,
        broker,
    };
    // It may have been registered before the client was there.
    realm
        .client
        .wait("a keepalive", |got| got.topic == "realm/proc/keepalive");
    println!("a keepalive after {:?}, CPU {share}", from.elapsed());
    let hello = realm.run("hello.wasm", json!({}));
    assert_eq!(realm.exit(&hello)["code"], 0);
}

#[test]
fn a_runtime_that_was_killed_comes_back() {
    let realm = Realm::start("");
    realm.run("wait.wasm", json!({"args": ["realm/t"]}));
    let uuid = realm.runtime.uuid().to_owned();
    let Realm {
        runtime,
        arts,
        client,
        broker,
    } = realm;
    let dir = runtime.kill();
    client.wait("the will", |got| {
        let message = got.json();
        got.topic == "realm/proc/reg"
            && message["action"] == "delete"
            && message["data"]["uuid"] == *uuid
    });
    client.forget();
    let realm = Realm {
        runtime: Runtime::start_in(dir, broker.port(), ""),
        arts,
        client,
        broker,
    };
    realm.wait_registered();
    assert_eq!(realm.runtime.uuid(), uuid);
    let hello = realm.run("hello.wasm", json!({}));
    assert_eq!(realm.exit(&hello)["code"], 0);
}
