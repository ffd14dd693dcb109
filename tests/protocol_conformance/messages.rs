//! What all messages have in common.

use serde_json::Value;
use uuid::Uuid;

use crate::client::Client;
use crate::realm::{CLIENTS, KEEPALIVE, REG, Realm};

/// The keys of an object, in their alphabetical order.
pub fn keys(value: &Value) -> Vec<&str> {
    let map = value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"));
    let mut keys: Vec<_> = map.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Whether a message is the answer to that request.
pub fn is_answer(message: &Value, id: &str) -> bool {
    message["type"] == "arts_resp" && message["object_id"] == id
}

/// A uuid as it is written in messages.
pub fn is_uuid(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// A request, exactly.
pub fn check_request(message: &Value, action: &str, of: &str) {
    assert_eq!(
        keys(message),
        ["action", "data", "object_id", "type"],
        "{message}"
    );
    assert_eq!(message["type"], "arts_req");
    assert_eq!(message["action"], action);
    assert!(is_uuid(&message["object_id"]), "{message}");
    assert_eq!(message["data"]["type"], of);
    assert!(is_uuid(&message["data"]["uuid"]), "{message}");
}

/// A response, exactly.
pub fn check_response(message: &Value) {
    assert_eq!(keys(message), ["data", "object_id", "type"], "{message}");
    assert_eq!(message["type"], "arts_resp");
    assert_eq!(keys(&message["data"]), ["details", "result"], "{message}");
    match message["data"]["result"].as_str() {
        Some("ok") => assert!(message["data"]["details"].is_object(), "{message}"),
        Some("error") => {
            let why = message["data"]["details"].as_str();
            assert!(why.is_some_and(|why| !why.is_empty()), "{message}");
        }
        _ => panic!("{message}"),
    }
}

/// All that ours have published so far: each message where it belongs and as it has to be.
pub fn check_all(realm: &Realm) {
    let control = realm.control();
    for got in realm.ours() {
        let name = got.topic.as_str();
        assert!(!got.retain, "{name} is retained");
        if name.starts_with("realm/proc/debug/stdout/") {
            assert!(!got.text().ends_with('\n'), "{}", got.text());
            assert_eq!(got.qos, 0, "{name}");
            continue;
        }
        if !name.starts_with("realm/proc/") && !name.starts_with("proc/") {
            continue;
        }
        let message = got.json();
        let is_request = message["type"] == "arts_req";
        match name {
            REG => check(&message, &[("create", "runtime"), ("delete", "runtime")]),
            KEEPALIVE => check(&message, &[("update", "runtime")]),
            CLIENTS => check(&message, &[("delete", "module")]),
            _ if name.starts_with(CLIENTS) => {
                let forwards = [
                    ("create", "module"),
                    ("delete", "module"),
                    ("delete", "runtime"),
                ];
                check(&message, &forwards);
            }
            _ if name.strip_prefix("proc/control/")
                == control.strip_prefix("realm/proc/control/") =>
            {
                assert!(!is_request, "{name}: {message}");
                check(&message, &[]);
            }
            _ => panic!("nothing is published on {name}: {message}"),
        }
        if is_request && (name == REG || name == KEEPALIVE) {
            assert_eq!(got.qos, 0, "{name}: {message}");
        }
        check_spelling(&message);
    }
}

/// A response, or one of these requests.
fn check(message: &Value, requests: &[(&str, &str)]) {
    assert!(message.is_object(), "no JSON object");
    if message["type"] == "arts_resp" {
        return check_response(message);
    }
    let mut message = message.clone();
    // A delete that moves a module has it beside `data`.
    if let Some(target) = message.as_object_mut().unwrap().remove("send_to_runtime") {
        assert!(is_uuid(&target), "{message}");
    }
    let one = requests
        .iter()
        .find(|(action, of)| message["action"] == *action && message["data"]["type"] == *of);
    let (action, of) = one.unwrap_or_else(|| panic!("not of its topic: {message}"));
    check_request(&message, action, of);
}

/// No list or object is written as text.
fn check_spelling(value: &Value) {
    match value {
        Value::String(text) => {
            let text = text.trim_start();
            let python = ["['", "[\"", "[]", "[{", "{'", "{\"", "{}"];
            assert!(
                !python.iter().any(|begin| text.starts_with(begin)),
                "{text}"
            );
        }
        Value::Array(values) => values.iter().for_each(check_spelling),
        Value::Object(map) => map.values().for_each(check_spelling),
        _ => {}
    }
}

/// Nobody who comes later gets anything of what was published.
pub fn check_nothing_retained(realm: &Realm) {
    let late = Client::connect(realm.broker.port());
    for filter in ["realm/#", "proc/#", "late"] {
        late.subscribe(filter);
    }
    late.publish("late", "fence");
    late.wait("its own message", |got| got.topic == "late");
    let retained = late.all(|got| got.retain);
    assert!(retained.is_empty(), "{retained:?}");
    late.disconnect();
}
