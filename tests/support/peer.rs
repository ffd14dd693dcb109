//! A runtime that does what the test does.
#![allow(dead_code)]

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Client;

/// Registered, and silent unless the test speaks for it.
pub struct Peer {
    pub uuid: Uuid,
    pub topic: String,
}

impl Peer {
    pub fn register(client: &Client, apis: Value) -> Peer {
        let uuid = Uuid::new_v4();
        let data = json!({"type": "runtime", "uuid": uuid, "name": "theirs", "apis": apis,
            "max_nmodules": 3});
        let answer = client.request("realm/proc/reg", "create", data);
        assert_eq!(answer["result"], "ok", "{answer}");
        let details = &answer["details"];
        assert_eq!(details["uuid"], uuid.to_string());
        assert_eq!(details["max_nmodules"], 3);
        assert_eq!(details["children"], json!([]));
        assert!(details["ka_ts"].is_string());
        Peer {
            uuid,
            topic: format!("realm/proc/control/{uuid}"),
        }
    }

    /// Waits for a request to it about a module.
    pub fn request(&self, client: &Client, action: &str, module: Uuid) -> Value {
        client
            .wait(&format!("a {action} of {module}"), |got| {
                let message = got.json();
                got.topic == self.topic
                    && message["action"] == action
                    && message["data"]["uuid"] == module.to_string()
            })
            .json()
    }

    pub fn answer(&self, client: &Client, request: &Value, result: &str, details: Value) {
        let answer = json!({"object_id": request["object_id"], "type": "arts_resp",
            "data": {"result": result, "details": details}});
        client.publish(&self.topic, answer.to_string());
    }
}
