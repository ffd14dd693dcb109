use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::*;
use crate::config::SchedulerName;
use crate::protocol::{
    Child, DeleteModule, DeleteRuntime, Incoming, KeepAlive, Request, RequestData, Response, parse,
};
use crate::supervisor::schedule::by_name;

pub(super) const KA: Duration = Duration::from_secs(5);
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn config() -> ModelConfig {
    ModelConfig {
        keepalive: KA,
        answer_timeout: TIMEOUT,
        restart: RestartPolicy::Never,
        attempts: 5,
        max_runtimes: 10,
        max_modules: 100,
        ended_modules: 10,
        module_record: 10_000,
        inline_size: 1000,
        backoff_min: Duration::from_secs(1),
        backoff_max: Duration::from_secs(60),
        deleted_kept: 10,
    }
}

pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A model, and all that came out of it.
pub(super) struct World {
    pub(super) model: Model,
    pub(super) now: Now,
    /// What the journal would have.
    pub(super) runtimes: BTreeMap<Uuid, Runtime>,
    pub(super) modules: BTreeMap<Uuid, Module>,
    pub(super) deleted: Vec<Uuid>,
    /// Since the last look.
    pub(super) sent: Vec<(To, Value)>,
    pub(super) replies: Vec<(ReplyTo, Outcome)>,
    pub(super) events: Vec<Arc<Event>>,
}

impl World {
    pub(super) fn new() -> World {
        World::with(config())
    }

    pub(super) fn with(config: ModelConfig) -> World {
        let now = Now::of_clock();
        let scheduler = by_name(SchedulerName::RoundRobin);
        let mut model = Model::restore(config, scheduler, Loaded::default(), now);
        model.link(now, true);
        World {
            model,
            now,
            runtimes: BTreeMap::new(),
            modules: BTreeMap::new(),
            deleted: Vec::new(),
            sent: Vec::new(),
            replies: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The supervisor is killed, and started anew with what the journal has.
    pub(super) fn kill(&mut self) {
        self.take();
        let loaded = Loaded {
            runtimes: self.runtimes.values().cloned().map(bare).collect(),
            modules: self.modules.values().cloned().collect(),
            deleted: self.deleted.clone(),
            events: self
                .events
                .last()
                .map(|e| (**e).clone())
                .into_iter()
                .collect(),
        };
        let scheduler = by_name(SchedulerName::RoundRobin);
        self.model = Model::restore(self.model.config.clone(), scheduler, loaded, self.now);
        self.sent.clear();
        self.replies.clear();
        self.model.link(self.now, true);
        self.take();
    }

    /// Takes what is to be done; the journal follows.
    pub(super) fn take(&mut self) {
        let (batch, effects) = self.model.take();
        for (uuid, record) in batch.runtimes {
            match record {
                Some(record) => self.runtimes.insert(uuid, (*record).clone()),
                None => self.runtimes.remove(&uuid),
            };
        }
        for (uuid, record) in batch.modules {
            match record {
                Some(record) => self.modules.insert(uuid, (*record).clone()),
                None => self.modules.remove(&uuid),
            };
        }
        // The journal has files of modules alone.
        let known = |(uuid, _): &(Uuid, _)| self.modules.contains_key(uuid);
        assert!(batch.inline.iter().all(known));
        self.deleted.retain(|uuid| !batch.revived.contains(uuid));
        self.deleted.extend(batch.deleted);
        for Outgoing { to, body } in effects.messages {
            let bytes = match body {
                Body::Bytes(bytes) => bytes,
                Body::Create {
                    object_id, create, ..
                } => create.to_message(&object_id),
            };
            // Whatever it is, it is JSON.
            self.sent
                .push((to, serde_json::from_slice(&bytes).unwrap()));
        }
        self.replies.extend(effects.replies);
        self.events.extend(effects.events);
    }

    /// Time passes, in small steps.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while self.now.instant < end {
            let step = Duration::from_millis(100).min(end - self.now.instant);
            self.now.instant += step;
            self.now.system += step;
            self.model.on_time(self.now);
        }
        self.take();
    }

    pub(super) fn register(&mut self, uuid: Uuid, max: u64) {
        let runtime = crate::protocol::Runtime {
            uuid,
            name: format!("rt{}", uuid.as_u128()),
            apis: "wasi:snapshot_preview1 ['wasi:unstable']".to_owned(),
            max_nmodules: max,
            extra: serde_json::Map::new(),
        };
        let object_id = ObjectId::new("reg").unwrap();
        self.model.register(self.now, &object_id, runtime);
        self.take();
    }

    pub(super) fn keepalive(&mut self, uuid: Uuid, children: &[Uuid]) {
        self.keepalive_in(uuid, children, "running");
    }

    pub(super) fn keepalive_in(&mut self, uuid: Uuid, children: &[Uuid], state: &str) {
        let child = |uuid: &Uuid| Child {
            uuid: *uuid,
            name: "child".to_owned(),
            active: None,
            cpu_usage_percent: 1.0,
            mem_usage: 2,
            extra: json!({"state": state}).as_object().cloned().unwrap(),
        };
        let told = KeepAlive {
            uuid,
            name: format!("rt{}", uuid.as_u128()),
            apis: "wasi:snapshot_preview1 ['wasi:unstable']".to_owned(),
            max_nmodules: 10,
            children: children.iter().map(child).collect(),
            cpu_usage_percent: 3.0,
            mem_usage: 4,
            mem_available: Some(1 << 30),
            load1: None,
            extra: serde_json::Map::new(),
        };
        self.model.keepalive(self.now, &told);
        self.take();
    }

    /// A runtime has left, and nothing more is heard of it.
    pub(super) fn leave(&mut self, uuid: Uuid) {
        self.says_goodbye(uuid);
        self.pass(LEAVING);
    }

    pub(super) fn says_goodbye(&mut self, uuid: Uuid) {
        let delete = DeleteRuntime {
            uuid,
            name: String::new(),
        };
        self.model.runtime_leaves(self.now, &delete);
        self.take();
    }

    /// A client sends a create.
    pub(super) fn ask(&mut self, uuid: Uuid, more: Value, request: &str) {
        let mut data = json!({"type": "module", "uuid": uuid, "filename": "f.wasm"});
        for (key, value) in more.as_object().unwrap() {
            data[key] = value.clone();
        }
        let message = json!({"object_id": request, "action": "create", "type": "arts_req",
            "data": data});
        self.client(&message);
    }

    pub(super) fn client(&mut self, message: &Value) {
        let text = message.to_string();
        let Ok(Incoming::Request(Request {
            object_id, data, ..
        })) = parse(text.as_bytes(), 1 << 20)
        else {
            panic!("{text}");
        };
        let to = ReplyTo::Mqtt(object_id);
        match data {
            RequestData::CreateModule(create) => self.model.create(self.now, *create, to),
            RequestData::DeleteModule(delete) => self.model.delete(self.now, &delete, to),
            other => panic!("{other:?}"),
        }
        self.take();
    }

    pub(super) fn ask_delete(&mut self, uuid: Uuid, request: &str) {
        let message = json!({"object_id": request, "action": "delete", "type": "arts_req",
            "data": {"type": "module", "uuid": uuid}});
        self.client(&message);
    }

    /// A module ends.
    pub(super) fn exit(&mut self, uuid: Uuid, reason: &str, code: i64) {
        let message = json!({"object_id": "exit", "action": "delete", "type": "arts_req",
            "data": {"type": "module", "uuid": uuid,
                "exit": {"reason": reason, "code": code, "message": "m"}}});
        self.client(&message);
    }

    /// The last request that a runtime got about a module.
    #[track_caller]
    pub(super) fn request(&self, runtime: Uuid, action: &str, module: Uuid) -> Value {
        let found = self.sent.iter().rev().find(|(to, message)| {
            *to == To::Runtime(runtime)
                && message["action"] == action
                && message["data"]["uuid"] == module.to_string()
        });
        let Some((_, message)) = found else {
            panic!("no {action} of {module} to {runtime}: {:#?}", self.sent);
        };
        message.clone()
    }

    pub(super) fn requests(&self, runtime: Uuid, action: &str) -> usize {
        let of = |(to, message): &&(To, Value)| {
            *to == To::Runtime(runtime) && message["action"] == action
        };
        self.sent.iter().filter(of).count()
    }

    /// A runtime answers that request.
    pub(super) fn answer(&mut self, runtime: Uuid, request: &Value, why_not: Option<&str>) {
        let id = ObjectId::from_value(&request["object_id"]).unwrap();
        let bytes = match why_not {
            None => Response::ok(&id, request["data"].clone()),
            Some(why) => Response::error(&id, why),
        };
        let Ok(Incoming::Response(response)) = parse(&bytes, 1 << 20) else {
            panic!();
        };
        self.model.answer(self.now, runtime, &response);
        self.take();
    }

    /// What a client was told, once.
    #[track_caller]
    pub(super) fn told(&mut self, request: &str) -> Outcome {
        let to = ReplyTo::Mqtt(ObjectId::new(request).unwrap());
        let mut found = self.replies.iter().filter(|(known, _)| *known == to);
        let outcome = found.next().map(|(_, outcome)| outcome.clone());
        assert!(found.next().is_none(), "{request} is answered twice");
        outcome.unwrap_or_else(|| panic!("{request} is not answered: {:#?}", self.replies))
    }

    pub(super) fn was_told(&self, request: &str) -> bool {
        let to = ReplyTo::Mqtt(ObjectId::new(request).unwrap());
        self.replies.iter().any(|(known, _)| *known == to)
    }

    #[track_caller]
    pub(super) fn refused(&mut self, request: &str) -> String {
        self.told(request).unwrap_err().message
    }

    /// Asks for a module, and has it started on that runtime.
    #[track_caller]
    pub(super) fn run(&mut self, uuid: Uuid, runtime: Uuid, more: Value) {
        let mut more = more;
        if more.get("parent").is_none() {
            more["parent"] = json!({"uuid": runtime});
        }
        let name = format!("run {uuid}");
        self.ask(uuid, more, &name);
        let request = self.request(runtime, "create", uuid);
        self.answer(runtime, &request, None);
        self.told(&name).unwrap();
        self.sees(uuid, ModuleState::Running, Some(runtime));
    }

    #[track_caller]
    pub(super) fn sees(&self, uuid: Uuid, state: ModuleState, runtime: Option<Uuid>) {
        let record = self.model.module(uuid);
        let record = record.unwrap_or_else(|| panic!("{uuid} is not known"));
        assert_eq!((record.state, record.runtime), (state, runtime));
    }

    pub(super) fn happened(&self, kind: EventKind) -> usize {
        self.events
            .iter()
            .filter(|event| event.kind == kind)
            .count()
    }

    /// Where the model thinks modules are agrees with itself.
    pub(super) fn check(&self) {
        for entry in self.model.modules.values() {
            let record = &entry.record;
            let uuid = record.uuid;
            for runtime in self.model.runtimes.values() {
                let here = record.runtime == Some(runtime.record.uuid) && record.state.is_placed();
                assert_eq!(runtime.record.modules.contains(&uuid), here, "{record:?}");
            }
            let waits = record.state == ModuleState::Waiting;
            assert_eq!(self.model.waiting.contains(&uuid), waits);
            assert_eq!(entry.job.ended.is_some(), record.state.is_final());
            if let Some(request) = &entry.job.request {
                assert_eq!(self.model.requests.get(request), Some(&uuid));
            }
        }
        for (request, uuid) in &self.model.requests {
            let entry = &self.model.modules[uuid];
            assert_eq!(entry.job.request.as_ref(), Some(request));
        }
        let inline = self.model.modules.values().map(|e| e.record.inline);
        assert_eq!(self.model.inline, inline.sum::<u64>());
    }
}

/// What is not in the journal of a runtime.
fn bare(mut runtime: Runtime) -> Runtime {
    runtime.modules.clear();
    runtime
}

pub(super) fn delete_to(uuid: Uuid, to: Uuid) -> DeleteModule {
    let mut delete = DeleteModule::new(uuid);
    delete.send_to_runtime = Some(to);
    delete
}
