//! The body of `POST /api/v1/modules`, and what it is as fields of the protocol.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::ApiError;

/// What is asked for. A field that is not known is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Body {
    pub(super) name: Option<String>,
    pub(super) uuid: Option<Uuid>,
    filename: Option<String>,
    pub(super) file: Option<String>,
    pub(super) sha256: Option<String>,
    wasm: Option<String>,
    args: Vec<String>,
    env: Variables,
    channels: Vec<Channel>,
    pub(super) runtime: Option<String>,
    memory: Option<Size>,
    restart: Option<Restart>,
    resources: Option<Resources>,
    apis: Vec<String>,
    arch: Vec<String>,
    labels: BTreeMap<String, String>,
    wait: bool,
    pub(super) replicas: Option<u32>,
}

/// `{"NAME": "value"}` or `["NAME=value"]`.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected an object of texts, or an array of \"NAME=value\""
)]
enum Variables {
    Map(BTreeMap<String, String>),
    List(Vec<String>),
}

impl Default for Variables {
    fn default() -> Variables {
        Variables::List(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Channel {
    path: String,
    topic: String,
    #[serde(default)]
    mode: Mode,
    qos: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Mode {
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "w")]
    Write,
    #[default]
    #[serde(rename = "rw")]
    ReadWrite,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Mode::Read => "r",
            Mode::Write => "w",
            Mode::ReadWrite => "rw",
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Restart {
    Never,
    OnFailure,
    Always,
}

impl Restart {
    fn as_str(self) -> &'static str {
        match self {
            Restart::Never => "never",
            Restart::OnFailure => "on-failure",
            Restart::Always => "always",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Resources {
    period: Option<u64>,
    runtime: Option<u64>,
    memory: Option<u64>,
    affinity: Option<Vec<u32>>,
    cpu_ms: Option<u64>,
}

/// Bytes: a number, or a text such as `"16MiB"`.
#[derive(Clone, Copy, Debug)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of bytes, or a text such as \"16MiB\"")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let size = text.parse::<bytesize::ByteSize>();
                size.map(|size| Size(size.as_u64()))
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Body {
    /// The names of the places that the file is to come from.
    pub(super) fn sources(&self) -> Vec<&'static str> {
        let given = [
            ("filename", self.filename.is_some()),
            ("file", self.file.is_some()),
            ("sha256", self.sha256.is_some()),
            ("wasm", self.wasm.is_some()),
        ];
        let given = given.into_iter().filter(|(_, is)| *is);
        given.map(|(name, _)| name).collect()
    }

    /// What it is called if it is not said: as its file.
    pub(super) fn stem(&self) -> Option<String> {
        let file = self.filename.as_ref().or(self.file.as_ref())?;
        let last = file.rsplit('/').next()?;
        let stem = last.split_once('.').map_or(last, |(stem, _)| stem);
        (!stem.is_empty()).then(|| stem.to_owned())
    }

    /// As the fields of the protocol, but for name and uuid.
    pub(super) fn fields(&mut self, runtime: Option<Uuid>) -> Result<Map<String, Value>, ApiError> {
        let mut fields = Map::new();
        let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        let filename = self.filename.clone().or_else(|| self.file.clone());
        if let Some(filename) = filename {
            set("filename", filename.into());
        }
        if let Some(wasm) = self.wasm.take() {
            set("wasm", wasm.into());
        }
        if let Some(runtime) = runtime {
            set("parent", json!({ "uuid": runtime }));
        }
        set("args", std::mem::take(&mut self.args).into());
        let env: Vec<String> = match std::mem::take(&mut self.env) {
            Variables::Map(map) => map
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            Variables::List(list) => {
                if let Some(at) = list.iter().position(|each| !each.contains('=')) {
                    return Err(ApiError::field(
                        &format!("env[{at}]"),
                        "it is not \"NAME=value\"",
                    ));
                }
                list
            }
        };
        set("env", env.into());
        let channels = self.channels.iter().map(|channel| {
            let mut params = json!({ "topic": channel.topic });
            if let Some(qos) = channel.qos {
                params["qos"] = qos.into();
            }
            let mode = channel.mode.as_str();
            json!({ "path": channel.path, "type": "pubsub", "mode": mode, "params": params })
        });
        set("channels", channels.collect());
        let mut resources = self.resources.take().unwrap_or_default();
        if let Some(Size(memory)) = self.memory {
            if resources.memory.is_some_and(|other| other != memory) {
                let why = "it is not what \"resources.memory\" says";
                return Err(ApiError::field("memory", why));
            }
            resources.memory = Some(memory);
        }
        let known = [
            ("period", resources.period.map(Value::from)),
            ("runtime", resources.runtime.map(Value::from)),
            ("memory", resources.memory.map(Value::from)),
            ("affinity", resources.affinity.map(Value::from)),
            ("cpu_ms", resources.cpu_ms.map(Value::from)),
        ];
        let known: Map<_, _> = known
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        if !known.is_empty() {
            set("resources", known.into());
        }
        if let Some(restart) = self.restart {
            set("restart", restart.as_str().into());
        }
        for (key, list) in [("apis", &mut self.apis), ("arch", &mut self.arch)] {
            if !list.is_empty() {
                set(key, std::mem::take(list).into());
            }
        }
        if !self.labels.is_empty() {
            set("labels", json!(self.labels));
        }
        if self.wait {
            set("wait_state", true.into());
        }
        Ok(fields)
    }
}
