//! What clients were seen to write, and what is understood of it: the module says so itself.

use serde_json::{Value, json};

use crate::modules::error;
use crate::realm::Realm;

/// The same in every spelling, as the fields of a create.
struct Spelling {
    called: &'static str,
    fields: fn() -> Value,
    args: &'static [&'static str],
    env: &'static [&'static str],
    /// Topic and mode of the channels `/ch/0`, `/ch/1` and so on.
    channels: &'static [(&'static str, &'static str)],
}

const LISTS: &[Spelling] = &[
    Spelling {
        called: "arrays",
        fields: || {
            json!({"apis": ["wasi:snapshot_preview1"], "args": ["a b", "it's"],
                "env": ["A=b=c", "COLOUR=blue"],
                "channels": [{"path": "/ch/0", "type": "pubsub", "mode": "rw",
                    "params": {"topic": "realm/light"}}]})
        },
        args: &["a b", "it's"],
        env: &["A=b=c", "COLOUR=blue"],
        channels: &[("realm/light", "rw")],
    },
    Spelling {
        called: "JSON in text",
        fields: || {
            json!({"apis": "[\"wasi:snapshot_preview1\"]", "args": "[\"a b\", \"it's\"]",
                "env": "[\"A=b=c\", \"COLOUR=blue\"]",
                "channels": "[{\"path\": \"/ch/0\", \"type\": \"pubsub\", \"mode\": \"r\", \"params\": {\"topic\": \"realm/light\"}}]"})
        },
        args: &["a b", "it's"],
        env: &["A=b=c", "COLOUR=blue"],
        channels: &[("realm/light", "r")],
    },
    Spelling {
        called: "Python",
        fields: || {
            json!({"apis": "['wasi:snapshot_preview1']", "args": "['a b', \"it's\", 'C:\\\\x']",
                "env": "['A=b=c', 'COLOUR=blue']",
                "channels": "[{'path': '/ch/0', 'type': 'pubsub', 'mode': 'w', 'params': {'topic': 'realm/light', 'x': None, 'y': True, 'z': 1.5}}, {'path': '/ch/1', 'type': 'pubsub', 'mode': 'rw', 'params': {'topic': 'realm/other'}}]"})
        },
        args: &["a b", "it's", "C:\\x"],
        env: &["A=b=c", "COLOUR=blue"],
        channels: &[("realm/light", "w"), ("realm/other", "rw")],
    },
    Spelling {
        called: "words",
        fields: || json!({"apis": "wasi:snapshot_preview1", "args": "one two", "env": "A=b=c COLOUR=blue"}),
        args: &["one", "two"],
        env: &["A=b=c", "COLOUR=blue"],
        channels: &[],
    },
    Spelling {
        called: "nothing in arrays",
        fields: || json!({"apis": [], "args": [], "env": [], "channels": []}),
        args: &[],
        env: &[],
        channels: &[],
    },
    Spelling {
        called: "nothing in texts",
        fields: || json!({"apis": "", "args": "", "env": "['']", "channels": "[]"}),
        args: &[],
        env: &[],
        channels: &[],
    },
    Spelling {
        called: "nothing at all",
        fields: || json!({"apis": null, "args": null, "env": null, "channels": null}),
        args: &[],
        env: &[],
        channels: &[],
    },
];

pub fn lists(realm: &mut Realm) {
    for &door in realm.doors() {
        for spelling in LISTS {
            let called = spelling.called;
            let module = realm.create(door, "env_args.wasm", (spelling.fields)());
            assert_eq!(module.answer["result"], "ok", "{called}: {}", module.answer);
            realm.exit_report(&module.uuid);
            let lines = realm.client.lines(&module.uuid);
            let of = |begin: &str| -> Vec<String> {
                let lines = lines.iter().filter(|line| line.starts_with(begin));
                lines.cloned().collect()
            };
            let args = spelling.args.iter().enumerate();
            let args: Vec<_> = args
                .map(|(n, arg)| format!("arg {}: {arg}", n + 1))
                .collect();
            // The first one is the file's name.
            assert_eq!(of("arg ").get(1..), Some(&*args), "{called}: {lines:?}");
            let env: Vec<_> = spelling
                .env
                .iter()
                .map(|pair| format!("env: {pair}"))
                .collect();
            assert_eq!(of("env: "), env, "{called}: {lines:?}");

            // Arrays, whatever it was, in what is answered and in what is sent on.
            let channels = spelling.channels.iter().enumerate();
            let channels: Value = channels
                .map(|(n, (topic, mode))| {
                    json!({"path": format!("/ch/{n}"), "type": "pubsub", "mode": mode,
                        "params": {"topic": topic}})
                })
                .collect();
            let mut told = Vec::new();
            if realm.our_doors().contains(&door) {
                told.push(module.details().clone());
            }
            if realm.supervisor_is_ours() && door == crate::realm::Door::Supervisor {
                told.push(realm.forwarded("create", &module.uuid).json()["data"].clone());
            }
            for data in told {
                assert_eq!(data["apis"], json!(["wasi:snapshot_preview1"]), "{called}");
                assert_eq!(data["args"], json!(spelling.args), "{called}");
                assert_eq!(data["env"], json!(spelling.env), "{called}");
                assert_eq!(data["channels"], channels, "{called}");
            }
        }
    }
}

pub fn others(realm: &mut Realm) {
    let runtime = realm.runtime().to_owned();
    for &door in realm.doors() {
        for fields in [
            json!({"parent": null}),
            json!({"parent": "{}"}),
            json!({"parent": {}}),
            json!({"parent": {"uuid": runtime}}),
            json!({"parent": format!("{{'uuid': '{runtime}'}}")}),
            json!({"parent": runtime}),
            json!({"filetype": "WASM"}),
            json!({"filetype": "WA", "fileid": "na"}),
        ] {
            // The script of a supervisor reads no such things.
            if !realm.our_doors().contains(&door) && !fields["parent"].is_null() {
                continue;
            }
            let module = realm.create(door, "hello.wasm", fields.clone());
            assert_eq!(module.answer["result"], "ok", "{fields}: {}", module.answer);
            realm.exit_report(&module.uuid);
            if realm.our_doors().contains(&door) {
                assert_eq!(module.details()["parent"]["uuid"], *runtime, "{fields}");
                assert_eq!(module.details()["filetype"], "WA", "{fields}");
            }
        }
        if !realm.our_doors().contains(&door) {
            continue;
        }
        // The whole in single quotes.
        let id = uuid::Uuid::new_v4().to_string();
        let uuid = uuid::Uuid::new_v4().to_string();
        let message = json!({"object_id": id, "action": "create", "type": "arts_req",
            "data": {"type": "module", "uuid": uuid, "filename": "hello.wasm"}});
        realm
            .client
            .publish(&realm.topic(door), format!("'{message}'"));
        let answer = realm.client.answer(&id);
        assert_eq!(answer["result"], "ok", "{answer}");
        realm.exit_report(&uuid);
        // An id may be a number, and is repeated as one.
        let topic = realm.topic(door);
        let message = json!({"object_id": 7.5, "action": "delete", "type": "arts_req",
            "data": {"type": "module", "uuid": uuid}});
        realm.client.publish(&topic, message.to_string());
        realm.client.wait("the answer to a number", |got| {
            got.topic == topic
                && got.json()["type"] == "arts_resp"
                && got.json()["object_id"] == 7.5
        });
        // Interfaces that nobody has, in a spelling of which ARTS would look for a part.
        let module = realm.create(door, "hello.wasm", json!({"apis": "['wasi:snap']"}));
        if door == crate::realm::Door::Supervisor {
            assert!(
                error(&module.answer).contains("wasi:snap"),
                "{}",
                module.answer
            );
        }
    }
}
