//! A supervisor as the original one: it registers runtimes, and sends creates and deletes of clients
//! on to them, with its habit of making Python texts of lists. Unlike the original it tells clients
//! what the runtime has answered.
#![allow(dead_code)]

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, Got};

const REG: &str = "realm/proc/reg";
const CONTROL: &str = "realm/proc/control";

/// Ended when it is dropped.
pub struct ScriptedArts {
    client: Client,
}

impl ScriptedArts {
    /// Its answers to registrations have this `ka_interval_sec`, or none.
    pub fn start(port: u16, keepalive: Option<u64>) -> ScriptedArts {
        let client = Client::connect(port);
        for topic in [REG, CONTROL, "realm/proc/control/+"] {
            client.subscribe(topic);
        }
        let mut state = State {
            client: client.clone(),
            keepalive,
            runtimes: Vec::new(),
            modules: HashMap::new(),
            requests: HashMap::new(),
        };
        client.each(move |got| state.on_message(got));
        ScriptedArts { client }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for ScriptedArts {
    fn drop(&mut self) {
        self.client.vanish();
    }
}

struct State {
    client: Client,
    keepalive: Option<u64>,
    runtimes: Vec<String>,
    /// Their runtimes, and what they were asked for with.
    modules: HashMap<String, (String, Value)>,
    /// From our requests to those of clients.
    requests: HashMap<String, Value>,
}

impl State {
    fn on_message(&mut self, got: &Got) {
        if self.client.has_sent(got) {
            return;
        }
        let message = got.json();
        let is_request = message["type"] == "arts_req";
        match got.topic.as_str() {
            REG if is_request && message["data"]["type"] == "runtime" => self.on_runtime(&message),
            CONTROL if is_request => self.on_client(&message),
            REG | CONTROL => {}
            _ if message["type"] == "arts_resp" => {
                let id = message["object_id"].as_str().unwrap_or_default();
                if let Some(theirs) = self.requests.remove(id) {
                    self.answer(CONTROL, &theirs, message["data"].clone());
                }
            }
            _ => {}
        }
    }

    fn on_runtime(&mut self, request: &Value) {
        let data = &request["data"];
        let uuid = data["uuid"].as_str().unwrap().to_owned();
        self.runtimes.retain(|known| *known != uuid);
        if request["action"] == "create" {
            self.runtimes.push(uuid);
            let mut details = json!({"type": "runtime", "uuid": data["uuid"],
                "name": data["name"], "apis": data["apis"],
                "max_nmodules": data["max_nmodules"], "nmodules": 0,
                "ka_ts": "2026-11-22T08:26:34.526242Z", "children": []});
            if let Some(seconds) = self.keepalive {
                details["ka_interval_sec"] = seconds.into();
            }
            let answer = json!({"result": "ok", "details": details});
            self.answer(REG, &request["object_id"], answer);
        }
    }

    fn on_client(&mut self, request: &Value) {
        let mut data = request["data"].clone();
        let uuid = data["uuid"].as_str().unwrap_or_default().to_owned();
        let runtime = match request["action"].as_str() {
            Some("create") => {
                let parent = data["parent"]["uuid"].as_str();
                let runtime = parent.or(self.runtimes.first().map(String::as_str));
                let runtime = runtime.unwrap_or_default().to_owned();
                for key in ["apis", "args", "env", "channels"] {
                    if data[key].is_array() {
                        data[key] = python(&data[key]).into();
                    }
                }
                data["parent"] = json!({"uuid": runtime});
                let known = (runtime.clone(), data.clone());
                self.modules.entry(uuid).or_insert(known);
                runtime
            }
            Some("delete") => match self.modules.get(&uuid) {
                Some((runtime, record)) => {
                    let target = data["send_to_runtime"].take();
                    data = record.clone();
                    data["send_to_runtime"] = target;
                    runtime.clone()
                }
                None => String::new(),
            },
            _ => String::new(),
        };
        if !self.runtimes.contains(&runtime) {
            let answer =
                json!({"result": "error", "details": "there is no such module or runtime"});
            return self.answer(CONTROL, &request["object_id"], answer);
        }
        let id = Uuid::new_v4().to_string();
        self.requests
            .insert(id.clone(), request["object_id"].clone());
        let target = data.as_object_mut().unwrap().remove("send_to_runtime");
        let mut forwarded = json!({"object_id": id, "action": request["action"],
            "type": "arts_req", "data": data});
        if let Some(target @ Value::String(_)) = target {
            forwarded["send_to_runtime"] = target;
        }
        let topic = format!("{CONTROL}/{runtime}");
        self.client.publish(&topic, forwarded.to_string());
    }

    fn answer(&self, topic: &str, id: &Value, data: Value) {
        let answer = json!({"object_id": id, "type": "arts_resp", "data": data});
        self.client.publish(topic, answer.to_string());
    }
}

/// As Python's `repr` writes it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') {
                '"'
            } else {
                '\''
            };
            let text = text.replace('\\', "\\\\");
            let text = match quote {
                '\'' => text.replace('\'', "\\'"),
                _ => text,
            };
            format!("{quote}{text}{quote}")
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(python).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{}: {}", python(&key.clone().into()), python(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}
