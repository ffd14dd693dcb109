//! Responses: what they say, and how they are built.

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ObjectId;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The id of the request.
    pub object_id: ObjectId,
    /// Its `data`, which has `result` and `details`.
    pub data: Map<String, Value>,
    /// Whether `result` is `"ok"`.
    pub ok: bool,
    /// `ka_interval_sec`, wherever in the message it is: the time between keepalives, 0 for none.
    pub keepalive_interval: Option<Duration>,
}

/// What a supervisor says to a runtime that wants to register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// It is registered.
    Registered {
        /// The time between keepalives, when the supervisor says one. Zero: send none.
        keepalive_interval: Option<Duration>,
    },
    /// It is not.
    Refused {
        /// Why.
        details: String,
        /// Whether the supervisor seems to know the runtime's uuid already: delete it, then try
        /// again.
        already_registered: bool,
    },
}

impl Response {
    /// The bytes of a response: it was done. `details` says what.
    #[must_use]
    pub fn ok(object_id: &ObjectId, details: Value) -> Vec<u8> {
        build(object_id, "ok", details)
    }

    /// The bytes of a response: it was not done. `details` says why.
    #[must_use]
    pub fn error(object_id: &ObjectId, details: &str) -> Vec<u8> {
        build(object_id, "error", details.into())
    }

    /// The bytes of a response: the module is gone, or was never here.
    #[must_use]
    pub fn deleted(object_id: &ObjectId, uuid: Uuid) -> Vec<u8> {
        Self::ok(
            object_id,
            json!({ "msg": "Deleted.", "uuid": uuid.to_string() }),
        )
    }

    /// `details` for people.
    #[must_use]
    pub fn details_text(&self) -> String {
        match self.data.get("details") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// The response as the answer to a registration.
    #[must_use]
    pub fn register_answer(&self) -> RegisterAnswer {
        if self.ok {
            return RegisterAnswer::Registered {
                keepalive_interval: self.keepalive_interval,
            };
        }
        let details = self.details_text();
        let lower = details.to_lowercase();
        let already_registered =
            lower.contains("unique") || lower.contains("already") || lower.contains("exists");
        RegisterAnswer::Refused {
            details,
            already_registered,
        }
    }
}

fn build(object_id: &ObjectId, result: &str, details: Value) -> Vec<u8> {
    let data = json!({ "result": result, "details": details });
    format!(
        r#"{{"object_id":{},"type":"arts_resp","data":{data}}}"#,
        object_id.to_value()
    )
    .into_bytes()
}
