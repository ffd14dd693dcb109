//! `POST /api/v1/modules`: modules are started.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::supervisor::{FileName, NewModule, Refusal, Reply, StoreError};

use super::body::Body;
use super::call::{Answer, Call};
use super::error::{ApiError, ErrorKind};
use super::routes::Api;
use super::{find, json};

/// A body without an inline file.
const SMALL: u64 = 256 * 1024;
/// How long a small body may take.
const TIME: Duration = Duration::from_secs(30);
/// How long one with a file may take.
const LONG: Duration = Duration::from_secs(600);
/// How many modules may be asked for at once.
const REPLICAS: u32 = 100;

/// The bytes that the store has for a request.
async fn stored(api: &Api, body: &Body) -> Result<Option<Bytes>, ApiError> {
    let store = api.supervisor.store().clone();
    let (file, sha256) = (body.file.clone(), body.sha256.clone());
    let read = move || -> Result<Option<Vec<u8>>, ApiError> {
        let found = if let Some(file) = file {
            let (user, filename) = file.split_once('/').unwrap_or((&file, ""));
            let name = FileName::new(user, filename);
            let name = name.map_err(|e| ApiError::from(StoreError::from(e)).about("file"))?;
            store.get(&name).map(|(_, bytes)| bytes)
        } else if let Some(sha256) = sha256 {
            let found = store.by_sha256(&sha256.to_ascii_lowercase());
            return found
                .map(Some)
                .map_err(|e| ApiError::from(e).about("sha256"));
        } else {
            return Ok(None);
        };
        found.map(Some).map_err(|e| ApiError::from(e).about("file"))
    };
    if body.file.is_none() && body.sha256.is_none() {
        return Ok(None);
    }
    let bytes = super::blocking(read).await??;
    Ok(bytes.map(Bytes::from))
}

/// `POST /api/v1/modules`
pub(super) async fn create(api: Arc<Api>, mut call: Call) -> Answer {
    let large = api.supervisor.store().upload_limit();
    let large = (large / 3 + 1).saturating_mul(4).saturating_add(SMALL);
    let is_small = call.length().is_some_and(|length| length <= SMALL);
    // Few at a time: such a body is in memory, more than once.
    let _turn = if is_small {
        None
    } else {
        Some(api.turn(&api.large).await?)
    };
    let (limit, time) = if is_small {
        (SMALL, TIME)
    } else {
        (large, LONG)
    };
    let mut body: Body = call.json(limit, time).await?;
    match body.sources().as_slice() {
        [_] => {}
        [] => {
            let why = "is missing, and so are \"file\", \"sha256\" and \"wasm\"";
            return Err(ApiError::field("filename", why));
        }
        [_, second, ..] => {
            let why = "only one of \"filename\", \"file\", \"sha256\" and \"wasm\" can be given";
            return Err(ApiError::field(second, why));
        }
    }
    let replicas = body.replicas.unwrap_or(1);
    if !(1..=REPLICAS).contains(&replicas) {
        let why = format!("{replicas} is not between 1 and {REPLICAS}");
        return Err(ApiError::field("replicas", why));
    }
    if replicas > 1 && body.uuid.is_some() {
        return Err(ApiError::field(
            "uuid",
            "several modules cannot have the same",
        ));
    }
    let runtime = match &body.runtime {
        None => None,
        Some(text) => {
            let found = find::runtime(&api.supervisor, text);
            Some(found.map_err(|error| error.about("runtime"))?.uuid)
        }
    };
    let file = stored(&api, &body).await?;
    let name = body.name.clone().or_else(|| body.stem());
    let uuid = body.uuid;
    let fields = body.fields(runtime)?;
    let mut modules = Vec::new();
    for number in 1..=replicas {
        let mut fields = fields.clone();
        if let Some(uuid) = uuid {
            fields.insert("uuid".to_owned(), json!(uuid));
        }
        if let Some(name) = &name {
            let name = match replicas {
                1 => name.clone(),
                _ => format!("{name}-{number}"),
            };
            fields.insert("name".to_owned(), name.into());
        }
        let mut module = NewModule::from_fields(fields)?;
        if let Some(file) = &file {
            module.set_file(file.clone());
        }
        modules.push(module);
    }
    start(&api, modules).await
}

/// Starts all of them, or none.
async fn start(api: &Api, modules: Vec<NewModule>) -> Answer {
    let supervisor = &api.supervisor;
    let uuids: Vec<_> = modules.iter().map(NewModule::uuid).collect();
    let waiting: Vec<_> = modules
        .into_iter()
        .map(|module| {
            let (reply, answer) = reply();
            supervisor.create(module, reply);
            answer
        })
        .collect();
    let mut started = Vec::new();
    let mut refusals = Vec::new();
    for (uuid, answer) in uuids.iter().zip(waiting) {
        match answered(answer).await {
            Ok(_) => started.push(*uuid),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if let Some(first) = refusals.first().cloned() {
        let deleting: Vec<_> = started
            .iter()
            .map(|uuid| {
                let (reply, answer) = reply();
                supervisor.delete(*uuid, reply);
                answer
            })
            .collect();
        for answer in deleting {
            // The one that does not answer is asked again, by the supervisor.
            let _ = answered(answer).await;
        }
        let mut error = first;
        if uuids.len() > 1 {
            error.message = format!(
                "{} of {} modules were refused, and the others are deleted: {}",
                refusals.len(),
                uuids.len(),
                error.message
            );
        }
        return Err(error);
    }
    let modules = uuids.iter().filter_map(|uuid| supervisor.module(*uuid));
    let modules: Vec<_> = modules.map(|m| json::module(supervisor, &m)).collect();
    let body = Json(json!({ "modules": modules }));
    Ok((StatusCode::CREATED, body).into_response())
}

/// Who is told, and what it says.
pub(super) type Answered = oneshot::Receiver<Result<Map<String, Value>, Refusal>>;

/// A reply that a task can wait for.
pub(super) fn reply() -> (Reply, Answered) {
    let (sender, receiver) = oneshot::channel();
    let reply = move |outcome| {
        // The client is gone, and was not answered.
        let _ = sender.send(outcome);
    };
    (Box::new(reply), receiver)
}

pub(super) async fn answered(answer: Answered) -> Result<Map<String, Value>, ApiError> {
    match answer.await {
        Ok(outcome) => outcome.map_err(ApiError::from),
        Err(_) => {
            let why = "the supervisor has ended before it could answer";
            Err(ApiError::new(ErrorKind::Stopping, why))
        }
    }
}
