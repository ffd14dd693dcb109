//! Runtimes and modules: lists, single ones, and their end.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::supervisor::{ModuleState, RuntimeState};

use super::call::{Answer, Call};
use super::create::{answered, reply};
use super::error::ApiError;
use super::lists::{self, Part};
use super::routes::Api;
use super::{find, json};

/// `GET /api/v1/runtimes`
pub(super) async fn runtimes(api: Arc<Api>, _: Call) -> Answer {
    let items = move || {
        let mut runtimes = api.supervisor.runtimes();
        runtimes.sort_by(|a, b| (&a.name, a.uuid).cmp(&(&b.name, b.uuid)));
        (runtimes.into_iter().map(|r| json::runtime(&r)), None)
    };
    lists::answer("runtimes", items).await
}

/// `GET /api/v1/runtimes/{id}`
pub(super) async fn runtime(api: Arc<Api>, call: Call) -> Answer {
    let runtime = find::runtime(&api.supervisor, call.part("id"))?;
    let mut value = json::runtime(&runtime);
    value.insert("modules".to_owned(), json!(runtime.modules));
    value.insert("about".to_owned(), Value::Object(runtime.extra.clone()));
    Ok(Json(value).into_response())
}

/// `DELETE /api/v1/runtimes/{id}`
pub(super) async fn stop_runtime(api: Arc<Api>, call: Call) -> Answer {
    let runtime = find::runtime(&api.supervisor, call.part("id"))?;
    let (reply, answer) = reply();
    api.supervisor.stop_runtime(runtime.uuid, reply);
    answered(answer).await?;
    let (status, result) = match runtime.state {
        RuntimeState::Alive => (StatusCode::ACCEPTED, "stopping"),
        RuntimeState::Lost => (StatusCode::OK, "deleted"),
    };
    let value = json!({ "uuid": runtime.uuid, "name": runtime.name, "result": result });
    Ok((status, Json(value)).into_response())
}

/// `GET /api/v1/modules`
pub(super) async fn modules(api: Arc<Api>, call: Call) -> Answer {
    let state = match call.parameter("state") {
        None => None,
        Some(word) => {
            let state = ModuleState::ALL.into_iter().find(|s| s.as_str() == word);
            let words = ModuleState::ALL.map(ModuleState::as_str).join(", ");
            Some(state.ok_or_else(|| ApiError::field("state", format!("it is none of {words}")))?)
        }
    };
    let runtime = match call.parameter("runtime") {
        None => None,
        Some(text) => {
            let found = find::runtime(&api.supervisor, text);
            Some(found.map_err(|error| error.about("runtime"))?.uuid)
        }
    };
    let part = Part::of(&call)?;
    let items = move || {
        let mut modules = api.supervisor.modules();
        modules.retain(|module| {
            state.is_none_or(|state| module.state == state)
                && runtime.is_none_or(|runtime| module.runtime == Some(runtime))
        });
        modules.sort_by_key(|module| (module.created, module.uuid));
        let next = part.take(&mut modules, |module| (module.created, module.uuid));
        let told = modules.into_iter();
        (told.map(move |m| json::module(&api.supervisor, &m)), next)
    };
    lists::answer("modules", items).await
}

/// `GET /api/v1/modules/{id}`
pub(super) async fn module(api: Arc<Api>, call: Call) -> Answer {
    let module = find::module(&api.supervisor, call.part("id"))?;
    let mut value = json::module(&api.supervisor, &module);
    value.insert("request".to_owned(), Value::Object(module.details()));
    Ok(Json(value).into_response())
}

/// `DELETE /api/v1/modules/{id}`
pub(super) async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let module = find::module(&api.supervisor, call.part("id"))?;
    let (reply, answer) = reply();
    api.supervisor.delete(module.uuid, reply);
    answered(answer).await?;
    let value = json!({ "uuid": module.uuid, "name": module.name, "result": "deleted" });
    Ok(Json(value).into_response())
}

/// `GET /api/v1/stats`
pub(super) async fn stats(api: Arc<Api>, _: Call) -> Answer {
    let broker = api.broker.to_string();
    Ok(Json(json::stats(&api.supervisor, &broker)).into_response())
}
