//! An MQTT client that remembers all that it gets, and a supervisor made of one.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rumqttc::{Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};

/// Long enough for a busy machine; nothing waits that long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub topic: String,
    pub payload: Vec<u8>,
    /// 0 for quality 0.
    pub qos: u8,
    pub retain: bool,
    pub at: Instant,
    /// How many came before it.
    pub number: usize,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }
}

#[derive(Default)]
struct Inbox {
    messages: Mutex<Vec<Got>>,
    /// The `data` of answers, by transaction id: who asks a thousand times must not look through
    /// everything each time.
    answers: Mutex<HashMap<String, Value>>,
    acknowledged: Mutex<usize>,
    /// Of the present connection.
    subscribed: AtomicUsize,
    filters: Mutex<Vec<String>>,
    /// Subscribed when it is needed.
    fence: OnceLock<String>,
    /// What this client has published: hashes of topic and payload.
    sent: Mutex<HashSet<u64>>,
    /// The connection is to end without a word.
    vanishes: AtomicBool,
    /// It does not come back.
    over: AtomicBool,
    changed: Condvar,
}

fn hash(topic: &str, payload: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((topic, payload))
}

impl Inbox {
    fn add(&self, got: Got) {
        let answer = is_control(&got.topic).then(|| got.json());
        let mut messages = self.messages.lock().unwrap();
        if let Some(answer) = answer
            && answer["type"] == "arts_resp"
            && let Some(id) = answer["object_id"].as_str()
        {
            let data = answer["data"].clone();
            let mut answers = self.answers.lock().unwrap();
            answers.entry(id.to_owned()).or_insert(data);
        }
        messages.push(got);
        drop(messages);
        self.changed.notify_all();
    }
}

/// Requests and their answers are on these.
fn is_control(topic: &str) -> bool {
    topic.contains("/proc/control") || topic.ends_with("/proc/reg")
}

/// A client of a broker on this machine.
#[derive(Clone)]
pub struct Client {
    client: rumqttc::Client,
    inbox: Arc<Inbox>,
    handle: Arc<Handle>,
}

/// The last clone ends the connection.
struct Handle {
    client: rumqttc::Client,
    inbox: Arc<Inbox>,
}

impl Handle {
    fn vanish(&self) {
        self.inbox.over.store(true, Ordering::SeqCst);
        self.inbox.vanishes.store(true, Ordering::SeqCst);
        // So that something happens on the connection, and it is looked at.
        let _ = self.client.try_subscribe("nothing", QoS::AtMostOnce);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.vanish();
    }
}

impl Client {
    pub fn connect(port: u16) -> Client {
        Client::with(port, |_| ())
    }

    /// With options of its own. When the broker comes back, so does the client, and subscribes
    /// again.
    pub fn with(port: u16, change: impl FnOnce(&mut MqttOptions)) -> Client {
        let id = format!("test-{}", uuid::Uuid::new_v4());
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_max_packet_size(256 << 20, 256 << 20);
        options.set_keep_alive(Duration::from_secs(60));
        change(&mut options);
        let (client, mut connection) = rumqttc::Client::new(options, 10_000);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        connection.eventloop.set_network_options(network);
        let inbox = Arc::new(Inbox::default());
        let to = Arc::clone(&inbox);
        let again = client.clone();
        std::thread::spawn(move || {
            let mut number = 0;
            for event in connection.iter() {
                if to.vanishes.load(Ordering::SeqCst) {
                    return;
                }
                match event {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        to.add(Got {
                            topic: publish.topic,
                            payload: publish.payload.to_vec(),
                            qos: publish.qos as u8,
                            retain: publish.retain,
                            at: Instant::now(),
                            number,
                        });
                        number += 1;
                    }
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        to.subscribed.store(0, Ordering::SeqCst);
                        // None at the first connection.
                        for filter in to.filters.lock().unwrap().iter() {
                            again.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_) | Packet::UnsubAck(_))) => {
                        to.subscribed.fetch_add(1, Ordering::SeqCst);
                        *to.acknowledged.lock().unwrap() += 1;
                        to.changed.notify_all();
                    }
                    Ok(_) => {}
                    Err(rumqttc::ConnectionError::RequestsDone) => return,
                    Err(_) if to.over.load(Ordering::SeqCst) => return,
                    // The broker is away.
                    Err(_) => {
                        to.subscribed.store(0, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            }
        });
        let handle = Handle {
            client: client.clone(),
            inbox: Arc::clone(&inbox),
        };
        Client {
            client,
            inbox,
            handle: Arc::new(handle),
        }
    }

    /// Subscribes, and returns when the broker has said yes.
    pub fn subscribe(&self, filter: &str) {
        let before = *self.inbox.acknowledged.lock().unwrap();
        self.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        let mut acknowledged = self.inbox.acknowledged.lock().unwrap();
        while *acknowledged == before {
            acknowledged = self
                .inbox
                .changed
                .wait_timeout(acknowledged, Duration::from_millis(50))
                .unwrap()
                .0;
        }
        drop(acknowledged);
        self.inbox.filters.lock().unwrap().push(filter.to_owned());
    }

    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.publish_with(QoS::AtLeastOnce, topic, payload);
    }

    pub fn publish_with(&self, qos: QoS, topic: &str, payload: impl Into<Vec<u8>>) {
        let payload = payload.into();
        self.will_send(topic, &payload);
        self.client.publish(topic, qos, false, payload).unwrap();
    }

    /// The broker publishes this for the client, if it does: its last will.
    pub fn will_send(&self, topic: &str, payload: &[u8]) {
        let mut sent = self.inbox.sent.lock().unwrap();
        sent.insert(hash(topic, payload));
    }

    /// Whether this client has published that.
    pub fn has_sent(&self, got: &Got) -> bool {
        let sent = self.inbox.sent.lock().unwrap();
        sent.contains(&hash(&got.topic, &got.payload))
    }

    /// Ends the connection without a word.
    pub fn vanish(&self) {
        self.handle.vanish();
    }

    /// Ends the connection in order, when all is sent that was published.
    pub fn disconnect(&self) {
        self.inbox.over.store(true, Ordering::SeqCst);
        self.client.disconnect().unwrap();
    }

    /// Has something done with each message, in the order in which they come, on a thread of its
    /// own.
    pub fn each(&self, mut act: impl FnMut(&Got) + Send + 'static) {
        let inbox = Arc::clone(&self.inbox);
        std::thread::spawn(move || {
            let mut seen = 0;
            while !inbox.over.load(Ordering::SeqCst) {
                let messages = inbox.messages.lock().unwrap();
                let new: Vec<_> = messages.iter().skip(seen).cloned().collect();
                drop(messages);
                seen += new.len();
                new.iter().for_each(&mut act);
                let messages = inbox.messages.lock().unwrap();
                if messages.len() <= seen {
                    let wait = Duration::from_millis(100);
                    drop(inbox.changed.wait_timeout(messages, wait).unwrap());
                }
            }
        });
    }

    /// Whether it is connected, and has its subscriptions, again.
    pub fn is_back(&self) -> bool {
        let filters = self.inbox.filters.lock().unwrap();
        self.inbox.subscribed.load(Ordering::SeqCst) >= filters.len()
    }

    /// Returns when all has come that the broker had for this client. There are brokers that send
    /// messages of quality 1 before earlier ones of quality 0, from which a report of an end may
    /// come before the module's last lines.
    pub fn fence(&self) {
        let topic = self.inbox.fence.get_or_init(|| {
            let topic = format!("fence/{}", uuid::Uuid::new_v4());
            self.subscribe(&topic);
            topic
        });
        let id = uuid::Uuid::new_v4().to_string();
        self.publish_with(QoS::AtMostOnce, topic, id.as_str());
        self.wait("the fence", |got| got.topic == *topic && got.text() == id);
    }

    /// The messages so far that `wanted` likes.
    pub fn all(&self, wanted: impl Fn(&Got) -> bool) -> Vec<Got> {
        let messages = self.inbox.messages.lock().unwrap();
        messages.iter().filter(|got| wanted(got)).cloned().collect()
    }

    pub fn count(&self, wanted: impl Fn(&Got) -> bool) -> usize {
        self.inbox
            .messages
            .lock()
            .unwrap()
            .iter()
            .filter(|got| wanted(got))
            .count()
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        let mut messages = self.inbox.messages.lock().unwrap();
        messages.clear();
        self.inbox.answers.lock().unwrap().clear();
    }

    /// The first message that `wanted` likes, also of those that came already.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Got) -> bool) -> Got {
        self.wait_for(what, 1, wanted).remove(0)
    }

    /// The first `count` messages that `wanted` likes.
    pub fn wait_for(&self, what: &str, count: usize, wanted: impl Fn(&Got) -> bool) -> Vec<Got> {
        let deadline = Instant::now() + PATIENCE;
        let mut messages = self.inbox.messages.lock().unwrap();
        let (mut looked_at, mut found) = (0, Vec::new());
        loop {
            // Fewer than before: they were forgotten meanwhile.
            looked_at = looked_at.min(messages.len());
            let new = messages[looked_at..].iter().filter(|got| wanted(got));
            found.extend(new.take(count - found.len()).cloned());
            looked_at = messages.len();
            if found.len() == count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let last: Vec<_> = messages
                    .iter()
                    .rev()
                    .take(20)
                    .map(|got| format!("{}: {:.300}", got.topic, got.text()))
                    .collect();
                panic!(
                    "{what}: {} of {count} came; the last messages, newest first:\n{}",
                    found.len(),
                    last.join("\n")
                );
            }
            messages = self.inbox.changed.wait_timeout(messages, left).unwrap().0;
        }
    }

    /// The lines that a module has written so far.
    pub fn lines(&self, module: &str) -> Vec<String> {
        let topic = format!("realm/proc/debug/stdout/{module}");
        self.all(|got| got.topic == topic)
            .iter()
            .map(Got::text)
            .collect()
    }

    /// Waits for a line of a module's output.
    pub fn wait_line(&self, module: &str, line: &str) {
        let topic = format!("realm/proc/debug/stdout/{module}");
        self.wait(&format!("the line {line:?} of {module}"), |got| {
            got.topic == topic && got.text() == line
        });
    }

    /// Sends a request and returns the `data` of its answer, which is on the same topic.
    pub fn request(&self, topic: &str, action: &str, data: Value) -> Value {
        let id = self.send(topic, action, data);
        self.answer(&id)
    }

    /// Sends a request; returns its transaction id.
    pub fn send(&self, topic: &str, action: &str, data: Value) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let message = json!({"object_id": id, "action": action, "type": "arts_req", "data": data});
        self.publish(topic, message.to_string());
        id
    }

    /// The `data` of the answer to a request.
    pub fn answer(&self, id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut messages = self.inbox.messages.lock().unwrap();
        loop {
            if let Some(data) = self.inbox.answers.lock().unwrap().get(id) {
                return data.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not within {PATIENCE:?}: the answer to {id}"
            );
            messages = self.inbox.changed.wait_timeout(messages, left).unwrap().0;
        }
    }
}

/// A supervisor that answers registrations.
pub struct Arts {
    client: Client,
}

impl Drop for Arts {
    fn drop(&mut self) {
        self.client.vanish();
    }
}

impl Arts {
    /// Registers every runtime, and asks for keepalives at this interval.
    pub fn start(port: u16, keepalive: u64) -> Arts {
        let client = Client::connect(port);
        client.subscribe("realm/proc/reg");
        let answering = client.clone();
        client.each(move |got| {
            let message = got.json();
            if message["type"] == "arts_req" && message["action"] == "create" {
                let mut details = message["data"].clone();
                details["ka_interval_sec"] = keepalive.into();
                let answer = json!({"object_id": message["object_id"], "type": "arts_resp",
                    "data": {"result": "ok", "details": details}});
                answering.publish("realm/proc/reg", answer.to_string());
            }
        });
        Arts { client }
    }

    /// The registrations that came so far: creates and deletes of runtimes.
    pub fn client(&self) -> &Client {
        &self.client
    }
}
