//! The supervisor is killed at any moment, and goes on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::super::*;
use super::harness::*;

#[test]
fn an_unanswered_create_that_the_runtime_has_got() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({}), "c");
    world.kill();
    // It is not sent again before the runtime has said what it has.
    assert_eq!(world.requests(id(1), "create"), 0);
    world.keepalive_in(id(1), &[id(9)], "loading");
    assert!(!world.was_told("c"));
    world.keepalive(id(1), &[id(9)]);
    world.told("c").unwrap();
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    assert_eq!(world.requests(id(1), "create"), 0);
    world.check();
}

#[test]
fn an_unanswered_create_that_the_runtime_has_not_got() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.register(id(2), 10);
    world.ask(id(9), json!({}), "c");
    world.kill();
    world.keepalive(id(1), &[]);
    let request = world.request(id(1), "create", id(9));
    // The first one was late, and is there by now: that is as good.
    world.answer(id(1), &request, Some("module is here already (running)"));
    world.told("c").unwrap();
    world.sees(id(9), ModuleState::Running, Some(id(1)));
    world.check();
}

#[test]
fn a_runtime_that_is_gone_after_the_restart() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({}), "c");
    world.run(id(10), id(1), json!({"restart": "always", "parent": null}));
    world.register(id(2), 10);
    world.kill();
    for _ in 0..5 {
        world.pass(KA);
        world.keepalive(id(2), &[]);
    }
    world.pass(Duration::from_secs(1));
    let request = world.request(id(2), "create", id(9));
    world.answer(id(2), &request, None);
    world.told("c").unwrap();
    let record = world.model.module(id(10)).unwrap();
    assert_eq!(record.runtime, Some(id(2)));
    world.check();
}

#[test]
fn an_unanswered_delete_is_sent_again() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({}));
    world.ask_delete(id(9), "d");
    world.kill();
    let request = world.request(id(1), "delete", id(9));
    world.answer(id(1), &request, None);
    world.told("d").unwrap();
    assert!(world.model.module(id(9)).is_none());
    world.check();
}

#[test]
fn a_registration_during_a_create_is_settled_by_the_keepalive() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.ask(id(9), json!({}), "c");
    // The broker was restarted: nobody knows what has got through.
    world.model.link(world.now, false);
    world.model.link(world.now, true);
    world.register(id(1), 10);
    world.pass(KA);
    world.keepalive(id(1), &[]);
    assert_eq!(world.requests(id(1), "create"), 2);
    let request = world.request(id(1), "create", id(9));
    world.answer(id(1), &request, None);
    world.told("c").unwrap();
    world.check();
}

#[test]
fn a_batch_that_cannot_be_written_is_written_later() {
    let mut world = World::new();
    world.register(id(1), 10);
    world.run(id(9), id(1), json!({}));
    world.ask(id(10), json!({}), "c");
    let request = world.request(id(1), "create", id(10));
    let id_of = ObjectId::from_value(&request["object_id"]).unwrap();
    let bytes = crate::protocol::Response::ok(&id_of, json!({}));
    let Ok(crate::protocol::Incoming::Response(response)) = crate::protocol::parse(&bytes, 1000)
    else {
        panic!();
    };
    world.model.answer(world.now, id(1), &response);
    let (batch, _) = world.model.take();
    assert_eq!(batch.modules.len(), 1);
    world.model.keep(&batch);
    world.take();
    assert_eq!(world.modules[&id(10)].state, ModuleState::Running);
}

/// A runtime as simple as can be.
#[derive(Clone, Debug, Default)]
struct Node {
    alive: bool,
    modules: BTreeSet<Uuid>,
    /// Requests that it has not handled yet.
    inbox: Vec<serde_json::Value>,
}

/// Nodes, and what they do with what the model sends.
struct Realm {
    world: World,
    nodes: BTreeMap<Uuid, Node>,
}

impl Realm {
    fn new() -> Realm {
        let mut config = config();
        config.ended_modules = 100;
        let mut realm = Realm {
            world: World::with(config),
            nodes: BTreeMap::new(),
        };
        for number in 1..=3 {
            let node = Node {
                alive: true,
                ..Node::default()
            };
            realm.nodes.insert(id(number), node);
            realm.world.register(id(number), 0);
        }
        realm
    }

    /// The broker takes messages to nodes that are alive.
    fn deliver(&mut self) {
        for (to, message) in std::mem::take(&mut self.world.sent) {
            if let To::Runtime(uuid) = to
                && let Some(node) = self.nodes.get_mut(&uuid)
                && node.alive
            {
                node.inbox.push(message);
            }
        }
    }

    /// A node handles its oldest request.
    fn handle(&mut self, uuid: Uuid) {
        self.deliver();
        let Some(node) = self.nodes.get_mut(&uuid) else {
            return;
        };
        if !node.alive || node.inbox.is_empty() {
            return;
        }
        let request = node.inbox.remove(0);
        let module: Uuid = request["data"]["uuid"].as_str().unwrap().parse().unwrap();
        let why_not = match request["action"].as_str() {
            Some("create") if !node.modules.insert(module) => Some("it is here already"),
            Some("delete") => {
                node.modules.remove(&module);
                None
            }
            _ => None,
        };
        self.world.answer(uuid, &request, why_not);
    }

    fn keepalive(&mut self, uuid: Uuid) {
        let node = &self.nodes[&uuid];
        if node.alive {
            let modules: Vec<_> = node.modules.iter().copied().collect();
            self.world.keepalive(uuid, &modules);
        }
    }

    fn settle(&mut self) {
        for _ in 0..30 {
            for number in 1..=3 {
                for _ in 0..200 {
                    self.handle(id(number));
                }
                self.keepalive(id(number));
            }
            self.world.pass(KA);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Delete(u8),
    Handle(u8),
    KeepAlive(u8),
    Kill,
    Blink,
    Die(u8),
    Return(u8),
    Pass(u8),
    Exit(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..6).prop_map(Step::Create),
        4 => (0u8..6).prop_map(Step::Delete),
        12 => (1u8..4).prop_map(Step::Handle),
        6 => (1u8..4).prop_map(Step::KeepAlive),
        3 => Just(Step::Kill),
        1 => Just(Step::Blink),
        1 => (1u8..4).prop_map(Step::Die),
        2 => (1u8..4).prop_map(Step::Return),
        3 => (1u8..60).prop_map(Step::Pass),
        2 => (0u8..6).prop_map(Step::Exit),
    ]
}

/// Notes which requests were granted.
fn harvest(world: &mut World, last: &mut BTreeMap<Uuid, (String, bool, bool)>) {
    for (request, _, granted) in last.values_mut() {
        let to = ReplyTo::Mqtt(ObjectId::new(request).unwrap());
        let mut replies = world.replies.iter();
        *granted |= replies.any(|(known, outcome)| *known == to && outcome.is_ok());
    }
    world.replies.clear();
}

proptest! {
    /// Whatever happens: once all is quiet, each module that the registry has running runs on
    /// exactly the runtime that it says, and nothing else runs anywhere.
    #[test]
    fn no_module_is_lost_and_none_twice(steps in proptest::collection::vec(step(), 0..120)) {
        let mut realm = Realm::new();
        let mut count = 0;
        // What was asked for last of each module, and whether it was granted.
        let mut last: BTreeMap<Uuid, (String, bool, bool)> = BTreeMap::new();
        for step in steps {
            count += 1;
            let request = format!("r{count}");
            match step {
                Step::Create(module) => {
                    let module = id(100 + u128::from(module));
                    realm.world.ask(module, json!({"restart": "always"}), &request);
                    last.insert(module, (request, true, false));
                }
                Step::Delete(module) => {
                    let module = id(100 + u128::from(module));
                    realm.world.ask_delete(module, &request);
                    last.insert(module, (request, false, false));
                }
                Step::Handle(node) => realm.handle(id(node.into())),
                Step::KeepAlive(node) => realm.keepalive(id(node.into())),
                Step::Kill => {
                    // What was sent before is with the broker.
                    realm.deliver();
                    realm.world.kill();
                }
                Step::Blink => {
                    realm.world.model.link(realm.world.now, false);
                    realm.world.sent.clear();
                    realm.world.model.link(realm.world.now, true);
                    realm.world.take();
                }
                Step::Die(node) => {
                    let node = id(node.into());
                    *realm.nodes.get_mut(&node).unwrap() = Node::default();
                    realm.world.leave(node);
                }
                Step::Return(node) => {
                    let node = id(node.into());
                    realm.nodes.get_mut(&node).unwrap().alive = true;
                    realm.world.register(node, 0);
                }
                Step::Pass(tenths) => realm.world.pass(Duration::from_millis(u64::from(tenths) * 100)),
                Step::Exit(module) => {
                    let module = id(100 + u128::from(module));
                    let mut had = false;
                    for node in realm.nodes.values_mut() {
                        had |= node.modules.remove(&module);
                    }
                    if had {
                        realm.world.exit(module, "trapped", 134);
                    }
                }
            }
            realm.world.check();
            harvest(&mut realm.world, &mut last);
        }
        for node in 1..=3 {
            realm.nodes.get_mut(&id(node)).unwrap().alive = true;
            realm.world.register(id(node), 0);
        }
        realm.settle();
        realm.world.check();
        let mut running: BTreeMap<Uuid, Uuid> = BTreeMap::new();
        for (node, state) in &realm.nodes {
            for module in &state.modules {
                let twice = running.insert(*module, *node);
                prop_assert!(twice.is_none(), "{} runs twice", module);
            }
        }
        let known: BTreeMap<_, _> = realm.world.model.modules().iter()
            .filter(|m| m.state == ModuleState::Running)
            .map(|m| (m.uuid, m.runtime.unwrap()))
            .collect();
        prop_assert_eq!(&running, &known);
        for module in realm.world.model.modules() {
            prop_assert!(module.state == ModuleState::Running, "{:?}", module);
        }
        harvest(&mut realm.world, &mut last);
        for (module, (request, create, granted)) in last {
            if granted {
                prop_assert_eq!(running.contains_key(&module), create, "{} of {}", request, module);
            }
        }
    }
}
