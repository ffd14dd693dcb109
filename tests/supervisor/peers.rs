//! Runtimes of others, made of a script.

use serde_json::json;
use uuid::Uuid;

use crate::arts::{Arts, CONTROL, delete, wait_for_supervisor};
use crate::client::Client;
use crate::mosquitto::Broker;
use crate::peer::Peer;

#[test]
fn runtimes_of_others_are_tried_one_after_the_other() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        "supervisor.answer_timeout=300ms",
        "supervisor.scheduler=round-robin",
        "supervisor.keepalive_interval=60s",
    ];
    let arts = Arts::start(dir.path(), broker.port(), &settings);
    wait_for_supervisor(&client);
    let apis = "['wasi:snapshot_preview1', 'wasi:unstable']";
    let mut peers: Vec<_> = (0..3)
        .map(|_| Peer::register(&client, json!(apis)))
        .collect();
    peers.sort_by_key(|peer| peer.uuid);
    // A uuid that is registered already is the same runtime coming back.
    let data = json!({"type": "runtime", "uuid": peers[0].uuid, "name": "theirs", "apis": apis,
        "max_nmodules": 3});
    let again = client.request("realm/proc/reg", "create", data);
    assert_eq!(again["result"], "ok", "{again}");

    let module = Uuid::new_v4();
    let id = client.send(
        CONTROL,
        "create",
        json!({"type": "module", "uuid": module, "filename": "a.wasm",
            "apis": "['wasi:unstable']", "args": "['one', \"it's\", 'C:\\\\\\\\x']",
            "env": "['A=b']", "parent": "{}",
            "channels": "[{'path': '/ch/l', 'type': 'pubsub', 'mode': 'rw', 'params': {'topic': 'k/l', 'x': None}}]",
            "vendor": {"thing": [1, 2]}}),
    );
    // The first one refuses, the second one says nothing.
    let request = peers[0].request(&client, "create", module);
    assert_eq!(request["type"], "arts_req");
    assert_ne!(request["object_id"], *id);
    let data = &request["data"];
    assert_eq!(data["apis"], json!(["wasi:unstable"]));
    assert_eq!(data["args"][1], "it's");
    assert_eq!(data["env"], json!(["A=b"]));
    assert_eq!(data["channels"][0]["params"]["topic"], "k/l");
    assert_eq!(data["vendor"], json!({"thing": [1, 2]}));
    assert_eq!(data["parent"]["uuid"], peers[0].uuid.to_string());
    peers[0].answer(&client, &request, "error", json!("no room"));
    peers[1].request(&client, "create", module);
    peers[1].request(&client, "delete", module);
    let request = peers[2].request(&client, "create", module);
    peers[2].answer(&client, &request, "ok", request["data"].clone());
    let answer = client.answer(&id);
    assert_eq!(answer["result"], "ok", "{answer}");
    assert_eq!(
        answer["details"]["parent"]["uuid"],
        peers[2].uuid.to_string()
    );

    // A runtime of others tells the end of a module by a delete and nothing more.
    let answer = std::thread::scope(|scope| {
        let told = scope.spawn(|| delete(&client, &module.to_string()));
        let request = peers[2].request(&client, "delete", module);
        assert_eq!(request["data"]["filename"], "a.wasm");
        peers[2].answer(&client, &request, "ok", json!({"msg": "Deleted."}));
        told.join().unwrap()
    });
    assert_eq!(answer["result"], "ok", "{answer}");

    // Nobody takes it: all reasons.
    let module = Uuid::new_v4();
    let data = json!({"type": "module", "uuid": module, "filename": "a.wasm"});
    let id = client.send(CONTROL, "create", data);
    for peer in [&peers[0], &peers[2]] {
        let request = peer.request(&client, "create", module);
        peer.answer(&client, &request, "error", json!("it is broken"));
    }
    let answer = client.answer(&id);
    let why = answer["details"].as_str().unwrap();
    assert_eq!(why.matches("it is broken").count(), 2, "{why}");
    assert!(why.contains("no answer within 300ms"), "{why}");
    // All that was ever published is JSON.
    for got in client.all(|got| got.topic.starts_with("realm/proc/")) {
        assert!(got.json().is_object(), "{}", got.text());
    }
    arts.stop();
}
