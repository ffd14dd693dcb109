//! The supervisor under load: `arena arts` as a process, a real Mosquitto, and a thousand runtimes
//! made of one client.
//!
//! `cargo bench --bench supervisor` prints figures. Nothing here asserts a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    reason = "a measurement ends where its fixture does"
)]

#[path = "../tests/supervisor/arts.rs"]
mod arts;
#[path = "../tests/node/client.rs"]
mod client;
#[path = "../tests/support/mosquitto.rs"]
mod mosquitto;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rumqttc::{Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use uuid::Uuid;

use arts::{Arts, CONTROL};

const RUNTIMES: usize = 1000;
const MODULES: usize = 10_000;
/// Creates in a second.
const RATE: u32 = 500;
/// How often the runtimes tell what they have.
const KEEPALIVE: Duration = Duration::from_secs(5);

fn main() {
    let broker = mosquitto::Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let settings = ["supervisor.keepalive_interval=5s", "log.level=warn"];
    let arts = Arts::start(dir.path(), broker.port(), &settings);
    let probe = client::Client::connect(broker.port());
    probe.subscribe(CONTROL);
    arts::wait_for_supervisor(&probe);
    drop(probe);

    let port = broker.port();
    let (registered, all_registered) = mpsc::channel();
    std::thread::spawn(move || fleet(port, &registered));
    let begin = Instant::now();
    all_registered.recv().expect("the fleet runs");
    println!(
        "{RUNTIMES} runtimes registered in {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    let before = arts.cpu();
    let begin = Instant::now();
    let mut times = creates(port);
    let wall = begin.elapsed();
    let cpu = arts.cpu() - before;
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!(
        "{} creates at {RATE}/s placed and answered: median {:.2} ms, 99 % {:.2} ms, worst {:.2} ms",
        times.len(),
        at(50).as_secs_f64() * 1e3,
        at(99).as_secs_f64() * 1e3,
        at(100).as_secs_f64() * 1e3,
    );
    println!(
        "the supervisor: {:.0} % of a core, RSS {:.1} MB",
        cpu.as_secs_f64() / wall.as_secs_f64() * 100.0,
        f64::from(u32::try_from(arts.memory() >> 10).unwrap_or(u32::MAX)) / 1024.0
    );
    // Two rounds of keepalives with all modules.
    let before = arts.cpu();
    std::thread::sleep(KEEPALIVE * 2);
    println!(
        "watching {RUNTIMES} runtimes with {MODULES} modules: {:.1} % of a core",
        (arts.cpu() - before).as_secs_f64() / (KEEPALIVE * 2).as_secs_f64() * 100.0
    );
    arts.stop();
}

fn connect(port: u16, filters: &[&str]) -> (rumqttc::Client, rumqttc::Connection) {
    let mut options = MqttOptions::new(format!("load-{}", Uuid::new_v4()), "127.0.0.1", port);
    options.set_max_packet_size(16 << 20, 16 << 20);
    options.set_inflight(1000);
    let (client, mut connection) = rumqttc::Client::new(options, 100_000);
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    connection.eventloop.set_network_options(network);
    for filter in filters {
        // A thousand runtimes have a connection each, so that no broker's limit of messages in
        // flight to one client counts for them all. With this quality there is none.
        client.subscribe(*filter, QoS::AtMostOnce).expect("it runs");
    }
    (client, connection)
}

/// The modules of each runtime.
type Placed = Arc<Mutex<HashMap<Uuid, Vec<String>>>>;

/// All runtimes: they register, send keepalives, and start whatever they are asked for.
fn fleet(port: u16, registered: &mpsc::Sender<()>) {
    let (client, mut connection) = connect(port, &["realm/proc/control/+", "realm/proc/reg"]);
    let runtimes: Vec<Uuid> = (0..RUNTIMES).map(|_| Uuid::new_v4()).collect();
    let placed = Placed::default();
    let mut waiting: HashSet<String> = HashSet::new();
    for event in connection.iter() {
        match event {
            // Of both subscriptions, one after the other.
            Ok(Event::Incoming(Packet::SubAck(_))) if waiting.is_empty() => {
                for uuid in &runtimes {
                    let id = Uuid::new_v4().to_string();
                    let message = json!({"object_id": id, "action": "create", "type": "arts_req",
                        "data": {"type": "runtime", "uuid": uuid, "name": format!("sim-{uuid}"),
                            "apis": "wasi:snapshot_preview1 wasi:unstable", "max_nmodules": 100,
                            "runtime_type": "simulated",
                            "platform": {"arch": "x86_64", "cores": 4, "memory": 4_u64 << 30}}});
                    waiting.insert(id);
                    publish(&client, "realm/proc/reg", &message);
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let message: Value = serde_json::from_slice(&publish.payload).unwrap();
                if message["type"] == "arts_resp" {
                    let id = message["object_id"].as_str().unwrap();
                    if waiting.remove(id) && waiting.is_empty() {
                        let (client, runtimes) = (client.clone(), runtimes.clone());
                        let placed = Arc::clone(&placed);
                        std::thread::spawn(move || keepalives(&client, &runtimes, &placed));
                        registered.send(()).expect("it is awaited");
                    }
                } else if publish.topic != "realm/proc/reg" {
                    let runtime = publish.topic.rsplit('/').next().unwrap();
                    let runtime = runtime.parse().unwrap();
                    let module = message["data"]["uuid"].as_str().unwrap().to_owned();
                    let mut placed = placed.lock().unwrap();
                    let modules = placed.entry(runtime).or_default();
                    modules.retain(|known| *known != module);
                    if message["action"] == "create" {
                        modules.push(module);
                    }
                    drop(placed);
                    let answer = json!({"object_id": message["object_id"], "type": "arts_resp",
                        "data": {"result": "ok", "details": message["data"]}});
                    self::publish(&client, &publish.topic, &answer);
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Keepalives of all runtimes, spread over the interval.
fn keepalives(client: &rumqttc::Client, runtimes: &[Uuid], placed: &Placed) {
    let begin = Instant::now();
    for number in 0.. {
        let due = begin + KEEPALIVE / u32::try_from(RUNTIMES).unwrap() * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let uuid = runtimes[usize::try_from(number).unwrap() % RUNTIMES];
        let children = placed.lock().unwrap().get(&uuid).cloned();
        let children = children.unwrap_or_default();
        let children = children.iter().map(|module| {
            json!({"uuid": module, "name": "m", "active": -1, "cpu_usage_percent": 0.5,
                "mem_usage": 65_536, "state": "running"})
        });
        let children: Vec<_> = children.collect();
        let message = json!({"object_id": Uuid::new_v4(), "action": "update", "type": "arts_req",
            "data": {"type": "runtime", "uuid": uuid, "name": format!("sim-{uuid}"),
                "apis": "wasi:snapshot_preview1 wasi:unstable", "max_nmodules": 100,
                "nmodules": children.len(), "children": children, "cpu_usage_percent": 3.0,
                "mem_usage": 10_000_000, "mem_available": 2_u64 << 30}});
        publish(client, "realm/proc/keepalive", &message);
    }
}

fn publish(client: &rumqttc::Client, topic: &str, message: &Value) {
    client
        .publish(topic, QoS::AtMostOnce, false, message.to_string())
        .expect("it runs");
}

/// Asks for modules at a steady rate; how long each took to be answered.
fn creates(port: u16) -> Vec<Duration> {
    let (client, mut connection) = connect(port, &[CONTROL]);
    let (ready, is_ready) = mpsc::channel();
    let (answered, answers) = mpsc::channel();
    std::thread::spawn(move || {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::SubAck(_))) => ready.send(()).expect("it is awaited"),
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let at = Instant::now();
                    let message: Value = serde_json::from_slice(&publish.payload).unwrap();
                    if message["type"] == "arts_resp" && answered.send((at, message)).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    is_ready.recv().expect("it connects");
    let mut asked = BTreeMap::new();
    let begin = Instant::now();
    for number in 0..MODULES {
        let due = begin + Duration::from_secs(1) / RATE * u32::try_from(number).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let id = Uuid::new_v4().to_string();
        let message = json!({"object_id": id, "action": "create", "type": "arts_req",
            "data": {"type": "module", "uuid": Uuid::new_v4(), "name": "load/m",
                "filename": "m.wasm", "args": ["a", "b"], "env": ["A=b"],
                "channels": [{"path": "/ch/a", "type": "pubsub", "mode": "rw", "params": {"topic": "a/b"}}]}});
        asked.insert(id, Instant::now());
        publish(&client, CONTROL, &message);
    }
    let mut times = Vec::new();
    while times.len() < MODULES {
        let (at, message) = answers
            .recv_timeout(Duration::from_secs(30))
            .expect("all are answered");
        assert_eq!(message["data"]["result"], "ok", "{message}");
        let id = message["object_id"].as_str().unwrap();
        if let Some(sent) = asked.get(id) {
            times.push(at - *sent);
        }
    }
    times
}
