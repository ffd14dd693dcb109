//! Messages over a connection that holds.

use std::time::Duration;

use arena_runtime::pubsub::{Protocol, PublishError, Qos};

use crate::harness::{Node, config, message};
use crate::mosquitto::{Broker, PATIENCE, Peer, Setup, eventually};

const PROTOCOLS: [Protocol; 2] = [Protocol::Mqtt311, Protocol::Mqtt5];

#[test]
fn messages_go_both_ways() {
    let broker = Broker::start();
    for protocol in PROTOCOLS {
        let mut config = config(&broker.url(), "both-ways");
        config.protocol = protocol;
        let node = Node::connected(config);
        let (inbox, _subscription) = node.subscribe("in/+");
        node.flush();
        let peer = Peer::connect(broker.port(), &["out/#"]);
        // Qualities keep their order each, but may overtake each other in the broker.
        for (topic, qos) in [("out/0", Qos::AtMostOnce), ("out/1", Qos::AtLeastOnce)] {
            for number in 0..500 {
                node.publish(topic, number.to_string(), qos);
                peer.publish("in/a", number.to_string());
            }
            for number in 0..500 {
                assert_eq!(
                    peer.next(),
                    (topic.to_owned(), number.to_string().into_bytes())
                );
            }
        }
        let expected: Vec<String> = (0..1000).map(|number| (number % 500).to_string()).collect();
        assert_eq!(inbox.texts(1000), expected);
        node.flush();
        let counters = node.link.counters();
        assert_eq!((counters.sent, counters.acknowledged), (1000, 500));
        assert_eq!((counters.received, counters.queued), (1000, 0));
        assert!(node.link.close(PATIENCE));
    }
}

/// MQTT 3.1.1 sends our own messages back, MQTT 5 does not; nobody sees a difference.
#[test]
fn own_messages_are_delivered_once() {
    let broker = Broker::start();
    for protocol in PROTOCOLS {
        let mut config = config(&broker.url(), "own");
        config.protocol = protocol;
        let node = Node::connected(config);
        let (inbox, _subscription) = node.subscribe("own/#");
        let (other, _other_subscription) = node.subscribe("+/x");
        node.flush();
        for number in 0..200 {
            node.publish("own/x", number.to_string(), Qos::AtLeastOnce);
        }
        node.flush();
        let peer = Peer::connect(broker.port(), &[]);
        peer.publish("own/x", "last");
        let mut expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        expected.push("last".to_owned());
        assert_eq!(inbox.texts(201), expected);
        assert_eq!(other.texts(201), expected);
        let received = node.link.counters().received;
        match protocol {
            Protocol::Mqtt311 => assert!(received > 200, "{received}"),
            Protocol::Mqtt5 => assert!(received <= 2, "{received}"),
        }
    }
}

/// Large messages pass in both directions, and what they took is given back. This runs again as a
/// child, whose memory is its own.
#[test]
fn large_messages_and_their_memory() {
    const URL: &str = "ARENA_TEST_LARGE";
    const SIZE: usize = 64 << 20;
    if let Ok(url) = std::env::var(URL) {
        let node = Node::connected(config(&url, "large"));
        let (inbox, _subscription) = node.subscribe("down");
        node.flush();
        let before = resident();
        node.publish("up", "ready", Qos::AtLeastOnce);
        assert_eq!(inbox.sizes(1), [SIZE]);
        inbox.clear();
        eventually("the memory is given back", || resident() < before + 4096);
        node.publish("up", vec![b'u'; SIZE], Qos::AtLeastOnce);
        node.flush();
        eventually("the memory is given back", || resident() < before + 4096);
        node.publish("up", "done", Qos::AtLeastOnce);
        // The link still works. Then the child ends, with success.
        assert_eq!(inbox.texts(1), ["small"]);
        return;
    }
    let broker = Broker::start();
    let peer = Peer::connect(broker.port(), &["up"]);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "traffic::large_messages_and_their_memory"])
        .env(URL, broker.url())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(peer.text(), "ready");
    peer.publish("down", vec![b'd'; SIZE]);
    assert_eq!(peer.next().1.len(), SIZE);
    assert_eq!(peer.text(), "done");
    peer.publish("down", "small");
    assert!(child.wait().unwrap().success());
}

/// What of this process is in memory, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn unsubscribed_messages_do_not_come() {
    let broker = Broker::start();
    let node = Node::connected(config(&broker.url(), "unsubscribed"));
    let (gone, subscription) = node.subscribe("gone");
    let (inbox, _subscription) = node.subscribe("here");
    node.flush();
    let peer = Peer::connect(broker.port(), &[]);
    drop(subscription);
    node.flush();
    // Mosquitto answers in order, so it has heard of both when this one is there.
    node.publish("here", "first", Qos::AtLeastOnce);
    node.flush();
    peer.publish("gone", "nobody wants this");
    peer.publish("here", "second");
    assert_eq!(inbox.texts(2), ["first", "second"]);
    assert!(gone.texts(0).is_empty());
}

/// Faster than a broker hears of it; what holds in the end counts.
#[test]
fn subscriptions_that_come_and_go() {
    let broker = Broker::start();
    for protocol in PROTOCOLS {
        let mut config = config(&broker.url(), "come-and-go");
        config.protocol = protocol;
        let node = Node::connected(config);
        let peer = Peer::connect(broker.port(), &[]);
        for number in 0..5000 {
            drop(node.subscribe("come"));
            drop(node.subscribe(&format!("go/{number}")));
        }
        let (inbox, _subscription) = node.subscribe("come");
        node.flush();
        peer.publish("go/4999", "no");
        peer.publish("come", "yes");
        assert_eq!(inbox.texts(1), ["yes"]);
        assert_eq!(node.link.counters().received, 1);
    }
}

#[test]
fn the_outbox_is_bounded() {
    let mut broker = Broker::absent(Setup::default());
    let mut config = config(&broker.url(), "bounded");
    config.outbox_bytes = 20_000;
    let node = Node::start(config);
    let publish = |number: u32, qos| {
        node.router
            .publish(message("seq", format!("{number:08}"), qos))
    };
    assert_eq!(publish(0, Qos::AtMostOnce), Err(PublishError::Offline));
    let kept = (0..)
        .take_while(|number| publish(*number, Qos::AtLeastOnce).is_ok())
        .count();
    // One who publishes more than others gets half of the room.
    assert!((50..100).contains(&kept), "{kept}");
    assert_eq!(publish(0, Qos::AtLeastOnce), Err(PublishError::AllFull));
    let large = message("seq", vec![0; 268_435_455], Qos::AtLeastOnce);
    assert_eq!(node.router.publish(large), Err(PublishError::TooLarge));
    let counters = node.link.counters();
    assert_eq!((counters.dropped_offline, counters.dropped_full), (1, 2));
    assert_eq!((counters.dropped_too_large, counters.queued), (1, kept));
    assert!(counters.queued_bytes <= 20_000);
    broker.restart();
    node.flush();
    assert_eq!(node.link.counters().acknowledged, kept as u64);
    assert_eq!(publish(0, Qos::AtLeastOnce), Ok(()));
}

/// More than the broker takes at once; publishers are not held up by it, nor is what arrives.
#[test]
fn a_flood_ends_well() {
    let broker = Broker::start();
    let node = Node::connected(config(&broker.url(), "flood"));
    let (inbox, _subscription) = node.subscribe("flood/in");
    node.flush();
    let peer = Peer::connect(broker.port(), &["flood/out"]);
    let router = node.router.clone();
    let flood = std::thread::spawn(move || {
        let mut full = 0;
        for number in 0..50_000_u32 {
            let message = message("flood/out", number.to_string(), Qos::AtLeastOnce);
            while router.publish(message.clone()) == Err(PublishError::Full) {
                full += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        full
    });
    for number in 0..1000 {
        peer.publish("flood/in", number.to_string());
    }
    for number in 0..50_000_u32 {
        assert_eq!(peer.text(), number.to_string());
    }
    assert_eq!(inbox.texts(1000).len(), 1000);
    let full = flood.join().expect("it ends");
    assert_eq!(node.link.counters().dropped_full, full);
}

#[test]
fn closing_delivers_and_leaves_no_will() {
    let broker = Broker::start();
    let peer = Peer::connect(broker.port(), &["will", "last"]);
    let mut config = config(&broker.url(), "closing");
    config.will = Some(message("will", "gone", Qos::AtLeastOnce));
    let node = Node::connected(config.clone());
    for number in 0..500 {
        node.publish("last", number.to_string(), Qos::AtLeastOnce);
    }
    assert!(node.link.close(PATIENCE));
    for number in 0..500 {
        assert_eq!(
            peer.next(),
            ("last".to_owned(), number.to_string().into_bytes())
        );
    }
    // Without a word: then there is one, and it is the first.
    drop(Node::connected(config));
    assert_eq!(peer.next(), ("will".to_owned(), b"gone".to_vec()));
    assert_eq!(peer.try_next(), None);
}

#[test]
fn closing_does_not_wait_for_a_broker_for_ever() {
    let broker = Broker::absent(Setup::default());
    let node = Node::start(config(&broker.url(), "close-1"));
    assert!(node.link.close(PATIENCE), "there was nothing to deliver");
    let node = Node::start(config(&broker.url(), "close-2"));
    node.publish("a", "b", Qos::AtLeastOnce);
    assert!(!node.link.close(Duration::from_millis(50)));
    let broker = Broker::start();
    let node = Node::connected(config(&broker.url(), "close-3"));
    broker.freeze();
    node.publish("a", "b", Qos::AtLeastOnce);
    assert!(!node.link.close(Duration::from_millis(50)));
}

/// A broker may take less than MQTT allows, and ends the connection over more.
#[test]
fn a_message_that_the_broker_does_not_take_is_given_up() {
    let broker = Broker::with(Setup {
        more: "message_size_limit 1000\n".to_owned(),
        ..Setup::default()
    });
    for protocol in PROTOCOLS {
        let mut config = config(&broker.url(), "given-up");
        config.protocol = protocol;
        let node = Node::connected(config);
        let peer = Peer::connect(broker.port(), &["a"]);
        node.publish("a", vec![0; 2000], Qos::AtLeastOnce);
        node.publish("a", "next", Qos::AtLeastOnce);
        node.flush();
        assert_eq!(peer.text(), "next");
        eventually("the count", || {
            let counters = node.link.counters();
            counters.dropped_refused + counters.dropped_too_large <= 1 && counters.queued == 0
        });
    }
}
