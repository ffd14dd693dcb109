//! What the bodies are that go in and out, as JSON schemas.

use serde_json::{Map, Value, json};

use crate::supervisor::{EventKind, ModuleState};

use super::error::ErrorKind;

/// An object with these members, all of them there, and no others.
fn object(members: Value) -> Value {
    let names: Vec<_> = members.as_object().into_iter().flatten().collect();
    let required: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": members,
    })
}

/// An object that may have these members, and no others.
fn options(members: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": members,
    })
}

/// Members and more members.
fn with(members: &Value, more: Value) -> Value {
    let mut all: Map<String, Value> = members.as_object().cloned().unwrap_or_default();
    if let Value::Object(more) = more {
        all.extend(more);
    }
    Value::Object(all)
}

/// All schemas.
pub(super) fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let maybe_text = || json!({ "type": ["string", "null"] });
    let whole = || json!({ "type": "integer", "minimum": 0 });
    let maybe_whole = || json!({ "type": ["integer", "null"], "minimum": 0 });
    let real = || json!({ "type": "number" });
    let maybe_real = || json!({ "type": ["number", "null"] });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let maybe_uuid = || json!({ "type": ["string", "null"], "format": "uuid" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let maybe_time = || json!({ "type": ["string", "null"], "format": "date-time" });
    let any = || json!({ "type": "object" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let of = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let list = |name: &str| json!({ "type": "array", "items": of(name) });
    let restart = || json!({ "type": "string", "enum": ["never", "on-failure", "always"] });
    let labels = || json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let states = ModuleState::ALL.map(ModuleState::as_str);
    let runtime = json!({
        "uuid": uuid(), "name": text(),
        "state": { "type": "string", "enum": ["alive", "lost"] },
        "type": maybe_text(), "apis": text(), "arch": maybe_text(), "labels": labels(),
        "max_nmodules": { "type": "integer", "description": "0 is no limit." },
        "nmodules": whole(), "registered": time(), "last_seen": time(),
        "load": of("Load"),
    });
    let module = json!({
        "uuid": uuid(), "name": text(), "filename": maybe_text(),
        "state": { "type": "string", "enum": states },
        "runtime": { "anyOf": [of("On"), { "type": "null" }] },
        "moves_to": maybe_uuid(), "restart": restart(), "restarts": whole(),
        "created": time(), "started": maybe_time(), "changed": time(),
        "exit": { "anyOf": [of("Exit"), { "type": "null" }] },
        "engine": maybe_text(), "usage": of("Usage"),
    });
    let original_module = json!({
        "type": { "const": "module" }, "uuid": uuid(), "name": text(),
        "parent": {}, "filename": maybe_text(), "fileid": text(), "filetype": text(),
        "apis": texts(), "args": texts(), "env": texts(),
        "channels": { "type": "array", "items": any() },
    });
    let mut states_counted = Map::new();
    for state in states {
        states_counted.insert(state.to_owned(), whole());
    }
    let counts = [
        "messages",
        "malformed",
        "creates",
        "deletes",
        "granted",
        "refused",
        "commits",
        "failed_commits",
    ];
    let counts: Map<_, _> = counts
        .map(|name| (name.to_owned(), whole()))
        .into_iter()
        .collect();
    let kinds: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.word()).collect();
    let events: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    json!({
        "Any": any(),
        "Error": options(
            json!({
                "error": text(), "kind": { "type": "string", "enum": kinds }, "field": text(),
                "candidates": list("On"), "attempts": texts(),
            }),
            &["error", "kind"],
        ),
        "On": object(json!({ "uuid": uuid(), "name": text() })),
        "Load": object(json!({
            "at": maybe_time(), "cpu_percent": real(), "memory": whole(),
            "host_cpu_percent": maybe_real(), "cores": maybe_real(),
            "memory_total": maybe_whole(), "memory_available": maybe_whole(),
            "load1": maybe_real(), "temperature": maybe_real(),
        })),
        "Runtime": object(runtime.clone()),
        "Runtimes": object(json!({ "runtimes": list("Runtime") })),
        "RuntimeDetails": object(with(&runtime, json!({
            "modules": { "type": "array", "items": uuid() }, "about": any(),
        }))),
        "Exit": options(
            json!({ "reason": text(), "message": text(), "at": time(), "code": { "type": "integer" } }),
            &["reason", "message", "at"],
        ),
        "Usage": object(json!({
            "cpu_percent": real(), "memory": whole(), "active": maybe_time(), "restarts": whole(),
            "messages_in": whole(), "messages_out": whole(), "bytes_in": whole(),
            "bytes_out": whole(), "messages_dropped": whole(),
        })),
        "ArtifactKey": object(json!({ "key": text() })),
        "Module": object(module.clone()),
        "Modules": object(json!({ "modules": list("Module") })),
        "ModulesPart": options(
            json!({ "modules": list("Module"), "next": text() }),
            &["modules"],
        ),
        "ModuleDetails": object(with(&module, json!({ "request": any() }))),
        "Create": options(
            json!({
                "name": text(), "uuid": uuid(),
                "filename": { "type": "string", "description": "A file that runtimes have." },
                "file": { "type": "string", "description": "USER/FILENAME in the module store." },
                "sha256": { "type": "string", "description": "Of a file in the module store." },
                "wasm": { "type": "string", "contentEncoding": "base64" },
                "args": texts(), "env": { "anyOf": [labels(), texts()] },
                "channels": list("Channel"),
                "runtime": { "type": "string", "description": "Name, uuid or beginning of the uuid." },
                "memory": { "type": ["integer", "string"], "description": "The most bytes of linear memory." },
                "restart": restart(), "resources": of("Resources"),
                "apis": texts(), "arch": texts(), "labels": labels(),
                "wait": { "type": "boolean", "description": "Only prepare it." },
                "replicas": { "type": "integer", "minimum": 1, "maximum": 100 },
            }),
            &[],
        ),
        "Channel": options(
            json!({
                "path": text(), "topic": text(),
                "mode": { "type": "string", "enum": ["r", "w", "rw"] },
                "qos": { "type": "integer", "minimum": 0, "maximum": 2 },
            }),
            &["path", "topic"],
        ),
        "Resources": options(
            json!({
                "period": whole(), "runtime": whole(), "memory": whole(),
                "affinity": { "type": "array", "items": whole() }, "cpu_ms": whole(),
            }),
            &[],
        ),
        "Done": object(json!({
            "uuid": uuid(), "name": text(),
            "result": { "type": "string", "enum": ["deleted", "stopping"] },
        })),
        "Line": { "anyOf": [
            object(json!({ "at": time(), "text": text() })), of("Missed"), of("End"),
        ] },
        "Event": { "anyOf": [
            object(json!({
                "id": whole(), "at": time(), "kind": { "type": "string", "enum": events },
                "runtime": maybe_uuid(), "module": maybe_uuid(), "name": text(), "message": text(),
            })),
            of("Missed"), of("End"),
        ] },
        "Missed": object(json!({ "missed": whole() })),
        "End": options(
            json!({ "end": text(), "exit": { "anyOf": [of("Exit"), { "type": "null" }] } }),
            &["end"],
        ),
        "Stats": object(json!({
            "version": text(), "realm": text(), "uptime_seconds": real(),
            "runtimes": object(json!({ "alive": whole(), "lost": whole() })),
            "modules": object(Value::Object(states_counted)),
            "counts": object(Value::Object(counts)),
            "queue": object(json!({ "messages": whole(), "bytes": whole(), "dropped": whole() })),
            "output": object(json!({ "bytes": whole(), "strangers": whole() })),
            "store": object(json!({ "bytes": whole(), "limit": whole(), "upload_limit": whole() })),
            "broker": object(json!({
                "url": text(), "connected": { "type": "boolean" }, "error": maybe_text(),
            })),
            "journal_failure": maybe_text(),
        })),
        "File": object(json!({
            "name": text(), "user": text(), "filename": text(), "sha256": text(),
            "size": whole(), "modified": time(), "path": text(),
        })),
        "Files": object(json!({ "files": list("File") })),
        "Health": object(json!({ "ok": { "type": "boolean" }, "reasons": texts() })),
        "OriginalRuntime": object(json!({
            "type": { "const": "runtime" }, "uuid": uuid(), "name": text(), "apis": text(),
            "max_nmodules": whole(), "nmodules": whole(), "ka_ts": time(),
            "children": { "type": "array", "items": any() },
        })),
        "OriginalModule": {
            "type": "object",
            "required": original_module.as_object().into_iter().flatten()
                .map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            "properties": original_module,
        },
        "OriginalUnknown": object(json!({ "message": text() })),
        "OriginalConfig": object(json!({
            "mqtt_server": object(json!({
                "host": maybe_text(), "port": maybe_whole(), "ws_port": maybe_whole(),
            })),
            "mqtt_username": text(), "mqtt_password": text(),
            "subscribe_topics": { "type": "array", "items": object(json!({
                "name": text(), "topic": text(), "on_message": text(),
            })) },
        })),
    })
}
