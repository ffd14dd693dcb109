//! The broker goes, hangs, and comes back.

use std::time::Duration;

use arena_runtime::pubsub::{Protocol, Qos};

use crate::harness::{Node, config, message};
use crate::mosquitto::{Broker, PATIENCE, Peer, Setup, eventually};

/// How the broker goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Stop,
    Kill,
    FreezeAndKill,
}

/// Messages of quality 1 that were published before, while, and after the broker is gone arrive,
/// in their order, at somebody with a session that outlives the broker.
fn nothing_is_lost(way: Way, protocol: Protocol) {
    let mut broker = Broker::with(Setup {
        persistent: true,
        ..Setup::default()
    });
    let session = |options: &mut rumqttc::MqttOptions| {
        options.set_client_id("keeper".to_owned());
        options.set_clean_session(false);
    };
    Peer::with(broker.port(), &["seq"], session).disconnect();
    // So that it is on the disk, and what follows is not.
    broker.stop();
    broker.restart();

    let mut config = config(&broker.url(), "sender");
    config.protocol = protocol;
    let node = Node::connected(config);
    let publish = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            node.publish("seq", number.to_string(), Qos::AtLeastOnce);
        }
    };
    let mut first = 0;
    match way {
        Way::Stop => {
            publish(0..100);
            node.flush();
            broker.stop();
        }
        Way::Kill => broker.kill(),
        Way::FreezeAndKill => {
            broker.freeze();
            publish(0..100);
            eventually("messages in flight", || node.link.counters().sent > 0);
            broker.kill();
        }
    }
    if matches!(way, Way::Kill) {
        // What a killed broker had acknowledged is gone with it.
        first = 100;
    }
    eventually("it is noticed", || !node.link.status().connected);
    publish(100..200);
    broker.restart();
    node.await_connected();
    publish(200..300);
    node.flush();

    let peer = Peer::with(broker.port(), &[], session);
    for number in first..300 {
        assert_eq!(peer.text(), number.to_string(), "{way:?} {protocol:?}");
    }
    assert_eq!(node.link.counters().dropped_full, 0);
}

#[test]
fn nothing_is_lost_when_it_stops() {
    nothing_is_lost(Way::Stop, Protocol::Mqtt311);
}

#[test]
fn nothing_is_lost_when_it_is_killed() {
    nothing_is_lost(Way::Kill, Protocol::Mqtt311);
}

#[test]
fn nothing_is_lost_when_it_hangs_and_is_killed() {
    nothing_is_lost(Way::FreezeAndKill, Protocol::Mqtt311);
    nothing_is_lost(Way::FreezeAndKill, Protocol::Mqtt5);
}

#[test]
fn the_broker_may_come_later() {
    let mut broker = Broker::absent(Setup::default());
    let node = Node::start(config(&broker.url(), "early"));
    let why = node.await_failure();
    assert!(why.contains("is a broker running there?"), "{why}");
    let (inbox, _subscription) = node.subscribe("in");
    broker.restart();
    node.await_connected();
    node.flush();
    Peer::connect(broker.port(), &[]).publish("in", "hello");
    assert_eq!(inbox.texts(1), ["hello"]);
    assert!(node.link.status().connected);
}

#[test]
fn subscriptions_come_back() {
    let mut broker = Broker::start();
    let node = Node::connected(config(&broker.url(), "restored"));
    let many: Vec<_> = (0..500)
        .map(|number| node.subscribe(&format!("many/{number}")))
        .collect();
    let (gone, subscription) = node.subscribe("gone");
    node.flush();
    broker.kill();
    eventually("it is noticed", || !node.link.status().connected);
    // What changes meanwhile counts.
    drop(subscription);
    let (new, _new) = node.subscribe("new/#");
    broker.restart();
    node.await_connected();
    node.flush();
    let peer = Peer::connect(broker.port(), &[]);
    for number in 0..500 {
        peer.publish(&format!("many/{number}"), "again");
    }
    peer.publish("gone", "no");
    peer.publish("new/a", "yes");
    assert_eq!(new.texts(1), ["yes"]);
    for (inbox, _) in &many {
        assert_eq!(inbox.texts(1), ["again"]);
    }
    assert!(gone.texts(0).is_empty());
    assert_eq!(node.link.counters().connects, 2);
}

#[test]
fn a_broker_that_hangs_is_noticed() {
    let broker = Broker::start();
    let mut config = config(&broker.url(), "hangs");
    config.keep_alive = Duration::from_millis(100);
    config.connect_timeout = Duration::from_millis(100);
    let node = Node::connected(config);
    broker.freeze();
    let why = node.await_failure();
    assert!(why.contains("has not answered for 0.1 s"), "{why}");
    let why = node.await_failure();
    assert!(why.contains("no answer within 0.1 s"), "{why}");
    broker.thaw();
    node.await_connected();
}

/// By pings: the broker ends a connection that is silent for 1.5 of these times.
#[test]
fn an_idle_connection_is_kept() {
    let broker = Broker::start();
    let mut config = config(&broker.url(), "idle");
    config.keep_alive = Duration::from_secs(1);
    let node = Node::connected(config);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(node.link.status().connected);
    assert_eq!(node.link.counters().connects, 1);
}

#[test]
fn a_subscriber_that_panics_does_not_end_the_link() {
    struct Panics;
    impl arena_runtime::pubsub::Subscriber for Panics {
        fn deliver(&self, _: &arena_runtime::pubsub::Message) {
            panic!("this one is a test of panics");
        }
    }
    let broker = Broker::start();
    let node = Node::connected(config(&broker.url(), "panics"));
    let (inbox, _subscription) = node.subscribe("good");
    let filter = arena_runtime::pubsub::Filter::new("bad").unwrap();
    let bad = node
        .router
        .subscribe(filter, Qos::AtMostOnce, std::sync::Arc::new(Panics));
    node.flush();
    let peer = Peer::connect(broker.port(), &[]);
    peer.publish("bad", "x");
    let why = node.await_failure();
    assert!(why.contains("a fault in the program"), "{why}");
    node.await_connected();
    drop(bad);
    node.flush();
    peer.publish("good", "still here");
    assert_eq!(inbox.texts(1), ["still here"]);
}

/// Only a process that is gone leaves a will: this one runs again as a child, and is killed.
#[test]
fn the_will_of_a_killed_process() {
    const URL: &str = "ARENA_TEST_WILL";
    if let Ok(url) = std::env::var(URL) {
        let mut config = config(&url, "killed");
        config.will = Some(message("will", "gone", Qos::AtLeastOnce));
        let node = Node::connected(config);
        node.publish("alive", "yes", Qos::AtLeastOnce);
        loop {
            std::thread::sleep(PATIENCE);
        }
    }
    let broker = Broker::start();
    let peer = Peer::connect(broker.port(), &["will", "alive"]);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "outages::the_will_of_a_killed_process"])
        .env(URL, broker.url())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(peer.next().0, "alive");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(peer.next(), ("will".to_owned(), b"gone".to_vec()));
}
