//! What a runtime says of itself.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Action, ObjectId, request};

/// The `apis` of this runtime. ARTS looks for the text of a module's `apis` in it, whatever its
/// brackets, quotes and order, so every spelling that clients were seen to send is here.
pub const APIS: &str = concat!(
    "wasi:snapshot_preview1 wasi:unstable ['wasi:snapshot_preview1'] ",
    "[\"wasi:snapshot_preview1\"] ['wasi:unstable'] ",
    "['wasi:snapshot_preview1', 'wasi:unstable'] ['wasi:unstable', 'wasi:snapshot_preview1'] ",
    "['wasi:unstable wasi:snapshot_preview1']",
);

/// A runtime that registers: `create` with `data.type` `"runtime"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// The runtime.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// The interfaces that it offers, such as [`APIS`].
    pub apis: String,
    /// How many modules it runs at most.
    pub max_nmodules: u64,
    /// What else it tells, such as `runtime_type`, `platform` and `metadata`.
    pub extra: Map<String, Value>,
}

/// A runtime that is alive: `update` with `data.type` `"runtime"`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepAlive {
    /// The runtime.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// The interfaces that it offers.
    pub apis: String,
    /// How many modules it runs at most.
    pub max_nmodules: u64,
    /// The modules that it has.
    pub children: Vec<Child>,
    /// The CPU that the process takes, in percent of one core.
    pub cpu_usage_percent: f64,
    /// The memory that the process takes, in bytes.
    pub mem_usage: u64,
    /// The memory that the machine has left, in bytes.
    pub mem_available: Option<u64>,
    /// The machine's load average over a minute.
    pub load1: Option<f64>,
    /// What else it tells.
    pub extra: Map<String, Value>,
}

/// A module in a keepalive.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The module.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// When it last did something on a channel.
    pub active: Option<SystemTime>,
    /// The CPU that it takes, in percent of one core.
    pub cpu_usage_percent: f64,
    /// The memory that it takes, in bytes.
    pub mem_usage: u64,
    /// What else is told of it, such as counters.
    pub extra: Map<String, Value>,
}

impl Runtime {
    /// The request to register.
    #[must_use]
    pub fn to_message(&self, object_id: &ObjectId) -> Vec<u8> {
        let mut data = self.extra.clone();
        data.extend(object(json!({
            "type": "runtime",
            "uuid": self.uuid.to_string(),
            "name": self.name,
            "apis": self.apis,
            "max_nmodules": self.max_nmodules,
        })));
        request::message(object_id, &Action::Create, data).into_bytes()
    }
}

impl KeepAlive {
    /// The message. Nobody answers it.
    #[must_use]
    pub fn to_message(&self, object_id: &ObjectId) -> Vec<u8> {
        let mut data = self.extra.clone();
        data.extend(object(json!({
            "type": "runtime",
            "uuid": self.uuid.to_string(),
            "name": self.name,
            "apis": self.apis,
            "max_nmodules": self.max_nmodules,
            "nmodules": self.children.len(),
            "children": self.children.iter().map(Child::to_value).collect::<Value>(),
            "cpu_usage_percent": number(self.cpu_usage_percent),
            "mem_usage": self.mem_usage,
        })));
        if let Some(bytes) = self.mem_available {
            data.insert("mem_available".to_owned(), bytes.into());
        }
        if let Some(load) = self.load1 {
            data.insert("load1".to_owned(), number(load));
        }
        request::message(object_id, &Action::Update, data).into_bytes()
    }
}

impl Child {
    fn to_value(&self) -> Value {
        let mut data = self.extra.clone();
        data.extend(object(json!({
            "uuid": self.uuid.to_string(),
            "name": self.name,
            "active": self.active.map_or_else(|| Value::from(-1), |at| timestamp(at).into()),
            "cpu_usage_percent": number(self.cpu_usage_percent),
            "mem_usage": self.mem_usage,
        })));
        Value::Object(data)
    }
}

/// `at` as ISO 8601 in UTC, such as `2020-08-25T15:46:20.545Z`.
#[must_use]
pub fn timestamp(at: SystemTime) -> String {
    // The formatter cannot write what is before 1970 or after 9999.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let at = at.clamp(SystemTime::UNIX_EPOCH, last);
    humantime::format_rfc3339_millis(at).to_string()
}

/// Two digits are enough for people; what is not finite cannot be said in JSON.
fn number(value: f64) -> Value {
    if !value.is_finite() {
        return 0.0.into();
    }
    // Large numbers have no such digits, and would only become others.
    let rounds = value.abs() < 1e12;
    if rounds {
        ((value * 100.0).round() / 100.0).into()
    } else {
        value.into()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
