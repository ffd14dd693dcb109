//! Requests: what they are, and how they are built.

use std::fmt;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{CreateModule, KeepAlive, ObjectId, Runtime};

/// A request of a client, a supervisor or a runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What the response to it repeats.
    pub object_id: ObjectId,
    /// What is to be done.
    pub action: Action,
    /// What it is to be done with.
    pub data: RequestData,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `"create"`
    Create,
    /// `"delete"`
    Delete,
    /// `"update"`
    Update,
    /// Anything else.
    Other(String),
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RequestData {
    /// Start a module.
    CreateModule(Box<CreateModule>),
    /// Stop a module, move it, or tell that it has ended.
    DeleteModule(DeleteModule),
    /// A runtime registers.
    CreateRuntime(Box<Runtime>),
    /// A runtime leaves, or is told to stop.
    DeleteRuntime(DeleteRuntime),
    /// A runtime is alive.
    KeepAlive(Box<KeepAlive>),
    /// Something that nothing is known of here.
    Other {
        /// Its `data.type`, when it has one.
        data_type: Option<String>,
    },
}

/// A module to stop: `delete` with `data.type` `"module"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteModule {
    /// The module.
    pub uuid: Uuid,
    /// The runtime that it moves to.
    pub send_to_runtime: Option<Uuid>,
    /// The runtime that it is on, as far as the sender knows.
    pub parent: Option<Uuid>,
    /// How it ended, when the message tells its end.
    pub exit: Option<ExitReport>,
}

/// A runtime that leaves: `delete` with `data.type` `"runtime"`. Also the last will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRuntime {
    /// The runtime.
    pub uuid: Uuid,
    /// Its name; empty when it is not told.
    pub name: String,
}

/// How a module ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitReport {
    /// Why it ended.
    pub reason: ExitReason,
    /// Its exit status, when it has one.
    pub code: Option<i64>,
    /// The same for people; may be empty.
    pub message: String,
}

/// The code of a module that was ended since it had used up its CPU time (`resources.cpu_ms`): 128 and
/// SIGXCPU, as for a process that reaches its limit.
pub const OUT_OF_CPU_TIME: i32 = 152;

/// Why a module ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// `"returned"`: from `_start`.
    Returned,
    /// `"exited"`: with `proc_exit`.
    Exited,
    /// `"trapped"`: it failed.
    Trapped,
    /// `"stopped"`: from outside.
    Stopped,
}

impl DeleteModule {
    /// Of a module that is to stop.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self {
            uuid,
            send_to_runtime: None,
            parent: None,
            exit: None,
        }
    }

    /// The request as a supervisor sends it on to the module's runtime: with the whole `record`
    /// of the module, and `send_to_runtime` beside `data`.
    #[must_use]
    pub fn to_forward(&self, object_id: &ObjectId, mut record: Map<String, Value>) -> Vec<u8> {
        record.insert("type".to_owned(), "module".into());
        record.insert("uuid".to_owned(), self.uuid.to_string().into());
        let mut message = message(object_id, &Action::Delete, record);
        if let Some(target) = self.send_to_runtime {
            message.truncate(message.len().saturating_sub(1));
            message.push_str(&format!(",\"send_to_runtime\":\"{target}\"}}"));
        }
        message.into_bytes()
    }

    /// The request.
    #[must_use]
    pub fn to_message(&self, object_id: &ObjectId) -> Vec<u8> {
        let mut data = Map::new();
        data.insert("type".to_owned(), "module".into());
        data.insert("uuid".to_owned(), self.uuid.to_string().into());
        if let Some(target) = self.send_to_runtime {
            data.insert("send_to_runtime".to_owned(), target.to_string().into());
        }
        if let Some(parent) = self.parent {
            data.insert("parent".to_owned(), json!({ "uuid": parent.to_string() }));
        }
        if let Some(exit) = &self.exit {
            data.insert("exit".to_owned(), exit.to_value());
        }
        message(object_id, &Action::Delete, data).into_bytes()
    }
}

impl DeleteRuntime {
    /// The request.
    #[must_use]
    pub fn to_message(&self, object_id: &ObjectId) -> Vec<u8> {
        let mut data = Map::new();
        data.insert("type".to_owned(), "runtime".into());
        data.insert("uuid".to_owned(), self.uuid.to_string().into());
        data.insert("name".to_owned(), self.name.clone().into());
        message(object_id, &Action::Delete, data).into_bytes()
    }
}

impl ExitReport {
    /// The report as it is in messages.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({ "reason": self.reason.as_str(), "message": self.message });
        if let Some(code) = self.code {
            value["code"] = code.into();
        }
        value
    }
}

impl ExitReason {
    pub(super) const ALL: [Self; 4] = [Self::Returned, Self::Exited, Self::Trapped, Self::Stopped];

    /// As it is in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Exited => "exited",
            Self::Trapped => "trapped",
            Self::Stopped => "stopped",
        }
    }
}

impl Action {
    /// As it is in messages.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Update => "update",
            Self::Other(action) => action,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request, which ends in the two braces of `data` and of itself.
pub(super) fn message(object_id: &ObjectId, action: &Action, data: Map<String, Value>) -> String {
    format!(
        r#"{{"object_id":{},"action":{},"type":"arts_req","data":{}}}"#,
        object_id.to_value(),
        Value::from(action.as_str()),
        Value::Object(data),
    )
}
