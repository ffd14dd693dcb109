//! Standard streams: lines on MQTT.

use serde_json::json;

use crate::client::Got;
use crate::runtime::{Realm, wait_until};

#[test]
fn each_line_is_a_message() {
    let realm = Realm::start("");
    let id = realm.run("print_lines.wasm", json!({"args": ["50"]}));
    realm.exit(&id);
    // The exit report comes after the last line.
    assert_eq!(realm.client.lines(&id).len(), 100);
}

#[test]
fn stdin_is_lines_too() {
    let realm = Realm::start("");
    let id = realm.run("cat_lines.wasm", json!({}));
    let topic = format!("realm/proc/debug/stdin/{id}");
    for line in ["first", "", "third, with spaces"] {
        realm.client.publish(&topic, line);
    }
    realm.client.wait_line(&id, "third, with spaces");
    assert_eq!(realm.client.lines(&id), ["first", "", "third, with spaces"]);
    realm.delete(&id);
}

#[test]
fn output_is_bounded() {
    if crate::program::is_emulated() {
        // It is slower than the bound.
        return;
    }
    let realm = Realm::start("[limits]\noutput_rate = \"64KiB\"");
    let id = realm.run("print_lines.wasm", json!({"args": ["100000"]}));
    assert_eq!(realm.exit(&id)["code"], 0);
    let lines = realm.client.lines(&id).len();
    assert!(lines < 200_000 && lines > 100, "{lines}");
}

#[test]
fn the_report_of_the_end_comes_after_everything_else() {
    let realm = Realm::start("");
    let channel = json!({"path": "light", "type": "pubsub", "mode": "w",
        "params": {"topic": "realm/light", "qos": 1}});
    let id = realm.run(
        "publisher.wasm",
        json!({"args": ["light", "400", "2"], "channels": [channel]}),
    );
    let is_message = |got: &Got| got.topic == "realm/light";
    realm.client.wait("its first message", is_message);
    // What it says from now on has to wait in the runtime.
    realm.broker.freeze();
    wait_until("it has ended", || {
        realm.runtime.log().contains("the module has ended")
    });
    realm.broker.thaw();
    realm.exit(&id);
    let seen = realm.client.all(|_| true);
    let report = seen
        .iter()
        .position(|got| got.topic == "realm/proc/control")
        .unwrap();
    let before = &seen[..report];
    assert_eq!(before.iter().filter(|got| is_message(got)).count(), 400);
    assert_eq!(realm.client.lines(&id).len(), 400);
}
