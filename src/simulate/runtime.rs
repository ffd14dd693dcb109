//! A runtime that runs nothing: what it has, and what it says. There is no network and no clock in
//! here.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::protocol::{APIS, Child, CreateModule, DeleteRuntime, KeepAlive, Runtime};

use super::machine::{Appetite, Machine};

/// The `runtime_type`, and a label, of simulated runtimes. The simulation's own modules ask for it,
/// so that they do not go to other runtimes of the realm.
pub(super) const SIMULATED: &str = "simulated";

/// A module that is made up.
#[derive(Clone, Debug)]
struct Module {
    name: String,
    appetite: Appetite,
    /// It waits for a second create.
    prepared: bool,
}

/// A runtime that is made up.
#[derive(Debug)]
pub(super) struct SimulatedRuntime {
    uuid: Uuid,
    name: String,
    machine: Machine,
    slots: u64,
    modules: BTreeMap<Uuid, Module>,
    taken: Appetite,
}

impl SimulatedRuntime {
    pub(super) fn new(uuid: Uuid, name: String, machine: Machine, slots: u64) -> SimulatedRuntime {
        SimulatedRuntime {
            uuid,
            name,
            machine,
            slots,
            modules: BTreeMap::new(),
            taken: Appetite::default(),
        }
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.uuid
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = Uuid> {
        self.modules.keys().copied()
    }

    pub(super) fn has(&self, module: Uuid) -> bool {
        self.modules.contains_key(&module)
    }

    /// One of its modules, by a number.
    pub(super) fn module(&self, number: usize) -> Option<Uuid> {
        let count = self.modules.len();
        let at = number.checked_rem(count)?;
        self.modules.keys().nth(at).copied()
    }

    /// What it says when it registers.
    pub(super) fn registration(&self) -> Runtime {
        let extra = Map::from_iter([
            ("runtime_type".to_owned(), SIMULATED.into()),
            ("platform".to_owned(), self.machine.platform()),
            (
                "metadata".to_owned(),
                json!({
                    "version": env!("CARGO_PKG_VERSION"),
                    "labels": { SIMULATED: "yes" },
                }),
            ),
        ]);
        Runtime {
            uuid: self.uuid,
            name: self.name.clone(),
            apis: APIS.to_owned(),
            max_nmodules: self.slots,
            extra,
        }
    }

    /// What it says when it leaves, and its last will.
    pub(super) fn farewell(&self) -> DeleteRuntime {
        DeleteRuntime {
            uuid: self.uuid,
            name: self.name.clone(),
        }
    }

    pub(super) fn keepalive(&self) -> KeepAlive {
        let children = self.modules.iter().map(|(uuid, module)| {
            let state = if module.prepared {
                "prepared"
            } else {
                "running"
            };
            Child {
                uuid: *uuid,
                name: module.name.clone(),
                active: None,
                cpu_usage_percent: module.appetite.cpu_percent,
                mem_usage: module.appetite.memory,
                extra: Map::from_iter([("state".to_owned(), state.into())]),
            }
        });
        KeepAlive {
            uuid: self.uuid,
            name: self.name.clone(),
            apis: APIS.to_owned(),
            max_nmodules: self.slots,
            children: children.collect(),
            cpu_usage_percent: self.taken.cpu_percent,
            mem_usage: self.taken.memory,
            mem_available: Some(self.machine.memory_left(self.taken)),
            load1: Some(self.taken.cpu_percent / 100.0),
            extra: self.machine.host(self.taken),
        }
    }

    /// Takes a module; returns what it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn create(&mut self, create: &CreateModule) -> Result<Value, String> {
        let uuid = create.uuid;
        match self.modules.get_mut(&uuid) {
            Some(known) if known.prepared && !create.wait_state => known.prepared = false,
            Some(_) => return Err(format!("module {uuid} is here already")),
            None => {
                let count = u64::try_from(self.modules.len()).unwrap_or(u64::MAX);
                if self.slots > 0 && count >= self.slots {
                    return Err(format!("it has all of its {} modules", self.slots));
                }
                let module = Module {
                    name: create.name.clone(),
                    appetite: Appetite::of(uuid),
                    prepared: create.wait_state,
                };
                self.taken.cpu_percent += module.appetite.cpu_percent;
                self.taken.memory += module.appetite.memory;
                self.modules.insert(uuid, module);
            }
        }
        let mut details = create.details();
        details.insert("parent".to_owned(), json!({ "uuid": self.uuid }));
        Ok(Value::Object(details))
    }

    /// Whether it had the module.
    pub(super) fn delete(&mut self, module: Uuid) -> bool {
        let Some(module) = self.modules.remove(&module) else {
            return false;
        };
        self.taken.memory = self.taken.memory.saturating_sub(module.appetite.memory);
        self.taken.cpu_percent = if self.modules.is_empty() {
            0.0
        } else {
            (self.taken.cpu_percent - module.appetite.cpu_percent).max(0.0)
        };
        true
    }

    /// It has died: what it had is gone.
    pub(super) fn clear(&mut self) {
        self.modules.clear();
        self.taken = Appetite::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    fn runtime(slots: u64) -> SimulatedRuntime {
        let machine = Machine::draw(&mut Rng::with_seed(1), true);
        SimulatedRuntime::new(Uuid::new_v4(), "sim-1".to_owned(), machine, slots)
    }

    #[test]
    fn modules_come_and_go() {
        let mut runtime = runtime(2);
        let create = || CreateModule::new(Uuid::new_v4());
        let (first, second) = (create(), create());
        let details = runtime.create(&first).unwrap();
        assert_eq!(details["parent"]["uuid"], runtime.uuid().to_string());
        assert!(runtime.create(&first).unwrap_err().contains("already"));
        runtime.create(&second).unwrap();
        assert!(runtime.create(&create()).unwrap_err().contains("all of"));
        let told = runtime.keepalive();
        assert_eq!(told.children.len(), 2);
        let sum: u64 = told.children.iter().map(|child| child.mem_usage).sum();
        assert_eq!(told.mem_usage, sum);
        assert!(runtime.delete(first.uuid));
        assert!(!runtime.delete(first.uuid));
        assert_eq!(runtime.module(7), Some(second.uuid));
        runtime.clear();
        assert_eq!(runtime.module(7), None);
        assert_eq!(runtime.keepalive().mem_usage, 0);
    }

    #[test]
    fn a_module_may_be_prepared_first() {
        let mut runtime = runtime(0);
        let mut create = CreateModule::new(Uuid::new_v4());
        create.wait_state = true;
        runtime.create(&create).unwrap();
        assert_eq!(runtime.keepalive().children[0].extra["state"], "prepared");
        assert!(runtime.create(&create).is_err());
        create.wait_state = false;
        runtime.create(&create).unwrap();
        assert_eq!(runtime.keepalive().children[0].extra["state"], "running");
        assert!(runtime.create(&create).is_err());
    }

    #[test]
    fn it_says_that_it_is_simulated() {
        let registration = runtime(3).registration();
        assert_eq!(registration.extra["runtime_type"], "simulated");
        assert_eq!(registration.extra["metadata"]["labels"]["simulated"], "yes");
        assert_eq!(registration.max_nmodules, 3);
    }
}
