//! Control messages as large as they can be.

use base64::Engine as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::probe::realm;
use crate::usage::{is_sound, settled};

const SIZE: usize = 64 << 20;

/// The reason in an answer that says no.
fn refusal(answer: &Value) -> &str {
    assert_eq!(answer["result"], "error", "{answer:.300}");
    answer["details"].as_str().unwrap()
}

#[test]
fn messages_of_64_mib() {
    let mut realm = realm("[log]\nlevel = \"warn\"\n");
    let control = realm.control();
    let hello = |realm: &crate::runtime::Realm| {
        let module = realm.run("hello.wasm", json!({}));
        assert_eq!(realm.exit(&module)["code"], 0);
    };
    hello(&realm);
    let before = settled(&realm);

    // Well-formed, with one field that is nothing but large.
    for field in ["name", "filename", "unheard_of", "args"] {
        let mut data = json!({"type": "module", "uuid": Uuid::new_v4(), "filename": "none.wasm"});
        data[field] = "x".repeat(SIZE).into();
        let answer = realm.client.request(&control, "create", data);
        let why = refusal(&answer);
        assert!(!why.is_empty() && why.len() < 1000, "{field}: {why:.300}");
        println!("{field}: {why}");
        realm.client.forget();
    }
    // A file that is none.
    let file = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; SIZE / 4 * 3]);
    let data = json!({"type": "module", "uuid": Uuid::new_v4(), "wasm": file});
    let answer = realm.client.request(&control, "create", data);
    let why = refusal(&answer);
    assert!(
        why.contains("wasm") || why.contains("WebAssembly"),
        "{why:.300}"
    );
    println!("wasm: {why}");
    // No message at all.
    let mut random = crate::random::Random::new(4);
    realm.client.publish(
        &control,
        (0..SIZE).map(|_| random.byte()).collect::<Vec<_>>(),
    );
    realm.client.publish(&control, vec![b'['; SIZE]);

    hello(&realm);
    realm.client.forget();
    before.is_back(&realm, "messages of 64 MiB", 16);
    is_sound(&mut realm);
}
