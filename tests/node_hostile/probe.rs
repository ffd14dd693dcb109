//! A client that counts what it gets and keeps nothing of it, for traffic that is too much to be
//! remembered, and realms without one that sees everything.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet};
use rumqttc::v5::{Client, ConnectionError, Event, MqttOptions};
use serde_json::Value;

use crate::client::{self, Arts, PATIENCE};
use crate::mosquitto::Broker;
use crate::runtime::{Realm, Runtime};

/// A realm whose client sees control topics only.
pub fn realm(settings: &str) -> Realm {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), 1);
    let client = client::Client::connect(broker.port());
    client.subscribe("realm/proc/reg");
    client.subscribe("realm/proc/control/#");
    let runtime = Runtime::start(broker.port(), settings);
    let realm = Realm {
        runtime,
        arts,
        client,
        broker,
    };
    realm.wait_registered();
    realm
}

#[derive(Default)]
struct Seen {
    subscribed: usize,
    /// What answers say that say no: the first few.
    refused: Vec<String>,
    /// The object ids of answers.
    answered: HashSet<String>,
}

/// It does not get its own messages.
pub struct Probe {
    client: Client,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Probe {
    pub fn connect(port: u16, filters: &[&str]) -> Probe {
        let id = format!("probe-{}", uuid::Uuid::new_v4());
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_max_packet_size(Some(256 << 20));
        options.set_keep_alive(Duration::from_secs(60));
        options.set_outgoing_inflight_upper_limit(500);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, mut connection) = Client::new(options, 1000);
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let to = Arc::clone(&seen);
        std::thread::spawn(move || {
            for event in connection.iter() {
                let mut seen = to.0.lock().unwrap();
                match event {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let message: Value =
                            serde_json::from_slice(&publish.payload).unwrap_or(Value::Null);
                        if message["type"] == "arts_resp" {
                            seen.answered.insert(message["object_id"].to_string());
                            let data = &message["data"];
                            if data["result"] != "ok" && seen.refused.len() < 10 {
                                seen.refused.push(data.to_string());
                            }
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => seen.subscribed += 1,
                    Ok(_) => continue,
                    Err(ConnectionError::RequestsDone) => return,
                    Err(error) => {
                        println!("the probe's connection: {error}");
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
                to.1.notify_all();
            }
        });
        let probe = Probe { client, seen };
        for filter in filters {
            let mut filter = Filter::new(*filter, QoS::AtLeastOnce);
            filter.nolocal = true;
            probe.client.subscribe_many([filter]).unwrap();
        }
        let count = filters.len();
        probe.wait("its subscriptions", |seen| {
            (seen.subscribed == count).then_some(())
        });
        probe
    }

    fn wait<T>(&self, what: &str, find: impl Fn(&mut Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        loop {
            if let Some(found) = find(&mut seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {PATIENCE:?}: {what}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload.into())
            .unwrap();
    }

    /// Answers that say no, and why.
    pub fn refused(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().refused.clone()
    }

    /// Waits for the answer to a request with this object id, a JSON value.
    pub fn wait_answer(&self, id: &Value) {
        let id = id.to_string();
        self.wait(&format!("the answer to {id}"), |seen| {
            seen.answered.contains(&id).then_some(())
        });
    }

    pub fn is_answered(&self, id: &Value) -> bool {
        self.seen
            .0
            .lock()
            .unwrap()
            .answered
            .contains(&id.to_string())
    }
}
