//! Records as the API tells them.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::protocol::{ModuleEngine, timestamp};
use crate::supervisor::{
    Exit, Line, Module, ModuleState, Runtime, RuntimeState, Stats, StoredFile, Supervisor,
};

fn time(time: Option<SystemTime>) -> Value {
    time.map(timestamp).into()
}

/// A runtime, as it is in lists.
pub(super) fn runtime(runtime: &Runtime) -> Map<String, Value> {
    let load = &runtime.load;
    let value = json!({
        "uuid": runtime.uuid,
        "name": runtime.name,
        "state": runtime.state.as_str(),
        "type": runtime.extra.get("runtime_type").and_then(Value::as_str),
        "apis": runtime.apis,
        "arch": runtime.arch,
        "labels": runtime.labels,
        "max_nmodules": runtime.max_nmodules,
        "nmodules": runtime.modules.len(),
        "registered": timestamp(runtime.registered),
        "last_seen": timestamp(runtime.last_seen),
        "load": {
            "at": time(load.at),
            "cpu_percent": load.cpu_percent,
            "memory": load.memory,
            "host_cpu_percent": load.host_cpu_percent,
            "cores": load.cores,
            "memory_total": load.memory_total,
            "memory_available": load.memory_available,
            "load1": load.load1,
            "temperature": load.temperature,
        },
    });
    object(value)
}

/// A module, as it is in lists.
pub(super) fn module(supervisor: &Supervisor, module: &Module) -> Map<String, Value> {
    let on = module.runtime.map(|uuid| {
        let name = supervisor.runtime(uuid).map(|runtime| runtime.name.clone());
        json!({ "uuid": uuid, "name": name.unwrap_or_default() })
    });
    let usage = &module.usage;
    let value = json!({
        "uuid": module.uuid,
        "name": module.name,
        "filename": module.filename,
        "state": module.state.as_str(),
        "runtime": on,
        "moves_to": module.moves_to,
        "restart": module.restart.as_str(),
        "restarts": module.restarts,
        "created": timestamp(module.created),
        "started": time(module.started),
        "changed": timestamp(module.changed),
        "exit": module.exit.as_ref().map(Exit::to_value),
        "engine": usage.engine.map(ModuleEngine::as_str),
        "usage": {
            "cpu_percent": usage.cpu_percent,
            "memory": usage.memory,
            "active": time(usage.active),
            "restarts": usage.restarts,
            "messages_in": usage.messages_in,
            "messages_out": usage.messages_out,
            "bytes_in": usage.bytes_in,
            "bytes_out": usage.bytes_out,
            "messages_dropped": usage.messages_dropped,
        },
    });
    object(value)
}

/// A line of output.
pub(super) fn line(line: &Line) -> Value {
    json!({ "at": timestamp(line.at), "text": &*line.text })
}

/// A file of the store.
pub(super) fn file(file: &StoredFile) -> Value {
    json!({
        "name": file.name.to_string(),
        "user": file.name.user(),
        "filename": file.name.file(),
        "sha256": file.sha256,
        "size": file.size,
        "modified": timestamp(file.modified),
        "path": format!("/store/users/{}", file.name),
    })
}

/// Figures of the supervisor.
pub(super) fn stats(supervisor: &Supervisor, broker: &str) -> Value {
    let stats = supervisor.stats();
    let settings = supervisor.settings();
    let counts = &stats.counts;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "realm": supervisor.realm(),
        "uptime_seconds": stats.uptime.as_secs_f64(),
        "runtimes": runtimes(&stats),
        "modules": modules(&stats),
        "counts": {
            "messages": counts.messages,
            "malformed": counts.malformed,
            "creates": counts.creates,
            "deletes": counts.deletes,
            "granted": counts.granted,
            "refused": counts.refused,
            "commits": counts.commits,
            "failed_commits": counts.failed_commits,
        },
        "queue": {
            "messages": stats.queued_messages,
            "bytes": stats.queued_bytes,
            "dropped": stats.dropped_messages,
        },
        "output": { "bytes": stats.output_bytes, "strangers": stats.output_strangers },
        "store": {
            "bytes": stats.store_bytes,
            "limit": settings.store_size,
            "upload_limit": settings.upload_size,
        },
        "broker": {
            "url": broker,
            "connected": stats.link.connected,
            "error": stats.link.last_failure,
        },
        "journal_failure": stats.journal_failure,
    })
}

fn runtimes(stats: &Stats) -> Map<String, Value> {
    let states = [RuntimeState::Alive, RuntimeState::Lost];
    let count = |state| stats.runtimes.get(&state).copied().unwrap_or_default();
    let all = states.map(|state| (state.as_str().to_owned(), count(state).into()));
    all.into_iter().collect()
}

fn modules(stats: &Stats) -> Map<String, Value> {
    let count = |state| stats.modules.get(&state).copied().unwrap_or_default();
    let all = ModuleState::ALL.map(|state| (state.as_str().to_owned(), count(state).into()));
    all.into_iter().collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
