//! `/healthz` and `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::json;

use crate::monitor::{Kind, Page};
use crate::supervisor::ModuleState;
use crate::supervisor::RuntimeState;

use super::call::{Answer, Call};
use super::routes::Api;

/// `GET /healthz`
pub(super) async fn healthz(api: Arc<Api>, _: Call) -> Answer {
    let stats = api.supervisor.stats();
    let mut reasons = Vec::new();
    if !stats.link.connected {
        reasons.push("the broker is not connected".to_owned());
    }
    if stats.journal_failure.is_some() {
        // Why is told to those who may read.
        reasons.push("the registry cannot be written".to_owned());
    }
    let ok = reasons.is_empty();
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Json(json!({ "ok": ok, "reasons": reasons }));
    Ok((status, body).into_response())
}

/// `GET /metrics`
pub(super) async fn metrics(api: Arc<Api>, _: Call) -> Answer {
    let stats = api.supervisor.stats();
    let counts = &stats.counts;
    let mut page = Page::new();
    let runtimes = [RuntimeState::Alive, RuntimeState::Lost].map(|state| {
        let count = stats.runtimes.get(&state).copied().unwrap_or_default();
        ([("state", state.as_str().to_owned())], count)
    });
    let modules = ModuleState::ALL.map(|state| {
        let count = stats.modules.get(&state).copied().unwrap_or_default();
        ([("state", state.as_str().to_owned())], count)
    });
    page.family(
        "arena_arts_runtimes",
        Kind::Gauge,
        "Runtimes, by their state.",
        runtimes,
    );
    page.family(
        "arena_arts_modules",
        Kind::Gauge,
        "Modules, by their state.",
        modules,
    );
    let uptime = Some(stats.uptime.as_secs_f64());
    page.single(
        "arena_arts_uptime_seconds",
        Kind::Gauge,
        "How long the supervisor runs.",
        uptime,
    );
    let connected = Some(stats.link.connected);
    page.single(
        "arena_arts_broker_connected",
        Kind::Gauge,
        "Whether the broker is connected.",
        connected,
    );
    let journal = Some(stats.journal_failure.is_none());
    page.single(
        "arena_arts_journal_ok",
        Kind::Gauge,
        "Whether the registry can be written.",
        journal,
    );
    let link = &stats.link_counters;
    let counters: [(&str, &str, u64); 14] = [
        (
            "messages",
            "Messages that were understood.",
            counts.messages,
        ),
        (
            "messages_malformed",
            "Messages that were not understood.",
            counts.malformed,
        ),
        (
            "messages_dropped",
            "Messages dropped since too many waited.",
            stats.dropped_messages,
        ),
        ("creates", "Requests for modules.", counts.creates),
        (
            "deletes",
            "Requests to delete modules, and reports of ends.",
            counts.deletes,
        ),
        (
            "requests_granted",
            "Requests that were granted.",
            counts.granted,
        ),
        (
            "requests_refused",
            "Requests that were refused.",
            counts.refused,
        ),
        (
            "journal_commits",
            "Transactions of the registry.",
            counts.commits,
        ),
        (
            "journal_commits_failed",
            "Transactions that failed.",
            counts.failed_commits,
        ),
        (
            "output_strangers",
            "Lines of output of modules that are not known.",
            stats.output_strangers,
        ),
        (
            "broker_connects",
            "Connections to the broker.",
            link.connects,
        ),
        ("broker_sent", "Messages sent to the broker.", link.sent),
        (
            "broker_received",
            "Messages from the broker.",
            link.received,
        ),
        (
            "broker_dropped",
            "Messages that could not be sent.",
            link.dropped_full
                + link.dropped_offline
                + link.dropped_too_large
                + link.dropped_refused,
        ),
    ];
    for (name, help, value) in counters {
        page.single(
            &format!("arena_arts_{name}_total"),
            Kind::Counter,
            help,
            Some(value),
        );
    }
    let gauges: [(&str, &str, usize); 4] = [
        (
            "queue_messages",
            "Messages that wait for the supervisor.",
            stats.queued_messages,
        ),
        ("queue_bytes", "Their bytes.", stats.queued_bytes),
        (
            "output_bytes",
            "Bytes of output that are kept.",
            stats.output_bytes,
        ),
        (
            "outbox_messages",
            "Messages that wait for the broker.",
            link.queued,
        ),
    ];
    for (name, help, value) in gauges {
        page.single(
            &format!("arena_arts_{name}"),
            Kind::Gauge,
            help,
            Some(value),
        );
    }
    let store = Some(stats.store_bytes);
    page.single(
        "arena_arts_store_bytes",
        Kind::Gauge,
        "Bytes in the module store.",
        store,
    );
    let format = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, format)], page.into_text()).into_response())
}
