//! A runtime of others: says what the protocol says and no more, and only plays its modules. They
//! have the names of the guests of tests, and do the same as far as is seen from outside.
#![allow(dead_code)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{LastWill, QoS};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, Got};

const REG: &str = "realm/proc/reg";
const APIS: &str = "wasi:snapshot_preview1 wasi:unstable ['wasi:snapshot_preview1']";

/// Ended without a word when it is dropped.
pub struct ScriptedRuntime {
    uuid: String,
    client: Client,
    node: Arc<Node>,
}

struct Node {
    uuid: String,
    max_modules: usize,
    client: Client,
    /// What was asked for, and whether it has begun.
    modules: Mutex<HashMap<String, (Value, bool)>>,
}

impl ScriptedRuntime {
    /// Registers, and says every `ka_interval_sec` of the answer that it is alive.
    pub fn start(port: u16, max_modules: usize) -> ScriptedRuntime {
        let uuid = Uuid::new_v4().to_string();
        let about = json!({"type": "runtime", "uuid": uuid, "name": "theirs"});
        let farewell = message("delete", &about).to_string();
        let will = farewell.clone();
        let client = Client::with(port, |options| {
            options.set_last_will(LastWill::new(REG, will, QoS::AtMostOnce, false));
        });
        client.will_send(REG, farewell.as_bytes());
        let control = format!("realm/proc/control/{uuid}");
        for topic in [REG, &control, &format!("proc/control/{uuid}")] {
            client.subscribe(topic);
        }
        client.subscribe("realm/proc/debug/stdin/+");
        let node = Arc::new(Node {
            uuid: uuid.clone(),
            max_modules,
            client: client.clone(),
            modules: Mutex::default(),
        });
        let acting = Arc::clone(&node);
        client.each(move |got| acting.on_message(got));
        let mut data = about;
        data["apis"] = APIS.into();
        data["max_nmodules"] = max_modules.into();
        let create = message("create", &data);
        client.publish_with(QoS::AtMostOnce, REG, create.to_string());
        let answer = client.answer(create["object_id"].as_str().unwrap());
        assert_eq!(answer["result"], "ok", "{answer}");
        if let Some(seconds @ 1..) = answer["details"]["ka_interval_sec"].as_u64() {
            let node = Arc::downgrade(&node);
            std::thread::spawn(move || {
                while let Some(node) = node.upgrade() {
                    node.keepalive();
                    drop(node);
                    std::thread::sleep(Duration::from_secs(seconds));
                }
            });
        }
        ScriptedRuntime { uuid, client, node }
    }

    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its connection ends, and it with it.
    pub fn vanish(&self) {
        self.client.vanish();
    }

    /// Ends its modules and leaves in order.
    pub fn leave(&self) {
        let uuids: Vec<_> = self.node.modules.lock().unwrap().keys().cloned().collect();
        for uuid in uuids {
            self.node.ended(&uuid, "stopped", 143);
        }
        let about = json!({"type": "runtime", "uuid": self.uuid, "name": "theirs"});
        let delete = message("delete", &about).to_string();
        self.client.publish(REG, delete);
        self.client.disconnect();
    }
}

impl Drop for ScriptedRuntime {
    fn drop(&mut self) {
        self.client.vanish();
    }
}

fn message(action: &str, data: &Value) -> Value {
    json!({"object_id": Uuid::new_v4(), "action": action, "type": "arts_req", "data": data})
}

impl Node {
    fn keepalive(&self) {
        let modules = self.modules.lock().unwrap();
        let children: Vec<_> = modules
            .iter()
            .map(|(uuid, (data, _))| {
                json!({"uuid": uuid, "name": data["name"], "active": -1,
                    "cpu_usage_percent": 0.5, "mem_usage": 65_536})
            })
            .collect();
        drop(modules);
        let data = json!({"type": "runtime", "uuid": self.uuid, "name": "theirs", "apis": APIS,
            "max_nmodules": self.max_modules, "nmodules": children.len(), "children": children,
            "cpu_usage_percent": 1.5, "mem_usage": 9_830_400});
        let keepalive = message("update", &data).to_string();
        self.client
            .publish_with(QoS::AtMostOnce, "realm/proc/keepalive", keepalive);
    }

    fn on_message(&self, got: &Got) {
        if let Some(module) = got.topic.strip_prefix("realm/proc/debug/stdin/") {
            let modules = self.modules.lock().unwrap();
            if modules
                .get(module)
                .is_some_and(|(data, _)| data["filename"] == "cat_lines.wasm")
            {
                self.line(module, &got.text());
            }
            return;
        }
        let request = got.json();
        let about_module = request["type"] == "arts_req" && request["data"]["type"] == "module";
        if got.topic == REG || !about_module || self.client.has_sent(got) {
            return;
        }
        match request["action"].as_str() {
            Some("create") => self.create(&got.topic, &request),
            Some("delete") => self.delete(&got.topic, &request),
            _ => {}
        }
    }

    fn answer(&self, topic: &str, request: &Value, outcome: Result<Value, String>) {
        let data = match outcome {
            Ok(details) => json!({"result": "ok", "details": details}),
            Err(why) => json!({"result": "error", "details": why}),
        };
        let answer = json!({"object_id": request["object_id"], "type": "arts_resp", "data": data});
        self.client.publish(topic, answer.to_string());
    }

    fn create(&self, topic: &str, request: &Value) {
        let data = &request["data"];
        let uuid = data["uuid"].as_str().unwrap();
        let mut modules = self.modules.lock().unwrap();
        let begins = data["wait_state"] != true;
        let data = match modules.get(uuid) {
            // The first one's file and arguments count.
            Some((first, false)) if begins => first.clone(),
            Some(_) => return self.answer(topic, request, Err(format!("{uuid} is here already"))),
            None if modules.len() == self.max_modules => {
                return self.answer(topic, request, Err("there is no room".to_owned()));
            }
            None => data.clone(),
        };
        let file = data["filename"].as_str().unwrap_or_default().to_owned();
        const FILES: [&str; 7] = [
            "hello.wasm",
            "exit_code.wasm",
            "trap.wasm",
            "print_lines.wasm",
            "cat_lines.wasm",
            "wait.wasm",
            "env_args.wasm",
        ];
        if !FILES.contains(&file.as_str()) {
            return self.answer(topic, request, Err(format!("there is no file {file:?}")));
        }
        modules.insert(uuid.to_owned(), (data.clone(), begins));
        drop(modules);
        self.answer(topic, request, Ok(data.clone()));
        if begins {
            self.run(uuid, &file, &data);
        }
    }

    fn run(&self, uuid: &str, file: &str, data: &Value) {
        let texts = |key: &str| -> Vec<String> {
            let list = data[key].as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect()
        };
        let args = texts("args");
        let number = || args.first().map_or(0, |text| text.parse().unwrap());
        match file {
            "hello.wasm" => self.line(uuid, "Hello from WebAssembly!"),
            "exit_code.wasm" => return self.ended(uuid, "exited", number()),
            "trap.wasm" => return self.ended(uuid, "trapped", 134),
            "print_lines.wasm" => {
                for n in 1..=number() {
                    self.line(uuid, &format!("out {n}"));
                    self.line(uuid, &format!("err {n}"));
                }
            }
            "env_args.wasm" => {
                for (n, arg) in [file.to_owned()].iter().chain(&args).enumerate() {
                    self.line(uuid, &format!("arg {n}: {arg}"));
                }
                for variable in texts("env") {
                    self.line(uuid, &format!("env: {variable}"));
                }
            }
            "wait.wasm" => return self.line(uuid, "waiting"),
            // It waits for its input.
            _ => return,
        }
        self.ended(uuid, "returned", 0);
    }

    fn line(&self, module: &str, line: &str) {
        let topic = format!("realm/proc/debug/stdout/{module}");
        self.client.publish_with(QoS::AtMostOnce, &topic, line);
    }

    /// A module has ended by itself.
    fn ended(&self, uuid: &str, reason: &str, code: i64) {
        self.modules.lock().unwrap().remove(uuid);
        let data = json!({"type": "module", "uuid": uuid, "parent": {"uuid": self.uuid},
            "exit": {"reason": reason, "code": code, "message": format!("{reason}: unreachable")}});
        let report = message("delete", &data).to_string();
        self.client.publish("realm/proc/control", report);
    }

    fn delete(&self, topic: &str, request: &Value) {
        let uuid = request["data"]["uuid"].as_str().unwrap();
        let module = self.modules.lock().unwrap().remove(uuid);
        if let (Some((mut data, _)), Some(target)) = (module, request["send_to_runtime"].as_str()) {
            data["memory"] = base64_of_pages(1).into();
            data["parent"] = json!({"uuid": target});
            let create = message("create", &data).to_string();
            let topic = format!("realm/proc/control/{target}");
            self.client.publish(&topic, create);
        }
        let details = json!({"msg": "Deleted.", "uuid": uuid});
        self.answer(topic, request, Ok(details));
    }
}

fn base64_of_pages(count: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(vec![7; count * 65_536])
}
