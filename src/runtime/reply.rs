//! Whom to answer, and what answers tell of a module.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::protocol::{ModuleEngine, ObjectId};
use crate::pubsub::Topic;

use super::exit::Exit;
use super::table::Entry;

/// Where a request came from: the topic and the transaction id that its answer repeats.
#[derive(Clone, Debug)]
pub(super) struct ReplyTo {
    pub(super) topic: Topic,
    pub(super) object_id: ObjectId,
}

/// A module as answers and lists tell of it.
pub(super) fn details(entry: &Entry, runtime: Uuid) -> Map<String, Value> {
    let mut details = entry.create.details();
    details.insert("parent".to_owned(), json!({ "uuid": runtime }));
    details.insert("state".to_owned(), entry.state.name().into());
    details.insert("restarts".to_owned(), entry.restarts.count().into());
    if let Some(engine) = entry.engine {
        details.insert(ModuleEngine::FIELD.to_owned(), engine.as_str().into());
    }
    if let Ok(scheduling) = serde_json::to_value(&entry.granted)
        && scheduling != json!({})
    {
        details.insert("scheduling".to_owned(), scheduling);
    }
    details
}

/// That a module is gone, and how it ended if it ran.
pub(super) fn deleted(uuid: Uuid, exit: Option<&Exit>) -> Value {
    let mut details = json!({ "msg": "Deleted.", "uuid": uuid });
    if let (Some(exit), Some(details)) = (exit, details.as_object_mut()) {
        details.insert("exit".to_owned(), exit.to_report().to_value());
    }
    details
}
