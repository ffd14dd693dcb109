//! Runtimes register, and say that they are alive.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Got;
use crate::messages::{check_request, check_response, is_answer, is_uuid, keys};
use crate::realm::{KEEPALIVE, REG, Realm};

/// How clients and supervisors look for an interface: as a part of the runtime's text.
const APIS: [&str; 8] = [
    "wasi:snapshot_preview1",
    "wasi:unstable",
    "['wasi:snapshot_preview1']",
    "[\"wasi:snapshot_preview1\"]",
    "['wasi:unstable']",
    "['wasi:snapshot_preview1', 'wasi:unstable']",
    "['wasi:unstable', 'wasi:snapshot_preview1']",
    "['wasi:unstable wasi:snapshot_preview1']",
];

fn is_create(got: &Got) -> bool {
    let message = got.json();
    got.topic == REG && message["type"] == "arts_req" && message["action"] == "create"
}

fn is_delete(got: &Got) -> bool {
    let message = got.json();
    got.topic == REG && message["type"] == "arts_req" && message["action"] == "delete"
}

pub fn fields(realm: &mut Realm) {
    let uuid = realm.runtime();
    // The one that is answered: before the supervisor was there, there may have been others.
    let answer = realm.client.wait("the answer", |got| {
        let message = got.json();
        got.topic == REG
            && message["type"] == "arts_resp"
            && message["data"]["details"]["uuid"] == uuid
    });
    let answer_text = answer.json();
    let id = &answer_text["object_id"];
    let create = realm.client.wait("the registration", |got| {
        is_create(got) && got.json()["object_id"] == *id
    });
    assert!(create.number < answer.number || !realm.keeps_order());
    assert_eq!((create.qos, create.retain), (0, false));
    let create = create.json();
    check_request(&create, "create", "runtime");
    let data = &create["data"];
    assert_eq!(data["uuid"], uuid);
    assert!(data["name"].as_str().is_some_and(|name| !name.is_empty()));
    assert!(data["max_nmodules"].is_u64(), "{data}");
    let apis = data["apis"].as_str().unwrap();
    assert!(
        apis.len() < 500 && apis.contains("wasi:snapshot_preview1"),
        "{apis}"
    );
    if realm.runtime_is_ours() {
        for api in APIS {
            assert!(apis.contains(api), "{api}: {apis}");
        }
        assert!(data["runtime_type"].is_string(), "{data}");
        for (of, names) in [
            ("platform", &["arch", "cores", "memory", "os"][..]),
            ("metadata", &["commit", "version", "wamr"]),
        ] {
            let known = keys(&data[of]);
            assert!(names.iter().all(|name| known.contains(name)), "{data}");
        }
    }

    check_response(&answer_text);
    let details = &answer_text["data"]["details"];
    for key in ["uuid", "name", "apis", "max_nmodules"] {
        assert_eq!(details[key], data[key], "{key}");
    }
    assert_eq!(details["type"], "runtime");
    assert_eq!(
        (&details["nmodules"], &details["children"]),
        (&json!(0), &json!([]))
    );
    let at = details["ka_ts"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(at).is_ok(), "{at}");
    assert_eq!(details["ka_interval_sec"], 1);
}

/// A runtime that comes back tells the same uuid, and is told of the modules that it should have.
pub fn again(realm: &mut Realm) {
    let waits = realm.run(crate::realm::Door::Supervisor, "wait.wasm", json!({}));
    let create = realm
        .client
        .all(is_create)
        .into_iter()
        .map(|got| got.json()["data"].clone())
        .find(|data| data["uuid"] == realm.runtime());
    let answer = realm.client.request(REG, "create", create.unwrap());
    assert_eq!(answer["result"], "ok", "{answer}");
    let children = answer["details"]["children"].as_array().unwrap();
    let child = children.iter().find(|child| child["uuid"] == *waits.uuid);
    let child = child.unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(keys(child), ["filename", "name", "parent", "type", "uuid"]);
    assert_eq!(child["parent"]["uuid"], realm.runtime());
}

/// Each is answered with what is wrong, and registers nobody.
pub fn wrong(realm: &mut Realm) {
    for (data, field) in [
        (json!({"type": "runtime", "name": "x"}), "uuid"),
        (json!({"type": "runtime", "uuid": "xyz"}), "uuid"),
        (json!({"type": "runtime", "uuid": 5}), "uuid"),
        (
            json!({"type": "runtime", "uuid": Uuid::new_v4(), "name": "stranger", "max_nmodules": "many"}),
            "max_nmodules",
        ),
        (
            json!({"type": "runtime", "uuid": Uuid::new_v4(), "name": "stranger", "apis": {"a": 1}}),
            "apis",
        ),
    ] {
        let id = realm.client.send(REG, "create", data.clone());
        let answer = realm.answer(REG, &id).json();
        check_response(&answer);
        assert_eq!(answer["data"]["result"], "error", "{data}");
        let why = answer["data"]["details"].as_str().unwrap();
        assert!(why.contains(field), "{data}: {why}");
    }
    let created = realm.create(
        crate::realm::Door::Supervisor,
        "wait.wasm",
        json!({"parent": "stranger"}),
    );
    assert_eq!(created.answer["result"], "error");
}

pub fn keepalives(realm: &mut Realm) {
    let door = realm.doors()[0];
    let waits = realm.run(door, "wait.wasm", json!({"name": "me/waits"}));
    let uuid = realm.runtime();
    let has_child = |got: &Got| {
        let data = got.json()["data"].clone();
        let children = data["children"].as_array().cloned().unwrap_or_default();
        got.topic == KEEPALIVE
            && data["uuid"] == uuid
            && children.iter().any(|child| child["uuid"] == *waits.uuid)
    };
    let got = realm.client.wait("a keepalive with the module", has_child);
    assert_eq!((got.qos, got.retain), (0, false));
    let keepalive = got.json();
    check_request(&keepalive, "update", "runtime");
    let data = &keepalive["data"];
    assert!(
        data["name"].is_string() && data["apis"].is_string(),
        "{data}"
    );
    let children = data["children"].as_array().unwrap();
    assert_eq!(data["nmodules"], children.len());
    for key in ["max_nmodules", "mem_usage"] {
        assert!(data[key].is_u64(), "{key}: {data}");
    }
    assert!(data["cpu_usage_percent"].is_number(), "{data}");
    if realm.runtime_is_ours() {
        assert!(
            data["mem_available"].is_u64() && data["load1"].is_number(),
            "{data}"
        );
    }
    let mut children = children.iter();
    let child = children.find(|child| child["uuid"] == *waits.uuid).unwrap();
    assert_eq!(child["name"], "me/waits");
    // It has done nothing on a channel.
    assert_eq!(child["active"], -1, "{child}");
    assert!(
        child["cpu_usage_percent"].is_number() && child["mem_usage"].is_u64(),
        "{child}"
    );
    // They go on, and nobody answers them.
    realm.client.wait("the next one", |next| {
        next.number > got.number && has_child(next)
    });
    let id = keepalive["object_id"].as_str().unwrap();
    assert_eq!(realm.answers(id), 0);
    let ids = realm.client.all(|got| got.topic == KEEPALIVE);
    let distinct: BTreeSet<_> = ids
        .iter()
        .map(|got| got.json()["object_id"].to_string())
        .collect();
    assert_eq!(distinct.len(), ids.len());
}

/// Answers a registration as the test wants it, and returns the next message that it led to.
fn answer_registration(realm: &Realm, id: &Value, data: Value) {
    let answer = json!({"object_id": id, "type": "arts_resp", "data": data});
    realm.client.publish(REG, answer.to_string());
}

pub fn refused(realm: &mut Realm) {
    let creates = realm.client.wait_for("attempts", 2, is_create);
    let ids: BTreeSet<_> = creates
        .iter()
        .map(|got| got.json()["object_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 2, "each attempt has its own id");
    for got in &creates {
        check_request(&got.json(), "create", "runtime");
    }
    let next = |after: &Got| {
        realm.client.wait("the next attempt", |got| {
            got.number > after.number && is_create(got)
        })
    };
    let ok = json!({"result": "ok", "details": {"type": "runtime", "ka_interval_sec": 1}});
    // Too late: the answer to the first one does not count. An error that says nothing of the uuid
    // has it go on in its time.
    answer_registration(realm, &creates[0].json()["object_id"], ok.clone());
    let third = next(&creates[1]);
    let error = |why: &str| json!({"result": "error", "details": why});
    answer_registration(realm, &third.json()["object_id"], error("there is no room"));
    let fourth = next(&third);
    assert_eq!(realm.client.count(is_delete), 0);
    assert_eq!(realm.client.count(|got| got.topic == KEEPALIVE), 0);
    // It is known already: a delete, and a create at once.
    let why = "Runtime could not be created: UNIQUE constraint failed: arts_core_runtime.uuid";
    answer_registration(realm, &fourth.json()["object_id"], error(why));
    let delete = realm.client.wait("a delete", is_delete);
    check_request(&delete.json(), "delete", "runtime");
    assert_eq!(keys(&delete.json()["data"]), ["name", "type", "uuid"]);
    assert_eq!(delete.qos, 0);
    let fifth = next(&delete);
    // Registered, whoever else answers as well.
    answer_registration(realm, &json!(Uuid::new_v4()), error("somebody else's"));
    answer_registration(realm, &fifth.json()["object_id"], ok);
    let keepalive = realm
        .client
        .wait("a keepalive", |got| got.topic == KEEPALIVE);
    let after = realm.client.all(|got| got.number > keepalive.number);
    assert!(
        !after.iter().any(is_create),
        "it goes on though it is registered"
    );
    for got in realm.client.all(is_create) {
        assert!(is_uuid(&got.json()["object_id"]));
        let id = got.json()["object_id"].as_str().unwrap().to_owned();
        // Nobody but the test has answered.
        assert!(realm.ours().iter().all(|got| !is_answer(&got.json(), &id)));
    }
}

pub fn no_keepalives(realm: &mut Realm) {
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(realm.client.count(|got| got.topic == KEEPALIVE), 0);
}

pub fn usual_keepalives(realm: &mut Realm) {
    realm
        .client
        .wait_for("keepalives", 2, |got| got.topic == KEEPALIVE);
}
