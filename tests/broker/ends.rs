//! Starts that fail, and ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use arena_runtime::broker::{Broker, BrokerConfig, BrokerError};
use arena_runtime::pubsub::Qos;
use nix::sys::signal::Signal;
use rumqttc::{LastWill, QoS};

use crate::arena_broker::{ArenaBroker, run};
use crate::harness::{Node, config};
use crate::mosquitto::{PATIENCE, Peer, eventually};

fn on_any_port() -> BrokerConfig {
    BrokerConfig {
        listen: Some(([127, 0, 0, 1], 0).into()),
        ..BrokerConfig::default()
    }
}

#[test]
fn it_ends_in_good_order_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut broker = ArenaBroker::with(["--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0"]);
        let node = Node::connected(config(&broker.url(), "node"));
        let (inbox, _subscription) = node.subscribe("a");
        node.publish("a", "1", Qos::AtLeastOnce);
        node.flush();
        assert_eq!(inbox.texts(1), ["1"]);
        // These do not hold it up: nothing said, half of a handshake, half of a packet.
        let silent = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
        let mut half = TcpStream::connect(("127.0.0.1", broker.port_of("ws"))).unwrap();
        half.write_all(b"GET /mqtt HTTP/1.1\r\n").unwrap();
        let mut part = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
        part.write_all(&[0x10, 20, 0, 4]).unwrap();
        let files: Vec<_> = std::fs::read_dir(broker.dir()).unwrap().collect();
        assert!(files.is_empty(), "{files:?}");
        if signal == Signal::SIGTERM {
            assert!(broker.stop().success());
        } else {
            broker.signal(signal);
            eventually("the end", || {
                TcpStream::connect(("127.0.0.1", broker.port())).is_err()
            });
        }
        node.await_failure();
        for mut stream in [silent, half, part] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // The end, or a reset.
            let _ = stream.read_to_end(&mut Vec::new());
        }
        broker.kill();
        // The ports are free again.
        broker.restart();
        node.await_connected();
        node.publish("a", "2", Qos::AtLeastOnce);
        assert_eq!(inbox.texts(2), ["1", "2"]);
    }
}

/// Its clients are still there when it ends.
#[test]
fn it_publishes_no_wills_when_it_ends() {
    let mut broker = ArenaBroker::start();
    // Which of them would still hear of one is a matter of chance.
    let observers: Vec<_> = (0..10)
        .map(|_| Peer::connect(broker.port(), &["will/#"]))
        .collect();
    let with_will = |name: &str| {
        let will = LastWill::new(format!("will/{name}"), "gone", QoS::AtMostOnce, false);
        Peer::with(broker.port(), &[], |options| {
            options.set_last_will(will);
        })
    };
    let clients: Vec<_> = (0..20).map(|n| with_will(&n.to_string())).collect();
    // One that goes on by itself, so that there would be some.
    let mut lost = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
    lost.write_all(b"\x10\x1a\x00\x04MQTT\x04\x06\x00\x00\x00\x01z\x00\x09will/lost\x00\x00")
        .unwrap();
    lost.read_exact(&mut [0; 4]).unwrap();
    drop(lost);
    for observer in &observers {
        assert_eq!(observer.next().0, "will/lost");
    }
    assert!(broker.stop().success());
    for observer in observers {
        let rest = observer.rest();
        assert!(rest.is_empty(), "{rest:?}");
    }
    drop(clients);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    for args in [
        vec!["--listen", &address],
        vec!["--listen", "127.0.0.1:0", "--ws", &address],
    ] {
        let mut command = ArenaBroker::arena(dir.path());
        let (status, out, err) = run(command.arg("broker").args(args), b"");
        assert_eq!(status.code(), Some(3), "{err}");
        assert_eq!(out, "");
        let expected =
            format!("arena: cannot listen on {address}: another program listens there already\n");
        assert_eq!(err, expected);
    }
}

#[test]
fn settings_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter"), "Dear Ada,\n").unwrap();
    for (args, code, says) in [
        (
            vec!["--tls-listen", "127.0.0.1:0"],
            2,
            "mqtt_server.tls_cert",
        ),
        (vec!["--tls-key", "key.pem"], 2, "mqtt_server.tls_cert"),
        (vec!["--listen", "localhost"], 2, "an address and a port"),
        (vec!["--max-packet", "1GiB"], 2, "256MiB"),
        (vec!["--listen", ""], 2, "set mqtt_server.listen"),
        (
            vec!["--password-file", "nowhere"],
            2,
            "mqtt_server.password_file: ",
        ),
        (vec!["--password-file", "letter"], 2, "line 1"),
        (vec!["--acl", "letter"], 2, "line 1"),
    ] {
        let mut command = ArenaBroker::arena(dir.path());
        let (status, _, err) = run(command.arg("broker").args(&args), b"");
        assert_eq!(status.code(), Some(code), "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
}

/// As the rest of the program uses it.
#[test]
fn it_is_started_and_stopped_within_a_process() {
    let broker = Broker::start(on_any_port()).unwrap();
    let address = broker.addresses().tcp.unwrap();
    assert_eq!(broker.addresses().urls(), [format!("mqtt://{address}")]);
    let again = Broker::start(BrokerConfig {
        listen: Some(address),
        ..BrokerConfig::default()
    });
    assert!(matches!(again, Err(BrokerError::Bind { .. })), "{again:?}");
    let peer = Peer::connect(address.port(), &["a"]);
    peer.publish("a", "1");
    assert_eq!(peer.text(), "1");
    assert!(broker.stop(PATIENCE));
    peer.disconnect();
    let broker = Broker::start(BrokerConfig {
        listen: Some(address),
        ..BrokerConfig::default()
    });
    drop(broker.unwrap());
    assert!(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err());
    let none = Broker::start(BrokerConfig {
        listen: None,
        ..BrokerConfig::default()
    });
    assert!(matches!(none, Err(BrokerError::NoAddress)));
}
