//! The paths of the original supervisor, for reading.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::protocol::Topics;

use super::call::{Answer, Call};
use super::error::{ApiError, ErrorKind};
use super::routes::Api;

/// `GET /arts-api/v1/runtimes/`
pub(super) async fn runtimes(api: Arc<Api>, _: Call) -> Answer {
    let mut runtimes = api.supervisor.runtimes();
    runtimes.sort_by_key(|runtime| (runtime.registered, runtime.uuid));
    let details = runtimes
        .iter()
        .filter_map(|runtime| api.supervisor.runtime_details(runtime.uuid));
    Ok(Json(details.collect::<Vec<_>>()).into_response())
}

/// `GET /arts-api/v1/modules/`
pub(super) async fn modules(api: Arc<Api>, _: Call) -> Answer {
    let mut modules = api.supervisor.modules();
    // The original forgets modules at their end.
    modules.retain(|module| !module.state.is_final());
    modules.sort_by_key(|module| (module.created, module.uuid));
    let details = modules.iter().map(|module| module.details());
    Ok(Json(details.collect::<Vec<_>>()).into_response())
}

/// `GET /arts-api/v1/runtimes/{uuid}/`
pub(super) async fn runtime(api: Arc<Api>, call: Call) -> Answer {
    let text = call.part("uuid");
    let uuid = Uuid::try_parse(text).ok();
    let details = uuid.and_then(|uuid| api.supervisor.runtime_details(uuid));
    Ok(details.map_or_else(|| unknown("Runtime", text), |it| Json(it).into_response()))
}

/// `GET /arts-api/v1/modules/{uuid}/`
pub(super) async fn module(api: Arc<Api>, call: Call) -> Answer {
    let text = call.part("uuid");
    let uuid = Uuid::try_parse(text).ok();
    let module = uuid.and_then(|uuid| api.supervisor.module(uuid));
    let details = module.map(|module| module.details());
    Ok(details.map_or_else(|| unknown("Module", text), |it| Json(it).into_response()))
}

fn unknown(what: &str, uuid: &str) -> axum::response::Response {
    let uuid: String = uuid.chars().take(100).collect();
    let message = format!("{what} with uuid: {uuid} does not exist");
    (StatusCode::NOT_FOUND, Json(json!({ "message": message }))).into_response()
}

/// `GET /arts-api/v1/config/`. The broker's password is not told.
pub(super) async fn config(api: Arc<Api>, _: Call) -> Answer {
    let topics = Topics::new(api.supervisor.realm())
        .map_err(|error| ApiError::new(ErrorKind::Failed, error.to_string()))?;
    let broker = api.broker.as_str();
    let url = match broker.contains("://") {
        true => broker.to_owned(),
        false => format!("mqtt://{broker}"),
    };
    let url = url::Url::parse(&url).ok();
    let host = url.as_ref().and_then(url::Url::host_str);
    let scheme = url.as_ref().map_or("", url::Url::scheme);
    let usual = match scheme {
        "mqtts" => 8883,
        "ws" => 80,
        "wss" => 443,
        _ => 1883,
    };
    let port = url.as_ref().and_then(url::Url::port).unwrap_or(usual);
    let web = matches!(scheme, "ws" | "wss");
    let user = url.as_ref().map(url::Url::username);
    let topic = |name: &str, topic: String| json!({ "name": name, "topic": topic, "on_message": format!("on_{name}_message") });
    Ok(Json(json!({
        "mqtt_server": {
            "host": host,
            "port": if web { Value::Null } else { port.into() },
            "ws_port": if web { port.into() } else { Value::Null },
        },
        "mqtt_username": user.unwrap_or_default(),
        "mqtt_password": "",
        "subscribe_topics": [
            topic("reg", topics.reg()),
            topic("ctl", topics.control_any()),
            topic("dbg", topics.stdout_any()),
        ],
    }))
    .into_response())
}
