//! What the node and its workers have in common.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::config::Settings;
use crate::monitor::Monitor;
use crate::protocol::{APIS, DeleteRuntime, ObjectId, Runtime, Topics};
use crate::pubsub::Router;
use crate::wamr::Engine;

use super::files::Files;
use super::groups::{self, Groups};
use super::loader::Loader;
use super::scheduling;
use super::stdin::Feeder;

/// Made once, for the life of the node.
#[derive(Debug)]
pub(super) struct Shared {
    /// The runtime's uuid.
    pub(super) uuid: Uuid,
    pub(super) settings: Settings,
    pub(super) topics: Topics,
    pub(super) router: Router,
    pub(super) monitor: Monitor,
    pub(super) files: Files,
    pub(super) loader: Loader,
    pub(super) feeder: Arc<Feeder>,
    /// Control groups of modules, where there are some.
    pub(super) groups: Option<Groups>,
    /// What the kernel holds for this runtime.
    pub(super) bounds: Bounds,
}

/// Bounds that not every host can hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Those of all modules together.
    pub(super) groups: groups::Held,
    /// Whether a module can have the deadline scheduler.
    pub(super) deadline: bool,
}

impl Bounds {
    /// Those of this process.
    pub(super) fn of_process() -> Bounds {
        Bounds {
            groups: groups::held(),
            deadline: scheduling::has_deadline(),
        }
    }

    /// What a module's `resources`, and this runtime's settings, come to here.
    pub(super) fn to_json(self, settings: &Settings) -> Value {
        let limits = &settings.limits;
        json!({
            "memory": limits.module_memory,
            "affinity": true,
            "deadline": self.deadline,
            "cpu_share": self.groups.cpu,
            "cpu_ms": true,
            "total_memory": limits.total_memory.filter(|_| self.groups.memory),
            "total_cpu": limits.total_cpu.filter(|_| self.groups.cpu),
        })
    }
}

impl Shared {
    /// The runtime as it registers.
    pub(super) fn about(&self) -> Runtime {
        Runtime {
            uuid: self.uuid,
            name: self.settings.runtime.name.clone(),
            apis: APIS.to_owned(),
            max_nmodules: self.max_modules(),
            extra: self.more(),
        }
    }

    /// How many modules the runtime takes; 0 is no limit.
    pub(super) fn max_modules(&self) -> u64 {
        u64::try_from(self.settings.runtime.max_modules).unwrap_or(u64::MAX)
    }

    /// What no supervisor asks for, and ours uses.
    fn more(&self) -> Map<String, Value> {
        let host = &self.monitor.latest().host;
        let mut more = Map::new();
        more.insert("runtime_type".to_owned(), "linux".into());
        more.insert(
            "platform".to_owned(),
            json!({
                "arch": std::env::consts::ARCH,
                "os": std::env::consts::OS,
                "cores": host.cores,
                "memory": host.memory_total,
            }),
        );
        more.insert(
            "metadata".to_owned(),
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "commit": env!("ARENA_COMMIT"),
                "target": env!("ARENA_TARGET"),
                "wamr": Engine::wamr_version(),
                "limits": self.bounds.to_json(&self.settings),
            }),
        );
        more
    }

    /// The message by which the runtime leaves, also as its will.
    pub(super) fn farewell(&self) -> Vec<u8> {
        farewell(self.uuid, &self.settings.runtime.name)
    }
}

/// A delete of a runtime.
pub(super) fn farewell(uuid: Uuid, name: &str) -> Vec<u8> {
    let delete = DeleteRuntime {
        uuid,
        name: name.to_owned(),
    };
    delete.to_message(&ObjectId::random())
}
