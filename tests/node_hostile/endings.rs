//! Modules that come and go, a great many of them and at the worst moment.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::client::Client;
use crate::probe::{Probe, realm};
use crate::random::Random;
use crate::usage::{is_sound, settled};

const SETTINGS: &str =
    "[log]\nlevel = \"error\"\n[runtime]\nmax_modules = 100\ngrace_time = \"0s\"";

#[test]
fn two_thousand_modules_leave_nothing_behind() {
    let mut realm = realm(SETTINGS);
    let control = realm.control();
    // The other client would remember them all.
    realm.client = Client::connect(realm.broker.port());
    let probe = Probe::connect(realm.broker.port(), &[&control]);
    let mut before = None;
    for round in 0..42 {
        let uuids: Vec<_> = (0..50).map(|_| Uuid::new_v4()).collect();
        for action in ["create", "delete"] {
            let ids: Vec<_> = uuids
                .iter()
                .map(|uuid| {
                    let data = json!({"type": "module", "uuid": uuid, "filename": "wait.wasm",
                        "args": [format!("realm/{uuid}")]});
                    let id = Uuid::new_v4();
                    let message = json!({"object_id": id, "action": action, "type": "arts_req",
                        "data": data});
                    probe.publish(&control, message.to_string());
                    id
                })
                .collect();
            for id in ids {
                probe.wait_answer(&json!(id));
            }
        }
        // What is made once is there after the first hundred.
        if round == 1 {
            before = Some(settled(&realm));
        }
    }
    assert!(probe.refused().is_empty(), "{:?}", probe.refused());
    before.unwrap().is_back(&realm, "2,000 modules", 32);
    is_sound(&mut realm);
}

#[test]
fn a_delete_right_after_the_create() {
    let mut realm = realm(SETTINGS);
    let control = realm.control();
    let mut random = Random::new(2);
    let mut before = None;
    for round in 0..300 {
        if round % 50 == 0 {
            realm.client.forget();
        }
        let uuid = Uuid::new_v4();
        let file = *random.pick(&[
            "wait.wasm",
            "hello.wasm",
            "spin.wasm",
            "echo.wasm",
            "trap.wasm",
        ]);
        let create = json!({"type": "module", "uuid": uuid, "filename": file, "args": ["realm/t"]});
        let create = realm.client.send(&control, "create", create);
        std::thread::sleep(Duration::from_micros(random.next() % 4000));
        let delete = json!({"type": "module", "uuid": uuid});
        let delete = realm.client.send(&control, "delete", delete);
        realm.client.answer(&create);
        assert_eq!(realm.client.answer(&delete)["result"], "ok");
        if round == 50 {
            before = Some(settled(&realm));
        }
    }
    before
        .unwrap()
        .is_back(&realm, "deletes right after creates", 8);
    is_sound(&mut realm);
}
