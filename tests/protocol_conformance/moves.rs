//! Modules that move to another runtime.

use base64::Engine as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::messages::{check_request, check_response, is_uuid};
use crate::modules::error;
use crate::peer::Peer;
use crate::realm::{CLIENTS, Created, Door, Realm};

/// With lists as ARTS spells them, and a field that nobody knows.
fn module(realm: &Realm, door: Door) -> Created {
    let fields = json!({"args": "['realm/wait', \"it's\"]", "env": ["A=b"], "custom": "kept",
        "parent": {"uuid": realm.runtime()}});
    let module = realm.run(door, "wait.wasm", fields);
    realm.client.wait_line(&module.uuid, "waiting");
    module
}

/// The create with which a module arrives: all that it was asked for with, and its memory.
fn check_create(message: &Value, uuid: &str) {
    check_request(message, "create", "module");
    let data = &message["data"];
    assert_eq!(data["uuid"], uuid);
    assert_eq!(data["filename"], "wait.wasm");
    assert_eq!(data["custom"], "kept");
    assert_eq!(data["args"], json!(["realm/wait", "it's"]));
    assert_eq!(data["env"], json!(["A=b"]));
    assert_ne!(data["wait_state"], true);
    let memory = data["memory"].as_str().unwrap();
    let memory = base64::engine::general_purpose::STANDARD.decode(memory);
    let memory = memory.unwrap();
    assert!(!memory.is_empty() && memory.len().is_multiple_of(65_536));
}

pub fn moves(realm: &mut Realm) {
    if realm.runtime_is_ours() {
        from_our_runtime(realm);
    }
    if realm.supervisor_is_ours() {
        by_our_supervisor(realm);
    }
}

/// A runtime is told where to, in either place.
fn from_our_runtime(realm: &Realm) {
    let control = realm.control();
    for at_top in [true, false] {
        let module = module(realm, Door::Runtime);
        let target = Uuid::new_v4().to_string();
        let id = Uuid::new_v4().to_string();
        let mut message = json!({"object_id": id, "action": "delete", "type": "arts_req",
            "data": {"type": "module", "uuid": module.uuid}});
        if at_top {
            message["send_to_runtime"] = target.clone().into();
        } else {
            message["data"]["send_to_runtime"] = target.clone().into();
        }
        realm.client.publish(&control, message.to_string());
        let answer = realm.answer(&control, &id).json();
        check_response(&answer);
        let details = &answer["data"]["details"];
        assert_eq!(
            (&details["msg"], &details["uuid"]),
            (&json!("Deleted."), &json!(module.uuid))
        );
        let topic = format!("{CLIENTS}/{target}");
        let create = realm
            .client
            .wait("the create for the target", |got| got.topic == topic);
        check_create(&create.json(), &module.uuid);
        // Its runtime has room for it again, and does not report an end.
        let reports = realm.client.count(|got| {
            got.topic == CLIENTS
                && got.json()["data"]["uuid"] == *module.uuid
                && got.json()["data"]["exit"].is_object()
        });
        assert_eq!(reports, 0);
    }
    // Where nothing is, nothing moves.
    let target = Uuid::new_v4();
    let data = json!({"type": "module", "uuid": Uuid::new_v4(), "send_to_runtime": target});
    assert_eq!(
        realm.client.request(&control, "delete", data)["result"],
        "ok"
    );
    let topic = format!("{CLIENTS}/{target}");
    assert_eq!(realm.client.count(|got| got.topic == topic), 0);
}

/// A client asks the supervisor, which tells the runtime that has the module.
fn by_our_supervisor(realm: &Realm) {
    let client = &realm.client;
    let target = Peer::register(client, json!("wasi:snapshot_preview1"));
    let module = module(realm, Door::Supervisor);
    let uuid: Uuid = module.uuid.parse().unwrap();
    let to = |target: Uuid| json!({"type": "module", "uuid": uuid, "send_to_runtime": target});
    // Nobody is there: it stays where it is.
    let answer = client.request(CLIENTS, "delete", to(Uuid::new_v4()));
    error(&answer);

    let id = client.send(CLIENTS, "delete", to(target.uuid));
    let forwarded = realm.forwarded("delete", &module.uuid).json();
    assert_eq!(forwarded["send_to_runtime"], target.uuid.to_string());
    assert!(is_uuid(&forwarded["object_id"]) && forwarded["object_id"] != *id);
    let record = &forwarded["data"];
    assert_eq!(record["type"], "module");
    assert_eq!(record["filename"], "wait.wasm");
    assert_eq!(record["parent"]["uuid"], realm.runtime());
    let create = target.request(client, "create", uuid);
    check_create(&create, &module.uuid);
    target.answer(
        client,
        &create,
        "ok",
        json!({"type": "module", "uuid": uuid}),
    );
    let answer = realm.answer(CLIENTS, &id).json();
    check_response(&answer);
    let details = &answer["data"]["details"];
    assert_eq!(details["uuid"], *module.uuid);
    assert_eq!(details["send_to_runtime"], target.uuid.to_string());

    // It is there now, and deleted there.
    let again = realm.create(Door::Supervisor, "wait.wasm", json!({"uuid": uuid}));
    error(&again.answer);
    let id = client.send(CLIENTS, "delete", json!({"type": "module", "uuid": uuid}));
    let delete = target.request(client, "delete", uuid);
    assert_eq!(delete["data"]["parent"]["uuid"], target.uuid.to_string());
    target.answer(
        client,
        &delete,
        "ok",
        json!({"msg": "Deleted.", "uuid": uuid}),
    );
    let answer = realm.answer(CLIENTS, &id).json();
    assert_eq!(answer["data"]["result"], "ok", "{answer}");
}
