//! Runtimes are lost, return, and say what they have.

use serde_json::json;

use super::super::*;
use super::harness::*;

#[test]
fn a_will_moves_modules_by_their_policy() {
    let mut world = World::new();
    world.register(id(1), 100);
    world.register(id(2), 100);
    world.run(id(20), id(1), json!({"restart": "never", "parent": null}));
    for module in [21, 22] {
        // Round robin has two turns.
        let policy = if module == 21 { "on-failure" } else { "always" };
        world.ask(id(module), json!({"restart": policy}), "c");
        for runtime in [1, 2] {
            if world.model.module(id(module)).unwrap().runtime == Some(id(runtime)) {
                let request = world.request(id(runtime), "create", id(module));
                world.answer(id(runtime), &request, None);
            }
        }
        world.replies.clear();
    }
    world.leave(id(1));
    assert_eq!(world.happened(EventKind::RuntimeLost), 1);
    world.sees(id(20), ModuleState::Lost, Some(id(1)));
    for module in [21, 22] {
        let record = world.model.module(id(module)).unwrap();
        assert_eq!(record.runtime, Some(id(2)), "{record:?}");
        if record.state == ModuleState::Starting {
            let request = world.request(id(2), "create", id(module));
            world.answer(id(2), &request, None);
        }
    }
    // Twice is once.
    world.leave(id(1));
    assert_eq!(world.happened(EventKind::RuntimeLost), 1);
    // It comes back with all of them: what has moved is deleted there, and what nobody has
    // started again is taken as it is.
    world.sent.clear();
    world.pass(KA / 2);
    world.keepalive(id(1), &[id(20), id(21), id(22)]);
    assert_eq!(world.happened(EventKind::Returned), 1);
    world.sees(id(20), ModuleState::Running, Some(id(1)));
    let moved = world
        .events
        .iter()
        .filter(|e| e.kind == EventKind::Removed)
        .count();
    assert_eq!(world.requests(id(1), "delete"), moved);
    assert!(moved >= 1);
    world.check();
}

#[test]
fn silence_for_three_intervals_is_loss_and_not_a_moment_less() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({"restart": "always", "parent": null}));
    world.pass(KA * 3 - Duration::from_millis(200));
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    world.keepalive(id(1), &[id(9)]);
    world.pass(KA * 3 - Duration::from_millis(200));
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    world.pass(Duration::from_millis(300));
    let runtime = world.model.runtime(id(1)).unwrap();
    assert_eq!(runtime.state, RuntimeState::Lost);
    // Nobody is there to take it, so it waits for somebody.
    world.sees(id(9), ModuleState::Waiting, None);
    world.sent.clear();
    world.register(id(2), 10);
    world.pass(Duration::from_millis(100));
    world.request(id(2), "create", id(9));
    world.check();
}

#[test]
fn nobody_is_silent_whom_we_cannot_hear() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({}));
    world.model.link(world.now, false);
    world.pass(KA * 100);
    world.model.link(world.now, true);
    // They may have to register first, which they try every few seconds.
    world.pass(KA * 4);
    assert_eq!(
        world.model.runtime(id(1)).unwrap().state,
        RuntimeState::Alive
    );
    world.pass(KA * 2);
    assert_eq!(
        world.model.runtime(id(1)).unwrap().state,
        RuntimeState::Lost
    );
    world.sees(id(9), ModuleState::Lost, Some(id(1)));
}

#[test]
fn without_keepalives_nobody_is_watched() {
    let mut config = config();
    config.keepalive = Duration::ZERO;
    let mut world = World::with(config);
    world.register(id(1), 10);
    let (_, answer) = world.sent.last().unwrap();
    assert_eq!(answer["data"]["details"]["ka_interval_sec"], 0);
    world.pass(Duration::from_secs(1000));
    assert_eq!(
        world.model.runtime(id(1)).unwrap().state,
        RuntimeState::Alive
    );
}

#[test]
fn a_pinned_module_waits_for_its_runtime() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.run(id(9), id(1), json!({"restart": "always"}));
    world.leave(id(1));
    world.sees(id(9), ModuleState::Waiting, None);
    world.pass(KA * 2);
    world.keepalive(id(2), &[]);
    world.sees(id(9), ModuleState::Waiting, None);
    world.sent.clear();
    world.register(id(1), 10);
    world.pass(Duration::from_millis(100));
    world.request(id(1), "create", id(9));
    world.check();
}

#[test]
fn what_a_runtime_says_is_so() {
    let mut world = World::new();
    // Nobody has registered: a keepalive is as good.
    world.keepalive(id(1), &[id(20), id(21)]);
    assert_eq!(world.happened(EventKind::Registered), 1);
    assert_eq!(world.happened(EventKind::Adopted), 2);
    world.sees(id(20), ModuleState::Running, Some(id(1)));
    assert_eq!(world.model.module(id(20)).unwrap().name, "child");
    let runtime = world.model.runtime(id(1)).unwrap();
    assert!(!runtime.name.is_empty());
    assert_eq!(world.events[0].name, runtime.name);
    assert_eq!(runtime.load.memory_available, Some(1 << 30));
    assert_eq!(runtime.max_nmodules, 10);
    // One is gone without a word. One is placed just now, and not in the keepalive yet.
    world.pass(KA);
    world.run(id(22), id(1), json!({}));
    world.keepalive(id(1), &[id(20)]);
    world.sees(id(21), ModuleState::Lost, Some(id(1)));
    world.sees(id(22), ModuleState::Running, Some(id(1)));
    world.pass(KA);
    world.keepalive(id(1), &[id(20), id(22)]);
    world.sees(id(22), ModuleState::Running, Some(id(1)));
    assert_eq!(world.model.module(id(22)).unwrap().usage.memory, 2);
    world.check();
}

#[test]
fn what_was_deleted_while_its_runtime_was_away_stays_deleted() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({}));
    world.ask_delete(id(9), "d");
    world.leave(id(1));
    world.told("d").unwrap();
    world.kill();
    world.keepalive(id(1), &[id(9)]);
    assert!(world.model.module(id(9)).is_none());
    world.request(id(1), "delete", id(9));
    world.check();
}

#[test]
fn a_runtime_that_dies_while_it_starts_a_module() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.ask(id(9), json!({}), "c");
    world.sees(id(9), ModuleState::Starting, Some(id(1)));
    world.leave(id(1));
    world.sees(id(9), ModuleState::Starting, Some(id(2)));
    let request = world.request(id(2), "create", id(9));
    world.answer(id(2), &request, None);
    world.told("c").unwrap();
    // It had started it all the same.
    world.keepalive(id(1), &[id(9)]);
    world.request(id(1), "delete", id(9));
    world.sees(id(9), ModuleState::Running, Some(id(2)));
    world.check();
}

#[test]
fn a_runtime_is_stopped_or_forgotten() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.model.stop_runtime(id(1), ReplyTo::Local(1));
    world.model.stop_runtime(id(7), ReplyTo::Local(2));
    world.take();
    let (to, message) = world.sent.last().unwrap();
    assert_eq!(*to, To::Runtime(id(1)));
    assert_eq!(message["data"]["type"], "runtime");
    world.leave(id(1));
    world.model.stop_runtime(id(1), ReplyTo::Local(3));
    world.take();
    assert!(world.model.runtime(id(1)).is_none());
    assert!(!world.runtimes.contains_key(&id(1)));
    let oks: Vec<_> = world
        .replies
        .iter()
        .map(|(_, outcome)| outcome.is_ok())
        .collect();
    assert_eq!(oks, [true, false, true]);
    // One that stays lost is forgotten in the end.
    world.register(id(2), 10);
    world.leave(id(2));
    world.pass(LOST_KEPT);
    assert!(world.model.runtime(id(2)).is_none());
}

/// It publishes the wills of all before it ends their connections.
#[test]
fn a_broker_that_ends_takes_no_runtime_along() {
    let mut world = World::new();
    for number in [1, 2] {
        world.register(id(number), 10);
        let policy = json!({"restart": "always", "parent": null});
        world.run(id(20 + number), id(number), policy);
    }
    let placed = |world: &World| {
        for number in [1, 2] {
            world.sees(id(20 + number), ModuleState::Running, Some(id(number)));
        }
        assert_eq!(world.happened(EventKind::RuntimeLost), 0);
    };
    world.sent.clear();
    world.says_goodbye(id(1));
    world.pass(LEAVING / 2);
    world.says_goodbye(id(2));
    placed(&world);
    world.model.link(world.now, false);
    // One that is late.
    world.says_goodbye(id(1));
    world.pass(KA * 10);
    placed(&world);
    world.model.link(world.now, true);
    for number in [1, 2] {
        world.register(id(number), 10);
        world.keepalive(id(number), &[id(20 + number)]);
    }
    placed(&world);
    let creates = world.requests(id(1), "create") + world.requests(id(2), "create");
    assert_eq!(creates, 0);
    // One that has really left gets nothing, and what it had goes on elsewhere.
    world.says_goodbye(id(1));
    world.ask(id(30), json!({}), "c");
    world.request(id(2), "create", id(30));
    let to_it = json!({"object_id": "m", "action": "delete", "type": "arts_req",
        "data": {"type": "module", "uuid": id(22), "send_to_runtime": id(1)}});
    world.client(&to_it);
    assert!(world.replies.last().unwrap().1.is_err());
    world.pass(LEAVING);
    assert_eq!(world.happened(EventKind::RuntimeLost), 1);
    world.request(id(2), "create", id(21));
    // One that comes back meanwhile has lost its modules, and nothing else.
    world.says_goodbye(id(2));
    world.register(id(2), 10);
    world.pass(LEAVING * 2);
    assert_eq!(world.happened(EventKind::RuntimeLost), 1);
    world.check();
}
