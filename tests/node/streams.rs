//! Standard streams: lines on MQTT.

use serde_json::json;

use crate::runtime::Realm;

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
    let realm = Realm::start("[limits]\noutput_rate = \"64KiB\"");
    let id = realm.run("print_lines.wasm", json!({"args": ["100000"]}));
    assert_eq!(realm.exit(&id)["code"], 0);
    let lines = realm.client.lines(&id).len();
    assert!(lines < 200_000 && lines > 100, "{lines}");
}
