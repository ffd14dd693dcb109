//! Modules end, and runtimes do.

use serde_json::{Value, json};

use crate::client::Got;
use crate::messages::{check_request, keys};
use crate::modules::error;
use crate::realm::{Door, REG, Realm};

pub fn reports(realm: &mut Realm) {
    for &door in realm.doors() {
        for (filename, args, reason, code) in [
            ("hello.wasm", json!([]), "returned", 0),
            ("exit_code.wasm", json!(["7"]), "exited", 7),
            ("exit_code.wasm", json!(["0"]), "exited", 0),
            ("trap.wasm", json!([]), "trapped", 134),
        ] {
            let module = realm.run(door, filename, json!({"args": args}));
            let got = realm.exit_report(&module.uuid);
            assert!(!got.retain);
            let report = got.json();
            check_request(&report, "delete", "module");
            let data = &report["data"];
            assert_eq!(data["uuid"], *module.uuid);
            assert_eq!(data["parent"]["uuid"], realm.runtime());
            let exit = &data["exit"];
            assert_eq!(keys(exit), ["code", "message", "reason"]);
            assert_eq!(exit["reason"], reason, "{exit}");
            assert_eq!(exit["code"], code, "{exit}");
            assert!(exit["message"].is_string());
            if filename == "trap.wasm" {
                let message = exit["message"].as_str().unwrap();
                assert!(message.contains("unreachable"), "{message}");
            }
            // ARTS then sends a delete, to whoever has had it.
            if door == Door::Supervisor && !realm.supervisor_is_ours() {
                let delete = realm.forwarded("delete", &module.uuid).json();
                let id = delete["object_id"].as_str().unwrap();
                let answer = realm.answer(&realm.control(), id).json();
                assert_eq!(answer["data"]["result"], "ok", "{answer}");
            }
            // There is one report of an end.
            assert_eq!(realm.delete(door, &module.uuid)["result"], "ok");
            let reports = realm.client.count(|got| {
                let data = got.json()["data"].clone();
                data["uuid"] == *module.uuid
                    && data["exit"]["reason"] == reason
                    && got.json()["type"] == "arts_req"
            });
            assert_eq!(reports, 1);
        }
    }
}

fn is_delete(got: &Got) -> bool {
    let message = got.json();
    got.topic == REG && message["type"] == "arts_req" && message["action"] == "delete"
}

/// The runtime's delete: from itself or from the broker.
fn check_delete(realm: &Realm) -> Got {
    let got = realm.client.wait("the runtime's delete", is_delete);
    let delete = got.json();
    check_request(&delete, "delete", "runtime");
    assert_eq!(keys(&delete["data"]), ["name", "type", "uuid"]);
    assert_eq!(delete["data"]["uuid"], realm.runtime());
    assert!(delete["data"]["name"].is_string());
    assert!(!got.retain);
    if realm.runtime_is_ours() {
        assert_eq!(got.qos, 0);
    }
    got
}

/// Our supervisor gives it no modules any more, and says so.
fn gets_nothing(realm: &Realm) {
    if !realm.supervisor_is_ours() {
        return;
    }
    let control = realm.control();
    let creates = |got: &Got| got.topic == control && got.json()["action"] == "create";
    let before = realm.client.count(creates);
    for parent in [Value::Null, json!({"uuid": realm.runtime()})] {
        let created = realm.create(Door::Supervisor, "hello.wasm", json!({"parent": parent}));
        error(&created.answer);
    }
    assert_eq!(realm.client.count(creates), before);
}

pub fn will(realm: &mut Realm) {
    let door = realm.doors()[0];
    let waits = realm.run(door, "wait.wasm", json!({}));
    assert_eq!(realm.client.count(is_delete), 0);
    realm.runtime_vanishes();
    check_delete(realm);
    gets_nothing(realm);
    // Nobody was there to report the end of the module.
    let reports = realm.client.count(|got| {
        got.json()["data"]["uuid"] == *waits.uuid && got.json()["data"]["exit"].is_object()
    });
    assert_eq!(reports, 0);
}

pub fn leaves(realm: &mut Realm) {
    let modules: Vec<_> = realm
        .doors()
        .iter()
        .map(|&door| realm.run(door, "wait.wasm", json!({})).uuid)
        .collect();
    realm.runtime_leaves();
    let delete = check_delete(realm);
    for uuid in &modules {
        let report = realm.exit_report(uuid);
        assert_eq!(report.json()["data"]["exit"]["reason"], "stopped");
        let before = report.number < delete.number;
        assert!(
            before || !realm.keeps_order(),
            "its modules have ended before it"
        );
    }
    gets_nothing(realm);
    // It has said goodbye to the broker, so there is no will.
    assert_eq!(realm.client.count(is_delete), 1);
}
