//! Modules from their create to their end, as a client sees them.

use std::time::SystemTime;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::arena_broker::ArenaBroker;
use crate::arts::Arts;
use crate::http::Api;
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};
use crate::schema::Description;

/// Starts modules; their records.
#[track_caller]
fn create(api: &Api, body: &Value) -> Vec<Value> {
    let answer = api.post("/api/v1/modules", body).granted(201);
    answer["modules"].as_array().unwrap().clone()
}

fn state(api: &Api, id: &str) -> Value {
    api.get(&format!("/api/v1/modules/{id}")).granted(200)["state"].clone()
}

#[test]
fn from_the_upload_to_the_end() {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[]);
    let api = &arts.api;
    let described = Description::of(api);
    let mut events = api.follow("/api/v1/events?follow=true", &[]);
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let runtime = Runtime::start(broker.port(), "[runtime]\ngrace_time = \"100ms\"\n");
    let known = arts.wait_runtimes(1).remove(0);
    assert_eq!(known["uuid"], runtime.uuid());
    assert_eq!(known["state"], "alive");
    let name = known["name"].as_str().unwrap();

    // A file of the store goes along with the request.
    let hello = std::fs::read(runtime.apps().join("hello.wasm")).unwrap();
    let file = api.put("/store/users/me/hello.wasm", &hello).granted(201);
    std::fs::remove_file(runtime.apps().join("hello.wasm")).unwrap();
    let before = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let module = create(api, &json!({"file": "me/hello.wasm", "runtime": name})).remove(0);
    assert_eq!(module["name"], "hello");
    assert!(module["created"].as_str().unwrap() >= before.as_str());
    assert_eq!(module["runtime"]["uuid"], runtime.uuid());
    let mut logs = api.follow("/api/v1/modules/hello/logs?follow=true", &[]);
    let (kind, _, line) = logs.event().unwrap();
    assert_eq!(kind, "message");
    assert_eq!(line["text"], "Hello from WebAssembly!");
    let end = loop {
        let (kind, _, item) = logs.event().unwrap();
        if kind == "end" {
            break item;
        }
    };
    assert_eq!(end["end"], "exited");
    assert_eq!(end["exit"]["code"], 0);
    assert!(logs.event().is_none());
    // It is over, and the lines are there still.
    let lines = api.get("/api/v1/modules/hello/logs?tail=1");
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    assert_eq!(lines.text().lines().count(), 1);
    for line in lines.text().lines() {
        let line = serde_json::from_str(line).unwrap();
        described.check_item("/api/v1/modules/{id}/logs", &line);
    }

    // The same by its sha256, and inline, and with all that can be said.
    let by_sha256 = create(api, &json!({"sha256": file["sha256"], "name": "by sha"})).remove(0);
    wait_until("it has ended", || state(api, "by%20sha") == "exited");
    assert_ne!(by_sha256["uuid"], module["uuid"]);
    let args = std::fs::read(runtime.apps().join("env_args.wasm")).unwrap();
    let uuid = uuid::Uuid::new_v4();
    let all = json!({
        "uuid": uuid, "name": "all", "args": ["one", "two words"], "env": {"A": "b c"},
        "wasm": base64::engine::general_purpose::STANDARD.encode(&args),
        "channels": [{"path": "/ch/x", "topic": "x/y", "mode": "r", "qos": 1}],
        "memory": "4MiB", "restart": "never", "resources": {"cpu_ms": 10_000},
        "labels": {}, "arch": [], "apis": ["wasi:snapshot_preview1"], "replicas": 1, "wait": false,
        "runtime": runtime.uuid().split_at(9).0,
    });
    let made = create(api, &all).remove(0);
    assert_eq!(made["uuid"], uuid.to_string());
    let id = &uuid.to_string()[..13];
    wait_until("it has ended", || state(api, id) == "exited");
    let request = api.get(&format!("/api/v1/modules/{id}")).granted(200)["request"].clone();
    assert_eq!(request["args"], json!(["one", "two words"]));
    assert_eq!(request["env"], json!(["A=b c"]));
    assert_eq!(
        request["channels"][0]["params"],
        json!({"topic": "x/y", "qos": 1})
    );
    assert_eq!(request["resources"]["memory"], 4 << 20);
    let said = api.get(&format!("/api/v1/modules/{id}/logs")).text();
    assert!(
        said.contains("two words") && said.contains("A=b c"),
        "{said}"
    );

    // Several, which are stopped one by one.
    let made = create(api, &json!({"filename": "wait.wasm", "replicas": 3}));
    let names: Vec<_> = made.iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["wait-1", "wait-2", "wait-3"]);
    assert_eq!(made[1]["state"], "running");
    let running = api.get(&format!("/api/v1/modules?state=running&runtime={name}"));
    assert_eq!(running.granted(200)["modules"].as_array().unwrap().len(), 3);
    // In parts, of which the last has no next.
    let part = api
        .get("/api/v1/modules?state=running&limit=2")
        .granted(200);
    described.check("/api/v1/modules", "GET", 200, &part);
    assert_eq!(part["modules"].as_array().unwrap().len(), 2);
    let after = part["next"].as_str().unwrap();
    let path = format!("/api/v1/modules?state=running&limit=2&after={after}");
    let rest = api.get(&path).granted(200);
    assert_eq!(rest["modules"][0]["name"], "wait-3");
    assert_eq!(rest.get("next"), None);
    let mut logs = api.follow(
        "/api/v1/modules/wait-2/logs?follow=true",
        &[("Accept", "application/x-ndjson")],
    );
    assert_eq!(logs.item().unwrap()["text"], "waiting");
    let done = api.delete("/api/v1/modules/wait-2").granted(200);
    assert_eq!(done["result"], "deleted");
    assert_eq!(logs.item().unwrap(), json!({"end": "deleted"}));
    assert!(logs.item().is_none());
    api.get("/api/v1/modules/wait-2").refused(404, "unknown");
    api.delete("/api/v1/modules/wait-2").refused(404, "unknown");

    // The events of all that, with rising ids, and again for whoever was away.
    let mut kinds = Vec::new();
    let mut last = 0;
    while kinds.last() != Some(&"deleted".to_owned()) {
        let (kind, id, event) = events.event().unwrap();
        assert_eq!(kind, "message");
        assert!(id.unwrap() > last);
        last = id.unwrap();
        kinds.push(event["kind"].as_str().unwrap().to_owned());
        described.check_item("/api/v1/events", &event);
    }
    assert_eq!(kinds[..3], ["registered", "placed", "started"]);
    let missed = [("Last-Event-ID", "1"), ("Accept", "text/event-stream")];
    let mut again = api.follow("/api/v1/events?follow=true&after=5", &missed);
    assert_eq!(again.event().unwrap().1, Some(2));
    let after = api
        .get(&format!("/api/v1/events?after={}", last - 1))
        .text();
    assert_eq!(after.lines().count(), 1);

    // What is told is what is described.
    let runtime_path = format!("/api/v1/runtimes/{}", runtime.uuid());
    for (path, real) in [
        ("/api/v1/runtimes", "/api/v1/runtimes"),
        ("/api/v1/runtimes/{id}", &runtime_path),
        ("/api/v1/modules", "/api/v1/modules"),
        ("/api/v1/modules/{id}", "/api/v1/modules/wait-1"),
        ("/api/v1/stats", "/api/v1/stats"),
        ("/api/v1/files", "/api/v1/files"),
        ("/arts-api/v1/config/", "/arts-api/v1/config"),
        ("/arts-api/v1/runtimes/", "/arts-api/v1/runtimes/"),
        ("/arts-api/v1/modules/", "/arts-api/v1/modules"),
        ("/healthz", "/healthz"),
    ] {
        described.check(path, "GET", 200, &api.get(real).granted(200));
    }
    let metrics = api.get("/metrics").text();
    assert!(
        metrics.contains("arena_arts_modules{state=\"running\"} 2"),
        "{metrics}"
    );

    let stopping = api.delete(&runtime_path).granted(202);
    described.check("/api/v1/runtimes/{id}", "DELETE", 202, &stopping);
    wait_until("it is lost", || {
        api.get(&runtime_path).json()["state"] == "lost"
    });
    let deleted = api.delete(&runtime_path).granted(200);
    assert_eq!(deleted["result"], "deleted");
    api.get(&runtime_path).refused(404, "unknown");
}

#[test]
fn the_paths_of_the_original() {
    let broker = ArenaBroker::start();
    let arts = Arts::start(broker.port(), &[]);
    let runtime = Runtime::start(broker.port(), "[runtime]\ngrace_time = \"100ms\"\n");
    arts.wait_runtimes(1);
    let api = &arts.api;
    let module = create(api, &json!({"filename": "wait.wasm", "name": "me/wait"})).remove(0);
    let uuid = module["uuid"].as_str().unwrap();
    let child = json!({"type": "module", "parent": {"uuid": runtime.uuid()}, "name": "me/wait",
        "uuid": uuid, "filename": "wait.wasm"});
    let runtimes = api.get("/arts-api/v1/runtimes/").granted(200);
    assert_eq!(runtimes[0]["uuid"], runtime.uuid());
    assert_eq!(runtimes[0]["nmodules"], 1);
    assert_eq!(runtimes[0]["children"], json!([child]));
    let one = api.get(&format!("/arts-api/v1/runtimes/{}/", runtime.uuid()));
    assert_eq!(one.granted(200)["children"], json!([child]));
    let modules = api.get("/arts-api/v1/modules/").granted(200);
    assert_eq!(modules[0]["parent"], json!({"uuid": runtime.uuid()}));
    let one = api
        .get(&format!("/arts-api/v1/modules/{uuid}/"))
        .granted(200);
    assert_eq!(one["fileid"], "na");
    assert_eq!(one, modules[0]);
    for what in ["Runtime", "Module"] {
        let path = format!("/arts-api/v1/{}s/0/", what.to_lowercase());
        let message = format!("{what} with uuid: 0 does not exist");
        assert_eq!(api.get(&path).granted(404), json!({"message": message}));
    }
    let config = api.get("/arts-api/v1/config/").granted(200);
    assert_eq!(config["mqtt_server"]["port"], broker.port());
    assert_eq!(config["subscribe_topics"][0]["topic"], "realm/proc/reg");
    assert_eq!(config["subscribe_topics"][2]["name"], "dbg");
}

#[test]
fn refusals_have_reasons() {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &["--scheduler=round-robin"]);
    let api = &arts.api;
    let create = |body: Value| api.post("/api/v1/modules", &body);
    let none = create(json!({"filename": "wait.wasm"})).refused(503, "no-runtime");
    assert!(none.get("attempts").is_none());
    let _runtimes = ["one", "two"].map(|name| {
        let settings =
            format!("[runtime]\nname = \"{name}\"\nmax_modules = 2\ngrace_time = \"100ms\"\n");
        Runtime::start(broker.port(), &settings)
    });
    arts.wait_runtimes(2);
    // Each is asked, and each reason is told.
    let error = create(json!({"filename": "none.wasm"})).refused(422, "rejected");
    let attempts = error["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{error}");
    for attempt in attempts {
        assert!(attempt.as_str().unwrap().contains("none.wasm"), "{error}");
    }
    let error =
        create(json!({"filename": "wait.wasm", "arch": ["z80"]})).refused(503, "no-runtime");
    assert!(
        error["error"].as_str().unwrap().contains("architecture"),
        "{error}"
    );
    let error =
        create(json!({"filename": "wait.wasm", "runtime": "three"})).refused(404, "unknown");
    assert_eq!(error["field"], "runtime");
    // All or none: there are four places.
    let error = create(json!({"filename": "wait.wasm", "replicas": 5}));
    let error = error.refused(503, "no-runtime");
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .starts_with("1 of 5 modules"),
        "{error}"
    );
    assert_eq!(arts.modules().len(), 0);

    // Two of one name.
    create(json!({"filename": "wait.wasm", "name": "twin"})).granted(201);
    let second = create(json!({"filename": "wait.wasm", "name": "twin"})).granted(201);
    for answer in [
        api.get("/api/v1/modules/twin"),
        api.delete("/api/v1/modules/twin"),
    ] {
        let error = answer.refused(409, "ambiguous");
        assert_eq!(error["candidates"].as_array().unwrap().len(), 2, "{error}");
    }
    let uuid = second["modules"][0]["uuid"].clone();
    let again = create(json!({"filename": "wait.wasm", "uuid": uuid}));
    again.refused(409, "conflict");
    assert_eq!(arts.modules().len(), 2);
}
