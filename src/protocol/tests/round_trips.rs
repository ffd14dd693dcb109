//! What is built and parsed again is the same, in every spelling.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::request;
use crate::protocol::{
    Channel, ChannelMode, Child, CreateModule, FaultCrash, FileType, KeepAlive, ObjectId, Parent,
    RequestData, Resources,
};

fn uuids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

/// Any text but NUL.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        r#"[a-z0-9 '"\\\[\]{}(),:=.\n\t-]{1,12}"#,
        "[^\0]{1,8}",
        Just("None".to_owned()),
    ]
}

fn args() -> impl Strategy<Value = Vec<String>> {
    // A list with nothing but an empty text in it is empty.
    prop::collection::vec(texts(), 0..4)
}

fn channels() -> impl Strategy<Value = Channel> {
    let mode = prop_oneof![
        Just(ChannelMode::Read),
        Just(ChannelMode::Write),
        Just(ChannelMode::ReadWrite)
    ];
    (
        texts(),
        "[a-z]{1,6}",
        mode,
        texts(),
        prop::option::of(0_u8..3),
    )
        .prop_map(|(path, kind, mode, topic, qos)| Channel {
            path,
            kind,
            mode,
            topic,
            qos,
        })
}

fn parents() -> impl Strategy<Value = Parent> {
    prop_oneof![
        Just(Parent::Any),
        uuids().prop_map(Parent::Runtime),
        "rt[a-z]{0,5}".prop_map(Parent::Named),
    ]
}

fn resources() -> impl Strategy<Value = Resources> {
    let number = || prop::option::of(any::<u64>());
    let cpus = prop::option::of(prop::collection::btree_set(0_u32..64, 1..4));
    (number(), number(), number(), cpus, number()).prop_map(
        |(period, runtime, memory, affinity, cpu_ms)| Resources {
            period,
            runtime,
            memory,
            affinity,
            cpu_ms,
        },
    )
}

fn modules() -> impl Strategy<Value = CreateModule> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 16..64));
    let env = prop::collection::vec(
        ("[A-Z_]{1,5}", prop_oneof![texts(), Just(String::new())]),
        0..3,
    );
    let first = (
        uuids(),
        texts(),
        parents(),
        prop::option::of(texts()),
        any::<bool>(),
        env,
    );
    let second = (
        args(),
        prop::collection::vec(channels(), 0..3),
        bytes(),
        bytes(),
    );
    let third = (any::<bool>(), resources(), any::<bool>());
    (first, second, third).prop_map(|(first, second, third)| {
        let (uuid, name, parent, filename, python, env) = first;
        let (args, channels, wasm, memory) = second;
        let (wait_state, resources, restart) = third;
        let filetype = if python {
            FileType::Python
        } else {
            FileType::Wasm
        };
        CreateModule {
            name,
            parent,
            filename,
            filetype,
            apis: filetype.default_apis(),
            args,
            env,
            channels,
            wasm: wasm.map(Into::into),
            memory: memory.map(Into::into),
            wait_state,
            resources,
            fault_crash: if restart {
                FaultCrash::Restart
            } else {
                FaultCrash::Ignore
            },
            ..CreateModule::new(uuid)
        }
    })
}

/// `value` as Python's `repr` writes it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') {
                '"'
            } else {
                '\''
            };
            let mut out = String::from(quote);
            for c in text.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if c == quote => out.extend(['\\', c]),
                    c if u32::from(c) < 0x20 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out.push(quote);
            out
        }
        Value::Array(values) => {
            format!(
                "[{}]",
                values.iter().map(python).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(k, v)| format!("{}: {}", python(&k.clone().into()), python(v)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn parsed(message: &str) -> CreateModule {
    match request(message).data {
        RequestData::CreateModule(module) => *module,
        other => panic!("{message}: {other:?}"),
    }
}

proptest! {
    #[test]
    fn modules_in_every_spelling(module in modules(), spelling in 0..4) {
        let id = ObjectId::random();
        let message = String::from_utf8(module.to_message(&id)).unwrap();
        let mut json: Value = serde_json::from_str(&message).unwrap();
        for (key, value) in json["data"].as_object_mut().unwrap() {
            let list = ["args", "env", "channels", "apis"].contains(&key.as_str());
            let object = ["parent", "resources"].contains(&key.as_str()) && value.is_object();
            match spelling {
                1 if list || object => *value = value.to_string().into(),
                2 if list || object => *value = python(value).into(),
                3 if key == "args" || key == "env" => {
                    // Spaces are between words, and some first characters have a meaning.
                    let plain = |text: &str| {
                        !text.is_empty() && text != "None"
                            && !text.contains(char::is_whitespace)
                            && !text.starts_with(['[', '(', '{', '\'', '"'])
                    };
                    let words: Vec<&str> =
                        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
                    if words.iter().all(|word| plain(word)) {
                        *value = words.join(" ").into();
                    }
                }
                _ => {}
            }
        }
        let once = parsed(&json.to_string());
        prop_assert_eq!(&CreateModule { original: Map::new(), ..once.clone() }, &module);
        prop_assert_eq!(request(&message).object_id, id.clone());
        // What was parsed goes on as it came.
        let again = String::from_utf8(once.to_message(&id)).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), json);
        prop_assert_eq!(parsed(&again), once);
    }

    #[test]
    fn keepalives(
        uuid in uuids(),
        name in texts(),
        children in prop::collection::vec((uuids(), texts(), prop::option::of(0_u64..4_000_000_000_000), 0..10_000, any::<u64>()), 0..4),
        cpu in 0..100_000,
        mem_available in prop::option::of(any::<u64>()),
        load in prop::option::of(0..10_000),
    ) {
        let percent = |hundredths: i32| f64::from(hundredths) / 100.0;
        let keepalive = KeepAlive {
            uuid,
            name,
            apis: "a b".to_owned(),
            max_nmodules: 5,
            children: children.into_iter().map(|(uuid, name, active, cpu, mem_usage)| Child {
                uuid,
                name,
                active: active.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)),
                cpu_usage_percent: percent(cpu),
                mem_usage,
                extra: Map::from_iter([("x".to_owned(), json!([1]))]),
            }).collect(),
            cpu_usage_percent: percent(cpu),
            mem_usage: 7,
            mem_available,
            load1: load.map(percent),
            extra: Map::from_iter([("y".to_owned(), json!({}))]),
        };
        let message = String::from_utf8(keepalive.to_message(&ObjectId::random())).unwrap();
        prop_assert_eq!(request(&message).data, RequestData::KeepAlive(Box::new(keepalive)));
    }

    #[test]
    fn numbers_come_back_as_they_came(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let message = json!({"object_id": number, "action": "create", "type": "arts_req",
            "data": {"type": "module", "weight": number}});
        let request = request(&message.to_string());
        prop_assert_eq!(request.object_id.to_value(), json!(number));
        let RequestData::CreateModule(module) = request.data else {
            panic!("{message}")
        };
        prop_assert_eq!(&module.original["weight"], &json!(number));
    }
}
