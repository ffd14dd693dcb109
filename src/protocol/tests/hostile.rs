//! Bad input is normal input: an error, and an answer where there is somebody to answer.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MAX, UUID, answer, create_message};
use crate::protocol::{Reason, parse};

#[test]
fn what_is_no_request_is_not_answered() {
    for message in [
        &b""[..],
        b" ",
        b"null",
        b"[]",
        b"5",
        b"\"text\"",
        b"{",
        b"{}",
        b"'",
        b"''",
        b"\xff\xfe",
        br#"{"object_id":"1"}"#,
        br#"{"type":"arts_req"}"#,
        br#"{"object_id":null,"type":"arts_req"}"#,
        br#"{"object_id":{},"type":"arts_req"}"#,
        br#"{"object_id":"","type":"arts_req"}"#,
        br#"{"object_id":"1","type":["arts_req"]}"#,
        br#"{"object_id":"1","type":"arts_req","data":{}} x"#,
        br#"{"object_id":1e999,"type":"arts_req","data":{}}"#,
        br#"{"object_id":"1","type":"arts_resp","data":1e999}"#,
    ] {
        let error = parse(message, MAX).unwrap_err();
        let text = String::from_utf8_lossy(message);
        assert_eq!(error.answer(), None, "{text}");
        assert!(!error.to_string().is_empty());
    }
    let long = json!({"object_id": "x".repeat(257), "type": "arts_req", "data": {}});
    let error = parse(long.to_string().as_bytes(), MAX).unwrap_err();
    assert_eq!(error.reason(), &Reason::ObjectId);
}

#[test]
fn what_is_a_request_is_answered_whatever_is_in_it() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let objects = r#"{"a":"#.repeat(10_000) + "1" + &"}".repeat(10_000);
    let many = format!("[{}1]", "1,".repeat(70_000));
    let text = format!("\"{}\"", "x".repeat(1_100_000));
    let keys: Vec<String> = (0..70_000).map(|at| format!("\"{at}\":0")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    let nested = "[".repeat(200);
    let python = format!(r#"{{"type":"module","args":"{nested}]"}}"#);
    for data in [
        "1e999",
        "-1e999999",
        r#""\ud800""#,
        r#"{"type":"module","uuid":1e999}"#,
        r#"{"type":"module","args":["\udc00"]}"#,
        r#"{"type":"module","channels":[{}]}"#,
        deep.as_str(),
        objects.as_str(),
        many.as_str(),
        text.as_str(),
        keys.as_str(),
        python.as_str(),
    ] {
        // Whatever the order of the keys.
        for message in [
            format!(r#"{{"object_id":"7","action":"create","type":"arts_req","data":{data}}}"#),
            format!(r#"{{"data":{data},"type":"arts_req","action":"create","object_id":"7"}}"#),
        ] {
            let error = parse(message.as_bytes(), MAX).unwrap_err();
            let (id, text) = answer(&error).unwrap();
            assert_eq!(id, "7");
            assert!((1..1000).contains(&text.len()), "{text}");
        }
    }
    // What is not looked at may be anything.
    let message = format!(
        r#"{{"object_id":"7","x":{deep},"type":"arts_req","action":"create","data":{{"type":"module","uuid":"{UUID}"}},"y":{many}}}"#
    );
    assert!(parse(message.as_bytes(), MAX).is_ok());
}

#[test]
fn a_message_that_is_too_large_is_answered() {
    let message = create_message(&json!({"name": "x".repeat(1000)}));
    let error = parse(message.as_bytes(), 1000).unwrap_err();
    let expected = Reason::TooLarge {
        size: message.len(),
        max: 1000,
    };
    assert_eq!(error.reason(), &expected);
    assert_eq!(answer(&error).unwrap().0, "1");
    assert!(parse(message.as_bytes(), message.len()).is_ok());
}

#[test]
fn a_large_module_is_taken() {
    let base64 = "A".repeat(16 * 1024 * 1024);
    let message = format!(
        r#"{{"object_id":"1","action":"create","type":"arts_req","data":{{"type":"module","wasm":"{base64}"}}}}"#
    );
    let super::RequestData::CreateModule(module) = super::request(&message).data else {
        panic!("another request")
    };
    assert_eq!(module.wasm.unwrap().len(), 12 * 1024 * 1024);
}

/// Messages of every kind.
fn samples() -> Vec<String> {
    let mut samples = vec![
        create_message(
            &json!({"name": "a/b", "filename": "a.wasm", "args": "['a', \"b's\"]",
            "env": ["A=1"], "channels": "[{'path': '/ch/l', 'mode': 'r', 'params': {'topic': 't'}}]",
            "resources": {"period": 10, "affinity": "0-3"}, "wasm": "AGFzbQ==", "memory": 65536}),
        ),
        create_message(&json!({"args": "a b", "env": "A=1 B=2", "parent": "{}"})),
    ];
    for message in [
        json!({"object_id": "1", "action": "delete", "type": "arts_req", "send_to_runtime": UUID,
            "data": {"type": "module", "uuid": UUID, "exit": {"reason": "exited", "code": 1}}}),
        json!({"object_id": "1", "action": "update", "type": "arts_req", "data": {"type": "runtime",
            "uuid": UUID, "children": [{"uuid": UUID, "active": "2020-08-25T15:46:20.545Z",
            "cpu_usage_percent": 0.5}], "mem_usage": 5}}),
        json!({"object_id": "1", "type": "arts_resp", "data": {"result": "ok",
            "details": {"ka_interval_sec": 5}}}),
    ] {
        samples.push(message.to_string());
    }
    samples
}

#[test]
fn every_part_of_a_message_is_an_error() {
    for sample in samples() {
        assert!(parse(sample.as_bytes(), MAX).is_ok(), "{sample}");
        for end in 0..sample.len() {
            let error = parse(&sample.as_bytes()[..end], MAX).unwrap_err();
            assert_eq!(error.answer(), None, "{}", &sample[..end]);
        }
    }
}

/// If it is JSON and a request with an id, there is an answer, or it was understood.
fn check(message: &[u8]) {
    let parsed = parse(message, MAX);
    let Ok(json) = serde_json::from_slice::<Value>(message) else {
        return;
    };
    let id = &json["object_id"];
    let has_id = id.is_number() || id.as_str().is_some_and(|id| (1..=256).contains(&id.len()));
    if json["type"] == "arts_req" && has_id {
        match parsed {
            Ok(_) => {}
            Err(error) => {
                answer(&error).unwrap();
            }
        }
    }
}

/// A value that is hardly what is wanted.
fn strange() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        r#"[\[\](){}'",:\\a-f0-9= .-]{0,20}"#.prop_map(Value::from),
        Just(UUID.into()),
        Just("None".into()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(path|topic|uuid|params|mode|[a-z]{1,3})", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn changed_messages_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
    ) {
        let samples = samples();
        let mut message = which.get(&samples).clone().into_bytes();
        for (at, byte, kind) in changes {
            let at = at.index(message.len());
            match kind {
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                _ => { message.remove(at); }
            }
        }
        check(&message);
    }

    #[test]
    fn strange_values_are_answered(
        action in prop_oneof![Just("create"), Just("delete"), Just("update"), Just("?")],
        kind in prop_oneof![Just("module"), Just("runtime"), Just("?")],
        fields in prop::collection::btree_map(
            "(uuid|name|parent|file(name|id|type)|apis|args|env|channels|wasm|memory|wait_state|\
             resources|fault_crash|children|exit|max_nmodules|mem_usage|load1)",
            strange(), 0..6),
        target in strange(),
    ) {
        let mut data: serde_json::Map<String, Value> = fields.into_iter().collect();
        data.insert("type".to_owned(), kind.into());
        let message = json!({"object_id": 5, "action": action, "type": "arts_req", "data": data,
            "send_to_runtime": target});
        check(message.to_string().as_bytes());
    }
}
