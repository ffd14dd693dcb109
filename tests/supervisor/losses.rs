//! Runtimes die.

use std::time::Instant;

use arena_runtime::supervisor::{EventKind, ModuleState, RuntimeState};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::arts::{create_waiting, supervisor, wait_registered};
use crate::client::{Client, PATIENCE};
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};

#[test]
fn modules_of_a_runtime_that_is_killed_go_to_another() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let first = Runtime::start(broker.port(), "");
    wait_registered(&client, first.uuid());
    let modules: Vec<_> = (0..20)
        .map(|_| create_waiting(&client, json!({"restart": "on-failure"})).0)
        .collect();
    let (stays, _) = create_waiting(&client, json!({"restart": "never"}));
    let second = Runtime::start(broker.port(), "");
    wait_registered(&client, second.uuid());
    let before = Instant::now();
    let first_uuid = first.uuid().to_owned();
    let left = first.kill();
    let module = |uuid: &str| supervisor.module(uuid.parse().unwrap()).unwrap();
    wait_until("all run on the other one", || {
        modules.iter().all(|uuid| {
            let module = module(uuid);
            module.state == ModuleState::Running
                && module.runtime.unwrap().to_string() == second.uuid()
        })
    });
    println!("20 modules run again after {:?}", before.elapsed());
    assert_eq!(module(&stays).state, ModuleState::Lost);
    let runtime = supervisor.runtime(first_uuid.parse().unwrap()).unwrap();
    assert_eq!(runtime.state, RuntimeState::Lost);
    let (history, _) = supervisor.events(0);
    let count = |kind| history.iter().filter(|event| event.kind == kind).count();
    assert_eq!(count(EventKind::RuntimeLost), 1);
    assert_eq!(count(EventKind::ModuleLost), 21);
    // It comes back, and gets new ones.
    let first = Runtime::start_in(left, broker.port(), "");
    wait_until("it is back", || {
        supervisor
            .runtime(first.uuid().parse().unwrap())
            .unwrap()
            .state
            == RuntimeState::Alive
    });
    let data = json!({"parent": {"uuid": first.uuid()}});
    assert_eq!(create_waiting(&client, data).1["result"], "ok");
    supervisor.stop(PATIENCE);
}

#[test]
fn a_runtime_that_hangs_is_lost_and_gets_deletes_when_it_goes_on() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let first = Runtime::start(broker.port(), "");
    wait_registered(&client, first.uuid());
    let (uuid, answer) = create_waiting(&client, json!({"restart": "always"}));
    assert_eq!(answer["result"], "ok", "{answer}");
    let second = Runtime::start(broker.port(), "");
    wait_registered(&client, second.uuid());
    first.signal(Signal::SIGSTOP);
    let on = |runtime: &Runtime| {
        let module = supervisor.module(uuid.parse().unwrap()).unwrap();
        module.state == ModuleState::Running
            && module.runtime.unwrap().to_string() == runtime.uuid()
    };
    wait_until("it runs on the other one", || on(&second));
    first.signal(Signal::SIGCONT);
    client.wait("a delete", |got| {
        let message = got.json();
        got.topic == format!("realm/proc/control/{}", first.uuid())
            && message["action"] == "delete"
            && message["data"]["uuid"] == *uuid
    });
    wait_until("the first one has none", || {
        let first = supervisor.runtime(first.uuid().parse().unwrap()).unwrap();
        first.state == RuntimeState::Alive && first.modules.is_empty()
    });
    assert!(on(&second));
    supervisor.stop(PATIENCE);
}

#[test]
fn a_runtime_that_ends_in_order_hands_its_modules_on() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let settings = ["restart.backoff_min=10ms"];
    let supervisor = supervisor(dir.path(), broker.port(), &settings);
    let mut first = Runtime::start(broker.port(), "");
    wait_registered(&client, first.uuid());
    let (uuid, _) = create_waiting(&client, json!({"restart": "on-failure"}));
    let second = Runtime::start(broker.port(), "");
    wait_registered(&client, second.uuid());
    first.signal(Signal::SIGTERM);
    first.wait();
    wait_until("it runs on the other one", || {
        let module = supervisor.module(uuid.parse().unwrap()).unwrap();
        module.state == ModuleState::Running && module.runtime.unwrap().to_string() == second.uuid()
    });
    supervisor.stop(PATIENCE);
}
