//! Modules are asked for, and deleted.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::messages::{check_request, check_response, is_answer, is_uuid};
use crate::realm::{Door, PLACES, Realm};

/// An error, and why.
pub fn error(answer: &Value) -> &str {
    assert_eq!(answer["result"], "error", "{answer}");
    answer["details"].as_str().unwrap()
}

pub fn create(realm: &mut Realm) {
    let channel = json!({"path": "/ch/light", "type": "pubsub", "mode": "rw",
        "params": {"topic": "realm/light"}});
    let fields = json!({"name": "me/waits", "parent": {"uuid": realm.runtime()},
        "fileid": "na", "filetype": "WA", "apis": ["wasi:snapshot_preview1"],
        "args": ["realm/wait"], "env": ["COLOUR=blue", "A=b=c"], "channels": [channel],
        "vendor": {"thing": [1, 2]}});
    for &door in realm.doors() {
        let created = realm.run(door, "wait.wasm", fields.clone());
        let details = created.details();
        let told = [
            "name", "filetype", "apis", "args", "env", "channels", "parent",
        ];
        if realm.our_doors().contains(&door) {
            assert_eq!(details["type"], "module");
            assert_eq!(details["uuid"], *created.uuid);
            assert_eq!(details["filename"], "wait.wasm");
            for key in told {
                assert_eq!(details[key], fields[key], "{key}");
            }
        }
        let answer = realm.answer(&realm.topic(door), &created.id);
        check_response(&answer.json());

        // What has come to the runtime, and what it has said of it.
        let request = realm.forwarded("create", &created.uuid);
        let message = request.json();
        check_request(&message, "create", "module");
        let id = message["object_id"].as_str().unwrap();
        let theirs = realm.answer(&realm.control(), id);
        check_response(&theirs.json());
        assert_eq!(theirs.json()["data"]["result"], "ok");
        assert!(request.number < theirs.number);
        if door == Door::Supervisor {
            assert_ne!(id, created.id, "a transaction of its own");
            // The client is answered when the runtime has said what has come of it.
            assert!(theirs.number < answer.number);
            if realm.supervisor_is_ours() {
                for key in told.iter().chain(&["vendor"]) {
                    assert_eq!(message["data"][key], fields[key], "{key}");
                }
            }
        }
        realm.client.wait_line(&created.uuid, "waiting");
        realm.fence(door);
        assert_eq!((realm.answers(&created.id), realm.answers(id)), (1, 1));
    }
    // The scheduler chooses when there is no parent, and the uuid is made up when there is none.
    let door = Door::Supervisor;
    let data = json!({"type": "module", "filename": "hello.wasm", "name": "me/hello"});
    if realm.supervisor_is_ours() {
        let answer = realm.client.request(&realm.topic(door), "create", data);
        let details = &answer["details"];
        assert_eq!(answer["result"], "ok", "{answer}");
        assert!(is_uuid(&details["uuid"]), "{answer}");
        assert_eq!(details["parent"]["uuid"], realm.runtime());
        let uuid = details["uuid"].as_str().unwrap();
        realm.client.wait_line(uuid, "Hello from WebAssembly!");
        let created = realm.create(
            door,
            "hello.wasm",
            json!({"parent": {"uuid": Uuid::new_v4()}}),
        );
        assert!(
            error(&created.answer).contains("parent"),
            "{}",
            created.answer
        );
    }
}

/// Browsers publish modules that move there.
pub fn without_the_realm(realm: &mut Realm) {
    let topic = format!("proc/control/{}", realm.runtime());
    let uuid = Uuid::new_v4().to_string();
    let data = json!({"type": "module", "uuid": uuid, "filename": "hello.wasm"});
    let id = realm.client.send(&topic, "create", data);
    let answer = realm.answer(&topic, &id).json();
    assert_eq!(answer["data"]["result"], "ok", "{answer}");
    realm.client.wait_line(&uuid, "Hello from WebAssembly!");
    realm.exit_report(&uuid);
    assert_eq!(realm.answers(&id), 1);
}

/// Nothing was started of it.
pub fn is_not_there(realm: &Realm, door: Door, uuid: &str) {
    assert!(realm.client.lines(uuid).is_empty(), "{uuid} was started");
    let answer = realm.delete(door, uuid);
    match door {
        Door::Supervisor if realm.supervisor_is_ours() => {
            assert!(error(&answer).contains(uuid), "{answer}");
        }
        Door::Runtime if realm.runtime_is_ours() => {
            assert_eq!(answer["details"]["exit"], Value::Null, "{answer}");
        }
        _ => {}
    }
}

pub fn missing_file(realm: &mut Realm) {
    for &door in realm.doors() {
        let created = realm.create(door, "nothing.wasm", json!({}));
        assert!(
            error(&created.answer).contains("nothing.wasm"),
            "{}",
            created.answer
        );
        is_not_there(realm, door, &created.uuid);
    }
}

pub fn twice(realm: &mut Realm) {
    for &door in realm.doors() {
        let first = realm.run(door, "wait.wasm", json!({}));
        let again = realm.create(door, "hello.wasm", json!({"uuid": first.uuid}));
        assert!(
            error(&again.answer).contains(&first.uuid),
            "{}",
            again.answer
        );
        realm.client.wait_line(&first.uuid, "waiting");
        assert_eq!(realm.client.lines(&first.uuid), ["waiting"]);
        // When it is gone, there may be one again.
        assert_eq!(realm.delete(door, &first.uuid)["result"], "ok");
        let other = realm.run(door, "hello.wasm", json!({"uuid": first.uuid}));
        realm
            .client
            .wait_line(&other.uuid, "Hello from WebAssembly!");
        realm.exit_report(&other.uuid);
    }
}

pub fn places(realm: &mut Realm) {
    for &door in realm.doors() {
        let all: Vec<_> = (0..PLACES)
            .map(|_| realm.run_when_there_is_room(door))
            .collect();
        let more = realm.create(door, "hello.wasm", json!({}));
        error(&more.answer);
        is_not_there(realm, door, &more.uuid);
        assert_eq!(realm.delete(door, &all[0].uuid)["result"], "ok");
        realm.run(door, "wait.wasm", json!({}));
        realm.clean();
    }
}

pub fn delete(realm: &mut Realm) {
    for &door in realm.doors() {
        let waits = realm.run(
            door,
            "wait.wasm",
            json!({"args": ["realm/wait"], "name": "me/waits"}),
        );
        let data = json!({"type": "module", "uuid": waits.uuid});
        let id = realm.client.send(&realm.topic(door), "delete", data);
        let answer = realm.answer(&realm.topic(door), &id);
        check_response(&answer.json());
        let details = &answer.json()["data"]["details"];
        assert_eq!(details["msg"], "Deleted.");
        assert_eq!(details["uuid"], *waits.uuid);
        let request = realm.forwarded("delete", &waits.uuid);
        let message = request.json();
        let forwarded = message["object_id"].as_str().unwrap();
        let theirs = realm.answer(&realm.control(), forwarded);
        check_response(&theirs.json());
        assert_eq!(theirs.json()["data"]["result"], "ok");
        if door == Door::Supervisor {
            assert_ne!(forwarded, id);
            assert!(request.number < theirs.number && theirs.number < answer.number);
            if realm.supervisor_is_ours() {
                // With the whole record of the module.
                check_request(&message, "delete", "module");
                let record = &message["data"];
                assert_eq!(record["name"], "me/waits");
                assert_eq!(record["filename"], "wait.wasm");
                assert_eq!(record["args"], json!(["realm/wait"]));
                assert_eq!(record["parent"]["uuid"], realm.runtime());
            }
        }
        // Who has asked for its end is answered, and nobody else need be told.
        let told = realm.client.count(|got| {
            let message = got.json();
            message["data"]["uuid"] == *waits.uuid && message["data"]["exit"].is_object()
        });
        assert_eq!(told, 0);
        // Once more, as several viewers of a scene do.
        let again = realm.delete(door, &waits.uuid);
        assert_eq!(again["result"], "ok", "{again}");
    }
}

pub fn delete_nothing(realm: &mut Realm) {
    if realm.runtime_is_ours() {
        let uuid = Uuid::new_v4();
        let answer = realm.delete(Door::Runtime, &uuid.to_string());
        let details = json!({"msg": "Deleted.", "uuid": uuid});
        assert_eq!(answer, json!({"result": "ok", "details": details}));
    }
    for &door in realm.doors() {
        // One that has ended.
        let hello = realm.run(door, "hello.wasm", json!({}));
        realm.exit_report(&hello.uuid);
        assert_eq!(realm.delete(door, &hello.uuid)["result"], "ok");
    }
    if realm.supervisor_is_ours() {
        // It says that it does not know it, and does not trouble the runtime.
        let uuid = Uuid::new_v4().to_string();
        assert!(error(&realm.delete(Door::Supervisor, &uuid)).contains(&uuid));
        let control = realm.control();
        let sent = realm
            .client
            .count(|got| got.topic == control && got.json()["data"]["uuid"] == *uuid);
        assert_eq!(sent, 0);
    }
}

pub fn wait_state(realm: &mut Realm) {
    for &door in realm.doors() {
        let prepared = json!({"args": ["first"], "wait_state": true});
        let first = realm.run(door, "env_args.wasm", prepared);
        assert!(realm.client.lines(&first.uuid).is_empty());
        let second = json!({"uuid": first.uuid, "args": ["second"], "wait_state": false});
        let second = realm.run(door, "hello.wasm", second);
        realm.exit_report(&first.uuid);
        realm.client.wait_line(&first.uuid, "arg 1: first");
        let lines = realm.client.lines(&first.uuid).join("\n");
        assert!(
            !lines.contains("second") && !lines.contains("Hello"),
            "{lines}"
        );
        assert!(
            realm
                .client
                .all(|got| is_answer(&got.json(), &second.id))
                .len()
                == 1
        );
        // Only the boolean means it.
        for word in ["true", "false"] {
            let hello = realm.run(door, "hello.wasm", json!({"wait_state": word}));
            realm
                .client
                .wait_line(&hello.uuid, "Hello from WebAssembly!");
            realm.exit_report(&hello.uuid);
        }
        // What is prepared can be deleted.
        let prepared = realm.run(door, "hello.wasm", json!({"wait_state": true}));
        assert_eq!(realm.delete(door, &prepared.uuid)["result"], "ok");
        assert!(realm.client.lines(&prepared.uuid).is_empty());
    }
}
