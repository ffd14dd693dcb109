//! One meaning, many spellings; and what is wrong is told exactly.

use serde_json::{Value, json};

use super::{OTHER, UUID, create, create_message, refused, request};
use crate::protocol::{Channel, ChannelMode, FaultCrash, FileType, Parent, RequestData, limits};

#[test]
fn arguments() {
    for (args, expected) in [
        (json!(["a", "b c"]), vec!["a", "b c"]),
        (json!("a b"), vec!["a", "b"]),
        (json!("  a \t b\n"), vec!["a", "b"]),
        (json!(r#"["a", "b c"]"#), vec!["a", "b c"]),
        (json!("['a', 'b c']"), vec!["a", "b c"]),
        (json!("('a', 'b c')"), vec!["a", "b c"]),
        (json!(r#"['arg1', "it's"]"#), vec!["arg1", "it's"]),
        (json!(r"['C:\\dir', 'tab\t']"), vec!["C:\\dir", "tab\t"]),
        (json!(r"[\'a\', \'b\']"), vec!["a", "b"]),
        (json!(r#""['a', 'b']""#), vec!["a", "b"]),
        (json!(r#"'["a", "b"]'"#), vec!["a", "b"]),
        (json!("[1, 2.5, True, -3]"), vec!["1", "2.5", "true", "-3"]),
        (json!([1, 2.5, true]), vec!["1", "2.5", "true"]),
        (json!(5), vec!["5"]),
        (json!("--port=80 {x}"), vec!["--port=80", "{x}"]),
        (json!(r#"{"a":1}"#), vec![r#"{"a":1}"#]),
        (json!("(a) b"), vec!["(a)", "b"]),
        (json!("[::1]:80 b"), vec!["[::1]:80", "b"]),
        (json!("it's"), vec!["it's"]),
        (json!(["a", "", "b"]), vec!["a", "", "b"]),
        (json!(["['a']"]), vec!["['a']"]),
        (json!("['größe', '\u{1f600}']"), vec!["größe", "\u{1f600}"]),
    ] {
        assert_eq!(create(&json!({ "args": args })).args, expected, "{args}");
    }
}

#[test]
fn nothing_is_empty_in_every_spelling() {
    for nothing in [
        json!(null),
        json!(""),
        json!("  "),
        json!("['']"),
        json!("[]"),
        json!("[\"\"]"),
        json!([]),
        json!([""]),
        json!([null]),
        json!("None"),
        json!("null"),
        json!("[None]"),
        json!("()"),
        json!("''"),
        json!("\"\""),
        json!("'[]'"),
    ] {
        let module = create(
            &json!({ "args": nothing, "env": nothing, "channels": nothing,
            "apis": nothing }),
        );
        assert!(module.args.is_empty(), "{nothing}");
        assert!(module.env.is_empty(), "{nothing}");
        assert!(module.channels.is_empty(), "{nothing}");
        assert_eq!(module.apis, FileType::Wasm.default_apis(), "{nothing}");
    }
}

#[test]
fn environment() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    for (env, expected) in [
        (
            json!(["A=1", "B=x=y", "C="]),
            pairs(&[("A", "1"), ("B", "x=y"), ("C", "")]),
        ),
        (json!("A=1 B=x=y"), pairs(&[("A", "1"), ("B", "x=y")])),
        (
            json!("['A=1', 'B=two words']"),
            pairs(&[("A", "1"), ("B", "two words")]),
        ),
        (json!({"A": 1, "B": "2"}), pairs(&[("A", "1"), ("B", "2")])),
        (json!("{'A': '1'}"), pairs(&[("A", "1")])),
        (json!(["A=1", ""]), pairs(&[("A", "1")])),
        (json!(["A"]), pairs(&[("A", "")])),
    ] {
        assert_eq!(create(&json!({ "env": env })).env, expected, "{env}");
    }
    assert_eq!(
        refused(&json!({"env": ["A=1", "=2"]})),
        r#""env[1]": has no name before the "=""#
    );
    assert_eq!(
        refused(&json!({"env": [["A"]]})),
        r#""env[0]": an array is not text"#
    );
    assert!(refused(&json!({"env": {"A=": "1"}})).starts_with(r#""env[0]""#));
    assert!(refused(&json!({"env": {"A": []}})).starts_with(r#""env.A""#));
}

#[test]
fn channels() {
    let light = Channel {
        path: "/ch/light".to_owned(),
        kind: "pubsub".to_owned(),
        mode: ChannelMode::Read,
        topic: "kitchen/light".to_owned(),
        qos: Some(1),
    };
    let full = json!({"path": "/ch/light", "type": "pubsub", "mode": "r",
        "params": {"topic": "kitchen/light", "qos": 1}});
    for channels in [
        json!([full]),
        json!(full),
        json!(json!([full]).to_string()),
        json!([full.to_string()]),
        json!([{"path": "/ch/light", "mode": "R", "topic": "kitchen/light", "qos": "1"}]),
        json!([{"path": "/ch/light", "mode": "r", "params": "{'topic': 'kitchen/light', 'qos': 1.0}"}]),
        json!(
            "[{'path': '/ch/light', 'type': 'pubsub', 'mode': 'r', 'params': {'topic': 'kitchen/light', 'qos': 1.0, 'x': None}}]"
        ),
        json!("{'path': '/ch/light', 'mode': 'r', 'params': {'topic': 'kitchen/light', 'qos': 1}}"),
    ] {
        assert_eq!(
            create(&json!({ "channels": channels })).channels,
            std::slice::from_ref(&light),
            "{channels}"
        );
    }
    let plain = create(&json!({"channels": [{"path": "a", "topic": "t"}]}));
    assert_eq!(plain.channels[0].mode, ChannelMode::ReadWrite);
    assert_eq!(plain.channels[0].qos, None);

    for (channel, error) in [
        (json!({"topic": "t"}), r#""channels[0].path": is missing"#),
        (
            json!({"path": "p"}),
            r#""channels[0].params.topic": is missing"#,
        ),
        (
            json!({"path": "p", "topic": "t", "mode": "x"}),
            r#""channels[0].mode": "x" is none of "r", "w" and "rw""#,
        ),
        (
            json!({"path": "p", "topic": "t", "qos": 3}),
            r#""channels[0].qos": 3 is none of 0, 1 and 2"#,
        ),
        (
            json!({"path": ["p"], "topic": "t"}),
            r#""channels[0].path": an array is not text"#,
        ),
        (
            json!("words"),
            r#""channels[0]": "words" is no object: an unknown word at offset 0"#,
        ),
        (json!(7), r#""channels[0]": 7 is no object"#),
    ] {
        assert_eq!(refused(&json!({ "channels": [channel] })), error);
    }
}

#[test]
fn defaults() {
    let module = create(&json!({}));
    assert_eq!(module.uuid.to_string(), UUID);
    assert_eq!(module.name, "amodule");
    assert_eq!(module.parent, Parent::Any);
    assert_eq!(module.filename, None);
    assert_eq!(module.fileid, "na");
    assert_eq!(module.filetype, FileType::Wasm);
    assert!(!module.wait_state);
    assert_eq!(module.fault_crash, FaultCrash::Ignore);
    assert_eq!((module.wasm, module.memory), (None, None));

    let without = |uuid: Value| match request(&create_message(&json!({ "uuid": uuid }))).data {
        RequestData::CreateModule(module) => module,
        other => panic!("{other:?}"),
    };
    let random = without(Value::Null);
    assert_ne!(random.uuid, without(Value::Null).uuid);
    assert_eq!(random.original["uuid"], random.uuid.to_string());
}

#[test]
fn single_fields() {
    let uuid = UUID.parse().unwrap();
    for (parent, expected) in [
        (json!({"uuid": UUID}), Parent::Runtime(uuid)),
        (
            json!(format!("{{'uuid': '{UUID}'}}")),
            Parent::Runtime(uuid),
        ),
        (
            json!(format!("{{'uuid': UUID('{UUID}')}}")),
            Parent::Runtime(uuid),
        ),
        (json!(UUID), Parent::Runtime(uuid)),
        (json!("{}"), Parent::Any),
        (json!({}), Parent::Any),
        (json!({"uuid": null}), Parent::Any),
        (json!({"uuid": ""}), Parent::Any),
        (json!(""), Parent::Any),
        (json!("None"), Parent::Any),
        (json!("rt1"), Parent::Named("rt1".to_owned())),
    ] {
        assert_eq!(
            create(&json!({ "parent": parent })).parent,
            expected,
            "{parent}"
        );
    }
    for (filetype, expected) in [
        ("WA", FileType::Wasm),
        ("WASM", FileType::Wasm),
        ("PY", FileType::Python),
    ] {
        assert_eq!(create(&json!({ "filetype": filetype })).filetype, expected);
    }
    let python = create(&json!({"filetype": "PY"}));
    assert_eq!(python.apis.iter().collect::<Vec<_>>(), ["python:python3"]);
    for apis in [json!("b a"), json!(["a", "b"]), json!("['b', 'a', 'a']")] {
        let apis = create(&json!({ "apis": apis })).apis;
        assert_eq!(apis.iter().collect::<Vec<_>>(), ["a", "b"]);
    }
    for not_true in [
        json!("true"),
        json!("True"),
        json!(1),
        json!(null),
        json!(false),
    ] {
        assert!(!create(&json!({ "wait_state": not_true })).wait_state);
    }
    assert!(create(&json!({"wait_state": true})).wait_state);
    assert_eq!(
        create(&json!({"fault_crash": "restart"})).fault_crash,
        FaultCrash::Restart
    );
}

#[test]
fn resources() {
    for resources in [
        json!({"period": 1_000_000, "runtime": 500_000, "memory": 65536, "affinity": [0, 2, 3],
            "cpu_ms": 250}),
        json!({"period": 1e6, "runtime": "500000", "memory": "65536.0", "affinity": "0,2-3",
            "cpu_ms": 250.0}),
        json!(
            "{'period': 1000000.0, 'runtime': 500000, 'memory': 65536, 'affinity': '0 2,3', 'cpu_ms': 250, 'x': None}"
        ),
        json!({"period": 1_000_000, "runtime": 500_000, "memory": 65536,
            "affinity": "['0', '2-3']", "cpu_ms": 250}),
    ] {
        let found = create(&json!({ "resources": resources })).resources;
        assert_eq!(found.period, Some(1_000_000), "{resources}");
        assert_eq!(found.runtime, Some(500_000));
        assert_eq!(found.memory, Some(65536));
        assert_eq!(
            found.affinity.unwrap().into_iter().collect::<Vec<_>>(),
            [0, 2, 3]
        );
        assert_eq!(found.cpu_ms, Some(250));
    }
    for nothing in [
        json!(null),
        json!(""),
        json!("{}"),
        json!({}),
        json!({"affinity": ""}),
    ] {
        assert_eq!(
            create(&json!({ "resources": nothing })).resources,
            Default::default()
        );
    }
    for (resources, field) in [
        (json!({"period": -1}), "resources.period"),
        (json!({"period": 0.5}), "resources.period"),
        (json!({"period": 1e300}), "resources.period"),
        (json!({"runtime": "ten"}), "resources.runtime"),
        (json!({"memory": []}), "resources.memory"),
        (json!({"affinity": "0-99999999"}), "resources.affinity"),
        (json!({"affinity": "3-1"}), "resources.affinity"),
        (json!({"affinity": [-1]}), "resources.affinity"),
        (json!([]), "resources"),
        (json!("fast"), "resources"),
    ] {
        let error = refused(&json!({ "resources": resources }));
        assert!(error.starts_with(&format!("\"{field}\": ")), "{error}");
    }
}

#[test]
fn memory_is_a_snapshot_or_a_number_of_bytes() {
    let page = vec![0_u8; 65_536];
    let base64 = "A".repeat(87_380) + "AA==";
    let module = create(&json!({ "memory": base64, "wasm": "AGFzbQEAAAA" }));
    assert_eq!(module.memory.as_deref(), Some(page.as_slice()));
    assert_eq!(module.wasm.as_deref(), Some(b"\0asm\x01\0\0\0".as_slice()));
    assert!(!module.original.contains_key("memory") && !module.original.contains_key("wasm"));
    for bytes in [json!(65536), json!("65536"), json!(65536.0)] {
        let module = create(&json!({ "memory": bytes }));
        assert_eq!(
            (module.memory, module.resources.memory),
            (None, Some(65536))
        );
        assert_eq!(module.original["resources"]["memory"], 65536);
    }
    let both = create(&json!({"memory": 1, "resources": {"memory": 2}}));
    assert_eq!(both.resources.memory, Some(2));
    let lines = create(&json!({"wasm": "AGFz\nbQEA\r\nAAA=\n"}));
    assert_eq!(lines.wasm.as_deref(), Some(b"\0asm\x01\0\0\0".as_slice()));
    // Whatever it is made of, a module is no number.
    let digits = create(&json!({"wasm": "1234"}));
    assert_eq!(digits.wasm.as_deref(), Some(b"\xd7\x6d\xf8".as_slice()));
    for nothing in [json!(null), json!(""), json!("None")] {
        let module = create(&json!({ "memory": nothing, "wasm": nothing }));
        assert_eq!((module.wasm, module.memory), (None, None));
    }
    assert!(refused(&json!({"wasm": "*"})).starts_with(r#""wasm": is not base64: "#));
    assert!(refused(&json!({"memory": "A,"})).starts_with(r#""memory": is not base64: "#));
    assert_eq!(
        refused(&json!({"wasm": [1]})),
        r#""wasm": an array is not base64 of a module"#
    );
    assert!(refused(&json!({"memory": -5})).starts_with(r#""memory": -5 is not a whole number"#));
}

#[test]
fn the_whole_may_be_quoted() {
    let plain = request(&create_message(&json!({"args": ["it's", "a\\b", "\"q\""]})));
    let text = create_message(&json!({"args": ["it's", "a\\b", "\"q\""]}));
    let python = text.replace('\\', "\\\\").replace('\'', "\\'");
    for message in [
        format!("'{text}'"),
        format!("  '{text}'\n"),
        format!("'{python}'"),
        format!("\u{feff}{text}\0"),
    ] {
        assert_eq!(request(&message), plain, "{message}");
    }
    let inside = json!({"object_id": "1", "action": "create", "type": "arts_req",
        "data": format!("{{'type': 'module', 'uuid': '{UUID}', 'wait_state': True, 'wasm': 'AGFzbQ'}}")});
    let RequestData::CreateModule(module) = request(&inside.to_string()).data else {
        panic!("{inside}")
    };
    assert!(module.wait_state);
    assert_eq!(module.wasm.as_deref(), Some(b"\0asm".as_slice()));
    let inside = json!({"object_id": "1", "action": "create", "type": "arts_req",
        "data": json!({"type": "module", "uuid": UUID, "wasm": "AGFzbQ"}).to_string()});
    let RequestData::CreateModule(module) = request(&inside.to_string()).data else {
        panic!("{inside}")
    };
    assert_eq!(module.wasm.as_deref(), Some(b"\0asm".as_slice()));
}

#[test]
fn what_is_wrong_is_told_exactly() {
    for (fields, error) in [
        (
            json!({"uuid": "xyz"}),
            r#""uuid": "xyz" is not a uuid"#.to_owned(),
        ),
        (json!({"uuid": 5}), r#""uuid": 5 is not a uuid"#.to_owned()),
        (
            json!({"name": ["a"]}),
            r#""name": an array is not text"#.to_owned(),
        ),
        (
            json!({"name": "x".repeat(2000)}),
            r#""name": has 2000 bytes, more than 1024"#.to_owned(),
        ),
        (
            json!({"filename": "a\0b"}),
            r#""filename": must not contain a NUL character"#.to_owned(),
        ),
        (
            json!({"filetype": "EXE"}),
            r#""filetype": "exe" is neither "WA" nor "PY""#.to_owned(),
        ),
        (
            json!({"fault_crash": "explode"}),
            r#""fault_crash": "explode" is neither "ignore" nor "restart""#.to_owned(),
        ),
        (json!({"args": "['a"}), String::new()),
        (
            json!({"args": [["a"]]}),
            r#""args[0]": an array is not text"#.to_owned(),
        ),
        (
            json!({"args": ["a", null]}),
            r#""args[1]": null is not text"#.to_owned(),
        ),
        (
            json!({"args": "['a', b]"}),
            r#""args": is not a list: an unknown word at offset 6"#.to_owned(),
        ),
        (
            json!({"args": vec!["a"; limits::MAX_ARGS + 1]}),
            r#""args": has 1025 entries, more than 1024"#.to_owned(),
        ),
        (
            json!({"args": "a ".repeat(1025)}),
            r#""args": has 1025 entries, more than 1024"#.to_owned(),
        ),
        (
            json!({"parent": 5}),
            r#""parent": 5 is neither an object nor text"#.to_owned(),
        ),
        (
            json!({"parent": {"uuid": "x"}}),
            r#""parent.uuid": "x" is not a uuid"#.to_owned(),
        ),
        (
            json!({"uuid": "ü".repeat(100)}),
            format!(r#""uuid": "{}…" is not a uuid"#, "ü".repeat(60)),
        ),
    ] {
        if error.is_empty() {
            // Words, since it does not look like a list that was meant to end.
            assert_eq!(create(&fields).args, ["['a"]);
        } else {
            assert_eq!(refused(&fields), error);
        }
    }
    let error = |message: Value| {
        let error = crate::protocol::parse(message.to_string().as_bytes(), 1000).unwrap_err();
        super::answer(&error).unwrap().1
    };
    let base = |data: Value| json!({"object_id": "1", "action": "delete", "type": "arts_req", "data": data});
    assert_eq!(error(base(Value::Null)), r#""data": is missing"#);
    assert_eq!(
        error(base(json!([]))),
        r#""data": is an array, not an object"#
    );
    assert_eq!(
        error(base(json!(5))),
        r#""data": is a number, not an object"#
    );
    assert_eq!(
        error(base(json!({"type": "module"}))),
        r#""uuid": is missing"#
    );
    let mut bad = base(json!({"type": "module", "uuid": OTHER}));
    bad["send_to_runtime"] = "there".into();
    assert_eq!(error(bad), r#""send_to_runtime": "there" is not a uuid"#);
}
