//! The samples with channels, and guests that measure, as modules of a node.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::runtime::Realm;

fn channels(channels: &[(&str, &str)]) -> Value {
    let one = |(path, topic): &(&str, &str)| json!({"path": path, "type": "pubsub", "mode": "rw", "params": {"topic": topic}});
    channels.iter().map(one).collect()
}

/// It has ended by itself, and well.
fn ends_well(realm: &Realm, module: &str) {
    let exit = realm.exit(module);
    let lines = realm.client.lines(module);
    assert_eq!(exit["code"], 0, "{exit} {lines:?}");
}

fn texts(realm: &Realm, topic: &str) -> Vec<String> {
    let messages = realm.client.all(|got| got.topic == topic);
    messages.iter().map(crate::client::Got::text).collect()
}

#[test]
fn a_subscriber_gets_what_a_publisher_publishes() {
    let realm = Realm::start("");
    let light = channels(&[("light", "realm/kitchen/light")]);
    let subscriber = realm.run(
        "subscriber.wasm",
        json!({"channels": light, "args": ["light", "3"]}),
    );
    realm.client.wait_line(&subscriber, "subscribed: light");
    let publisher = realm.run(
        "publisher.wasm",
        json!({"channels": light, "args": ["light", "3", "1"]}),
    );
    ends_well(&realm, &publisher);
    ends_well(&realm, &subscriber);
    assert_eq!(
        realm.client.lines(&subscriber)[1..],
        [1, 2, 3].map(|n| format!("received: message {n}"))
    );
    assert_eq!(
        texts(&realm, "realm/kitchen/light"),
        [1, 2, 3].map(|n| format!("message {n}"))
    );
}

#[test]
fn a_light_has_a_switch_on_a_channel_and_one_on_stdin() {
    let realm = Realm::start("");
    let light = realm.run(
        "light-switch.wasm",
        json!({
            "channels": channels(&[("/ch/switch", "realm/kitchen/switch"), ("/ch/light", "realm/kitchen/light")]),
            "args": ["3"],
        }),
    );
    realm.client.wait_line(&light, "the light is off");
    // Its subscription is with the broker before its output is.
    realm.client.publish("realm/kitchen/switch", "on");
    realm.client.wait_line(&light, "the light is on");
    let stdin = format!("realm/proc/debug/stdin/{light}");
    realm.client.publish(&stdin, "off");
    realm.client.wait("off", |got| {
        got.topic == "realm/kitchen/light" && got.text() == "off"
    });
    realm.client.publish(&stdin, "dim");
    realm.client.publish("realm/kitchen/switch", "toggle");
    ends_well(&realm, &light);
    assert_eq!(texts(&realm, "realm/kitchen/light"), ["on", "off", "on"]);
}

#[test]
fn a_ping_comes_back() {
    let realm = Realm::start("");
    // tests/guests/node has an echo, too.
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build/echo.wasm");
    fs::copy(sample, realm.runtime.apps().join("echo-rust.wasm")).unwrap();
    let both = channels(&[("ping", "realm/ping"), ("pong", "realm/pong")]);
    let echo = realm.run(
        "echo-rust.wasm",
        json!({"channels": both, "args": ["ping", "pong", "20"]}),
    );
    realm.client.wait_line(&echo, "echo: from ping to pong");
    let ping = realm.run(
        "ping.wasm",
        json!({"channels": both, "args": ["20", "200", "0"]}),
    );
    ends_well(&realm, &ping);
    ends_well(&realm, &echo);
    let lines = realm.client.lines(&ping);
    assert_eq!(lines[0], "20 of 20 messages came back");
    assert!(lines[1].starts_with("min "), "{lines:?}");
    assert_eq!(texts(&realm, "realm/ping").len(), 20);
    assert_eq!(texts(&realm, "realm/ping"), texts(&realm, "realm/pong"));
}

#[test]
fn a_counter_goes_on_where_it_was_stopped() {
    let data = tempfile::tempdir().unwrap();
    let realm = Realm::start(&format!(
        "[dirs]\n\"/data\" = '{}'\n",
        data.path().display()
    ));
    let counter = json!({
        "channels": channels(&[("count", "realm/count")]),
        "args": ["/data/counter", "5"],
    });
    let first = realm.run("counter.wasm", counter.clone());
    realm.client.wait_line(&first, "3");
    let answer = realm.delete(&first);
    assert_eq!(answer["details"]["exit"]["code"], 0, "{answer}");
    let saved = fs::read_to_string(data.path().join("counter")).unwrap();
    let saved = saved.trim();
    realm
        .client
        .wait_line(&first, &format!("saved {saved} to /data/counter"));

    let second = realm.run("counter.wasm", counter);
    realm
        .client
        .wait_line(&second, &format!("restored {saved} from /data/counter"));
    realm.client.wait_line(&second, saved);
}

#[test]
fn a_flood_tells_what_came_of_it() {
    let realm = Realm::start("");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build/flood.wasm");
    fs::copy(sample, realm.runtime.apps().join("flood-rust.wasm")).unwrap();
    let flood = realm.run(
        "flood-rust.wasm",
        json!({"args": ["realm/flood", "1000", "100"]}),
    );
    ends_well(&realm, &flood);
    let lines = realm.client.lines(&flood);
    assert!(lines[0].starts_with("1000 messages, "), "{lines:?}");
}

#[test]
fn nothing_is_lost_between_two_modules() {
    let realm = Realm::start("");
    // One message at a time, and as many as there can be.
    for (count, window) in [("500", "1"), ("20000", "1000")] {
        let receiver = realm.run("receiver.wasm", json!({"args": [count, window]}));
        let sender = realm.run("sender.wasm", json!({"args": [count, window]}));
        ends_well(&realm, &sender);
        ends_well(&realm, &receiver);
        let figures = realm.client.lines(&receiver)[1].clone();
        let all = format!("received {count} lost 0 disordered 0 ");
        assert!(figures.starts_with(&all), "{figures}");
    }
}

#[test]
fn a_guest_of_the_older_interface_polls_everything() {
    let realm = Realm::start("");
    let guest = realm.run(
        "unstable_poll.wasm",
        json!({"channels": channels(&[("/ch/in", "realm/in"), ("/ch/out", "realm/out")])}),
    );
    realm.client.wait_line(&guest, "polling");
    let stdin = format!("realm/proc/debug/stdin/{guest}");
    realm.client.publish(&stdin, "typed");
    realm.client.wait_line(&guest, "stdin: typed");
    realm.client.publish("realm/in", "sent");
    realm.client.wait_line(&guest, "channel: sent");
    let answer = realm.delete(&guest);
    realm.client.wait_line(&guest, "signal: 3");
    assert_eq!(texts(&realm, "realm/out"), ["typed\n", "sent"], "{answer}");
}
