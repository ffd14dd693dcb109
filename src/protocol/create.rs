//! The request to start a module.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::envelope::Fields;
use super::{Action, ObjectId, Reason, from_data, request};

/// A module to start: `create` with `data.type` `"module"`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateModule {
    /// The module. A random one when the request names none.
    pub uuid: Uuid,
    /// Its name, in the ARENA `namespace/program-folder`.
    pub name: String,
    /// The runtime that it is for, as far as the sender knows.
    pub parent: Parent,
    /// The file to run.
    pub filename: Option<String>,
    /// A store's id of the file. Not used any more.
    pub fileid: String,
    /// What kind of file it is.
    pub filetype: FileType,
    /// The interfaces that the module needs.
    pub apis: BTreeSet<String>,
    /// Its arguments, without the file name.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// The file itself, instead of `filename`.
    pub wasm: Option<Bytes>,
    /// The linear memory to start with: the module migrates to here.
    pub memory: Option<Bytes>,
    /// Prepare only: a second create of the same uuid starts the module.
    pub wait_state: bool,
    /// What it may use.
    pub resources: Resources,
    /// What happens after it has failed.
    pub fault_crash: FaultCrash,
    /// The data of the request as it came, with the uuid, but without `wasm` and `memory`. Empty
    /// when the request was not parsed.
    pub original: Map<String, Value>,
}

/// The runtime that a module is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parent {
    /// The supervisor chooses.
    #[default]
    Any,
    /// A runtime's uuid.
    Runtime(Uuid),
    /// A runtime's name, or something else.
    Named(String),
}

/// The kind of a module's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileType {
    /// `"WA"`: WebAssembly.
    #[default]
    Wasm,
    /// `"PY"`: Python.
    Python,
}

/// A path of the module that is bound to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Such as `/ch/light`.
    pub path: String,
    /// Its `type`: `"pubsub"`, or a kind of channel that this runtime does not know.
    pub kind: String,
    /// What the module may do with it.
    pub mode: ChannelMode,
    /// The topic.
    pub topic: String,
    /// The MQTT quality of service, 0 to 2, when the request says one.
    pub qos: Option<u8>,
}

/// What a module may do with a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelMode {
    /// `"r"`
    Read,
    /// `"w"`
    Write,
    /// `"rw"`
    #[default]
    ReadWrite,
}

/// What a module may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The length of a scheduling period, in nanoseconds.
    pub period: Option<u64>,
    /// The CPU time in each period, in nanoseconds.
    pub runtime: Option<u64>,
    /// The linear memory, in bytes.
    pub memory: Option<u64>,
    /// The processors that it may run on, in rising order.
    pub affinity: Option<BTreeSet<u32>>,
    /// The CPU time in all, in milliseconds.
    pub cpu_ms: Option<u64>,
}

/// What happens after a module has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultCrash {
    /// `"ignore"`: nothing.
    #[default]
    Ignore,
    /// `"restart"`: it is started again.
    Restart,
}

impl CreateModule {
    /// The fields that this runtime gives a meaning to.
    pub(super) const KNOWN: [&str; 17] = [
        "type",
        "uuid",
        "name",
        "parent",
        "filename",
        "fileid",
        "filetype",
        "apis",
        "args",
        "env",
        "channels",
        "wasm",
        "memory",
        "wait_state",
        "resources",
        "fault_crash",
        "send_to_runtime",
    ];

    /// A module with everything else at its default.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self {
            uuid,
            name: "amodule".to_owned(),
            parent: Parent::Any,
            filename: None,
            fileid: "na".to_owned(),
            filetype: FileType::Wasm,
            apis: FileType::Wasm.default_apis(),
            args: Vec::new(),
            env: Vec::new(),
            channels: Vec::new(),
            wasm: None,
            memory: None,
            wait_state: false,
            resources: Resources::default(),
            fault_crash: FaultCrash::Ignore,
            original: Map::new(),
        }
    }

    /// A module from the `data` of a request, in every spelling.
    ///
    /// # Errors
    /// When a field cannot be what it is.
    pub fn from_data(data: Map<String, Value>) -> Result<Self, Reason> {
        from_data::create_module(Fields::of(data))
    }

    /// The fields of the request that nothing is known of here.
    pub fn extra(&self) -> impl Iterator<Item = (&String, &Value)> {
        let unknown = |(key, _): &(&String, &Value)| !Self::KNOWN.contains(&key.as_str());
        self.original.iter().filter(unknown)
    }

    /// The module as it is told in answers and lists: everything but `wasm` and `memory`.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut data = Map::new();
        let mut set = |key: &str, value: Value| data.insert(key.to_owned(), value);
        set("type", "module".into());
        set("uuid", self.uuid.to_string().into());
        set("name", self.name.clone().into());
        set("parent", self.parent.to_value());
        set("filename", self.filename.clone().into());
        set("fileid", self.fileid.clone().into());
        set("filetype", self.filetype.as_str().into());
        set("apis", self.apis.iter().cloned().collect());
        set("args", self.args.clone().into());
        set(
            "env",
            self.env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        );
        set(
            "channels",
            self.channels.iter().map(Channel::to_value).collect(),
        );
        if self.wait_state {
            set("wait_state", true.into());
        }
        if self.resources != Resources::default() {
            set("resources", self.resources.to_value());
        }
        if self.fault_crash != FaultCrash::Ignore {
            set("fault_crash", self.fault_crash.as_str().into());
        }
        data
    }

    /// The module as it goes to the runtime `target`: with its linear memory, to start at once;
    /// without one, if it has not begun yet. Its fields go on as they came, but for what a
    /// supervisor has made texts of: nobody else should have to read Python.
    #[must_use]
    pub fn moved_to(&self, target: Uuid, memory: Option<Bytes>) -> Self {
        let mut moved = self.clone();
        moved.parent = Parent::Runtime(target);
        if !moved.original.is_empty() {
            let known = self.details();
            for key in ["apis", "args", "env", "channels", "resources"] {
                if let Some(value) = moved.original.get_mut(key)
                    && is_spelled_out(value)
                {
                    *value = known.get(key).cloned().unwrap_or_default();
                }
            }
            moved
                .original
                .insert("parent".to_owned(), moved.parent.to_value());
            moved.original.remove("send_to_runtime");
        }
        if memory.is_some() {
            moved.memory = memory;
            moved.wait_state = false;
            moved.original.remove("wait_state");
        }
        moved
    }

    /// The request. One that was parsed goes on as it came: with the fields of `original`, in
    /// their spelling, and with `wasm` and `memory`. Otherwise all fields are written.
    #[must_use]
    pub fn to_message(&self, object_id: &ObjectId) -> Vec<u8> {
        let data = match &self.original {
            original if original.is_empty() => self.details(),
            original => original.clone(),
        };
        let mut message = request::message(object_id, &Action::Create, data);
        // The large fields are written straight into the message, which ends in `}}`.
        message.truncate(message.len().saturating_sub(2));
        for (key, bytes) in [("wasm", &self.wasm), ("memory", &self.memory)] {
            if let Some(bytes) = bytes {
                message.reserve(bytes.len() / 3 * 4 + 32);
                message.push_str(",\"");
                message.push_str(key);
                message.push_str("\":\"");
                STANDARD.encode_string(bytes, &mut message);
                message.push('"');
            }
        }
        message.push_str("}}");
        message.into_bytes()
    }
}

/// Whether a list or an object is written as text, or has such in it.
fn is_spelled_out(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim_start().starts_with(['[', '(', '{']),
        Value::Array(values) => values.iter().any(|value| {
            value
                .as_str()
                .is_some_and(|text| text.trim_start().starts_with('{'))
        }),
        _ => false,
    }
}

impl Parent {
    fn to_value(&self) -> Value {
        match self {
            Self::Any => Value::Null,
            Self::Runtime(uuid) => json!({ "uuid": uuid.to_string() }),
            Self::Named(name) => name.clone().into(),
        }
    }
}

impl FileType {
    /// As it is in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "WA",
            Self::Python => "PY",
        }
    }

    pub(super) fn default_apis(self) -> BTreeSet<String> {
        let api = match self {
            Self::Wasm => "wasi:snapshot_preview1",
            Self::Python => "python:python3",
        };
        BTreeSet::from([api.to_owned()])
    }
}

impl Channel {
    fn to_value(&self) -> Value {
        let mut params = json!({ "topic": self.topic });
        if let Some(qos) = self.qos {
            params["qos"] = qos.into();
        }
        json!({
            "path": self.path,
            "type": self.kind,
            "mode": self.mode.as_str(),
            "params": params,
        })
    }
}

impl ChannelMode {
    /// As it is in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "w",
            Self::ReadWrite => "rw",
        }
    }
}

impl Resources {
    pub(super) fn to_value(&self) -> Value {
        let mut data = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                data.insert(key.to_owned(), value);
            }
        };
        set("period", self.period.map(Value::from));
        set("runtime", self.runtime.map(Value::from));
        set("memory", self.memory.map(Value::from));
        set(
            "affinity",
            self.affinity
                .as_ref()
                .map(|cpus| cpus.iter().copied().collect()),
        );
        set("cpu_ms", self.cpu_ms.map(Value::from));
        Value::Object(data)
    }
}

impl FaultCrash {
    /// As it is in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any runtime"),
            Self::Runtime(uuid) => uuid.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}
