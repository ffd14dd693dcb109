//! Modules get runtimes, or their clients reasons.

use serde_json::json;

use super::super::*;
use super::harness::*;

#[test]
fn a_module_is_placed_and_its_client_told_when_it_runs() {
    let mut world = World::new();
    world.register(id(1), 10);
    let (to, answer) = world.sent[0].clone();
    assert_eq!(to, To::Registrations);
    assert_eq!(answer["data"]["result"], "ok");
    assert_eq!(answer["data"]["details"]["ka_interval_sec"], 5);
    assert_eq!(answer["data"]["details"]["nmodules"], 0);
    world.ask(
        id(9),
        json!({"name": "m", "args": "['a', \"it's\"]", "env": "['']", "colour": "red",
            "channels": "[{'path': '/ch/x', 'type': 'pubsub', 'mode': 'rw', 'params': {'topic': 't'}}]"}),
        "c",
    );
    assert!(!world.was_told("c"));
    // It is in the journal before anybody hears of it.
    assert_eq!(world.modules[&id(9)].state, ModuleState::Starting);
    assert_eq!(world.modules[&id(9)].reply, ObjectId::new("c"));
    let request = world.request(id(1), "create", id(9));
    assert_ne!(request["object_id"], "c");
    // Nothing is a Python repr any more, and what is not known goes on.
    let data = &request["data"];
    assert_eq!(data["args"], json!(["a", "it's"]));
    assert_eq!(data["env"], json!([]));
    assert_eq!(data["channels"][0]["params"]["topic"], "t");
    assert_eq!(data["colour"], "red");
    assert_eq!(data["parent"]["uuid"], id(1).to_string());
    world.answer(id(1), &request, None);
    let details = world.told("c").unwrap();
    assert_eq!(details["name"], "m");
    assert_eq!(details["parent"]["uuid"], id(1).to_string());
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    assert_eq!(world.modules[&id(9)].reply, None);
    world.check();
}

#[test]
fn answers_of_others_count_for_nothing() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.ask(id(9), json!({"parent": {"uuid": id(1)}}), "c");
    let request = world.request(id(1), "create", id(9));
    world.answer(id(2), &request, None);
    world.answer(id(3), &request, Some("no"));
    world.answer(
        id(1),
        &json!({"object_id": "other", "data": {"uuid": id(9)}}),
        None,
    );
    assert!(!world.was_told("c"));
    world.sees(id(9), ModuleState::Starting, Some(id(1)));
    world.answer(id(1), &request, None);
    world.told("c").unwrap();
    // A second answer to the same request.
    world.answer(id(1), &request, Some("no"));
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    world.check();
}

#[test]
fn the_next_runtime_is_tried_after_an_error_and_after_silence() {
    let mut world = World::new();
    for runtime in 1..=3 {
        world.register(id(runtime), 10);
    }
    world.ask(id(9), json!({}), "c");
    let request = world.request(id(1), "create", id(9));
    world.answer(id(1), &request, Some("no such file"));
    world.sees(id(9), ModuleState::Starting, Some(id(2)));
    world.pass(TIMEOUT);
    // Should it start it all the same, it is told not to.
    world.request(id(2), "delete", id(9));
    world.sees(id(9), ModuleState::Starting, Some(id(3)));
    let request = world.request(id(3), "create", id(9));
    world.answer(id(3), &request, Some("full"));
    let why = world.refused("c");
    assert_eq!(
        why,
        format!(
            "no runtime takes the module: rt1 ({}): no such file; rt2 ({}): no answer within 10s; \
             rt3 ({}): full",
            id(1),
            id(2),
            id(3)
        )
    );
    assert!(world.model.module(id(9)).is_none());
    assert!(!world.modules.contains_key(&id(9)));
    assert_eq!(world.happened(EventKind::Refused), 1);
    // The one that does not answer is asked last from now on.
    world.sent.clear();
    for module in 20..23 {
        world.ask(id(module), json!({}), "d");
    }
    assert_eq!(world.requests(id(2), "create"), 0);
    world.keepalive(id(2), &[]);
    world.ask(id(23), json!({}), "d");
    world.ask(id(24), json!({}), "d");
    assert_eq!(world.requests(id(2), "create"), 1);
    world.check();
}

#[test]
fn no_more_runtimes_are_asked_than_is_set() {
    let mut world = World::new();
    for runtime in 1..=8 {
        world.register(id(runtime), 10);
    }
    world.ask(id(9), json!({}), "c");
    for runtime in 1..=5 {
        let request = world.request(id(runtime), "create", id(9));
        world.answer(id(runtime), &request, Some("no such file"));
    }
    assert!(world.refused("c").contains("rt5"));
    assert_eq!(world.requests(id(6), "create"), 0);
}

#[test]
fn a_parent_is_honoured_or_refused_with_a_reason() {
    let mut world = World::new();
    world.ask(id(8), json!({}), "none");
    assert_eq!(
        world.refused("none"),
        "no runtime takes the module: there is no runtime"
    );
    world.ask(id(9), json!({"wasm": "AGFzbQ=="}), "inline");
    assert!(world.refused("inline").contains("there is no runtime"));
    world.register(id(1), 1);
    world.register(id(2), 10);
    world.ask(id(9), json!({"parent": "rt2"}), "named");
    world.request(id(2), "create", id(9));
    world.ask(id(10), json!({"parent": {"uuid": id(7)}}), "unknown");
    assert!(
        world
            .refused("unknown")
            .contains("there is no runtime with the uuid")
    );
    world.ask(id(10), json!({"parent": "rt7"}), "unnamed");
    assert!(world.refused("unnamed").contains("with the name \"rt7\""));
    world.run(id(11), id(1), json!({}));
    world.ask(id(12), json!({"parent": {"uuid": id(1)}}), "full");
    assert!(
        world.refused("full").contains("has all of its 1 modules"),
        "{}",
        world.refused("full")
    );
    world.ask(
        id(12),
        json!({"apis": ["python:python3"], "parent": {"uuid": id(2)}}),
        "apis",
    );
    assert!(
        world
            .refused("apis")
            .contains("does not offer python:python3")
    );
    world.leave(id(2));
    world.ask(id(12), json!({"parent": {"uuid": id(2)}}), "lost");
    assert!(world.refused("lost").contains("is lost"));
    // A parent that refuses is not replaced by another one.
    world.register(id(3), 10);
    world.ask(id(12), json!({"parent": {"uuid": id(3)}}), "one");
    let request = world.request(id(3), "create", id(12));
    world.answer(id(3), &request, Some("broken"));
    assert!(world.refused("one").ends_with("broken"));
    world.check();
}

#[test]
fn a_second_create_changes_nothing() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({}), "a");
    world.ask(id(9), json!({}), "b");
    assert!(world.refused("b").contains("is here already"));
    let request = world.request(id(1), "create", id(9));
    world.answer(id(1), &request, None);
    world.ask(id(9), json!({}), "c");
    assert!(world.refused("c").contains("it is running on rt1"));
    assert_eq!(world.requests(id(1), "create"), 1);
    // Somebody else has started it there, and the supervisor learns of it now.
    world.ask(id(10), json!({}), "d");
    let request = world.request(id(1), "create", id(10));
    world.answer(id(1), &request, Some("module is here already (running)"));
    assert!(world.refused("d").contains("already"));
    world.sees(id(10), ModuleState::Running, Some(id(1)));
    world.check();
}

#[test]
fn limits_hold() {
    let mut config = config();
    config.max_modules = 2;
    config.ended_modules = 1;
    let mut world = World::with(config);
    world.register(id(1), 10);
    world.run(id(20), id(1), json!({}));
    world.exit(id(20), "returned", 0);
    world.run(id(21), id(1), json!({}));
    // What has ended makes room.
    world.run(id(22), id(1), json!({}));
    assert!(world.model.module(id(20)).is_none());
    world.ask(id(23), json!({}), "many");
    assert_eq!(world.refused("many"), "there are 2 modules already");
    world.exit(id(22), "returned", 0);
    world.ask(id(23), json!({"x": "y".repeat(20_000)}), "large");
    assert!(world.refused("large").contains("more than the limit"));
    world.ask(id(23), json!({"wasm": "A".repeat(4000)}), "inline");
    assert!(world.refused("inline").contains("inline"));
    world.ask(id(23), json!({"filename": null}), "nothing");
    assert!(
        world
            .refused("nothing")
            .contains("\"filename\": is missing")
    );
    world.ask(id(23), json!({"restart": "maybe"}), "restart");
    assert!(world.refused("restart").starts_with("\"restart\""));
    // None of it has changed anything.
    world.sees(id(22), ModuleState::Exited, Some(id(1)));
    // Keepalives with modules that nobody knows end at the limit too.
    let many: Vec<_> = (100..200).map(id).collect();
    world.keepalive(id(1), &many);
    assert!(world.model.modules().len() <= 2);
    for runtime in 2..50 {
        world.register(id(runtime), 10);
        world.keepalive(id(runtime + 100), &[]);
    }
    assert_eq!(world.model.runtimes().len(), 10);
    let (_, answer) = world.sent.last().unwrap();
    assert_eq!(answer["data"]["result"], "error");
    // One that is lost makes room.
    world.leave(id(2));
    world.register(id(500), 10);
    assert!(world.model.runtime(id(500)).is_some());
    assert!(world.model.runtime(id(2)).is_none());
    world.check();
}

#[test]
fn a_prepared_module_is_started_by_a_second_create() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({"wait_state": true, "args": ["a"]}), "a");
    let request = world.request(id(1), "create", id(9));
    assert_eq!(request["data"]["wait_state"], true);
    world.answer(id(1), &request, None);
    world.told("a").unwrap();
    world.sees(id(9), ModuleState::Prepared, Some(id(1)));
    world.ask(id(9), json!({"memory": "AAAA"}), "b");
    let request = world.request(id(1), "create", id(9));
    assert_eq!(request["data"]["memory"], "AAAA");
    assert_eq!(request["data"].get("wait_state"), None);
    world.answer(id(1), &request, None);
    world.told("b").unwrap();
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    // Should it be started again, then at once.
    assert!(!world.modules[&id(9)].waits);
    assert_eq!(world.modules[&id(9)].details().get("wait_state"), None);
    assert_eq!(world.modules[&id(9)].details()["args"], json!(["a"]));
    world.check();
}
