//! Our own broker beside Mosquitto: `cargo bench --bench broker`.
//!
//! How long it takes from the start of the program until a client can connect, what it takes when
//! nobody does anything, the round trip of a message to a client that answers it, and how many
//! messages go through. The clients are plain ones of rumqttc, the same for both, in this
//! process; both brokers run all the while and take turns. Nothing here asserts a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a measurement ends where its fixture does"
)]

#[path = "../tests/support/arena_broker.rs"]
mod arena_broker;
#[path = "../tests/support/mosquitto.rs"]
mod mosquitto;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};

use arena_broker::ArenaBroker;
use mosquitto::{Broker, free_port};

fn main() {
    start();
    let (ours, theirs) = (
        ArenaBroker::with(["--listen", "127.0.0.1:0", "--log-level", "off"]),
        Broker::start(),
    );
    // What a start leaves to be done.
    std::thread::sleep(Duration::from_secs(1));
    println!(
        "idle: {:.1} MB resident, {} threads; Mosquitto {:.1} MB, {}",
        rss(ours.pid()),
        threads(ours.pid()),
        rss(theirs.pid()),
        threads(theirs.pid())
    );
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        echo(ours.port(), theirs.port(), qos);
        stream(ours.port(), theirs.port(), qos);
    }
    println!(
        "after that: {:.1} MB; Mosquitto {:.1} MB",
        rss(ours.pid()),
        rss(theirs.pid())
    );
}

fn of_status(pid: u32, what: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn rss(pid: u32) -> f64 {
    of_status(pid, "VmRSS:") * 1024.0 / 1e6
}

fn threads(pid: u32) -> f64 {
    of_status(pid, "Threads:")
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// From the program's start until a connection is accepted.
fn start() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = address.to_string();
        let begin = Instant::now();
        let dir = tempfile::tempdir().unwrap();
        let mut child = ArenaBroker::arena(dir.path())
            .args(["broker", "--log-level", "off", "--listen", &listen])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_micros(50));
        }
        times.push(begin.elapsed());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!(
        "start: accepts after a median of {:.1} ms",
        median(&mut times) / 1e3
    );
}

/// A client with nothing around it.
struct Plain {
    client: Client,
    connection: Connection,
}

impl Plain {
    fn connect(port: u16, filter: &str, qos: QoS) -> Plain {
        let id = format!("plain-{}", uuid::Uuid::new_v4());
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_inflight(1000);
        let (client, mut connection) = Client::new(options, 1000);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        connection.eventloop.set_network_options(network);
        client.subscribe(filter, qos).unwrap();
        let mut plain = Plain { client, connection };
        while !matches!(plain.event().unwrap(), Event::Incoming(Packet::SubAck(_))) {}
        plain
    }

    /// None when the connection has ended.
    fn event(&mut self) -> Option<Event> {
        self.connection.recv().ok()?.ok()
    }

    fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Event::Incoming(Packet::Publish(message)) = self.event()? {
                return Some(message.payload.to_vec());
            }
        }
    }
}

const SIZE: usize = 200;

/// Two clients, one of which answers the other.
struct Pair {
    asks: Plain,
    ping: String,
    times: Vec<Duration>,
}

impl Pair {
    fn new(port: u16, qos: QoS) -> Pair {
        // Those of another QoS stay where they are.
        let (ping, pong) = (format!("ping/{qos:?}"), format!("pong/{qos:?}"));
        let mut answers = Plain::connect(port, &ping, qos);
        let asks = Plain::connect(port, &pong, qos);
        std::thread::spawn(move || {
            while let Some(payload) = answers.message() {
                answers.client.publish(&pong, qos, false, payload).unwrap();
            }
        });
        Pair {
            asks,
            ping,
            times: Vec::new(),
        }
    }

    fn round(&mut self, qos: QoS, warm: bool) {
        let begin = Instant::now();
        self.asks
            .client
            .publish(&self.ping, qos, false, [b'x'; SIZE])
            .unwrap();
        self.asks.message().unwrap();
        if warm {
            self.times.push(begin.elapsed());
        }
    }
}

fn echo(ours: u16, theirs: u16, qos: QoS) {
    let mut pairs = [Pair::new(ours, qos), Pair::new(theirs, qos)];
    for number in 0..2200 {
        for pair in &mut pairs {
            pair.round(qos, number >= 200);
        }
    }
    let [ours, theirs] = pairs.map(|mut pair| median(&mut pair.times));
    println!(
        "echo of {SIZE} bytes, {qos:?}: median {ours:.0} µs; by Mosquitto {theirs:.0} µs ({:.2} times)",
        ours / theirs
    );
}

/// Messages from one client to another.
fn stream(ours: u16, theirs: u16, qos: QoS) {
    const COUNT: usize = 20_000;
    let mut rates = [Vec::new(), Vec::new()];
    let mut lost = [0, 0];
    for _ in 0..5 {
        for ((port, rates), lost) in [ours, theirs].into_iter().zip(&mut rates).zip(&mut lost) {
            let mut receiver = Plain::connect(port, "stream", qos);
            let sender = Plain::connect(port, "nothing", qos);
            let begin = Instant::now();
            let Plain {
                client,
                mut connection,
            } = sender;
            let running =
                std::thread::spawn(
                    move || {
                        while connection.recv().is_ok_and(|event| event.is_ok()) {}
                    },
                );
            let sending = client.clone();
            let sent = std::thread::spawn(move || {
                for _ in 0..COUNT {
                    sending.publish("stream", qos, false, [b'x'; SIZE]).unwrap();
                }
            });
            let mut got = 0;
            let mut last = Instant::now();
            // Those who are too slow for a stream of QoS 0 do not get all of it.
            while got < COUNT
                && let Ok(event) = receiver.connection.recv_timeout(Duration::from_secs(2))
            {
                if let Event::Incoming(Packet::Publish(_)) = event.unwrap() {
                    (got, last) = (got + 1, Instant::now());
                }
            }
            *lost += COUNT - got;
            rates.push((last - begin).mul_f64(COUNT as f64 / got as f64));
            sent.join().unwrap();
            client.disconnect().unwrap();
            running.join().unwrap();
        }
    }
    let [ours, theirs] = rates.map(|mut rates| COUNT as f64 / median(&mut rates) * 1e3);
    println!(
        "stream of {COUNT} times {SIZE} bytes, {qos:?}: {ours:.0} thousand a second; by Mosquitto {theirs:.0}; lost: {lost:?}"
    );
}
