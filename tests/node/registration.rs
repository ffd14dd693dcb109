//! How the runtime registers, stays registered, and leaves.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::client::{Arts, Client};
use crate::mosquitto::Broker;
use crate::runtime::{Realm, Runtime, wait_until};

fn is_create(message: &serde_json::Value) -> bool {
    message["type"] == "arts_req"
        && message["action"] == "create"
        && message["data"]["type"] == "runtime"
}

fn is_delete(message: &serde_json::Value) -> bool {
    message["type"] == "arts_req"
        && message["action"] == "delete"
        && message["data"]["type"] == "runtime"
}

#[test]
fn registers_and_keeps_its_uuid() {
    let realm = Realm::start("[runtime]\nname = \"kitchen\"\nmax_modules = 7");
    let create = realm
        .client
        .wait("a create", |got| {
            got.topic == "realm/proc/reg" && is_create(&got.json())
        })
        .json();
    let data = &create["data"];
    assert_eq!(data["uuid"], realm.runtime.uuid());
    assert_eq!(data["name"], "kitchen");
    assert_eq!(data["max_nmodules"], 7);
    assert!(
        data["apis"]
            .as_str()
            .unwrap()
            .contains("wasi:snapshot_preview1")
    );
    assert_eq!(data["platform"]["arch"], crate::program::arch());

    let uuid = realm.runtime.uuid().to_owned();
    let dir = realm.runtime.kill();
    let again = Runtime::start_in(dir, realm.broker.port(), "");
    assert_eq!(again.uuid(), uuid);
}

#[test]
fn keepalives_tell_of_the_runtime_and_its_modules() {
    let realm = Realm::start("[runtime]\nmonitor_interval = \"100ms\"");
    let uuid = realm.run("wait.wasm", json!({"args": ["realm/t"]}));
    let keepalive = realm
        .client
        .wait("a keepalive with the module", |got| {
            got.topic == "realm/proc/keepalive"
                && got.json()["data"]["children"][0]["mem_usage"]
                    .as_u64()
                    .unwrap_or(0)
                    > 0
        })
        .json();
    let data = &keepalive["data"];
    assert_eq!(keepalive["action"], "update");
    assert_eq!(data["nmodules"], 1);
    assert!(data["mem_usage"].as_u64().unwrap() > 1 << 20);
    assert!(data["mem_available"].as_u64().unwrap() > 0);
    let child = &data["children"][0];
    assert_eq!(child["uuid"], *uuid);
    assert_eq!(child["active"], -1);
    assert!(child["cpu_usage_percent"].as_f64().unwrap() < 50.0);
}

#[test]
fn a_supervisor_that_appears_late() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let runtime = Runtime::start(broker.port(), "[runtime]\nregister_retry = \"100ms\"");
    // Each attempt has its own transaction id.
    let creates = client.wait_for("three attempts", 3, |got| is_create(&got.json()));
    let ids: std::collections::BTreeSet<_> = creates
        .iter()
        .map(|got| got.json()["object_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 3);
    // An answer to an earlier one does not count.
    let early = creates[0].json()["object_id"].clone();
    let answer =
        json!({"object_id": early, "type": "arts_resp", "data": {"result": "ok", "details": {}}});
    client.publish("realm/proc/reg", answer.to_string());
    let before = client.count(|got| is_create(&got.json()));
    client.wait_for("further attempts", before + 2, |got| is_create(&got.json()));
    // A request is answered before the registration is.
    let control = format!("realm/proc/control/{}", runtime.uuid());
    let answer = client.request(
        &control,
        "delete",
        json!({"type": "module", "uuid": uuid::Uuid::new_v4()}),
    );
    assert_eq!(answer["result"], "ok");
    let _arts = Arts::start(broker.port(), 1);
    client.wait("a keepalive", |got| got.topic == "realm/proc/keepalive");
    let registered = client.count(|got| is_create(&got.json()));
    client.forget();
    client.wait("another keepalive", |got| {
        got.topic == "realm/proc/keepalive"
    });
    assert_eq!(
        client.count(|got| is_create(&got.json())),
        0,
        "after {registered}"
    );
}

#[test]
fn a_supervisor_that_knows_the_uuid_or_refuses() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let _runtime = Runtime::start(broker.port(), "[runtime]\nregister_retry = \"100ms\"");
    let refuse = |why: &str| {
        client.forget();
        let create = client.wait("a create", |got| is_create(&got.json())).json();
        let answer = json!({"object_id": create["object_id"], "type": "arts_resp", "data": {"result": "error", "details": why}});
        client.publish("realm/proc/reg", answer.to_string());
    };
    refuse("Runtime could not be created: UNIQUE constraint failed: arts_core_runtime.uuid");
    client.wait("a delete", |got| is_delete(&got.json()));
    refuse("there is no room");
    refuse("there is no room");
    client.forget();
    client.wait("it goes on", |got| is_create(&got.json()));
    assert_eq!(client.count(|got| is_delete(&got.json())), 0);
}

#[test]
fn leaves_on_sigterm_with_its_modules() {
    let mut realm = Realm::start("[runtime]\ngrace_time = \"2s\"");
    let polite = realm.run("echo.wasm", json!({"args": ["realm/a", "realm/b"]}));
    let stubborn = realm.run("ignore_signal.wasm", json!({}));
    let waiting = realm.run("wait.wasm", json!({"args": ["realm/t"]}));
    realm.runtime.signal(Signal::SIGTERM);
    assert_eq!(realm.runtime.wait().code(), Some(0));
    assert_ne!(realm.exit(&polite)["reason"], "stopped");
    for uuid in [stubborn, waiting] {
        assert_eq!(realm.exit(&uuid)["reason"], "stopped");
    }
    realm.client.wait("the runtime's delete", |got| {
        got.topic == "realm/proc/reg" && is_delete(&got.json())
    });
}

#[test]
fn a_second_sigint_ends_at_once() {
    let mut realm = Realm::start("[runtime]\ngrace_time = \"1h\"");
    realm.run("ignore_signal.wasm", json!({}));
    realm.runtime.signal(Signal::SIGINT);
    // Two that come at once may be one for the system.
    wait_until("it ends its modules", || {
        realm.runtime.log().contains("ends its modules")
    });
    assert!(realm.runtime.is_running());
    realm.runtime.signal(Signal::SIGINT);
    assert_eq!(realm.runtime.wait().code(), Some(130));
}

#[test]
fn the_broker_tells_of_a_runtime_that_was_killed() {
    let realm = Realm::start("");
    let uuid = realm.runtime.uuid().to_owned();
    let _dir = realm.runtime.kill();
    let will = realm
        .client
        .wait("the will", |got| {
            got.topic == "realm/proc/reg" && is_delete(&got.json())
        })
        .json();
    assert_eq!(will["data"]["uuid"], *uuid);
}

#[test]
fn a_delete_of_the_runtime_ends_it() {
    let mut realm = Realm::start("");
    let uuid = realm.runtime.uuid().to_owned();
    let answer = realm.client.request(
        &realm.control(),
        "delete",
        json!({"type": "runtime", "uuid": uuid}),
    );
    assert_eq!(answer["result"], "ok");
    assert_eq!(realm.runtime.wait().code(), Some(0));
}

#[test]
fn two_runtimes_do_not_share_a_state_directory() {
    let realm = Realm::start("");
    let state = realm.runtime.dir().join("state");
    let settings = format!("[runtime]\nstate_dir = {state:?}");
    let mut second = Runtime::start(realm.broker.port(), &settings);
    assert!(!second.wait().success());
    wait_until("it says why", || {
        second.log().contains("another runtime uses")
    });
}
