//! Control messages that mean harm.

use base64::Engine as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::probe::{Probe, realm};
use crate::random::Random;
use crate::usage::{is_sound, settled};

fn request(action: &str, data: Value) -> String {
    json!({"object_id": Uuid::new_v4(), "action": action, "type": "arts_req", "data": data})
        .to_string()
}

/// Stands where each message gets a transaction id of its own.
const ID: &str = "the object id";

/// Requests in the spellings that come from clients and from ARTS.
fn sound_requests() -> Vec<String> {
    let sound = |action: &str, data: Value| {
        json!({"object_id": ID, "action": action, "type": "arts_req", "data": data}).to_string()
    };
    let id = Uuid::new_v4();
    let create = json!({"type": "module", "uuid": id, "name": "a/b", "filename": "none.wasm",
        "parent": {"uuid": Uuid::new_v4()}, "filetype": "WA", "apis": ["wasi:snapshot_preview1"],
        "args": ["a", "it's"], "env": ["A=b"], "channels": [{"path": "/ch/light", "type": "pubsub",
        "mode": "rw", "params": {"topic": "realm/light"}}], "resources": {"period": 1, "runtime": 1}});
    let mut python = create.clone();
    python["args"] = "['a', \"it's\", None, True, 1.5, ('x', {'k': [1]}), b'\\xff']".into();
    python["channels"] = "[{'path': '/ch/light', 'type': 'pubsub', 'mode': 'r', 'params': {'topic': 'realm/light'}}]".into();
    python["parent"] = "{}".into();
    let mut waits = create.clone();
    waits["wait_state"] = true.into();
    waits["memory"] = "AAAA".into();
    let mut inline = create.clone();
    inline["wasm"] = "AGFzbQEAAAA=".into();
    let mut moves: Value = sound("delete", json!({"type": "module", "uuid": id}))
        .parse()
        .unwrap();
    moves["send_to_runtime"] = Uuid::new_v4().to_string().into();
    vec![
        sound("create", create.clone()),
        sound("create", python),
        sound("create", waits),
        sound("create", inline),
        sound("delete", json!({"type": "module", "uuid": id})),
        moves.to_string(),
        format!("'{}'", sound("create", create)),
        sound("delete", json!({"type": "runtime", "uuid": id})),
        json!({"object_id": ID, "type": "arts_resp", "data": {"result": "ok", "details": {}}})
            .to_string(),
    ]
}

/// Values that nobody expects.
fn odd_value(random: &mut Random) -> Value {
    match random.below(16) {
        0 => Value::Null,
        1 => true.into(),
        2 => (-1).into(),
        3 => u64::MAX.into(),
        4 => 1e308.into(),
        5 => "".into(),
        6 => "\0".into(),
        7 => "x".repeat(5000).into(),
        8 => json!([[[[]]]]),
        9 => json!({"": {"": 0}}),
        10 => "['".into(),
        11 => "[".repeat(300).into(),
        12 => format!("{}{}", "(".repeat(200), ")".repeat(200)).into(),
        13 => "{'a': {'b': [None, True, b'\\x00', 1j, 0x10, 1_000, '\\ud800']}}".into(),
        14 => json!(vec![0; 2000]),
        _ => "../../../etc/passwd".into(),
    }
}

/// Another value, or none, somewhere in a message.
fn change_field(random: &mut Random, value: &mut Value) {
    let Value::Object(fields) = value else {
        *value = odd_value(random);
        return;
    };
    let keys: Vec<_> = fields.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = random.pick(&keys);
    match random.below(4) {
        0 => drop(fields.remove(key)),
        1 if fields[key].is_object() => change_field(random, &mut fields[key]),
        _ if key == "data" => change_field(random, &mut fields[key]),
        _ => fields[key] = odd_value(random),
    }
}

fn hostile(random: &mut Random, sound: &[String], number: usize) -> Vec<u8> {
    let id = Uuid::from_u64_pair(1, random.next()).to_string();
    let base = random.pick(sound).replacen(ID, &id, 1);
    match number % 8 {
        0 | 1 => {
            let mut bytes = base.into_bytes();
            random.mutate(&mut bytes);
            bytes
        }
        2..=4 => {
            let mut value = base.trim_matches('\'').parse().unwrap();
            for _ in 0..=random.below(3) {
                change_field(random, &mut value);
            }
            value.to_string().into_bytes()
        }
        5 => {
            let brackets = *random.pick(&["[", "{\"a\":", "(", "'", "[{'a':", "\""]);
            brackets.repeat(1 + random.below(3000)).into_bytes()
        }
        6 => {
            let digits = "9".repeat(1 + random.below(3000));
            format!("{{\"object_id\": 1e{digits}, \"type\": \"arts_req\", \"data\": -{digits}.{digits}}}").into_bytes()
        }
        _ => (0..random.below(300)).map(|_| random.byte()).collect(),
    }
}

/// The transaction id that must be answered: this is JSON, and a request.
fn must_be_answered(payload: &[u8]) -> Option<Value> {
    let message: Value = serde_json::from_slice(payload).ok()?;
    let id = message.get("object_id")?;
    let sound = id.as_str().is_some_and(|id| (1..=100).contains(&id.len()));
    (sound && message["type"] == "arts_req").then(|| id.clone())
}

#[test]
fn a_hundred_thousand_messages() {
    let mut realm = realm("[log]\nlevel = \"warn\"\n[runtime]\ngrace_time = \"50ms\"");
    let own = realm.runtime.uuid().to_owned();
    let control = realm.control();
    // The other client would remember them all.
    realm.client = crate::client::Client::connect(realm.broker.port());
    let probe = Probe::connect(realm.broker.port(), &[&control]);
    let mut random = Random::new(3);
    let mut expected = Vec::new();
    let mut sent = 0;
    let mut send = |probe: &Probe, payload: Vec<u8>| {
        let topic = match sent % 50 {
            0 => "realm/proc/reg".to_owned(),
            1 | 2 => format!("proc/control/{own}"),
            3 => format!("realm/proc/debug/stdin/{own}"),
            _ => control.clone(),
        };
        if topic == control {
            expected.extend(must_be_answered(&payload));
        }
        sent += 1;
        probe.publish(&topic, payload);
    };
    let fence = |probe: &Probe| {
        let message = request("delete", json!({"type": "module", "uuid": Uuid::new_v4()}));
        let message_value: Value = message.parse().unwrap();
        probe.publish(&control, message);
        probe.wait_answer(&message_value["object_id"]);
    };
    let mut usage = None;
    let sound = sound_requests();
    // Every truncation, then all kinds.
    for text in &sound {
        for end in 0..=text.len() {
            send(&probe, text.as_bytes().get(..end).unwrap().to_vec());
        }
    }
    for number in 0..98_000 {
        if number % 5_000 == 0 {
            fence(&probe);
            if number == 5_000 {
                usage = Some(settled(&realm));
            }
        }
        let payload = hostile(&mut random, &sound, number);
        send(&probe, payload);
    }
    fence(&probe);
    let unanswered: Vec<_> = expected
        .iter()
        .filter(|id| !probe.is_answered(id))
        .collect();
    println!("{sent} messages, {} of them requests", expected.len());
    assert!(expected.len() > 10_000, "{}", expected.len());
    assert!(unanswered.is_empty(), "{unanswered:?}");
    usage.unwrap().is_back(&realm, "hostile messages", 16);
    is_sound(&mut realm);
}

#[test]
fn damaged_modules() {
    let mut realm = realm("[runtime]\nmax_modules = 400\ngrace_time = \"50ms\"");
    let hello = std::fs::read(realm.runtime.apps().join("hello.wasm")).unwrap();
    let mut random = Random::new(1);
    let mut create = |damage: bool| {
        let mut wasm = hello.clone();
        if damage {
            random.mutate(&mut wasm);
            let end = 1 + random.below(wasm.len());
            if end.is_multiple_of(4) {
                wasm.truncate(end);
            }
        }
        let code = base64::engine::general_purpose::STANDARD.encode(wasm);
        json!({"type": "module", "uuid": Uuid::new_v4(), "name": "damaged", "wasm": code})
    };
    let mut usage = None;
    let (mut run, mut refused) = (0, 0);
    for round in 0..6 {
        realm.client.forget();
        let data: Vec<_> = (0..50).map(|_| create(round > 0)).collect();
        let control = realm.control();
        let ids: Vec<_> = data
            .iter()
            .map(|data| realm.client.send(&control, "create", data.clone()))
            .collect();
        for id in ids {
            match realm.client.answer(&id)["result"].as_str() {
                Some("ok") => run += 1,
                _ => refused += 1,
            }
        }
        for data in &data {
            realm.delete(data["uuid"].as_str().unwrap());
        }
        if round == 0 {
            assert_eq!((run, refused), (50, 0));
            usage = Some(settled(&realm));
        }
    }
    println!(
        "of 250 damaged modules {} were run and {refused} refused",
        run - 50
    );
    assert!(refused > 100);
    usage.unwrap().is_back(&realm, "damaged modules", 16);
    is_sound(&mut realm);
}
