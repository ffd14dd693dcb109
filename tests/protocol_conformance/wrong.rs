//! Messages that are wrong: answered if they are requests, and nothing is started.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::messages::{check_response, is_answer};
use crate::modules::is_not_there;
use crate::realm::{Door, Realm};

/// Fields of a create that cannot be, over those of one that could, and what the answer says.
fn creates() -> Vec<(Value, &'static str)> {
    let channel = |change: &str, value: Value| {
        let mut channel = json!({"path": "/ch/a", "mode": "rw", "params": {"topic": "realm/a"}});
        channel[change] = value;
        json!({ "channels": [channel] })
    };
    vec![
        (json!({"filename": null}), "filename"),
        (json!({"filename": ["a.wasm"]}), "filename"),
        (json!({"filetype": "EXE"}), "filetype"),
        (json!({"filetype": "PY", "filename": "a.py"}), ""),
        (json!({"args": {"a": 1}}), "args"),
        (json!({"env": ["=x"]}), "env[0]"),
        (json!({"channels": [5]}), "channels[0]"),
        (channel("mode", json!("x")), "channels[0].mode"),
        (channel("path", Value::Null), "channels[0].path"),
        (channel("params", json!({})), "channels[0].params.topic"),
        (json!({"fault_crash": "explode"}), "fault_crash"),
        (json!({"resources": {"memory": "much"}}), "resources.memory"),
        (json!({"wasm": "no base64!"}), "wasm"),
        (json!({"memory": "no base64!"}), "memory"),
        (json!({"parent": 5}), "parent"),
        (json!({"name": "x".repeat(2000)}), "name"),
    ]
}

/// What is only seen where the module is to run.
fn runtimes_creates() -> Vec<(Value, &'static str)> {
    let channel = |topic: &str, kind: &str| {
        json!({"channels": [{"path": "/ch/a", "type": kind, "mode": "rw",
            "params": {"topic": topic}}]})
    };
    vec![
        (channel("realm/proc/control", "pubsub"), "realm/proc"),
        (channel("a#b", "pubsub"), "a#b"),
        (channel("realm/a", "pipe"), "pipe"),
        (json!({"filename": "../../etc/passwd"}), "leads out"),
        (json!({"wasm": "bm8gd2FzbQ=="}), "WebAssembly"),
    ]
}

/// Whole requests: action, data, and what the answer says.
fn others() -> Vec<(Value, Value, &'static str)> {
    let module = |fields: Value| {
        let mut data = json!({"type": "module"});
        for (key, value) in fields.as_object().unwrap() {
            data[key] = value.clone();
        }
        data
    };
    let uuid = Uuid::new_v4();
    vec![
        (
            json!("create"),
            module(json!({"uuid": "xyz", "filename": "hello.wasm"})),
            "uuid",
        ),
        (
            json!("create"),
            module(json!({"uuid": 5, "filename": "hello.wasm"})),
            "uuid",
        ),
        (
            json!("create"),
            json!({"type": "runtime", "uuid": uuid, "name": "x"}),
            "",
        ),
        (json!("create"), json!({"type": "gizmo", "uuid": uuid}), ""),
        (
            json!("create"),
            json!({"uuid": uuid, "filename": "hello.wasm"}),
            "",
        ),
        (
            json!("create"),
            json!({"type": ["module"], "uuid": uuid}),
            "",
        ),
        (json!("create"), Value::Null, "data"),
        (json!("create"), json!("data"), "data"),
        (json!("create"), json!([1, 2]), "data"),
        (json!("delete"), module(json!({})), "uuid"),
        (json!("delete"), module(json!({"uuid": "xyz"})), "uuid"),
        (
            json!("delete"),
            module(json!({"uuid": uuid, "send_to_runtime": "xyz"})),
            "send_to_runtime",
        ),
        (json!("update"), module(json!({"uuid": uuid})), ""),
        (json!("explode"), module(json!({"uuid": uuid})), ""),
        (json!("CREATE"), module(json!({"uuid": uuid})), ""),
        (json!(5), module(json!({"uuid": uuid})), ""),
        (Value::Null, module(json!({"uuid": uuid})), ""),
    ]
}

pub fn requests(realm: &mut Realm) {
    for &door in realm.our_doors() {
        let topic = realm.topic(door);
        let mut wrong = creates();
        // The supervisor asks the runtime first.
        if realm.runtime_is_ours() {
            wrong.extend(runtimes_creates());
        }
        for (fields, word) in wrong {
            let created = realm.create(door, "hello.wasm", fields.clone());
            let answer = realm.answer(&topic, &created.id).json();
            check_response(&answer);
            assert_eq!(answer["data"]["result"], "error", "{fields}");
            let why = answer["data"]["details"].as_str().unwrap();
            assert!(why.contains(word), "{fields}: {why}");
            is_not_there(realm, door, &created.uuid);
        }
        for (action, data, word) in others() {
            let id = Uuid::new_v4().to_string();
            let message = json!({"object_id": id, "action": action, "type": "arts_req",
                "data": data});
            realm.client.publish(&topic, message.to_string());
            let answer = realm.answer(&topic, &id).json();
            check_response(&answer);
            assert_eq!(answer["data"]["result"], "error", "{message}");
            let why = answer["data"]["details"].as_str().unwrap();
            assert!(why.contains(word), "{message}: {why}");
            assert_eq!(realm.answers(&id), 1);
        }
    }
    nothing_runs(realm);
}

/// Neither is it answered, nor does it do anything, nor is anybody the worse for it.
pub fn no_requests(realm: &mut Realm) {
    for &door in realm.our_doors() {
        let topic = realm.topic(door);
        let (id, uuid) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let sound = json!({"object_id": id, "action": "create", "type": "arts_req",
            "data": {"type": "module", "uuid": uuid, "filename": "wait.wasm"}});
        let changed = |key: &str, value: Value| {
            let mut message = sound.clone();
            message[key] = value;
            message.to_string()
        };
        let text = sound.to_string();
        let mut messages: Vec<Vec<u8>> = [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            "\"text\"".to_owned(),
            "1e999".to_owned(),
            "\0".to_owned(),
            "[".repeat(10_000),
            format!("{{'object_id': '{id}', 'type': 'arts_req'}}"),
            format!("[{text}]"),
            text[..text.len() / 4].to_owned(),
            changed("object_id", Value::Null),
            changed("object_id", json!({"a": 1})),
            changed("object_id", json!("")),
            changed("object_id", json!("x".repeat(1000))),
            // Of a later dialect, or of nobody.
            changed("type", json!("req")),
            changed("type", json!(5)),
            changed("type", Value::Null),
        ]
        .into_iter()
        .map(String::into_bytes)
        .collect();
        messages.push(vec![0xff; 100]);
        for message in messages {
            realm.client.publish(&topic, message);
        }
        realm.fence(door);
        assert_eq!(realm.answers(&id), 0);
        is_not_there(realm, door, &uuid);
    }
    nothing_runs(realm);
}

/// Everybody sees the answers to everybody's requests.
pub fn answers(realm: &mut Realm) {
    let waits = realm.run(realm.doors()[0], "wait.wasm", json!({}));
    let (id, uuid) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    for topic in [realm.control(), realm.topic(Door::Supervisor)] {
        for (uuid, result) in [(&waits.uuid, "ok"), (&waits.uuid, "error"), (&uuid, "ok")] {
            let details = json!({"type": "module", "uuid": uuid, "filename": "hello.wasm"});
            let message = json!({"object_id": id, "type": "arts_resp", "action": "delete",
                "data": {"result": result, "details": details}});
            realm.client.publish(&topic, message.to_string());
        }
    }
    for &door in realm.our_doors() {
        realm.fence(door);
    }
    let ours = realm.ours();
    assert!(!ours.iter().any(|got| is_answer(&got.json(), &id)));
    // What ran runs on, and nothing else does.
    let again = realm.create(realm.doors()[0], "hello.wasm", json!({"uuid": waits.uuid}));
    assert_eq!(again.answer["result"], "error", "{}", again.answer);
    is_not_there(realm, realm.our_doors()[0], &uuid);
}

/// All places are free.
fn nothing_runs(realm: &Realm) {
    let door = realm.our_doors()[0];
    for _ in 0..crate::realm::PLACES {
        realm.run(door, "wait.wasm", json!({}));
    }
    realm.clean();
}
