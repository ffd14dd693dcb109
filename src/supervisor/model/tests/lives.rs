//! Modules end, are deleted, and move.

use serde_json::json;

use super::super::*;
use super::harness::*;

#[test]
fn a_delete_is_answered_when_the_runtime_has_answered() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({"name": "m"}));
    world.ask_delete(id(9), "d");
    world.ask_delete(id(9), "e");
    assert!(!world.was_told("d"));
    let request = world.request(id(1), "delete", id(9));
    // With the whole record.
    assert_eq!(request["data"]["name"], "m");
    assert_eq!(request["data"]["filename"], "f.wasm");
    world.answer(id(1), &request, None);
    assert_eq!(world.told("d").unwrap()["msg"], "Deleted.");
    world.told("e").unwrap();
    assert!(world.model.module(id(9)).is_none());
    assert_eq!(world.deleted, [id(9)]);
    // Once more is as well; one that never was is not.
    world.ask_delete(id(9), "f");
    world.told("f").unwrap();
    world.ask_delete(id(10), "g");
    assert!(world.refused("g").contains("does not exist"));
    // It may be asked for again.
    world.replies.clear();
    world.run(id(9), id(1), json!({}));
    assert!(world.deleted.is_empty());
    world.check();
}

#[test]
fn a_delete_overtakes_a_create() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({}), "c");
    let create = world.request(id(1), "create", id(9));
    world.ask_delete(id(9), "d");
    assert!(world.refused("c").contains("deleted before"));
    world.answer(id(1), &create, None);
    world.sees(id(9), ModuleState::Stopping, Some(id(1)));
    let delete = world.request(id(1), "delete", id(9));
    world.answer(id(1), &delete, None);
    world.told("d").unwrap();
    assert!(world.model.module(id(9)).is_none());
    world.check();
}

#[test]
fn a_delete_that_nobody_answers_is_sent_again() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({}));
    world.ask_delete(id(9), "d");
    for _ in 0..6 {
        world.pass(KA / 2);
        world.keepalive(id(1), &[id(9)]);
    }
    assert!(world.refused("d").contains("no answer within 10s"));
    assert!(world.requests(id(1), "delete") >= 2);
    world.sees(id(9), ModuleState::Stopping, Some(id(1)));
    // In the end it is seen that it is gone.
    world.keepalive(id(1), &[]);
    assert!(world.model.module(id(9)).is_none());
    world.check();
}

#[test]
fn an_end_is_recorded_and_the_policy_heeded() {
    let mut world = World::new();
    world.register(id(1), 10);
    for (module, policy, reason, code, again) in [
        (20, "never", "trapped", 134, false),
        (21, "on-failure", "returned", 0, false),
        (22, "on-failure", "exited", 3, true),
        (23, "on-failure", "exited", 0, false),
        (24, "on-failure", "trapped", 134, true),
        (25, "on-failure", "stopped", 143, true),
        (26, "always", "returned", 0, true),
        (27, "on-failure", "stopped", 152, false),
        (28, "always", "stopped", 152, true),
    ] {
        let module = id(module);
        world.run(module, id(1), json!({"restart": policy}));
        world.exit(module, reason, code);
        let record = world.model.module(module).unwrap();
        let exit = record.exit.clone().unwrap();
        assert_eq!((exit.reason.as_str(), exit.code), (reason, Some(code)));
        let expected = if again {
            ModuleState::BackOff
        } else {
            ModuleState::Exited
        };
        assert_eq!(record.state, expected, "{policy} {reason} {code}");
        // Nobody waits for an answer to a report, and a second one is harmless.
        assert!(!world.was_told("exit"));
        world.exit(module, reason, code);
        assert_eq!(world.model.module(module).unwrap().state, expected);
        world.ask_delete(module, "d");
        world.told("d").unwrap();
        world.replies.clear();
    }
    world.check();
}

#[test]
fn new_starts_wait_longer_each_time() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({"restart": "always"}));
    for (round, wait) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        world.exit(id(9), "trapped", 134);
        let wait = Duration::from_secs(wait);
        let before = world.requests(id(1), "create");
        // The runtime is alive all the time.
        let mut left = wait - Duration::from_millis(100);
        while !left.is_zero() {
            let step = left.min(KA);
            world.pass(step);
            world.keepalive(id(1), &[]);
            left -= step;
        }
        assert_eq!(world.requests(id(1), "create"), before, "round {round}");
        world.pass(Duration::from_millis(100));
        assert_eq!(world.requests(id(1), "create"), before + 1, "round {round}");
        let request = world.request(id(1), "create", id(9));
        world.answer(id(1), &request, None);
    }
    assert_eq!(world.model.module(id(9)).unwrap().restarts, 8);
    // After a long run it begins anew.
    for _ in 0..13 {
        world.pass(KA);
        world.keepalive(id(1), &[id(9)]);
    }
    world.exit(id(9), "trapped", 134);
    let before = world.requests(id(1), "create");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.requests(id(1), "create"), before + 1);
    world.check();
}

#[test]
fn an_end_before_the_answer_and_one_of_elsewhere() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({}), "c");
    world.exit(id(9), "returned", 0);
    world.told("c").unwrap();
    world.sees(id(9), ModuleState::Exited, Some(id(1)));
    // A report of a runtime that the module is not on.
    world.run(id(10), id(1), json!({}));
    let message = json!({"object_id": "x", "action": "delete", "type": "arts_req",
        "data": {"type": "module", "uuid": id(10), "parent": {"uuid": id(2)},
            "exit": {"reason": "returned", "code": 0, "message": ""}}});
    world.client(&message);
    world.sees(id(10), ModuleState::Running, Some(id(1)));
    world.exit(id(77), "returned", 0);
    assert!(world.model.module(id(77)).is_none());
    world.check();
}

#[test]
fn what_has_ended_can_be_asked_for_again() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({}));
    world.exit(id(9), "returned", 0);
    world.replies.clear();
    world.run(id(9), id(1), json!({}));
    assert_eq!(world.model.module(id(9)).unwrap().exit, None);
    for module in 20..40 {
        world.run(id(module), id(1), json!({}));
        world.exit(id(module), "returned", 0);
    }
    // As many as are kept, and the one that runs.
    assert_eq!(world.model.modules().len(), 11);
    assert_eq!(world.modules.len(), 11);
    world.check();
}

#[test]
fn a_module_moves() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.run(id(9), id(1), json!({}));
    for (to, why) in [
        (id(1), "the module is there"),
        (id(7), "there is no runtime"),
    ] {
        world
            .model
            .delete(world.now, &delete_to(id(9), to), ReplyTo::Local(1));
        world.take();
        let (_, outcome) = world.replies.pop().unwrap();
        assert!(outcome.unwrap_err().message.starts_with(why));
    }
    // As the answer comes before the target has said anything.
    let message = json!({"object_id": "m", "action": "delete", "type": "arts_req",
        "data": {"type": "module", "uuid": id(9), "send_to_runtime": id(2)}});
    world.client(&message);
    let request = world.request(id(1), "delete", id(9));
    assert_eq!(request["send_to_runtime"], id(2).to_string());
    world.sees(id(9), ModuleState::Moving, Some(id(1)));
    world.answer(id(1), &request, None);
    assert_eq!(
        world.told("m").unwrap()["send_to_runtime"],
        id(2).to_string()
    );
    world.keepalive(id(1), &[]);
    world.sees(id(9), ModuleState::Moving, Some(id(1)));
    // The source asks the target for it; the target's answer is seen.
    let answer = json!({"object_id": "of the source", "data": {"uuid": id(9)}});
    world.answer(id(2), &answer, None);
    world.sees(id(9), ModuleState::Running, Some(id(2)));
    assert_eq!(world.model.module(id(9)).unwrap().moves_to, None);
    // And back, seen by a keepalive before the answer.
    let message = json!({"object_id": "n", "action": "delete", "type": "arts_req",
        "send_to_runtime": id(1), "data": {"type": "module", "uuid": id(9)}});
    world.client(&message);
    world.keepalive_in(id(1), &[id(9)], "loading");
    world.sees(id(9), ModuleState::Moving, Some(id(2)));
    world.keepalive(id(1), &[id(9)]);
    world.told("n").unwrap();
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    world.check();
}

#[test]
fn a_move_that_fails() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.run(
        id(9),
        id(1),
        json!({"restart": "on-failure", "parent": null}),
    );
    let message = json!({"object_id": "m", "action": "delete", "type": "arts_req",
        "data": {"type": "module", "uuid": id(9), "send_to_runtime": id(2)}});
    world.client(&message);
    let request = world.request(id(1), "delete", id(9));
    world.answer(id(1), &request, Some("cannot"));
    assert_eq!(world.refused("m"), "cannot");
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    // It leaves and does not arrive.
    world.replies.clear();
    world.client(&message);
    let request = world.request(id(1), "delete", id(9));
    world.answer(id(1), &request, None);
    for _ in 0..5 {
        world.pass(KA);
        world.keepalive(id(1), &[]);
        world.keepalive(id(2), &[]);
    }
    let record = world.model.module(id(9)).unwrap();
    assert_eq!(record.exit.as_ref().unwrap().reason, "lost");
    assert!(matches!(
        record.state,
        ModuleState::BackOff | ModuleState::Starting
    ));
    // Deleted on its way: wherever it is.
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.run(id(9), id(1), json!({}));
    world.client(&message);
    world.ask_delete(id(9), "d");
    world.request(id(2), "delete", id(9));
    let request = world.request(id(1), "delete", id(9));
    world.answer(id(1), &request, None);
    world.told("d").unwrap();
    world.check();
}
