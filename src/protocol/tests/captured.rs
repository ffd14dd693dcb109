//! The messages of running programs.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{OTHER, UUID, request, response};
use crate::protocol::{
    APIS, Action, Channel, ChannelMode, Child, CreateModule, DeleteModule, DeleteRuntime,
    ExitReason, ExitReport, FileType, KeepAlive, ObjectId, Parent, RegisterAnswer, RequestData,
    Response, Runtime, timestamp,
};

fn uuid() -> Uuid {
    UUID.parse().unwrap()
}

fn json_of(message: Vec<u8>) -> Value {
    serde_json::from_slice(&message).unwrap()
}

#[test]
fn register() {
    let request = request(
        r#"{"object_id":"6ba7b810-9dad-41d1-80b4-00c04fd430c8","action":"create","type":"arts_req","data":{"type":"runtime",
        "uuid":"5f937916-d29d-4f66-801e-3d69f57728e2","name":"rt1","max_nmodules":10,
        "apis":"wasi:snapshot_preview1 wasi:unstable","runtime_type":"linux"}}"#,
    );
    assert_eq!(request.action, Action::Create);
    let RequestData::CreateRuntime(runtime) = request.data else {
        panic!("{:?}", request.data)
    };
    let extra = Map::from_iter([("runtime_type".to_owned(), "linux".into())]);
    let expected = Runtime {
        uuid: uuid(),
        name: "rt1".to_owned(),
        apis: "wasi:snapshot_preview1 wasi:unstable".to_owned(),
        max_nmodules: 10,
        extra,
    };
    assert_eq!(*runtime, expected);
    assert_eq!(
        json_of(runtime.to_message(&ObjectId::new("x").unwrap())),
        json!({"object_id": "x", "action": "create", "type": "arts_req", "data": {
            "type": "runtime", "uuid": UUID, "name": "rt1", "max_nmodules": 10,
            "apis": "wasi:snapshot_preview1 wasi:unstable", "runtime_type": "linux"}})
    );
}

#[test]
fn answers_to_a_registration() {
    let ok = response(
        r#"{"object_id":"1","type":"arts_resp","data":{"result":"ok","details":{"type":"runtime",
        "uuid":"5f937916-d29d-4f66-801e-3d69f57728e2","name":"rt1","apis":"…","max_nmodules":10,"nmodules":0,
        "ka_ts":"2026-11-22T08:26:34.526242Z","children":[]}}}"#,
    );
    let registered = |seconds: Option<u64>| RegisterAnswer::Registered {
        keepalive_interval: seconds.map(Duration::from_secs),
    };
    assert_eq!(ok.register_answer(), registered(None));
    for (message, seconds) in [
        (
            json!({"result": "ok", "details": {"ka_interval_sec": 60}}),
            Some(60),
        ),
        (
            json!({"result": "ok", "details": {}, "ka_interval_sec": "0"}),
            Some(0),
        ),
        (
            json!({"result": "ok", "ka_interval_sec": 30.0, "details": "fine"}),
            Some(30),
        ),
        (
            json!({"result": "ok", "ka_interval_sec": 1e300}),
            Some(7 * 24 * 3600),
        ),
        (json!({"result": "ok", "ka_interval_sec": -1}), None),
        (json!({"result": "ok", "ka_interval_sec": "soon"}), None),
    ] {
        let message = json!({"object_id": "1", "type": "arts_resp", "data": message});
        assert_eq!(
            response(&message.to_string()).register_answer(),
            registered(seconds)
        );
    }
    let top = r#"{"object_id":"1","type":"arts_resp","ka_interval_sec":5,"data":{"result":"ok"}}"#;
    assert_eq!(response(top).register_answer(), registered(Some(5)));

    for (details, text, already_registered) in [
        (
            json!("Runtime could not be created UNIQUE constraint failed: arts_core_runtime.uuid"),
            "Runtime could not be created UNIQUE constraint failed: arts_core_runtime.uuid",
            true,
        ),
        (json!({"why": ["no"]}), r#"{"why":["no"]}"#, false),
        (Value::Null, "null", false),
    ] {
        let message = json!({"object_id": "1", "type": "arts_resp",
            "data": {"result": "error", "details": details}});
        let expected = RegisterAnswer::Refused {
            details: text.to_owned(),
            already_registered,
        };
        assert_eq!(response(&message.to_string()).register_answer(), expected);
    }
    for data in [
        json!(null),
        json!([]),
        json!("ok"),
        json!({}),
        json!({"result": "OK?"}),
    ] {
        let message = json!({"object_id": 1, "type": "arts_resp", "data": data});
        let answer = response(&message.to_string()).register_answer();
        assert!(
            matches!(answer, RegisterAnswer::Refused { .. }),
            "{message}"
        );
    }
}

#[test]
fn delete_runtime() {
    let text = r#"{"object_id":"1","action":"delete","type":"arts_req","data":{"type":"runtime","uuid":"5f937916-d29d-4f66-801e-3d69f57728e2","name":"rt1"}}"#;
    let request = request(text);
    let expected = DeleteRuntime {
        uuid: uuid(),
        name: "rt1".to_owned(),
    };
    assert_eq!(request.data, RequestData::DeleteRuntime(expected.clone()));
    let built = json_of(expected.to_message(&request.object_id));
    assert_eq!(built, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn keepalive() {
    let text = r#"{"object_id":"1","action":"update","type":"arts_req","data":{"type":"runtime","uuid":"5f937916-d29d-4f66-801e-3d69f57728e2","name":"rt1",
     "apis":"wasi:unstable","max_nmodules":10,"nmodules":2,"children":[{"uuid":"d3a4dd0a-6a2f-4f0e-a1b5-0a2e0f3e9a11","name":"m1",
     "active":"2020-08-25T15:46:20.545Z","cpu_usage_percent":0.65,"mem_usage":1185840,"messages_in":3},
     {"uuid":"5f937916-d29d-4f66-801e-3d69f57728e2","name":"m2","active":-1,"cpu_usage_percent":0.0,"mem_usage":0}],
     "cpu_usage_percent":12.5,"mem_usage":9830400,"mem_available":7000,"load1":0.4,"temperature":51.5}}"#;
    let request = request(text);
    let RequestData::KeepAlive(keepalive) = request.data else {
        panic!("{:?}", request.data)
    };
    let active = SystemTime::UNIX_EPOCH + Duration::from_millis(1_598_370_380_545);
    let child = |uuid: &str, name: &str| Child {
        uuid: uuid.parse().unwrap(),
        name: name.to_owned(),
        active: None,
        cpu_usage_percent: 0.0,
        mem_usage: 0,
        extra: Map::new(),
    };
    let expected = KeepAlive {
        uuid: uuid(),
        name: "rt1".to_owned(),
        apis: "wasi:unstable".to_owned(),
        max_nmodules: 10,
        children: vec![
            Child {
                active: Some(active),
                cpu_usage_percent: 0.65,
                mem_usage: 1_185_840,
                extra: Map::from_iter([("messages_in".to_owned(), 3.into())]),
                ..child(OTHER, "m1")
            },
            child(UUID, "m2"),
        ],
        cpu_usage_percent: 12.5,
        mem_usage: 9_830_400,
        mem_available: Some(7000),
        load1: Some(0.4),
        extra: Map::from_iter([("temperature".to_owned(), 51.5.into())]),
    };
    assert_eq!(*keepalive, expected);
    let built = json_of(expected.to_message(&request.object_id));
    assert_eq!(built, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn what_cannot_be_said_in_json_is_said_otherwise() {
    let keepalive = KeepAlive {
        uuid: uuid(),
        name: String::new(),
        apis: APIS.to_owned(),
        max_nmodules: 0,
        children: Vec::new(),
        cpu_usage_percent: f64::NAN,
        mem_usage: u64::MAX,
        mem_available: None,
        load1: Some(f64::INFINITY),
        extra: Map::new(),
    };
    let built = json_of(keepalive.to_message(&ObjectId::random()));
    assert_eq!(built["data"]["cpu_usage_percent"], 0.0);
    assert_eq!(built["data"]["load1"], 0.0);
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000_000);
    assert_eq!(timestamp(far), "9999-12-31T23:59:59.000Z");
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(timestamp(early), "1970-01-01T00:00:00.000Z");
}

#[test]
fn interfaces() {
    assert!(APIS.len() <= 500);
    for spelling in [
        "wasi:snapshot_preview1",
        "wasi:unstable",
        "['wasi:snapshot_preview1']",
        "[\"wasi:snapshot_preview1\"]",
        "['wasi:unstable']",
        "['wasi:snapshot_preview1', 'wasi:unstable']",
        "['wasi:unstable', 'wasi:snapshot_preview1']",
        "['wasi:unstable wasi:snapshot_preview1']",
        "wasi:snapshot_preview1 wasi:unstable",
    ] {
        assert!(APIS.contains(spelling), "{spelling}");
    }
}

#[test]
fn create_module() {
    // As ARTS forwards it: lists are texts that Python wrote.
    let request = request(
        r#"{"object_id": "42", "action": "create", "type": "arts_req", "data": {"type": "module",
        "uuid": "d3a4dd0a-6a2f-4f0e-a1b5-0a2e0f3e9a11", "name": "wiselab/light",
        "parent": {"uuid": "5f937916-d29d-4f66-801e-3d69f57728e2"}, "filename": "light.wasm",
        "fileid": "na", "filetype": "WA", "apis": "['wasi:snapshot_preview1']",
        "args": "['arg1', \"it's\"]", "env": "['']",
        "channels": "[{'path': '/ch/light', 'type': 'pubsub', 'mode': 'rw', 'params': {'topic': 'kitchen/light'}}]",
        "wait_state": "false", "priority": 3}}"#,
    );
    assert_eq!(request.object_id.to_string(), "42");
    let RequestData::CreateModule(module) = request.data else {
        panic!("{:?}", request.data)
    };
    let mut expected = CreateModule::new(OTHER.parse().unwrap());
    expected.name = "wiselab/light".to_owned();
    expected.parent = Parent::Runtime(uuid());
    expected.filename = Some("light.wasm".to_owned());
    expected.args = vec!["arg1".to_owned(), "it's".to_owned()];
    expected.channels = vec![Channel {
        path: "/ch/light".to_owned(),
        kind: "pubsub".to_owned(),
        mode: ChannelMode::ReadWrite,
        topic: "kitchen/light".to_owned(),
        qos: None,
    }];
    expected.original = module.original.clone();
    assert_eq!(*module, expected);
    assert_eq!(module.filetype, FileType::Wasm);
    assert_eq!(
        module.apis,
        BTreeSet::from(["wasi:snapshot_preview1".to_owned()])
    );
    assert_eq!(module.original["args"], "['arg1', \"it's\"]");
    let extra: Vec<_> = module.extra().collect();
    assert_eq!(extra, [(&"priority".to_owned(), &json!(3))]);
    assert_eq!(
        Value::Object(module.details()),
        json!({"type": "module", "uuid": OTHER, "name": "wiselab/light",
            "parent": {"uuid": UUID}, "filename": "light.wasm", "fileid": "na",
            "filetype": "WA", "apis": ["wasi:snapshot_preview1"], "args": ["arg1", "it's"],
            "env": [], "channels": [{"path": "/ch/light", "type": "pubsub", "mode": "rw",
            "params": {"topic": "kitchen/light"}}]})
    );
}

#[test]
fn delete_module() {
    let forwarded = format!(
        r#"{{"object_id":"7","action":"delete","type":"arts_req","data":{{"type":"module","uuid":"{OTHER}",
        "name":"m","parent":{{"uuid":"{UUID}"}},"args":"['']","channels":"[]","filename":"a.wasm"}}}}"#
    );
    let expected = DeleteModule {
        parent: Some(uuid()),
        ..DeleteModule::new(OTHER.parse().unwrap())
    };
    let request = request(&forwarded);
    assert_eq!(request.action, Action::Delete);
    assert_eq!(request.data, RequestData::DeleteModule(expected));
    let answer = json_of(Response::deleted(
        &request.object_id,
        OTHER.parse().unwrap(),
    ));
    assert_eq!(
        answer,
        json!({"object_id": "7", "type": "arts_resp",
            "data": {"result": "ok", "details": {"msg": "Deleted.", "uuid": OTHER}}})
    );
}

#[test]
fn migration() {
    let target = Some(uuid());
    for message in [
        json!({"object_id": "7", "action": "delete", "type": "arts_req", "send_to_runtime": UUID,
            "data": {"type": "module", "uuid": OTHER}}),
        json!({"object_id": "7", "action": "delete", "type": "arts_req",
            "data": {"type": "module", "uuid": OTHER, "send_to_runtime": UUID}}),
    ] {
        let RequestData::DeleteModule(delete) = request(&message.to_string()).data else {
            panic!("{message}")
        };
        assert_eq!(delete.send_to_runtime, target);
    }

    let waiting = super::create(
        &json!({"filename": "a.wasm", "args": "['a b']", "colour": "red",
        "channels": ["{'path': '/ch/a', 'params': {'topic': 't'}}"], "env": "A=1 B=2",
        "wait_state": true, "parent": null, "memory": 131_072}),
    );
    assert!(waiting.wait_state);
    assert_eq!(waiting.resources.memory, Some(131_072));
    assert_eq!(waiting.memory, None);
    let memory = vec![7; 65_536];
    let moved = waiting.moved_to(OTHER.parse().unwrap(), Some(memory.clone().into()));
    let message = String::from_utf8(moved.to_message(&ObjectId::random())).unwrap();
    let RequestData::CreateModule(arrived) = request(&message).data else {
        panic!("{message}")
    };
    assert_eq!(*arrived, moved);
    assert!(!arrived.wait_state);
    assert_eq!(arrived.memory.as_deref(), Some(memory.as_slice()));
    assert_eq!(arrived.resources.memory, Some(131_072));
    // Python does not go on.
    assert_eq!(arrived.original["args"], json!(["a b"]));
    assert_eq!(arrived.original["channels"][0]["params"]["topic"], "t");
    assert_eq!(arrived.original["env"], "A=1 B=2");
    assert_eq!(arrived.original["colour"], "red");
    assert_eq!(arrived.parent, Parent::Runtime(OTHER.parse().unwrap()));
}

#[test]
fn module_finished() {
    for (reason, code, message) in [
        (ExitReason::Returned, Some(0), ""),
        (ExitReason::Exited, Some(3), "exit status 3"),
        (ExitReason::Trapped, None, "out of bounds \"memory\" access"),
        (ExitReason::Stopped, None, ""),
    ] {
        let delete = DeleteModule {
            parent: Some(OTHER.parse().unwrap()),
            exit: Some(ExitReport {
                reason,
                code,
                message: message.to_owned(),
            }),
            ..DeleteModule::new(uuid())
        };
        let text = String::from_utf8(delete.to_message(&ObjectId::random())).unwrap();
        assert_eq!(request(&text).data, RequestData::DeleteModule(delete));
    }
    // What is not known of an end does not keep the module from being deleted.
    let message = json!({"object_id": "7", "action": "delete", "type": "arts_req",
        "data": {"type": "module", "uuid": OTHER, "exit": {"reason": "bored"}}});
    let RequestData::DeleteModule(delete) = request(&message.to_string()).data else {
        panic!("{message}")
    };
    assert_eq!(delete.exit, None);
}

#[test]
fn answers() {
    let id = ObjectId::new("a\"b").unwrap();
    assert_eq!(
        json_of(Response::error(&id, "no \"x\" \n")),
        json!({"object_id": "a\"b", "type": "arts_resp",
            "data": {"result": "error", "details": "no \"x\" \n"}})
    );
    // A number comes back as a number.
    let request = request(r#"{"object_id":7.5,"action":"x","type":"arts_req","data":{}}"#);
    assert_eq!(
        json_of(Response::ok(&request.object_id, json!({})))["object_id"],
        json!(7.5)
    );
}

#[test]
fn other_dialects_are_told_apart() {
    let exited = request(&format!(
        r#"{{"object_id":"1","action":"exited","type":"arts_req","data":{{"type":"module","uuid":"{UUID}"}}}}"#
    ));
    assert_eq!(exited.action, Action::Other("exited".to_owned()));
    assert_eq!(
        exited.data,
        RequestData::Other {
            data_type: Some("module".to_owned())
        }
    );
    let text = format!(
        r#"{{"object_id":"1","action":"create","type":"req","data":{{"type":"module","uuid":"{UUID}"}}}}"#
    );
    let error = crate::protocol::parse(text.as_bytes(), 1000).unwrap_err();
    assert_eq!(error.request(), None);
    assert!(error.to_string().contains(r#""req""#), "{error}");
}
