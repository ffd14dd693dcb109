//! Messages that mean harm.

use arena_runtime::supervisor::ModuleState;
use serde_json::json;
use uuid::Uuid;

use crate::arts::{CONTROL, create_waiting, supervisor, wait_registered};
use crate::client::{Client, PATIENCE};
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};

#[test]
fn nothing_changes_and_all_requests_are_answered() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let limits = [
        "supervisor.max_runtimes=20",
        "supervisor.max_modules=50",
        "supervisor.output_total=64KiB",
    ];
    let supervisor = supervisor(dir.path(), broker.port(), &limits);
    let runtime = Runtime::start(broker.port(), "");
    wait_registered(&client, runtime.uuid());
    let (uuid, _) = create_waiting(&client, json!({}));

    let valid = json!({"object_id": "x", "action": "create", "type": "arts_req",
        "data": {"type": "module", "uuid": Uuid::new_v4(), "filename": "wait.wasm", "apis": ["none"],
            "args": ["a"], "channels": [{"path": "/ch/a", "mode": "rw", "params": {"topic": "t"}}]}})
    .to_string();
    let mut junk: Vec<Vec<u8>> = (0..valid.len())
        .map(|at| valid.as_bytes()[..at].to_vec())
        .collect();
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "\"x\"",
        "1e999",
        "{\"object_id\":1}",
        "\u{0}",
        "{'a': None}",
    ] {
        junk.push(text.as_bytes().to_vec());
    }
    junk.push(vec![0xff; 1000]);
    junk.push("[".repeat(100_000).into_bytes());
    junk.push(format!("{{\"a\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes());
    for payload in &junk {
        for topic in [
            "realm/proc/reg",
            "realm/proc/keepalive",
            CONTROL,
            "realm/proc/control/x",
            "realm/proc/debug/stdout/x",
        ] {
            client.publish(topic, payload.clone());
        }
    }
    // More than there may be.
    for _ in 0..100 {
        let stranger = Uuid::new_v4();
        let data = json!({"type": "runtime", "uuid": stranger, "name": "x".repeat(1000),
            "apis": "wasi:snapshot_preview1", "max_nmodules": 1});
        client.send("realm/proc/reg", "create", data);
        let children: Vec<_> = (0..20).map(|_| json!({"uuid": Uuid::new_v4()})).collect();
        let data = json!({"type": "runtime", "uuid": Uuid::new_v4(), "children": children});
        client.send("realm/proc/keepalive", "update", data);
        let topic = format!("realm/proc/debug/stdout/{stranger}");
        client.publish(&topic, "line ".repeat(1000));
    }
    // Answers that nobody has waited for.
    let topic = format!("realm/proc/control/{}", runtime.uuid());
    for result in ["ok", "error"] {
        let answer = json!({"object_id": "x", "type": "arts_resp",
            "data": {"result": result, "details": {"uuid": uuid, "type": "module"}}});
        client.publish(&topic, answer.to_string());
    }
    // Requests that are well-formed and cannot be.
    for (action, data) in [
        ("create", json!({"type": "runtime", "uuid": Uuid::new_v4()})),
        ("create", json!({"type": "module", "uuid": 5})),
        (
            "create",
            json!({"type": "module", "uuid": uuid, "filename": "wait.wasm"}),
        ),
        (
            "create",
            json!({"type": "module", "filename": "wait.wasm", "restart": 3}),
        ),
        (
            "create",
            json!({"type": "module", "filename": "wait.wasm", "labels": 3}),
        ),
        (
            "create",
            json!({"type": "module", "filename": "w", "x": "y".repeat(100_000)}),
        ),
        (
            "create",
            json!({"type": "module", "filename": "w", "parent": {"uuid": Uuid::new_v4()}}),
        ),
        ("delete", json!({"type": "module"})),
        ("delete", json!({"type": "module", "uuid": Uuid::new_v4()})),
        (
            "delete",
            json!({"type": "module", "uuid": uuid, "send_to_runtime": Uuid::new_v4()}),
        ),
        ("update", json!({"type": "module", "uuid": uuid})),
        ("explode", json!({})),
    ] {
        let answer = client.request(CONTROL, action, data.clone());
        assert_eq!(answer["result"], "error", "{action} {data}");
    }
    let module = supervisor.module(uuid.parse().unwrap()).unwrap();
    assert_eq!(module.state, ModuleState::Running);
    assert!(supervisor.runtimes().len() <= 20);
    assert!(supervisor.modules().len() <= 50);
    wait_until("it is counted", || {
        supervisor.stats().counts.malformed >= u64::try_from(junk.len()).unwrap()
    });
    assert!(supervisor.stats().output_bytes <= 64 << 10);
    assert!(supervisor.stop(PATIENCE));
}
