//! Two modules that exchange messages without a pause, and somebody who gets those that leave the
//! runtime.

use std::time::Instant;

use rumqttc::MqttOptions;
use serde_json::json;

use crate::client::{Arts, Client};
use crate::mosquitto::{Broker, Setup};
use crate::runtime::{Realm, Runtime};

/// Where the numbers go. They have QoS 1; the answers have QoS 0, so that they take no room in the
/// outbox.
const NUMBERS: &str = "realm/numbers";
const ANSWERS: &str = "realm/answers";

/// A runtime with a module that publishes numbers, and one that answers it. The numbers are kept
/// by the broker for the keeper, also those that are published before it is back.
pub struct Steady {
    pub realm: Realm,
    /// The uuid of the one that publishes.
    pub module: String,
    keeper: Client,
}

/// What the module says at its end.
#[derive(Debug)]
pub struct Summary {
    pub sent: u64,
    pub refused: u64,
    pub answered: u64,
    /// The longest time between two answers, in milliseconds.
    pub longest_ms: u64,
}

impl Steady {
    pub fn start(settings: &str, setup: Setup, interval_ms: u32) -> Steady {
        let mut broker = Broker::with(Setup {
            persistent: true,
            // Whatever the broker has acknowledged, it has sent on.
            more: format!("max_inflight_messages 0\n{}", setup.more),
            ..setup
        });
        let keeper = Client::with(broker.port(), |options: &mut MqttOptions| {
            options.set_client_id("keeper".to_owned());
            options.set_clean_session(false);
        });
        keeper.subscribe(NUMBERS);
        // So that the keeper's session is on the disk, and outlives a broker that is killed.
        broker.stop();
        broker.restart();

        let arts = Arts::start(broker.port(), 1);
        let client = Client::connect(broker.port());
        client.subscribe("realm/#");
        let settings = format!("runtime.register_retry = \"500ms\"\n{settings}");
        let runtime = Runtime::start(broker.port(), &settings);
        let realm = Realm {
            runtime,
            arts,
            client,
            broker,
        };
        realm.wait_registered();
        let channel = |path, topic, mode, qos| json!({"path": path, "type": "pubsub", "mode": mode, "params": {"topic": topic, "qos": qos}});
        let echo = realm.run(
            "echo.wasm",
            json!({"args": ["in", "out"],
                "channels": [channel("in", NUMBERS, "r", 1), channel("out", ANSWERS, "w", 0)]}),
        );
        realm.client.wait_line(&echo, "echoing");
        let module = realm.run(
            "steady.wasm",
            json!({"args": ["out", "back", interval_ms.to_string()],
                "channels": [channel("out", NUMBERS, "w", 1), channel("back", ANSWERS, "r", 0)]}),
        );
        realm.client.wait_line(&module, "number 50");
        Steady {
            realm,
            module,
            keeper,
        }
    }

    /// Waits for a line of the module's that comes after this time.
    pub fn wait_printing(&self, after: Instant) {
        let topic = format!("realm/proc/debug/stdout/{}", self.module);
        self.realm.client.wait("the module goes on", |got| {
            got.at > after && got.topic == topic && got.text().starts_with("number ")
        });
    }

    /// Waits until ARTS has answered a registration after this time, and until a module that is
    /// asked for then has been started. How long it took from `from`, in seconds.
    pub fn wait_back(&self, after: Instant, from: Instant) -> [f32; 2] {
        let uuid = self.realm.runtime.uuid();
        let answer = self.realm.client.wait("a new registration", |got| {
            let message = got.json();
            got.at > after
                && got.topic == "realm/proc/reg"
                && message["type"] == "arts_resp"
                && message["data"]["details"]["uuid"] == *uuid
        });
        let registered = answer.at.saturating_duration_since(from).as_secs_f32();
        self.realm.run("hello.wasm", json!({}));
        [registered, from.elapsed().as_secs_f32()]
    }

    /// Ends the module.
    pub fn end(&self) -> Summary {
        let answer = self.realm.delete(&self.module);
        assert_eq!(answer["details"]["exit"]["code"], 0, "{answer}");
        let topic = format!("realm/proc/debug/stdout/{}", self.module);
        let line = self.realm.client.wait("the summary", |got| {
            got.topic == topic && got.text().starts_with("sent ")
        });
        let line = line.text();
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse().unwrap();
        Summary {
            sent: number(1),
            refused: number(3),
            answered: number(5),
            longest_ms: number(7),
        }
    }

    /// Waits until the keeper has so many different numbers; they must come in their order. Which
    /// they are, and how many came once more: QoS 1 allows that where an acknowledgement was lost.
    pub fn kept(&self, count: u64) -> (Vec<u64>, usize) {
        let (mut kept, mut again) = (Vec::new(), 0);
        let expected = usize::try_from(count).unwrap();
        crate::runtime::wait_until("all numbers are there", || {
            let seen = self.keeper.all(|_| true);
            let numbers: std::collections::BTreeSet<_> =
                seen.iter().map(crate::client::Got::text).collect();
            numbers.len() >= expected
        });
        for got in self.keeper.all(|_| true) {
            let number: u64 = got.text().parse().unwrap();
            match kept.last() {
                Some(last) if *last >= number => {
                    assert!(kept.contains(&number), "{number} comes after {last}");
                    again += 1;
                }
                _ => kept.push(number),
            }
        }
        (kept, again)
    }
}
