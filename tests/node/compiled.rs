//! Modules that are compiled. `ARENA_AOTC` names the compiler; without it these tests are skipped.

use std::fs;

use serde_json::{Value, json};

use crate::program::is_emulated;
use crate::runtime::{Realm, wait_until};

/// A realm whose runtime compiles, as these lines in `[engine]` have it.
fn realm(more: &str) -> Option<Realm> {
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        eprintln!("ARENA_AOTC is not set: not tested");
        return None;
    };
    let cpu = cpu();
    let settings = format!("[engine]\ncompiler = {compiler:?}\ncpu = {cpu:?}\n{more}\n");
    Some(Realm::start(&settings))
}

/// The processor to compile for. Where the runtime is emulated the compiler is not, and knows nothing
/// of that processor.
pub(crate) fn cpu() -> &'static str {
    if is_emulated() { "baseline" } else { "native" }
}

/// Asks for the file, and returns the module's uuid and what executes it.
fn start(realm: &Realm, filename: &str) -> (String, Value) {
    let uuid = uuid::Uuid::new_v4().to_string();
    let answer = realm.create(json!({"uuid": uuid, "name": "test", "filename": filename}));
    assert_eq!(answer["result"], "ok", "{answer}");
    (uuid, answer["details"]["engine"].clone())
}

fn artifacts(realm: &Realm) -> usize {
    let files = fs::read_dir(realm.runtime.dir().join("cache/compiled"));
    let names = files.into_iter().flatten().flatten();
    names
        .filter(|file| file.path().extension().is_some_and(|end| end == "arenaot"))
        .count()
}

#[test]
fn a_module_is_interpreted_and_compiled_for_its_next_start() {
    let Some(realm) = realm("mode = \"auto\"") else {
        return;
    };
    let (first, engine) = start(&realm, "hello.wasm");
    assert_eq!(engine, "interpreter");
    assert_eq!(realm.exit(&first)["reason"], "returned");
    wait_until("the module is compiled", || artifacts(&realm) == 1);
    let (second, engine) = start(&realm, "hello.wasm");
    assert_eq!(engine, "aot");
    assert_eq!(realm.exit(&second)["reason"], "returned");
    assert_eq!(realm.client.lines(&first), realm.client.lines(&second));
}

#[test]
fn an_instance_that_runs_does_not_keep_its_neighbours_interpreted() {
    let Some(realm) = realm("mode = \"auto\"") else {
        return;
    };
    let (interpreted, engine) = start(&realm, "endless-loop.wasm");
    assert_eq!(engine, "interpreter");
    wait_until("the module is compiled", || artifacts(&realm) == 1);
    let (compiled, engine) = start(&realm, "endless-loop.wasm");
    assert_eq!(engine, "aot");
    // Each tells in its keepalives what executes it.
    for (module, engine) in [(&interpreted, "interpreter"), (&compiled, "aot")] {
        realm.client.wait("a keepalive with both", |got| {
            got.topic == "realm/proc/keepalive"
                && got.json()["data"]["children"]
                    .as_array()
                    .is_some_and(|children| {
                        let is =
                            |child: &Value| child["uuid"] == **module && child["engine"] == engine;
                        children.iter().any(is)
                    })
        });
    }
    for module in [&interpreted, &compiled] {
        let answer = realm.delete(module);
        assert_eq!(answer["result"], "ok", "{answer}");
        assert_eq!(answer["details"]["exit"]["reason"], "stopped", "{answer}");
    }
}

#[test]
fn only_compiled_code_runs_where_the_settings_say_so() {
    let Some(realm) = realm("mode = \"aot\"") else {
        return;
    };
    let (module, engine) = start(&realm, "hello.wasm");
    assert_eq!(engine, "aot");
    assert_eq!(realm.exit(&module)["reason"], "returned");
    let (module, _) = start(&realm, "trap-divide-by-zero.wasm");
    let exit = realm.exit(&module);
    assert_eq!(exit["reason"], "trapped");
    let message = exit["message"].as_str().unwrap();
    assert!(message.contains("divide by zero"), "{message}");
}

#[test]
fn cpu_time_is_bounded_in_compiled_code() {
    let Some(realm) = realm("mode = \"aot\"") else {
        return;
    };
    let uuid = uuid::Uuid::new_v4().to_string();
    let answer = realm.create(json!({
        "uuid": uuid, "name": "test", "filename": "endless-loop.wasm", "resources": {"cpu_ms": 100},
    }));
    assert_eq!(answer["details"]["engine"], "aot", "{answer}");
    let exit = realm.exit(&uuid);
    assert_eq!(
        (&exit["reason"], &exit["code"]),
        (&json!("stopped"), &json!(152))
    );
}

#[test]
fn a_compiler_that_fails_harms_no_module() {
    let realm = Realm::start("[engine]\nmode = \"auto\"\ncompiler = \"/bin/false\"\n");
    for _ in 0..2 {
        let (module, engine) = start(&realm, "hello.wasm");
        assert_eq!(engine, "interpreter");
        assert_eq!(realm.exit(&module)["reason"], "returned");
    }
    let realm = Realm::start("[engine]\nmode = \"aot\"\ncompiler = \"/bin/false\"\n");
    let answer = realm.create(json!({
        "uuid": uuid::Uuid::new_v4(), "name": "test", "filename": "hello.wasm",
    }));
    assert_eq!(answer["result"], "error", "{answer}");
    assert!(
        answer["details"].to_string().contains("native code"),
        "{answer}"
    );
}
