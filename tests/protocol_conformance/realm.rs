//! A realm with a broker, a supervisor and a runtime, of which one may be a script, and a client
//! that sees everything.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arts::Arts;
use crate::brokers::{AnyBroker, Kind};
use crate::client::{Client, Got, PATIENCE};
use crate::messages;
use crate::runtime::Runtime;
use crate::scripted_arts::ScriptedArts;
use crate::scripted_runtime::ScriptedRuntime;

pub const REG: &str = "realm/proc/reg";
pub const CLIENTS: &str = "realm/proc/control";
pub const KEEPALIVE: &str = "realm/proc/keepalive";

/// How many modules the runtime takes.
pub const PLACES: usize = 6;

/// Who is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    Both,
    RuntimeAlone,
    SupervisorAlone,
}

/// By which topic a module is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// That of clients, which the supervisor answers.
    Supervisor,
    /// That of the runtime.
    Runtime,
}

/// What is different from the usual realm.
#[derive(Clone, Copy, Debug)]
pub struct Special {
    /// More settings of our runtime.
    pub runtime: &'static str,
    /// What the scripted supervisor asks for; without the word itself if it is `None`.
    pub keepalive: Option<u64>,
    /// Nobody answers registrations but the case itself.
    pub unsupervised: bool,
}

impl Special {
    pub const NONE: Special = Special {
        runtime: "",
        keepalive: Some(1),
        unsupervised: false,
    };
}

enum TheRuntime {
    Ours(Runtime),
    Scripted(ScriptedRuntime),
}

enum TheSupervisor {
    Ours(#[expect(dead_code, reason = "it is ended with the realm")] Arts),
    Scripted(ScriptedArts),
    Nobody,
}

pub struct Realm {
    pub setup: Setup,
    /// It has published what the cases have, and seen all that was.
    pub client: Client,
    runtime: TheRuntime,
    supervisor: TheSupervisor,
    /// Modules that may still run.
    begun: Mutex<Vec<(Door, String)>>,
    pub broker: AnyBroker,
    _dir: tempfile::TempDir,
}

impl Realm {
    pub fn start(setup: Setup, kind: Kind, special: Special) -> Realm {
        let broker = AnyBroker::start(kind);
        let port = broker.port();
        let client = Client::connect(port);
        client.subscribe("realm/#");
        client.subscribe("proc/#");
        let dir = tempfile::tempdir().unwrap();
        let supervisor = match setup {
            Setup::RuntimeAlone if special.unsupervised => TheSupervisor::Nobody,
            Setup::RuntimeAlone => {
                TheSupervisor::Scripted(ScriptedArts::start(port, special.keepalive))
            }
            _ => {
                let arts = Arts::start(dir.path(), port, &["supervisor.answer_timeout=20s"]);
                crate::arts::wait_for_supervisor(&client);
                TheSupervisor::Ours(arts)
            }
        };
        let runtime = match setup {
            Setup::SupervisorAlone => TheRuntime::Scripted(ScriptedRuntime::start(port, PLACES)),
            _ => {
                let settings = format!(
                    "[runtime]\nname = \"rt1\"\nmax_modules = {PLACES}\ngrace_time = \"200ms\"\n\
                     register_retry = \"500ms\"\nmonitor_interval = \"200ms\"\n{}",
                    special.runtime
                );
                TheRuntime::Ours(Runtime::start(port, &settings))
            }
        };
        let realm = Realm {
            setup,
            client,
            runtime,
            supervisor,
            begun: Mutex::default(),
            broker,
            _dir: dir,
        };
        if !special.unsupervised {
            realm.client.wait("a registration that is answered", |got| {
                let message = got.json();
                got.topic == REG
                    && message["type"] == "arts_resp"
                    && message["data"]["details"]["uuid"] == realm.runtime()
            });
        }
        realm
    }

    /// The runtime's uuid.
    pub fn runtime(&self) -> &str {
        match &self.runtime {
            TheRuntime::Ours(runtime) => runtime.uuid(),
            TheRuntime::Scripted(runtime) => runtime.uuid(),
        }
    }

    /// The runtime's topic.
    pub fn control(&self) -> String {
        format!("{CLIENTS}/{}", self.runtime())
    }

    pub fn runtime_is_ours(&self) -> bool {
        matches!(self.runtime, TheRuntime::Ours(_))
    }

    pub fn supervisor_is_ours(&self) -> bool {
        matches!(self.supervisor, TheSupervisor::Ours(_))
    }

    /// The topics by which modules can be asked for, such that something of ours has to do with it.
    pub fn doors(&self) -> &'static [Door] {
        match self.setup {
            Setup::SupervisorAlone => &[Door::Supervisor],
            _ => &[Door::Runtime, Door::Supervisor],
        }
    }

    /// Those that are answered by something of ours.
    pub fn our_doors(&self) -> &'static [Door] {
        match self.setup {
            Setup::Both => &[Door::Runtime, Door::Supervisor],
            Setup::RuntimeAlone => &[Door::Runtime],
            Setup::SupervisorAlone => &[Door::Supervisor],
        }
    }

    pub fn topic(&self, door: Door) -> String {
        match door {
            Door::Supervisor => CLIENTS.to_owned(),
            Door::Runtime => self.control(),
        }
    }

    /// Asks for a module; returns its uuid, the id of the request, and the data of the answer. The
    /// fields of `more` come over the usual ones.
    pub fn create(&self, door: Door, filename: &str, more: Value) -> Created {
        let mut data = json!({"type": "module", "uuid": Uuid::new_v4(), "name": "me/test",
            "filename": filename});
        for (key, value) in more.as_object().unwrap() {
            data[key] = value.clone();
        }
        let uuid = data["uuid"].as_str().unwrap().to_owned();
        self.begun.lock().unwrap().push((door, uuid.clone()));
        let id = self.client.send(&self.topic(door), "create", data);
        let answer = self.client.answer(&id);
        Created { uuid, id, answer }
    }

    /// The same, of a module that must run.
    pub fn run(&self, door: Door, filename: &str, more: Value) -> Created {
        let created = self.create(door, filename, more);
        assert_eq!(created.answer["result"], "ok", "{}", created.answer);
        created
    }

    /// The same, of one that waits. A keepalive that is late may have our supervisor take modules
    /// into account that are gone, until the next one.
    pub fn run_when_there_is_room(&self, door: Door) -> Created {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let created = self.create(door, "wait.wasm", json!({}));
            if created.answer["result"] == "ok" {
                return created;
            }
            assert!(Instant::now() < deadline, "{}", created.answer);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the data of the answer.
    pub fn delete(&self, door: Door, uuid: &str) -> Value {
        let data = json!({"type": "module", "uuid": uuid});
        self.client.request(&self.topic(door), "delete", data)
    }

    /// The request to the runtime that a create or a delete of this module became: the one itself,
    /// or what the supervisor has sent.
    pub fn forwarded(&self, action: &str, uuid: &str) -> Got {
        let control = self.control();
        self.client.wait(&format!("the {action} of {uuid}"), |got| {
            let message = got.json();
            got.topic == control
                && message["type"] == "arts_req"
                && message["action"] == action
                && message["data"]["uuid"] == uuid
        })
    }

    /// The whole answer to a request, on the topic of the request.
    pub fn answer(&self, topic: &str, id: &str) -> Got {
        self.client.wait(&format!("the answer to {id}"), |got| {
            got.topic == topic && messages::is_answer(&got.json(), id)
        })
    }

    /// The answers to a request so far, on whatever topic.
    pub fn answers(&self, id: &str) -> usize {
        self.client
            .count(|got| messages::is_answer(&got.json(), id))
    }

    /// The report of a module's end. All of the module's lines have come then, too.
    pub fn exit_report(&self, uuid: &str) -> Got {
        let report = self
            .client
            .wait(&format!("the exit report of {uuid}"), |got| {
                let data = got.json()["data"].clone();
                got.topic == CLIENTS && data["uuid"] == uuid && data["exit"].is_object()
            });
        self.client.fence();
        report
    }

    /// Whether the broker keeps the order of messages of different quality, which MQTT does not ask
    /// of it.
    pub fn keeps_order(&self) -> bool {
        matches!(self.broker, AnyBroker::Mosquitto(_))
    }

    /// Returns when all that was published before has been handled on the other side of the door.
    pub fn fence(&self, door: Door) {
        self.delete(door, &Uuid::new_v4().to_string());
    }

    /// Deletes what may still run.
    pub fn clean(&self) {
        for (door, uuid) in self.begun.lock().unwrap().drain(..) {
            self.delete(door, &uuid);
            // Our supervisor has learnt of it by a keepalive, and counts it until the next one.
            if door == Door::Runtime && self.supervisor_is_ours() {
                self.delete(Door::Supervisor, &uuid);
            }
        }
    }

    /// The runtime leaves in order. Its exit status is 0, if it is a process.
    pub fn runtime_leaves(&mut self) {
        match &mut self.runtime {
            TheRuntime::Ours(runtime) => {
                runtime.signal(Signal::SIGTERM);
                assert_eq!(runtime.wait().code(), Some(0));
            }
            TheRuntime::Scripted(runtime) => runtime.leave(),
        }
    }

    /// The runtime is gone without a word.
    pub fn runtime_vanishes(&mut self) {
        match &mut self.runtime {
            TheRuntime::Ours(runtime) => {
                runtime.signal(Signal::SIGKILL);
                runtime.wait();
            }
            TheRuntime::Scripted(runtime) => runtime.vanish(),
        }
    }

    /// What our runtime and our supervisor have published so far.
    pub fn ours(&self) -> Vec<Got> {
        let mut theirs = vec![&self.client];
        if let TheRuntime::Scripted(runtime) = &self.runtime {
            theirs.push(runtime.client());
        }
        if let TheSupervisor::Scripted(arts) = &self.supervisor {
            theirs.push(arts.client());
        }
        let is_ours = |got: &Got| !theirs.iter().any(|client| client.has_sent(got));
        self.client.all(is_ours)
    }
}

/// A module that was asked for.
pub struct Created {
    pub uuid: String,
    /// Of the request.
    pub id: String,
    /// The data of the answer.
    pub answer: Value,
}

impl Created {
    /// What the answer tells of the module.
    pub fn details(&self) -> &Value {
        &self.answer["details"]
    }
}
