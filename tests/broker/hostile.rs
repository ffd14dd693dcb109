//! Bytes that are no MQTT, and clients that want to harm.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use arena_runtime::pubsub::Qos;

use crate::arena_broker::ArenaBroker;
use crate::harness::{Node, config};
use crate::mosquitto::{PATIENCE, Peer, eventually};

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends it, and waits until the broker ends the connection.
fn is_thrown_out(port: u16, bytes: &[u8]) {
    let mut stream = connect(port);
    // It may be closed in the middle.
    let _ = stream.write_all(bytes);
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

/// A CONNECT packet of MQTT 3.1.1.
fn hello(client_id: &str) -> Vec<u8> {
    let id = u8::try_from(client_id.len()).unwrap();
    let mut packet = vec![
        0x10,
        12 + id,
        0,
        4,
        b'M',
        b'Q',
        b'T',
        b'T',
        4,
        2,
        0,
        60,
        0,
        id,
    ];
    packet.extend(client_id.bytes());
    packet
}

/// An echo through the broker, by clients that do nothing wrong.
struct Neighbours {
    node: Node,
    peer: Peer,
}

impl Neighbours {
    fn new(broker: &ArenaBroker) -> Neighbours {
        let node = Node::connected(config(&broker.url(), "neighbour"));
        node.flush();
        let peer = Peer::connect(broker.port(), &["neighbour/#"]);
        Neighbours { node, peer }
    }

    fn are_well(&self) {
        self.node
            .publish("neighbour/a", "still here", Qos::AtLeastOnce);
        self.node.flush();
        assert_eq!(self.peer.text(), "still here");
    }
}

#[test]
fn garbage() {
    let broker = ArenaBroker::with(["--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0"]);
    let neighbours = Neighbours::new(&broker);
    let tcp = broker.port();
    let after_hello = |bytes: &[u8]| [&hello("hostile"), bytes].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0],
        vec![0; 1000],
        vec![0xff; 100_000],
        vec![0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        // 256 MiB are announced.
        vec![0x10, 0xff, 0xff, 0xff, 0x7f],
        // CONNECT of another protocol, of none, with a length that is a lie.
        vec![0x10, 12, 0, 4, b'H', b'T', b'T', b'P', 4, 2, 0, 60, 0, 0],
        vec![0x10, 0],
        vec![
            0x10, 12, 0xff, 0xff, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0,
        ],
        vec![0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 99, 2, 0, 60, 0, 0],
        // Two of them; a type that there is not; a length without end.
        after_hello(&hello("hostile")),
        after_hello(&[0x00, 0]),
        after_hello(&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff]),
        // PUBLISH without a topic, with a wildcard, with bytes that are no text.
        after_hello(&[0x30, 2, 0, 0]),
        after_hello(&[0x30, 3, 0, 1, b'#']),
        after_hello(&[0x30, 3, 0, 1, 0xff]),
        after_hello(&[0x30, 3, 0xff, 0xff, b'a']),
        after_hello(&[0x36, 5, 0, 1, b'a', 0, 0]),
        // SUBSCRIBE to nothing.
        after_hello(&[0x82, 2, 0, 1]),
    ] {
        is_thrown_out(tcp, &bytes);
    }
    let ws = broker.port_of("ws");
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"POST /mqtt HTTP/1.1\r\n\r\n".to_vec(),
        hello("hostile"),
        [b"GET / HTTP/1.1\r\na: ".to_vec(), vec![b'a'; 1 << 20]].concat(),
    ] {
        is_thrown_out(ws, &bytes);
    }
    neighbours.are_well();
}

/// Every beginning of packets that are good, and every one with a byte changed.
#[test]
fn packets_that_break_off() {
    let broker = ArenaBroker::start();
    let neighbours = Neighbours::new(&broker);
    let mut packets = hello("hostile-1");
    packets.extend([0x82, 6, 0, 1, 0, 1, b'a', 0]);
    packets.extend([0x32, 8, 0, 1, b'a', 0, 2, b'x', b'y', b'z']);
    packets.extend([0xc0, 0]);
    packets.extend([0xe0, 0]);
    for end in 0..packets.len() {
        let mut stream = connect(broker.port());
        stream.write_all(&packets[..end]).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    for place in 0..packets.len() {
        for bits in [0x01, 0x10, 0x80, 0xff] {
            let mut changed = packets.clone();
            changed[place] ^= bits;
            let mut stream = connect(broker.port());
            let _ = stream.write_all(&changed);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    neighbours.are_well();
}

/// Connections that say little, and large packets that never come, take neither memory nor time
/// of others.
#[test]
fn slow_clients() {
    let broker = ArenaBroker::with(["--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0"]);
    let neighbours = Neighbours::new(&broker);
    neighbours.are_well();
    let (before, files) = (broker.rss(), broker.open_files());
    let mut slow = Vec::new();
    for number in 0..300 {
        let (port, bytes) = match number % 4 {
            0 => (broker.port(), vec![]),
            1 => (broker.port(), vec![0x10, 0x80, 0x80, 0x10, 0]),
            2 => (
                broker.port_of("ws"),
                b"GET /mqtt HTTP/1.1\r\nHost: a".to_vec(),
            ),
            // Let in, and then 256 MiB are announced.
            _ => {
                let id = format!("slow-{number}");
                (
                    broker.port(),
                    [&hello(&id)[..], &[0x30, 0xf0, 0xff, 0xff, 0x7f, 0]].concat(),
                )
            }
        };
        let mut stream = connect(port);
        stream.write_all(&bytes).unwrap();
        slow.push(stream);
    }
    eventually("the connections", || broker.open_files() >= files + 300);
    neighbours.are_well();
    // WebSocket and TCP are served while the others say nothing.
    Node::connected(config(&broker.url_of("ws"), "another"));
    let grown = broker.rss().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    for stream in &mut slow {
        let _ = stream.write_all(&[0]);
    }
    neighbours.are_well();
    // Those who are not let in within ten seconds are thrown out: 225 of them.
    eventually("the end of those who say nothing", || {
        broker.open_files() < files + 100
    });
    drop(slow);
    eventually("the end of all", || broker.open_files() <= files);
    neighbours.are_well();
}

/// Somebody subscribes and does not read.
#[test]
fn a_client_that_does_not_read() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let broker = ArenaBroker::with([
            "--listen",
            "127.0.0.1:0",
            "--set",
            "mqtt_server.queue_messages=200",
            "--set",
            "mqtt_server.queue_bytes=1MiB",
        ]);
        let neighbours = Neighbours::new(&broker);
        let mut deaf = connect(broker.port());
        let mut bytes = hello("deaf");
        bytes.extend([0x82, 6, 0, 1, 0, 1, b'#', u8::from(qos == Qos::AtLeastOnce)]);
        deaf.write_all(&bytes).unwrap();
        let before = broker.rss();
        // 100 MB for somebody who has room for 200 messages.
        for _ in 0..10 {
            for _ in 0..1000 {
                neighbours.node.publish("flood", vec![b'x'; 10_000], qos);
            }
            neighbours.are_well();
        }
        let grown = broker.rss().saturating_sub(before);
        assert!(grown < 48 << 20, "{qos:?}: {grown} bytes more");
    }
}

/// A packet over the limit ends the connection that sends it.
#[test]
fn packets_over_the_limit() {
    let broker = ArenaBroker::with(["--listen", "127.0.0.1:0", "--max-packet", "1MiB"]);
    let neighbours = Neighbours::new(&broker);
    is_thrown_out(
        broker.port(),
        &[&hello("large")[..], &[0x30, 0x81, 0x80, 0x40, 0, 1, b'a']].concat(),
    );
    neighbours
        .node
        .publish("neighbour/large", vec![b'x'; 1 << 20], Qos::AtMostOnce);
    neighbours.node.await_failure();
    neighbours.node.await_connected();
    neighbours.are_well();
}

/// What large messages take is given back when those have gone who sent and received them. (As
/// long as they are there, the crate keeps a buffer for the largest.)
#[test]
fn large_messages_leave_nothing() {
    let broker = ArenaBroker::start();
    let neighbours = Neighbours::new(&broker);
    neighbours.are_well();
    let before = broker.rss();
    let sender = Node::connected(config(&broker.url(), "sender"));
    let receiver = Peer::connect(broker.port(), &["large"]);
    for _ in 0..5 {
        sender.publish("large", vec![b'x'; 50 << 20], Qos::AtLeastOnce);
        sender.flush();
        assert_eq!(receiver.next().1.len(), 50 << 20);
    }
    drop(sender);
    receiver.disconnect();
    eventually("the memory back", || {
        broker.rss().saturating_sub(before) < 32 << 20
    });
    neighbours.are_well();
}
