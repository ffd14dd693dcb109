//! The supervisor is killed again and again while modules come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arena_runtime::supervisor::{ModuleState, RuntimeState};
use serde_json::json;
use uuid::Uuid;

use crate::arts::{Arts, CONTROL, children, supervisor, wait_for_supervisor, wait_registered};
use crate::client::{Client, PATIENCE};
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};

/// How often it is killed.
const ROUNDS: usize = 50;
/// Modules that are asked for in each round.
const MODULES: usize = 12;

/// What was asked for last of a module: the request, and whether it was a create.
type Asked = BTreeMap<String, (String, bool)>;

#[test]
fn no_module_is_lost_and_none_runs_twice() {
    let broker = Broker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let mut arts = Arts::start(dir.path(), broker.port(), &[]);
    let runtimes = [
        Runtime::start(broker.port(), ""),
        Runtime::start(broker.port(), ""),
    ];
    for runtime in &runtimes {
        wait_registered(&client, runtime.uuid());
    }
    let mut asked = Asked::new();
    for round in 0..ROUNDS {
        wait_for_supervisor(&client);
        let older: Vec<String> = asked.keys().rev().take(MODULES / 2).cloned().collect();
        for number in 0..MODULES {
            let uuid = Uuid::new_v4().to_string();
            let data = json!({"type": "module", "uuid": uuid, "filename": "wait.wasm",
                "restart": "always"});
            let id = client.send(CONTROL, "create", data);
            asked.insert(uuid, (id, true));
            if let Some(uuid) = older.get(number) {
                let data = json!({"type": "module", "uuid": uuid});
                let id = client.send(CONTROL, "delete", data);
                asked.insert(uuid.clone(), (id, false));
            }
        }
        // Another moment each time.
        let moment = u64::try_from(round * 7 % 40).unwrap();
        std::thread::sleep(Duration::from_millis(moment));
        arts.kill();
        arts = Arts::start(dir.path(), broker.port(), &[]);
    }
    wait_for_supervisor(&client);
    arts.stop();

    // One in this process goes on with the registry, and can be asked.
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let settled = || {
        let modules = supervisor.modules();
        modules
            .iter()
            .all(|module| module.state == ModuleState::Running)
    };
    wait_until("nothing is under way", settled);
    let mut running = BTreeMap::new();
    for runtime in &runtimes {
        for uuid in children(&client, runtime.uuid()) {
            let twice = running.insert(uuid.clone(), runtime.uuid().to_owned());
            assert!(twice.is_none(), "{uuid} runs twice");
        }
    }
    let known: BTreeMap<_, _> = supervisor
        .modules()
        .iter()
        .map(|module| (module.uuid.to_string(), module.runtime.unwrap().to_string()))
        .collect();
    assert_eq!(known, running);
    let alive = supervisor.runtimes();
    assert!(
        alive
            .iter()
            .all(|runtime| runtime.state == RuntimeState::Alive)
    );
    // What was granted is so.
    let answers: BTreeSet<_> = client
        .all(|got| got.topic == CONTROL)
        .iter()
        .map(crate::client::Got::json)
        .filter(|message| message["type"] == "arts_resp" && message["data"]["result"] == "ok")
        .map(|message| message["object_id"].as_str().unwrap().to_owned())
        .collect();
    let mut granted = [0, 0];
    for (uuid, (id, create)) in &asked {
        if answers.contains(id) {
            granted[usize::from(*create)] += 1;
            assert_eq!(running.contains_key(uuid), *create, "{uuid}");
        }
    }
    println!(
        "killed {ROUNDS} times: {} modules were asked for, {} run; granted as the last word on a \
         module: {} creates, {} deletes",
        asked.len(),
        running.len(),
        granted[1],
        granted[0]
    );
    assert!(granted[1] > 0 && granted[0] > 0);
    supervisor.stop(PATIENCE);
}
