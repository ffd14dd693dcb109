//! Modules from their create to their end.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::runtime::Realm;

fn uuid() -> String {
    Uuid::new_v4().to_string()
}

fn error(answer: &Value) -> String {
    assert_eq!(answer["result"], "error", "{answer}");
    answer["details"].as_str().unwrap().to_owned()
}

#[test]
fn runs_a_module_to_its_end() {
    let realm = Realm::start("");
    let id = uuid();
    let answer = realm.create(json!({"uuid": id, "name": "me/hello", "filename": "hello.wasm", "parent": {"uuid": realm.runtime.uuid()}}));
    assert_eq!(answer["result"], "ok", "{answer}");
    assert_eq!(answer["details"]["uuid"], *id);
    assert_eq!(answer["details"]["name"], "me/hello");
    assert_eq!(answer["details"]["parent"]["uuid"], realm.runtime.uuid());
    let exit = realm.exit(&id);
    assert_eq!(
        exit,
        json!({"reason": "returned", "code": 0, "message": "returned"})
    );
    assert_eq!(realm.client.lines(&id), ["Hello from WebAssembly!"]);
    // ARTS then deletes what has ended.
    assert_eq!(
        realm.delete(&id),
        json!({"result": "ok", "details": {"msg": "Deleted.", "uuid": id}})
    );
}

#[test]
fn exits_and_traps_are_reported() {
    let realm = Realm::start("");
    let id = realm.run("exit_code.wasm", json!({"args": ["7"]}));
    let exit = realm.exit(&id);
    assert_eq!(
        (&exit["reason"], &exit["code"]),
        (&json!("exited"), &json!(7))
    );
    let id = realm.run("trap.wasm", json!({}));
    let exit = realm.exit(&id);
    assert_eq!(exit["reason"], "trapped");
    assert!(
        exit["message"].as_str().unwrap().contains("unreachable"),
        "{exit}"
    );
    let id = realm.run("recurse.wasm", json!({}));
    assert_eq!(realm.exit(&id)["reason"], "trapped");
}

#[test]
fn arguments_and_environment_in_every_spelling() {
    let realm = Realm::start("");
    for (args, env) in [
        (json!(["one", "it's two"]), json!(["COLOUR=blue", "A=b=c"])),
        (
            json!("['one', \"it's two\"]"),
            json!("['COLOUR=blue', 'A=b=c']"),
        ),
        (
            json!("[\"one\", \"it's two\"]"),
            json!("[\"COLOUR=blue\", \"A=b=c\"]"),
        ),
    ] {
        let id = realm.run("env_args.wasm", json!({"args": args, "env": env}));
        realm.exit(&id);
        let lines = realm.client.lines(&id).join("\n");
        for expected in ["env_args.wasm", "one", "it's two", "COLOUR=blue", "A=b=c"] {
            assert!(lines.contains(expected), "{expected}: {lines}");
        }
        assert!(!lines.contains("PATH"), "{lines}");
    }
}

#[test]
fn a_module_saves_its_state_when_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("[dirs]\n\"/data\" = {{ host = {:?} }}", dir.path());
    let realm = Realm::start(&settings);
    let run = || {
        realm.run("save_on_signal.wasm", json!({
        "args": ["/data/count", "/ch/in"],
        "channels": [{"path": "/ch/in", "type": "pubsub", "mode": "r", "params": {"topic": "realm/in"}}],
    }))
    };
    let id = run();
    realm.client.wait("it is there", |got| {
        got.topic.ends_with(&format!("stdout/{id}"))
    });
    let answer = realm.delete(&id);
    assert_eq!(answer["details"]["msg"], "Deleted.");
    assert_ne!(answer["details"]["exit"]["reason"], "stopped", "{answer}");
    assert!(dir.path().join("count").exists());
    // The supervisor asked for it, so nobody needs to tell it.
    assert_eq!(
        realm.client.count(|got| got.topic == "realm/proc/control"),
        0
    );
}

#[test]
fn a_module_that_does_not_end_is_made_to() {
    let realm = Realm::start("[runtime]\ngrace_time = \"100ms\"");
    for file in ["ignore_signal.wasm", "spin.wasm", "wait.wasm"] {
        let id = realm.run(file, json!({"args": ["realm/t"]}));
        let answer = realm.delete(&id);
        assert_eq!(answer["result"], "ok");
        assert_eq!(
            answer["details"]["exit"]["reason"], "stopped",
            "{file}: {answer}"
        );
    }
}

#[test]
fn one_uuid_runs_once() {
    let realm = Realm::start("");
    let id = realm.run("wait.wasm", json!({"args": ["realm/t"]}));
    let why = error(&realm.create(json!({"uuid": id, "filename": "hello.wasm"})));
    assert!(why.contains(&id), "{why}");
    assert!(!realm.client.lines(&id).join("\n").contains("Hello"));
    realm.delete(&id);
    realm.run("wait.wasm", json!({"uuid": id, "args": ["realm/t"]}));
}

#[test]
fn no_more_modules_than_allowed() {
    let realm = Realm::start("[runtime]\nmax_modules = 2");
    let first = realm.run("wait.wasm", json!({"args": ["realm/t"]}));
    realm.run("wait.wasm", json!({"args": ["realm/t"]}));
    let why = error(&realm.create(json!({"uuid": uuid(), "filename": "hello.wasm"})));
    assert!(why.contains('2'), "{why}");
    realm.delete(&first);
    realm.run("hello.wasm", json!({}));
}

#[test]
fn prepared_first_and_started_by_a_second_create() {
    let realm = Realm::start("");
    let id = uuid();
    let answer = realm.create(
        json!({"uuid": id, "filename": "env_args.wasm", "args": ["first"], "wait_state": true}),
    );
    assert_eq!(answer["details"]["state"], "prepared", "{answer}");
    assert!(realm.client.lines(&id).is_empty());
    let answer = realm.create(
        json!({"uuid": id, "filename": "hello.wasm", "args": ["second"], "wait_state": false}),
    );
    assert_eq!(answer["result"], "ok", "{answer}");
    realm.exit(&id);
    let lines = realm.client.lines(&id).join("\n");
    assert!(
        lines.contains("first") && !lines.contains("second"),
        "{lines}"
    );
    // Only a true boolean means it.
    let id = uuid();
    realm.create(json!({"uuid": id, "filename": "hello.wasm", "wait_state": "true"}));
    realm.exit(&id);
    // One that is prepared can be deleted.
    let id = uuid();
    realm.create(json!({"uuid": id, "filename": "hello.wasm", "wait_state": true}));
    assert_eq!(realm.delete(&id)["result"], "ok");
    assert_eq!(realm.run("hello.wasm", json!({"uuid": id})), id);
}

#[test]
fn a_module_that_crashes_is_started_again() {
    let realm = Realm::start("[restart]\nbackoff_min = \"10ms\"\nbackoff_max = \"40ms\"");
    let id = realm.run("trap.wasm", json!({"fault_crash": "restart"}));
    let topic = format!("realm/proc/debug/stdout/{id}");
    realm
        .client
        .wait_for("several lives", 4, |got| got.topic == topic);
    assert_eq!(
        realm.client.count(|got| got.topic == "realm/proc/control"),
        0
    );
    assert_eq!(realm.delete(&id)["result"], "ok");
    realm.client.forget();
    let other = realm.run("hello.wasm", json!({"fault_crash": "restart"}));
    assert_eq!(realm.exit(&other)["reason"], "returned");
    assert_eq!(realm.client.count(|got| got.topic == topic), 0);
}

#[test]
fn a_module_moves_to_another_runtime() {
    let realm = Realm::start("");
    let target = uuid();
    let id = realm.run(
        "echo.wasm",
        json!({"args": ["realm/a", "realm/b"], "custom": "kept"}),
    );
    let answer = {
        let id = realm.client.send(
            &realm.control(),
            "delete",
            json!({"type": "module", "uuid": id, "send_to_runtime": target}),
        );
        realm.client.answer(&id)
    };
    assert_eq!(answer["result"], "ok", "{answer}");
    let topic = format!("realm/proc/control/{target}");
    let create = realm
        .client
        .wait("the create for the target", |got| got.topic == topic)
        .json();
    let data = &create["data"];
    assert_eq!(create["action"], "create");
    assert_eq!(
        (&data["uuid"], &data["filename"], &data["custom"]),
        (&json!(id), &json!("echo.wasm"), &json!("kept"))
    );
    // Whole pages, in base64.
    use base64::Engine as _;
    let memory = base64::engine::general_purpose::STANDARD
        .decode(data["memory"].as_str().unwrap())
        .unwrap();
    assert!(!memory.is_empty() && memory.len().is_multiple_of(65_536));
}

/// Prints its environment, and eight bytes that are not in its own memory.
const RESTORED: &str = r#"(module
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1 2)
    (func (export "_start")
        ;; Without a growth somewhere, the engine gives it no room to grow.
        (drop (memory.grow (i32.const 0)))
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (drop (call $get (i32.const 1024) (i32.const 2048)))
        (i32.store (i32.const 16) (i32.const 2048))
        (i32.store (i32.const 20) (i32.load (i32.const 4)))
        (i32.store (i32.const 24) (i32.const 70000))
        (i32.store (i32.const 28) (i32.const 8))
        (drop (call $write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 40)))))"#;

#[test]
fn a_module_begins_with_the_memory_that_it_comes_with() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let realm = Realm::start("");
    let mut memory = vec![0; 2 * 65_536];
    memory[70_000..70_008].copy_from_slice(b"restored");
    let wasm = base64(&wat::parse_str(RESTORED).unwrap());
    let id = realm.run(
        "moved.wasm",
        json!({"wasm": wasm, "memory": base64(&memory)}),
    );
    assert_eq!(realm.exit(&id)["reason"], "returned");
    let lines = realm.client.lines(&id).join("\n");
    assert!(
        lines.contains("CWLIB_JTEL=1") && lines.contains("restored"),
        "{lines}"
    );
    // More than the module can have.
    let id = realm.run(
        "moved.wasm",
        json!({"wasm": wasm, "memory": base64(&vec![0; 3 * 65_536])}),
    );
    assert_eq!(realm.exit(&id)["reason"], "trapped");
}

#[test]
fn scheduling_and_memory_are_told_and_kept() {
    let realm = Realm::start("");
    let id = uuid();
    let answer = realm.create(json!({"uuid": id, "filename": "wait.wasm", "args": ["realm/t"],
        "resources": {"period": 100_000_000, "runtime": 10_000_000, "affinity": "0", "memory": 1 << 20}}));
    assert_eq!(answer["result"], "ok", "{answer}");
    let scheduling = &answer["details"]["scheduling"];
    assert!(
        ["deadline", "round-robin", "normal"].contains(&scheduling["policy"].as_str().unwrap()),
        "{scheduling}"
    );
    assert_eq!(scheduling["affinity"], json!([0]));
    let why = error(&realm.create(
        json!({"uuid": uuid(), "filename": "hello.wasm", "resources": {"memory": 65_536}}),
    ));
    assert!(why.contains("memory"), "{why}");
    let id = realm.run(
        "eat_memory.wasm",
        json!({"args": ["exit"], "resources": {"memory": 2 << 20}}),
    );
    assert_eq!(realm.exit(&id)["code"], 1);
}

#[test]
fn a_module_that_has_used_its_cpu_time_is_ended() {
    let realm = Realm::start(
        "[runtime]\ngrace_time = \"100ms\"\n[restart]\nbackoff_min = \"10ms\"\nbackoff_max = \"40ms\"",
    );
    let spins = realm.run(
        "spin.wasm",
        json!({"resources": {"cpu_ms": 200}, "fault_crash": "restart"}),
    );
    // One that waits uses next to none.
    let waits = realm.run(
        "wait.wasm",
        json!({"args": ["realm/t"], "resources": {"cpu_ms": 200}}),
    );
    let exit = realm.exit(&spins);
    assert_eq!(
        (&exit["reason"], &exit["code"]),
        (&json!("stopped"), &json!(152))
    );
    let message = exit["message"].as_str().unwrap();
    assert!(message.contains("200 ms (resources.cpu_ms)"), "{message}");
    // It was not started again, as after a crash.
    assert_eq!(realm.run("spin.wasm", json!({"uuid": spins})), spins);
    assert_eq!(realm.delete(&spins)["details"]["exit"]["code"], 143);
    let exit = realm.delete(&waits)["details"]["exit"].clone();
    assert_ne!(exit["code"], 152, "{exit}");
    // All starts of one that crashes count.
    let crashes = realm.run(
        "trap.wasm",
        json!({"resources": {"cpu_ms": 1}, "fault_crash": "restart"}),
    );
    assert_eq!(realm.exit(&crashes)["code"], 152);
    let why = error(
        &realm
            .create(json!({"uuid": uuid(), "filename": "hello.wasm", "resources": {"cpu_ms": 0}})),
    );
    assert!(why.contains("cpu_ms"), "{why}");
}

#[test]
fn what_a_runtime_does_not_do() {
    let realm = Realm::start("");
    let python =
        error(&realm.create(json!({"uuid": uuid(), "filename": "a.py", "filetype": "PY"})));
    assert!(python.contains("Python"), "{python}");
    let nothing = error(&realm.create(json!({"uuid": uuid()})));
    assert!(nothing.contains("filename"), "{nothing}");
    let bad = error(&realm.create(json!({"uuid": "xyz", "filename": "hello.wasm"})));
    assert!(bad.contains("xyz"), "{bad}");
    let channel = json!([{"path": "/ch/x", "type": "pubsub", "mode": "rw", "params": {"topic": "realm/proc/control"}}]);
    let denied =
        realm.create(json!({"uuid": uuid(), "filename": "wait.wasm", "channels": channel}));
    let why = error(&denied);
    assert!(why.contains("realm/proc"), "{why}");
}
