//! What is known of runtimes and modules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::protocol::{ExitReport, ModuleEngine, OUT_OF_CPU_TIME, ObjectId, timestamp};

/// A runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// The interfaces that it offers, in its own words.
    pub apis: String,
    /// The names in `apis`.
    pub api_names: BTreeSet<String>,
    /// How many modules it takes at most; 0 is no limit.
    pub max_nmodules: u64,
    /// Whether it is there.
    pub state: RuntimeState,
    /// When it registered first.
    pub registered: SystemTime,
    /// When it was last heard of.
    pub last_seen: SystemTime,
    /// The modules that are placed there, and not known to have ended.
    pub modules: BTreeSet<Uuid>,
    /// What it has told of itself last.
    pub load: Load,
    /// Its processor architecture, in its own words.
    pub arch: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What else it told when it registered: `runtime_type`, `platform`, `metadata` and so on.
    pub extra: Map<String, Value>,
}

/// Whether a runtime is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuntimeState {
    /// It registered or sent a keepalive, and was not silent for too long since.
    Alive,
    /// It has left, its will says that it is gone, or it was silent for too long.
    Lost,
}

/// How much a runtime has to do, as it has told last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// When it was told. `None` before the first keepalive.
    pub at: Option<SystemTime>,
    /// CPU that the runtime takes, in percent of one core.
    pub cpu_percent: f64,
    /// Memory that the runtime takes, in bytes.
    pub memory: u64,
    /// CPU that the machine is busy with, in percent of one core.
    pub host_cpu_percent: Option<f64>,
    /// Cores that the runtime may use.
    pub cores: Option<f64>,
    /// The machine's memory in bytes.
    pub memory_total: Option<u64>,
    /// What is left of it.
    pub memory_available: Option<u64>,
    /// The load average over a minute.
    pub load1: Option<f64>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
}

/// A module.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// The file that it runs.
    pub filename: Option<String>,
    /// How far it is.
    pub state: ModuleState,
    /// The runtime that it is placed on, or that it was on last.
    pub runtime: Option<Uuid>,
    /// The runtime that it moves to.
    pub moves_to: Option<Uuid>,
    /// Whether it is started again.
    pub restart: RestartPolicy,
    /// How often it was started again.
    pub restarts: u64,
    /// When it was asked for.
    pub created: SystemTime,
    /// When it last began to run.
    pub started: Option<SystemTime>,
    /// When `state` last changed.
    pub changed: SystemTime,
    /// How it last ended.
    pub exit: Option<Exit>,
    /// What it takes, as its runtime has told last.
    pub usage: Usage,
    /// All that the module was asked for with: a JSON object, in the spelling of this program,
    /// without `parent` and what is large.
    pub(crate) data: Box<str>,
    /// What the scheduler has to heed.
    pub(crate) wish: Wish,
    /// Bytes of its inline file and memory, which are in the journal.
    pub(crate) inline: u64,
    /// It has run before: an inline memory is for the first start alone.
    pub(crate) ran: bool,
    /// It is only to be prepared.
    pub(crate) waits: bool,
    /// The MQTT request that is still to be answered.
    pub(crate) reply: Option<ObjectId>,
}

/// How far a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModuleState {
    /// No runtime can take it at the moment.
    Waiting,
    /// It has ended, and is started again when its time has come.
    BackOff,
    /// A runtime was asked to start it, and has not answered.
    Starting,
    /// It runs.
    Running,
    /// It is loaded, and waits for the create that starts it.
    Prepared,
    /// Its runtime was asked to stop it, and has not answered.
    Stopping,
    /// It moves to another runtime, which has not reported it yet.
    Moving,
    /// It has ended by itself, and is not started again.
    Exited,
    /// Its runtime is gone, or has forgotten it, and it is not started again.
    Lost,
}

/// Whether a module is started again after it has ended, and moved when its runtime is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// It is not.
    #[default]
    Never,
    /// When it has failed, or its runtime is gone.
    OnFailure,
    /// In any case, until it is deleted.
    Always,
}

/// How a module ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// `returned`, `exited`, `trapped` or `stopped`, as the runtime says; `lost` when nobody knows.
    pub reason: String,
    /// Its exit status.
    pub code: Option<i64>,
    /// The same for people.
    pub message: String,
    /// When it was told.
    pub at: SystemTime,
}

/// What a module takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// What executes it, where its runtime tells that.
    pub engine: Option<ModuleEngine>,
    /// CPU, in percent of one core.
    pub cpu_percent: f64,
    /// Bytes of memory.
    pub memory: u64,
    /// When it last did something on a channel.
    pub active: Option<SystemTime>,
    /// How often its runtime has started it again.
    pub restarts: u64,
    /// Messages that came for it.
    pub messages_in: u64,
    /// Messages that it has sent.
    pub messages_out: u64,
    /// Bytes of messages that came for it.
    pub bytes_in: u64,
    /// Bytes of messages that it has sent.
    pub bytes_out: u64,
    /// Messages for which it had no room.
    pub messages_dropped: u64,
}

/// What a module needs of a runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) apis: BTreeSet<String>,
    /// The one runtime that it is for.
    pub(crate) parent: Option<Uuid>,
    /// Processor architectures, of which any will do; empty for all.
    pub(crate) arch: BTreeSet<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Bytes.
    pub(crate) memory: Option<u64>,
}

impl RuntimeState {
    /// As it is in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Lost => "lost",
        }
    }
}

impl ModuleState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::BackOff,
        Self::Starting,
        Self::Running,
        Self::Prepared,
        Self::Stopping,
        Self::Moving,
        Self::Exited,
        Self::Lost,
    ];

    /// As it is in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::BackOff => "back-off",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Prepared => "prepared",
            Self::Stopping => "stopping",
            Self::Moving => "moving",
            Self::Exited => "exited",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing happens to it any more: the record is history.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Exited | Self::Lost)
    }

    /// Whether it takes one of its runtime's places.
    #[must_use]
    pub fn is_placed(self) -> bool {
        !matches!(
            self,
            Self::Waiting | Self::BackOff | Self::Exited | Self::Lost
        )
    }
}

impl RestartPolicy {
    /// As it is in messages and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }

    /// The policy that is called so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Never, Self::OnFailure, Self::Always]
            .into_iter()
            .find(|policy| policy.as_str() == name)
    }
}

impl Exit {
    /// The exit as it is in lists.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value =
            json!({ "reason": self.reason, "message": self.message, "at": timestamp(self.at) });
        if let Some(code) = self.code {
            value["code"] = code.into();
        }
        value
    }

    pub(crate) fn of_report(report: &ExitReport, at: SystemTime) -> Exit {
        Exit {
            reason: report.reason.as_str().to_owned(),
            code: report.code,
            message: printable(&report.message),
            at,
        }
    }

    pub(crate) fn lost(message: &str, at: SystemTime) -> Exit {
        Exit {
            reason: "lost".to_owned(),
            code: None,
            message: message.to_owned(),
            at,
        }
    }

    /// Whether the module ended by a fault, or by something that was not its own will.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self.reason.as_str() {
            "returned" => false,
            "exited" => self.code.unwrap_or_default() != 0,
            // It has had all the CPU time that it was to have.
            "stopped" => self.code != Some(OUT_OF_CPU_TIME.into()),
            _ => true,
        }
    }
}

impl Runtime {
    /// The record as the original supervisor tells it. `children` are the modules placed there.
    #[must_use]
    pub fn details<'m>(&self, children: impl Iterator<Item = &'m Module>) -> Map<String, Value> {
        let children: Vec<_> = children.map(|module| module.as_child(self.uuid)).collect();
        let mut data = Map::new();
        let mut set = |key: &str, value: Value| data.insert(key.to_owned(), value);
        set("type", "runtime".into());
        set("uuid", self.uuid.to_string().into());
        set("name", self.name.clone().into());
        set("apis", self.apis.clone().into());
        set("max_nmodules", self.max_nmodules.into());
        set("nmodules", self.modules.len().into());
        set("ka_ts", timestamp(self.last_seen).into());
        set("children", children.into());
        data
    }

    /// Places that are free; `None` without a limit.
    #[must_use]
    pub fn free_slots(&self) -> Option<u64> {
        let taken = u64::try_from(self.modules.len()).unwrap_or(u64::MAX);
        (self.max_nmodules > 0).then(|| self.max_nmodules.saturating_sub(taken))
    }
}

impl Module {
    /// The record as the original supervisor tells it, with what else the request had.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut data: Map<String, Value> = serde_json::from_str(&self.data).unwrap_or_default();
        let parent = match self.runtime {
            Some(runtime) => json!({ "uuid": runtime.to_string() }),
            None => Value::Null,
        };
        data.insert("parent".to_owned(), parent);
        data
    }

    fn as_child(&self, runtime: Uuid) -> Value {
        json!({
            "type": "module",
            "parent": { "uuid": runtime.to_string() },
            "name": self.name,
            "uuid": self.uuid.to_string(),
            "filename": self.filename,
        })
    }
}

/// In one line of bounded length and without control characters: names and messages are
/// strangers', and go into logs and lists.
pub(crate) fn printable(text: &str) -> String {
    const MAX: usize = 2_000;
    text.chars()
        .take(MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The names in a text of interfaces, whatever its spelling: words, or a list of JSON or Python.
pub(crate) fn api_names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '\'' | '"' | ',' | '(' | ')'))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
