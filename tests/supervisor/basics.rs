//! A module from its create to its end, and restarts of the supervisor and the broker.

use std::time::Duration;

use arena_runtime::supervisor::{EventKind, Live, ModuleState, NewModule};
use serde_json::json;

use crate::arts::{
    Arts, children, create, create_waiting, delete, reply, supervisor, wait_for_supervisor,
    wait_registered,
};
use crate::client::{Client, PATIENCE};
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};

#[test]
fn a_module_from_its_create_to_its_end() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let arts = Arts::start(dir.path(), broker.port(), &[]);
    let runtime = Runtime::start(broker.port(), "");
    wait_registered(&client, runtime.uuid());
    let registered = client.wait("the answer", |got| {
        got.topic == "realm/proc/reg" && got.json()["type"] == "arts_resp"
    });
    assert_eq!(registered.json()["data"]["details"]["ka_interval_sec"], 1);

    let uuid = uuid::Uuid::new_v4().to_string();
    let answer = create(
        &client,
        json!({"uuid": uuid, "name": "me/hello", "filename": "hello.wasm", "args": "['a']", "env": "['']"}),
    );
    assert_eq!(answer["result"], "ok", "{answer}");
    assert_eq!(answer["details"]["name"], "me/hello");
    assert_eq!(answer["details"]["parent"]["uuid"], runtime.uuid());
    client.wait_line(&uuid, "Hello from WebAssembly!");
    client.wait("the exit report", |got| {
        got.topic == "realm/proc/control" && got.json()["data"]["exit"]["reason"] == "returned"
    });
    // What is not there is told with the runtime's reason.
    let answer = create(&client, json!({"filename": "none.wasm"}));
    assert_eq!(answer["result"], "error");
    let why = answer["details"].as_str().unwrap();
    assert!(
        why.contains("none.wasm") && why.contains(runtime.uuid()),
        "{why}"
    );

    let (uuid, answer) = create_waiting(&client, json!({}));
    assert_eq!(answer["result"], "ok", "{answer}");
    let again = create(&client, json!({"uuid": uuid, "filename": "wait.wasm"}));
    assert_eq!(again["result"], "error");
    arts.stop();

    // The module has not noticed, and the next supervisor knows it.
    let arts = Arts::start(dir.path(), broker.port(), &[]);
    wait_for_supervisor(&client);
    let again = create(&client, json!({"uuid": uuid, "filename": "wait.wasm"}));
    assert!(
        again["details"].as_str().unwrap().contains("already"),
        "{again}"
    );
    assert!(children(&client, runtime.uuid()).contains(&uuid));
    let answer = delete(&client, &uuid);
    assert_eq!(
        answer,
        json!({"result": "ok", "details": {"msg": "Deleted.", "uuid": uuid}})
    );
    assert!(children(&client, runtime.uuid()).is_empty());
    assert_eq!(client.lines(&uuid), ["waiting"]);
    arts.stop();
}

#[test]
fn the_same_from_within() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let runtime = Runtime::start(broker.port(), "");
    let (_, events) = supervisor.events(0);
    wait_until("it is registered", || !supervisor.runtimes().is_empty());
    let known = supervisor.runtimes().remove(0);
    assert_eq!(known.uuid.to_string(), runtime.uuid());
    assert_eq!(known.arch.as_deref(), Some(crate::program::arch().as_str()));

    let fields = json!({"filename": "print_lines.wasm", "restart": "never"});
    let module = NewModule::from_fields(fields.as_object().cloned().unwrap()).unwrap();
    let uuid = module.uuid();
    let (to, told) = reply();
    supervisor.create(module, to);
    let details = told.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(details["uuid"], uuid.to_string());
    wait_until("its end is known", || {
        supervisor.module(uuid).unwrap().state == ModuleState::Exited
    });
    let exit = supervisor.module(uuid).unwrap().exit.clone().unwrap();
    assert_eq!((exit.reason.as_str(), exit.code), ("returned", Some(0)));
    wait_until("its output is kept", || {
        !supervisor.output(uuid, 10).unwrap().0.is_empty()
    });
    let mut kinds = Vec::new();
    while !kinds.contains(&EventKind::Exited) {
        match events.next_timeout(PATIENCE) {
            Some(Live::Item(event)) => kinds.push(event.kind),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        kinds,
        [
            EventKind::Registered,
            EventKind::Placed,
            EventKind::Started,
            EventKind::Exited
        ]
    );
    let (to, told) = reply();
    supervisor.delete(uuid, to);
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(supervisor.module(uuid).is_none());
    assert!(supervisor.output(uuid, 10).is_none());
    let (to, told) = reply();
    supervisor.delete(uuid::Uuid::new_v4(), to);
    assert!(told.recv_timeout(PATIENCE).unwrap().is_err());
    wait_until("it is counted", || supervisor.stats().counts.commits > 0);
    assert!(supervisor.stop(PATIENCE));
    assert!(supervisor.stop(Duration::from_millis(1)));
    // Nobody is there any more.
    let (to, told) = reply();
    supervisor.delete(uuid, to);
    assert!(told.recv_timeout(PATIENCE).unwrap().is_err());
}

#[test]
fn a_module_moves_between_runtimes() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let from = Runtime::start(broker.port(), "");
    wait_until("one is there", || supervisor.runtimes().len() == 1);
    let fields = json!({"filename": "wait.wasm"});
    let module = NewModule::from_fields(fields.as_object().cloned().unwrap()).unwrap();
    let uuid = module.uuid();
    let (to, told) = reply();
    supervisor.create(module, to);
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    let target = Runtime::start(broker.port(), "");
    wait_until("both are there", || supervisor.runtimes().len() == 2);
    let (to, told) = reply();
    supervisor.migrate(uuid, target.uuid().parse().unwrap(), to);
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    wait_until("it has arrived", || {
        let module = supervisor.module(uuid).unwrap();
        module.state == ModuleState::Running && module.runtime.unwrap().to_string() == target.uuid()
    });
    let source = supervisor.runtime(from.uuid().parse().unwrap()).unwrap();
    assert!(source.modules.is_empty());
    supervisor.stop(PATIENCE);
}

#[test]
fn a_data_directory_is_for_one() {
    let broker = Broker::absent(crate::mosquitto::Setup::default());
    let dir = tempfile::tempdir().unwrap();
    let first = supervisor(dir.path(), broker.port(), &[]);
    let mut second = Arts::start(dir.path(), broker.port(), &[]);
    assert_eq!(second.wait().code(), Some(3));
    assert!(
        second.log().contains("another supervisor uses"),
        "{}",
        second.log()
    );
    assert!(first.stop(PATIENCE));
}

#[test]
fn the_broker_is_restarted() {
    let mut broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &["supervisor.restart=always"]);
    let runtime = Runtime::start(broker.port(), "");
    wait_registered(&client, runtime.uuid());
    let modules: Vec<_> = (0..5)
        .map(|_| create_waiting(&client, json!({})).0)
        .collect();
    // One that is stopped publishes the wills of all first.
    for end in [Broker::kill, Broker::stop] {
        end(&mut broker);
        wait_until("it is missed", || !supervisor.stats().link.connected);
        std::thread::sleep(Duration::from_secs(4));
        client.forget();
        broker.restart();
        wait_registered(&client, runtime.uuid());
        children(&client, runtime.uuid());
        for uuid in &modules {
            let module = supervisor.module(uuid.parse().unwrap()).unwrap();
            assert_eq!((module.state, module.restarts), (ModuleState::Running, 0));
            // None was started again.
            assert!(client.lines(uuid).is_empty());
        }
        let (_, answer) = create_waiting(&client, json!({}));
        assert_eq!(answer["result"], "ok", "{answer}");
    }
    supervisor.stop(PATIENCE);
}
