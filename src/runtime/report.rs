//! What the node tells of itself: keepalives, and its status for people and programs.

use serde_json::{Map, Value, json};

use crate::monitor::ModuleSample;
use crate::protocol::{APIS, Child, KeepAlive, ModuleEngine, ObjectId, timestamp};
use crate::pubsub::{LinkCounters, Qos};
use crate::sandbox::{self, Held};

use super::node::Node;
use super::reply;
use super::table::Entry;

impl Node {
    pub(super) fn send_keepalive(&self) {
        let sample = self.shared.monitor.latest();
        let settings = &self.shared.settings.runtime;
        let keepalive = KeepAlive {
            uuid: self.shared.uuid,
            name: settings.name.clone(),
            apis: APIS.to_owned(),
            max_nmodules: self.shared.max_modules(),
            children: self
                .table
                .iter()
                .map(|entry| child(entry, sample.module(&entry.uuid)))
                .collect(),
            cpu_usage_percent: sample.process.cpu_percent.unwrap_or_default(),
            mem_usage: sample.process.memory.unwrap_or_default(),
            mem_available: sample.host.memory_available,
            load1: sample.host.load1,
            extra: host(&sample.host),
        };
        let message = keepalive.to_message(&ObjectId::random());
        self.publish(&self.shared.topics.keepalive(), message, Qos::AtMostOnce);
    }

    /// The node as JSON.
    pub(super) fn status(&self) -> Value {
        let sample = self.shared.monitor.latest();
        let link = self.link.status();
        let modules: Vec<_> = self
            .table
            .iter()
            .map(|entry| {
                let mut details = reply::details(entry, self.shared.uuid);
                details.insert("created".to_owned(), timestamp(entry.created).into());
                if let Some(sample) = sample.module(&entry.uuid)
                    && let Ok(sample) = serde_json::to_value(sample)
                {
                    details.insert("sample".to_owned(), sample);
                }
                details
            })
            .collect();
        json!({
            "runtime": {
                "uuid": self.shared.uuid,
                "name": self.shared.settings.runtime.name,
                "realm": self.shared.settings.runtime.realm,
                "max_nmodules": self.shared.settings.runtime.max_modules,
                "nmodules": self.table.len(),
                "registration": self.registration.name(),
                "stopping": self.stopping,
                "version": env!("CARGO_PKG_VERSION"),
                "commit": env!("ARENA_COMMIT"),
            },
            "broker": {
                "url": self.shared.settings.broker.url.to_string(),
                "connected": link.connected,
                "last_failure": link.last_failure,
                "counters": counters(&self.link.counters()),
            },
            "sandbox": sandbox::held().map_or_else(|| json!({"level": "off"}), Held::to_json),
            "host": sample.host,
            "process": sample.process,
            "modules": modules,
        })
    }
}

/// What the link to the broker has done so far, and what waits for it.
fn counters(link: &LinkCounters) -> Value {
    json!({
        "connects": link.connects,
        "sent": link.sent,
        "sent_bytes": link.sent_bytes,
        "acknowledged": link.acknowledged,
        "resent": link.resent,
        "received": link.received,
        "received_bytes": link.received_bytes,
        "dropped_full": link.dropped_full,
        "dropped_offline": link.dropped_offline,
        "dropped_too_large": link.dropped_too_large,
        "dropped_refused": link.dropped_refused,
        "queued": link.queued,
        "queued_bytes": link.queued_bytes,
    })
}

/// Beside what ARTS asks for.
fn host(host: &crate::monitor::HostSample) -> Map<String, Value> {
    let mut extra = Map::new();
    extra.insert(
        "host".to_owned(),
        serde_json::to_value(host).unwrap_or_default(),
    );
    extra
}

fn child(entry: &Entry, sample: Option<&ModuleSample>) -> Child {
    let mut extra = Map::new();
    extra.insert("state".to_owned(), entry.state.name().into());
    extra.insert("restarts".to_owned(), entry.restarts.count().into());
    if let Some(engine) = entry.engine {
        extra.insert(ModuleEngine::FIELD.to_owned(), engine.as_str().into());
    }
    let counters = sample.map(|sample| &sample.counters);
    if let Some(counters) = counters {
        extra.insert("messages_in".to_owned(), counters.messages_in.into());
        extra.insert("messages_out".to_owned(), counters.messages_out.into());
        extra.insert("bytes_in".to_owned(), counters.bytes_in.into());
        extra.insert("bytes_out".to_owned(), counters.bytes_out.into());
        extra.insert(
            "messages_dropped".to_owned(),
            counters.messages_dropped.into(),
        );
    }
    Child {
        uuid: entry.uuid,
        name: entry.create.name.clone(),
        active: counters.and_then(|counters| counters.last_activity),
        cpu_usage_percent: sample.map_or(0.0, |sample| sample.cpu_percent),
        mem_usage: counters.map_or(0, |counters| counters.memory),
        extra,
    }
}
