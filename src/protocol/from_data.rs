//! From the fields of a request's `data` to what is asked for.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::envelope::{Blob, Fields};
use super::fields::{
    check, cpus, float, list, object, required_uuid, scalar, show, signed, text, texts, unsigned,
    uuid, uuid_of,
};
use super::limits::{
    MAX_ARGS, MAX_CHANNELS, MAX_CHILDREN, MAX_CPU, MAX_ENV, MAX_NAME, MAX_PATH, MAX_TEXT, MAX_TOPIC,
};
use super::{
    Channel, ChannelMode, Child, CreateModule, DeleteModule, DeleteRuntime, ExitReason, ExitReport,
    FaultCrash, FileType, KeepAlive, Parent, Reason, Resources, Runtime,
};

pub(super) fn create_module(fields: Fields) -> Result<CreateModule, Reason> {
    let Fields { map, wasm, memory } = fields;
    let uuid = uuid(&map, "uuid")?.unwrap_or_else(Uuid::new_v4);
    let filetype = filetype(&map)?;
    let mut apis = texts(&map, "apis", MAX_ARGS, MAX_NAME)?;
    apis.retain(|api| !api.is_empty());
    let (memory, memory_limit) = snapshot_or_limit(memory)?;
    let mut resources = resources(&map)?;
    let mut module = CreateModule {
        name: text(&map, "name", MAX_NAME)?.unwrap_or_else(|| "amodule".to_owned()),
        parent: parent(map.get("parent").unwrap_or(&Value::Null))?,
        filename: text(&map, "filename", MAX_PATH)?,
        fileid: text(&map, "fileid", MAX_NAME)?.unwrap_or_else(|| "na".to_owned()),
        filetype,
        apis: if apis.is_empty() {
            filetype.default_apis()
        } else {
            apis.into_iter().collect()
        },
        args: texts(&map, "args", MAX_ARGS, MAX_TEXT)?,
        env: env(&map)?,
        channels: channels(&map)?,
        wasm: module_bytes(wasm)?,
        memory,
        // The text "true" and the number 1 mean nothing, as in the original.
        wait_state: map.get("wait_state") == Some(&Value::Bool(true)),
        fault_crash: fault_crash(&map)?,
        ..CreateModule::new(uuid)
    };
    module.original = map;
    module
        .original
        .insert("uuid".to_owned(), uuid.to_string().into());
    if resources.memory.is_none() && memory_limit.is_some() {
        // In `memory` it would be in the way of the snapshot when the module moves on.
        resources.memory = memory_limit;
        let known = module.original.get("resources").unwrap_or(&Value::Null);
        let mut known = object(known, "resources")?.unwrap_or_default();
        known.insert("memory".to_owned(), memory_limit.into());
        module.original.insert("resources".to_owned(), known.into());
    }
    module.resources = resources;
    Ok(module)
}

fn module_bytes(blob: Blob) -> Result<Option<Bytes>, Reason> {
    match blob {
        Blob::Missing => Ok(None),
        Blob::Bytes(bytes) => Ok(Some(bytes.into())),
        Blob::Wrong(problem) => Err(Reason::field("wasm", problem)),
        Blob::Value(value) => Err(Reason::field(
            "wasm",
            format!("{} is not base64 of a module", show(&value)),
        )),
    }
}

/// `memory` is the linear memory to start with, or the most bytes of it that there may be.
fn snapshot_or_limit(blob: Blob) -> Result<(Option<Bytes>, Option<u64>), Reason> {
    match blob {
        Blob::Missing => Ok((None, None)),
        Blob::Bytes(bytes) => Ok((Some(bytes.into()), None)),
        Blob::Wrong(problem) => Err(Reason::field("memory", problem)),
        Blob::Value(value) => Ok((None, unsigned(&value, "memory")?)),
    }
}

fn filetype(map: &Map<String, Value>) -> Result<FileType, Reason> {
    match word(map, "filetype")?.as_deref() {
        None => Ok(FileType::default()),
        Some("wa" | "wasm") => Ok(FileType::Wasm),
        Some("py") => Ok(FileType::Python),
        Some(other) => {
            let problem = format!("{} is neither \"WA\" nor \"PY\"", show(&other.into()));
            Err(Reason::field("filetype", problem))
        }
    }
}

/// A name that stands for something, in small letters.
fn word(map: &Map<String, Value>, key: &str) -> Result<Option<String>, Reason> {
    let word = text(map, key, MAX_NAME)?;
    Ok(word.map(|word| word.trim().to_ascii_lowercase()))
}

fn fault_crash(map: &Map<String, Value>) -> Result<FaultCrash, Reason> {
    match word(map, "fault_crash")?.as_deref() {
        None | Some("ignore") => Ok(FaultCrash::Ignore),
        Some("restart") => Ok(FaultCrash::Restart),
        Some(other) => {
            let problem = format!(
                "{} is neither \"ignore\" nor \"restart\"",
                show(&other.into())
            );
            Err(Reason::field("fault_crash", problem))
        }
    }
}

fn parent(value: &Value) -> Result<Parent, Reason> {
    match value {
        Value::Null => Ok(Parent::Any),
        Value::Object(map) => {
            let uuid = uuid_of(map.get("uuid").unwrap_or(&Value::Null), "parent.uuid")?;
            Ok(uuid.map_or(Parent::Any, Parent::Runtime))
        }
        Value::String(text) => {
            let text = text.trim();
            if text.starts_with('{')
                && let Ok(Some(map)) = object(value, "parent")
            {
                return parent(&Value::Object(map));
            }
            check(text, "parent", MAX_NAME)?;
            Ok(match text {
                "" | "None" | "null" => Parent::Any,
                _ => Uuid::try_parse(text)
                    .map_or_else(|_| Parent::Named(text.to_owned()), Parent::Runtime),
            })
        }
        other => {
            let problem = format!("{} is neither an object nor text", show(other));
            Err(Reason::field("parent", problem))
        }
    }
}

fn env(map: &Map<String, Value>) -> Result<Vec<(String, String)>, Reason> {
    let mut variables = Vec::new();
    for (at, value) in list(map, "env", MAX_ENV)?.into_iter().enumerate() {
        let field = format!("env[{at}]");
        match value {
            Value::Object(map) => {
                for (name, value) in &map {
                    let value = scalar(value, &format!("env.{}", show_key(name)))?;
                    variables.push((name.clone(), value));
                }
            }
            value => {
                let text = scalar(&value, &field)?;
                // What is left where text with a space at its end was split at spaces.
                if text.is_empty() {
                    continue;
                }
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    if variables.len() > MAX_ENV {
        let problem = format!("has {} entries, more than {MAX_ENV}", variables.len());
        return Err(Reason::field("env", problem));
    }
    for (at, (name, value)) in variables.iter().enumerate() {
        let field = format!("env[{at}]");
        check(name, &field, MAX_TEXT)?;
        check(value, &field, MAX_TEXT)?;
        if name.is_empty() || name.contains('=') {
            return Err(Reason::field(field, "has no name before the \"=\""));
        }
    }
    Ok(variables)
}

fn show_key(key: &str) -> String {
    show(&key.into()).trim_matches('"').to_owned()
}

fn channels(map: &Map<String, Value>) -> Result<Vec<Channel>, Reason> {
    let values = list(map, "channels", MAX_CHANNELS)?;
    let channels = values.iter().enumerate().map(|(at, value)| {
        let field = format!("channels[{at}]");
        let map = object(value, &field)?.ok_or_else(|| Reason::field(&field, "is empty"))?;
        channel(&map).map_err(|reason| reason.within(&field))
    });
    channels.collect()
}

fn channel(map: &Map<String, Value>) -> Result<Channel, Reason> {
    let params = object(map.get("params").unwrap_or(&Value::Null), "params")?.unwrap_or_default();
    let topic = match text(&params, "topic", MAX_TOPIC)? {
        Some(topic) => Some(topic),
        None => text(map, "topic", MAX_TOPIC)?,
    };
    let path = text(map, "path", MAX_PATH)?;
    let mode = match word(map, "mode")?.as_deref() {
        None | Some("rw" | "wr") => ChannelMode::ReadWrite,
        Some("r") => ChannelMode::Read,
        Some("w") => ChannelMode::Write,
        Some(other) => {
            let problem = format!("{} is none of \"r\", \"w\" and \"rw\"", show(&other.into()));
            return Err(Reason::field("mode", problem));
        }
    };
    let qos = match params.get("qos") {
        None | Some(Value::Null) => map.get("qos").unwrap_or(&Value::Null),
        Some(qos) => qos,
    };
    let qos = match unsigned(qos, "qos")? {
        None => None,
        Some(number) => match u8::try_from(number) {
            Ok(number @ 0..=2) => Some(number),
            _ => {
                return Err(Reason::field(
                    "qos",
                    format!("{number} is none of 0, 1 and 2"),
                ));
            }
        },
    };
    Ok(Channel {
        path: path.ok_or_else(|| Reason::field("path", "is missing"))?,
        kind: text(map, "type", MAX_NAME)?.unwrap_or_else(|| "pubsub".to_owned()),
        mode,
        topic: topic.ok_or_else(|| Reason::field("params.topic", "is missing"))?,
        qos,
    })
}

fn resources(map: &Map<String, Value>) -> Result<Resources, Reason> {
    let known = object(map.get("resources").unwrap_or(&Value::Null), "resources")?;
    let Some(map) = known else {
        return Ok(Resources::default());
    };
    let number = |key: &str| {
        unsigned(
            map.get(key).unwrap_or(&Value::Null),
            &format!("resources.{key}"),
        )
    };
    Ok(Resources {
        period: number("period")?,
        runtime: number("runtime")?,
        memory: number("memory")?,
        affinity: cpus(map.get("affinity"), "resources.affinity", MAX_CPU)?,
        cpu_ms: number("cpu_ms")?,
    })
}

pub(super) fn delete_module(
    map: &Map<String, Value>,
    send_to_runtime: &Value,
) -> Result<DeleteModule, Reason> {
    let target = match uuid_of(send_to_runtime, "send_to_runtime")? {
        Some(target) => Some(target),
        None => uuid(map, "send_to_runtime")?,
    };
    Ok(DeleteModule {
        uuid: required_uuid(map, "uuid")?,
        send_to_runtime: target,
        // Nothing is decided by it but whose report this is, so nothing is wrong with others.
        parent: match parent(map.get("parent").unwrap_or(&Value::Null)) {
            Ok(Parent::Runtime(uuid)) => Some(uuid),
            _ => None,
        },
        exit: exit_report(map.get("exit").unwrap_or(&Value::Null)),
    })
}

/// The end of a module, if it is told in words that are known.
fn exit_report(value: &Value) -> Option<ExitReport> {
    let reason = value.get("reason")?.as_str()?;
    let reason = ExitReason::ALL
        .into_iter()
        .find(|known| known.as_str() == reason)?;
    let message = value
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(ExitReport {
        reason,
        code: value.get("code").and_then(signed),
        message: message.to_owned(),
    })
}

pub(super) fn delete_runtime(map: &Map<String, Value>) -> Result<DeleteRuntime, Reason> {
    Ok(DeleteRuntime {
        uuid: required_uuid(map, "uuid")?,
        name: text(map, "name", MAX_NAME)?.unwrap_or_default(),
    })
}

pub(super) fn runtime(map: &Map<String, Value>) -> Result<Runtime, Reason> {
    const KNOWN: [&str; 5] = ["type", "uuid", "name", "apis", "max_nmodules"];
    Ok(Runtime {
        uuid: required_uuid(map, "uuid")?,
        name: text(map, "name", MAX_NAME)?.unwrap_or_default(),
        apis: runtime_apis(map)?,
        max_nmodules: number(map, "max_nmodules")?.unwrap_or_default(),
        extra: without(map, &KNOWN),
    })
}

pub(super) fn keepalive(map: &Map<String, Value>) -> Result<KeepAlive, Reason> {
    const KNOWN: [&str; 11] = [
        "type",
        "uuid",
        "name",
        "apis",
        "max_nmodules",
        "nmodules",
        "children",
        "cpu_usage_percent",
        "mem_usage",
        "mem_available",
        "load1",
    ];
    let mut children = Vec::new();
    for (at, value) in list(map, "children", MAX_CHILDREN)?.iter().enumerate() {
        let field = format!("children[{at}]");
        let map = object(value, &field)?.ok_or_else(|| Reason::field(&field, "is empty"))?;
        children.push(child(&map).map_err(|reason| reason.within(&field))?);
    }
    Ok(KeepAlive {
        uuid: required_uuid(map, "uuid")?,
        name: text(map, "name", MAX_NAME)?.unwrap_or_default(),
        apis: runtime_apis(map)?,
        max_nmodules: number(map, "max_nmodules")?.unwrap_or_default(),
        children,
        cpu_usage_percent: real(map, "cpu_usage_percent")?.unwrap_or_default(),
        mem_usage: number(map, "mem_usage")?.unwrap_or_default(),
        mem_available: number(map, "mem_available")?,
        load1: real(map, "load1")?,
        extra: without(map, &KNOWN),
    })
}

fn child(map: &Map<String, Value>) -> Result<Child, Reason> {
    const KNOWN: [&str; 5] = ["uuid", "name", "active", "cpu_usage_percent", "mem_usage"];
    Ok(Child {
        uuid: required_uuid(map, "uuid")?,
        name: text(map, "name", MAX_NAME)?.unwrap_or_default(),
        active: map.get("active").and_then(time),
        cpu_usage_percent: real(map, "cpu_usage_percent")?.unwrap_or_default(),
        mem_usage: number(map, "mem_usage")?.unwrap_or_default(),
        extra: without(map, &KNOWN),
    })
}

/// The later dialects tell the interfaces as an array.
fn runtime_apis(map: &Map<String, Value>) -> Result<String, Reason> {
    match map.get("apis") {
        Some(Value::Array(_)) => {
            let apis = texts(map, "apis", MAX_ARGS, MAX_NAME)?.join(" ");
            check(&apis, "apis", MAX_TEXT)?;
            Ok(apis)
        }
        _ => Ok(text(map, "apis", MAX_TEXT)?.unwrap_or_default()),
    }
}

/// -1 is never, and so is what cannot be read.
fn time(value: &Value) -> Option<SystemTime> {
    humantime::parse_rfc3339_weak(value.as_str()?).ok()
}

fn number(map: &Map<String, Value>, key: &str) -> Result<Option<u64>, Reason> {
    unsigned(map.get(key).unwrap_or(&Value::Null), key)
}

fn real(map: &Map<String, Value>, key: &str) -> Result<Option<f64>, Reason> {
    float(map.get(key).unwrap_or(&Value::Null), key)
}

fn without(map: &Map<String, Value>, known: &[&str]) -> Map<String, Value> {
    let unknown = |(key, _): &(&String, &Value)| !known.contains(&key.as_str());
    map.iter()
        .filter(unknown)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
