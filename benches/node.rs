//! The node as its users meet it: `arena runtime` as a process, a real Mosquitto, and clients.
//!
//! `cargo bench --bench node [-- NAME…]` prints figures, for all of them or for those named:
//! start, echo, stream, modules, contained, waiting, idle. Nothing here asserts a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    unreachable_pub,
    dead_code,
    reason = "a measurement ends where its fixture does"
)]

#[path = "../tests/node/client.rs"]
mod client;
#[path = "../tests/support/mosquitto.rs"]
mod mosquitto;
#[path = "../tests/support/neighbour.rs"]
mod neighbour;
#[path = "../tests/support/program.rs"]
mod program;
#[path = "../tests/node/runtime.rs"]
mod runtime;

use std::time::{Duration, Instant};

use rumqttc::{Event, MqttOptions, Packet, QoS};
use serde_json::json;

use runtime::Realm;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let [role, port] = args.as_slice()
        && role == "plain-echo"
    {
        return plain_echo(port.parse().expect("a port"));
    }
    let wanted = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    for (name, bench) in [
        ("start", start as fn()),
        ("echo", echo),
        ("stream", stream),
        ("modules", modules),
        ("contained", contained),
        ("waiting", waiting),
        ("idle", idle),
    ] {
        if wanted(name) {
            bench();
        }
    }
}

/// Quiet settings: what is measured is the node, not its log.
const SETTINGS: &str = "[log]\nlevel = \"warn\"\n";

/// A realm whose client sees the control messages alone: what modules say to each other is not to
/// be sent to one more. With as many keepalives as there are by default.
fn start_realm(settings: &str) -> Realm {
    Realm::watched(settings, "realm/proc/#", 5)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}

/// From the create message to the module's first line, and to its exit report.
fn start() {
    let realm = start_realm(SETTINGS);
    let wasm = std::fs::metadata(realm.runtime.apps().join("hello.wasm"))
        .expect("hello.wasm")
        .len();
    let (mut first, mut exit) = (Vec::new(), Vec::new());
    for round in 0..210 {
        realm.client.forget();
        let id = uuid::Uuid::new_v4().to_string();
        let begin = Instant::now();
        realm.client.send(
            &realm.control(),
            "create",
            json!({"type": "module", "uuid": id, "filename": "hello.wasm"}),
        );
        let line = realm.client.wait("a line", |got| {
            got.topic.ends_with(&id) && got.topic.contains("stdout")
        });
        let end = realm.client.wait("an exit", |got| {
            got.topic == "realm/proc/control" && got.json()["data"]["uuid"] == *id
        });
        // The first ones are cold.
        if round >= 10 {
            first.push(line.at - begin);
            exit.push(end.at - begin);
        }
    }
    println!(
        "start: create to the first line of a {wasm} byte module: median {}, 95 % {}; to its exit report: median {}",
        millis(median(&mut first)),
        millis(percentile(&first, 95)),
        millis(median(&mut exit))
    );
}

/// A client with nothing around it.
struct Plain {
    client: rumqttc::Client,
    connection: rumqttc::Connection,
}

impl Plain {
    fn connect(port: u16, filter: &str) -> Plain {
        let mut options =
            MqttOptions::new(format!("plain-{}", uuid::Uuid::new_v4()), "127.0.0.1", port);
        options.set_inflight(1_000);
        let (client, mut connection) = rumqttc::Client::new(options, 1_000);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        connection.eventloop.set_network_options(network);
        client
            .subscribe(filter, QoS::AtLeastOnce)
            .expect("a subscription");
        let mut plain = Plain { client, connection };
        while !matches!(plain.event(), Event::Incoming(Packet::SubAck(_))) {}
        plain
    }

    fn event(&mut self) -> Event {
        self.connection
            .recv()
            .expect("a connection")
            .expect("an event")
    }

    fn message(&mut self) -> rumqttc::Publish {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = self.event() {
                return publish;
            }
        }
    }

    fn send(&self, topic: &str, payload: Vec<u8>) {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .expect("room");
    }
}

/// The peer: sends each message of plain/a back on plain/b, and is a process of its own as the
/// node is.
fn plain_echo(port: u16) {
    let mut plain = Plain::connect(port, "plain/a");
    loop {
        let message = plain.message();
        plain.send("plain/b", message.payload.to_vec());
    }
}

fn round_trips(plain: &mut Plain, to: &str, count: usize) -> Vec<Duration> {
    (0..count)
        .map(|_| {
            let begin = Instant::now();
            plain.send(to, vec![b'x'; 64]);
            plain.message();
            begin.elapsed()
        })
        .collect()
}

/// A round trip through a module, beside the same through a plain client.
fn echo() {
    let realm = start_realm(SETTINGS);
    let port = realm.broker.port();
    realm.run("echo.wasm", json!({"args": ["realm/a", "realm/b"]}));
    let program = std::env::current_exe().expect("this program");
    let mut peer = std::process::Command::new(program)
        .args(["plain-echo", &port.to_string()])
        .spawn()
        .expect("the peer");
    let mut through_module = Plain::connect(port, "realm/b");
    let mut through_peer = Plain::connect(port, "plain/b");
    std::thread::sleep(Duration::from_millis(500));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // In turn, so that both meet the same machine.
    for round in 0..41 {
        let module = round_trips(&mut through_module, "realm/a", 100);
        let plain = round_trips(&mut through_peer, "plain/a", 100);
        if round > 0 {
            ours.extend(module);
            theirs.extend(plain);
        }
    }
    let _ = peer.kill();
    let _ = peer.wait();
    let (module, plain) = (median(&mut ours), median(&mut theirs));
    println!(
        "echo: client, module, client: median {}, 99 % {}; a plain client in its place: median {}, 99 % {}; ratio {:.2}",
        micros(module),
        micros(percentile(&ours, 99)),
        micros(plain),
        micros(percentile(&theirs, 99)),
        module.as_secs_f64() / plain.as_secs_f64()
    );
}

/// Many messages through one module, as fast as a window of 500 allows.
fn stream() {
    const COUNT: usize = 20_000;
    let realm = start_realm(SETTINGS);
    realm.run("echo.wasm", json!({"args": ["realm/a", "realm/b"]}));
    let mut plain = Plain::connect(realm.broker.port(), "realm/b");
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    let (mut sent, mut got) = (0, 0);
    while got < COUNT {
        while sent < COUNT && sent - got < 500 {
            let mut payload = vec![b'x'; 200];
            payload[..8].copy_from_slice(&(sent as u64).to_le_bytes());
            plain.send("realm/a", payload);
            sent += 1;
        }
        let message = plain.message();
        let number = u64::from_le_bytes(message.payload[..8].try_into().expect("a number"));
        assert_eq!(number, got as u64, "in order and without loss");
        got += 1;
    }
    let time = begin.elapsed();
    println!(
        "stream: {COUNT} messages of 200 bytes through one module and back, none lost: {:.2} s, {:.0} messages/s",
        time.as_secs_f64(),
        COUNT as f64 / time.as_secs_f64()
    );
}

/// From module to module of the same runtime: latency one at a time, then throughput.
fn modules() {
    for (what, count, window) in [
        ("one at a time", "50000", "1"),
        ("as fast as it goes", "2000000", "1000"),
    ] {
        let realm = start_realm(SETTINGS);
        let receiver = realm.run("receiver.wasm", json!({"args": [count, window]}));
        realm.run("sender.wasm", json!({"args": [count, window, "64"]}));
        realm.exit(&receiver);
        for line in realm.client.lines(&receiver) {
            println!("modules, {what}: {line}");
        }
    }
}

/// Round trips through a module beside others that mean harm.
fn contained() {
    let mut neighbourhood = neighbour::Neighbourhood::start("64MiB");
    for hostile in neighbour::Hostile::all() {
        let compared = neighbourhood.compare(&hostile, 5, if hostile.is_all() { 40 } else { 400 });
        println!(
            "contained: echo beside one that {}: {compared}",
            hostile.name
        );
    }
}

/// A thousand modules that wait for messages.
fn waiting() {
    const COUNT: u32 = 1_000;
    let realm = start_realm(&format!("{SETTINGS}[runtime]\nmax_modules = 0\n"));
    let before = realm.runtime.memory();
    let begin = Instant::now();
    for at in 0..COUNT {
        realm.run("wait.wasm", json!({"args": [format!("realm/wait/{at}")]}));
    }
    let all = begin.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let each = (realm.runtime.memory() - before) / u64::from(COUNT) / 1024;
    let (cpu, begin) = (realm.runtime.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let share = (realm.runtime.cpu() - cpu).as_secs_f64() / begin.elapsed().as_secs_f64();
    let mut more: Vec<_> = (0..21)
        .map(|_| {
            let begin = Instant::now();
            let id = realm.run("wait.wasm", json!({"args": ["realm/more"]}));
            let time = begin.elapsed();
            realm.delete(&id);
            time
        })
        .collect();
    println!(
        "waiting: {COUNT} modules in ch_poll: {each} KiB each, {:.2} % of a core over 10 s; all started in {:.1} s; one more in {} (median)",
        share * 100.0,
        all.as_secs_f64(),
        millis(median(&mut more))
    );
}

/// A node that does nothing.
fn idle() {
    let realm = start_realm(SETTINGS);
    std::thread::sleep(Duration::from_secs(5));
    let (cpu, begin) = (realm.runtime.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let share = (realm.runtime.cpu() - cpu).as_secs_f64() / begin.elapsed().as_secs_f64();
    println!(
        "idle: {:.1} MB resident, {:.2} % of a core over 10 s",
        realm.runtime.memory() as f64 / 1e6,
        share * 100.0
    );
}
