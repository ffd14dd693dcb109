//! A module that echoes, and what it costs it to have neighbours that mean harm.
//!
//! For a test and a benchmark: `#[path = "../support/neighbour.rs"] mod neighbour;`

use std::time::{Duration, Instant};

use rumqttc::{Event, MqttOptions, Packet, QoS};
use serde_json::json;

use crate::client::{Arts, Client, PATIENCE};
use crate::mosquitto::Broker;
use crate::runtime::{Realm, Runtime, wait_until};

/// A module that crashes is there again at once. Each gets what it asks for, as far as there is
/// any limit to set.
const SETTINGS: &str = "[log]\nlevel = \"error\"\n\
    [runtime]\nmax_modules = 100\ngrace_time = \"20ms\"\n\
    [limits]\nchannels = 100000\nmodule_memory = \"64MiB\"\n\
    [restart]\nbackoff_min = \"10ms\"\nbackoff_max = \"10ms\"\n";

/// Modules that mean harm, and what to call them.
#[derive(Clone)]
pub struct Hostile {
    pub name: &'static str,
    modules: Vec<(&'static str, Vec<&'static str>)>,
}

impl Hostile {
    fn one(name: &'static str, file: &'static str, args: &[&'static str]) -> Hostile {
        Hostile {
            name,
            modules: vec![(file, args.to_vec())],
        }
    }

    /// Whether these are all of them together: more that use a core than there are cores, so what
    /// a round trip takes is the scheduler's business.
    pub fn is_all(&self) -> bool {
        self.modules.len() > 2
    }

    /// Each kind, and then all of them together.
    pub fn all() -> Vec<Hostile> {
        let mut kinds = vec![
            Hostile::one("spins", "spin.wasm", &[]),
            Hostile::one("floods", "flood.wasm", &["realm/flood", "64"]),
            Hostile::one(
                "floods with 64 KiB",
                "flood.wasm",
                &["realm/flood", "65536"],
            ),
            Hostile {
                name: "never reads",
                modules: vec![
                    ("never_reads.wasm", vec!["realm/never-read"]),
                    ("flood.wasm", vec!["realm/never-read", "64"]),
                ],
            },
            Hostile::one("eats memory", "eat_memory.wasm", &[]),
            Hostile::one("recurses", "recurse.wasm", &[]),
            Hostile::one("passes bad pointers", "bad_pointers.wasm", &[]),
            Hostile::one(
                "opens 10,000 channels",
                "open_many.wasm",
                &["10000", "realm/many", "hold"],
            ),
            Hostile::one(
                "prints without end",
                "print_lines.wasm",
                &["18446744073709551615"],
            ),
        ];
        let modules = kinds.iter().flat_map(|kind| kind.modules.clone()).collect();
        kinds.push(Hostile {
            name: "all of them",
            modules,
        });
        kinds
    }
}

/// A realm with an echo in it, and a client that uses it.
pub struct Neighbourhood {
    pub realm: Realm,
    client: rumqttc::Client,
    connection: rumqttc::Connection,
    /// Of the next message.
    number: u64,
}

impl Neighbourhood {
    /// With this much room for what waits for the broker: a flood fills its share, which then has
    /// to go.
    pub fn start(outbox: &str) -> Neighbourhood {
        let broker = Broker::start();
        let arts = Arts::start(broker.port(), 1);
        let watching = Client::connect(broker.port());
        // Not what modules publish, which may be much.
        watching.subscribe("realm/proc/reg");
        watching.subscribe("realm/proc/control/#");
        let runtime = Runtime::start(
            broker.port(),
            &format!("{SETTINGS}[broker]\noutbox = \"{outbox}\"\n"),
        );
        let realm = Realm {
            runtime,
            arts,
            client: watching,
            broker,
        };
        realm.wait_registered();
        let id = uuid::Uuid::new_v4().to_string();
        let stdout = format!("realm/proc/debug/stdout/{id}");
        realm.client.subscribe(&stdout);
        realm.run(
            "echo.wasm",
            json!({"uuid": id, "args": ["realm/there", "realm/back"]}),
        );
        realm.client.wait_line(&id, "echoing");

        let mut options = MqttOptions::new("neighbour", "127.0.0.1", realm.broker.port());
        options.set_keep_alive(PATIENCE);
        options.set_inflight(1_000);
        let (client, mut connection) = rumqttc::Client::new(options, 1_000);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        connection.eventloop.set_network_options(network);
        client.subscribe("realm/back", QoS::AtLeastOnce).unwrap();
        let mut neighbourhood = Neighbourhood {
            realm,
            client,
            connection,
            number: 0,
        };
        while !matches!(neighbourhood.event(), Event::Incoming(Packet::SubAck(_))) {}
        // The first ones are cold.
        neighbourhood.round_trips(200);
        neighbourhood
    }

    fn event(&mut self) -> Event {
        self.connection
            .recv_timeout(PATIENCE)
            .expect("nothing is lost")
            .unwrap()
    }

    fn send(&self, number: u64) {
        self.client
            .try_publish(
                "realm/there",
                QoS::AtLeastOnce,
                false,
                number.to_le_bytes().to_vec(),
            )
            .unwrap();
    }

    fn receive(&mut self, expected: u64) {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = self.event() {
                let number = u64::from_le_bytes(publish.payload[..].try_into().unwrap());
                assert_eq!(number, expected, "in order and without loss");
                return;
            }
        }
    }

    /// One message after the other through the echo and back, and how long each took.
    pub fn round_trips(&mut self, count: usize) -> Vec<Duration> {
        (0..count)
            .map(|_| {
                let begin = Instant::now();
                self.send(self.number);
                self.receive(self.number);
                self.number += 1;
                begin.elapsed()
            })
            .collect()
    }

    /// So many messages, as many at a time as `window`: all come back, in their order.
    pub fn stream(&mut self, count: u64, window: u64) {
        let (end, mut sent) = (self.number + count, self.number);
        while self.number < end {
            while sent < end && sent - self.number < window {
                self.send(sent);
                sent += 1;
            }
            self.receive(self.number);
            self.number += 1;
        }
    }

    /// Lets them in; returns their uuids.
    pub fn admit(&self, hostile: &Hostile) -> Vec<String> {
        let run = |(file, args): &(&str, Vec<&str>)| {
            let more = json!({"args": args, "fault_crash": "restart"});
            self.realm.run(file, more)
        };
        hostile.modules.iter().map(run).collect()
    }

    /// Waits until what was published is with the broker.
    fn calm(&self) {
        wait_until("the node does nothing", || {
            let before = self.realm.runtime.cpu();
            std::thread::sleep(Duration::from_millis(100));
            self.realm.runtime.cpu() - before <= Duration::from_millis(10)
        });
    }

    /// Has them end, each with a report.
    pub fn expel(&self, uuids: &[String]) {
        for uuid in uuids {
            let answer = self.realm.delete(uuid);
            assert_eq!(answer["result"], "ok", "{answer}");
            assert_eq!(answer["details"]["uuid"], **uuid, "{answer}");
        }
        self.realm.client.forget();
    }

    /// Times of round trips without and with them, in turn, so that both meet the same machine.
    pub fn compare(&mut self, hostile: &Hostile, rounds: usize, count: usize) -> Compared {
        let (mut quiet, mut loaded) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            quiet.extend(self.round_trips(count));
            let uuids = self.admit(hostile);
            loaded.extend(self.round_trips(count));
            self.expel(&uuids);
            self.calm();
        }
        quiet.sort_unstable();
        loaded.sort_unstable();
        Compared { quiet, loaded }
    }
}

/// Times in their order.
pub struct Compared {
    quiet: Vec<Duration>,
    loaded: Vec<Duration>,
}

impl Compared {
    /// Medians without and with hostile modules.
    pub fn medians(&self) -> [Duration; 2] {
        [&self.quiet, &self.loaded].map(|times| times[times.len() / 2])
    }

    /// What 99 % are below.
    pub fn most(&self) -> [Duration; 2] {
        [&self.quiet, &self.loaded].map(|times| times[times.len() * 99 / 100])
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let [[quiet, loaded], [quiet_most, loaded_most]] =
            [self.medians(), self.most()].map(|times| times.map(micros));
        write!(
            f,
            "median {quiet:.0} µs quiet, {loaded:.0} µs beside it (ratio {:.2}); 99 % {quiet_most:.0} µs, {loaded_most:.0} µs",
            loaded / quiet
        )
    }
}
