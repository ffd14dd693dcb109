//! A runtime that runs only what is signed, wherever it comes from.

use std::fs;
use std::path::Path;

use arena_runtime::trust::{SigningKey, sign, sign_detached};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::files::{refused, serve};
use crate::runtime::Realm;

/// A runtime that wants signatures, and a key that it trusts.
fn realm(more: &str) -> (Realm, SigningKey, tempfile::TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let (key, public) = SigningKey::create(&keys.path().join("ops")).unwrap();
    let settings =
        format!("{more}\n[security]\nrequire_signed_modules = true\ntrusted_keys = [{public:?}]\n");
    (Realm::start(&settings), key, keys)
}

fn runs(realm: &Realm, filename: &str, more: Value) {
    let module = realm.run(filename, more);
    assert_eq!(realm.exit(&module)["code"], 0);
}

#[test]
fn from_the_directory_and_in_the_message() {
    let (realm, key, keys) = realm("");
    let apps = realm.runtime.apps();
    let hello = fs::read(apps.join("hello.wasm")).unwrap();
    let why = refused(
        &realm,
        json!({"name": "me/hello", "filename": "hello.wasm"}),
    );
    let expected = format!("signed by {} (ops.pub)", key.public());
    assert!(
        why.contains("\"me/hello\"") && why.contains("not signed"),
        "{why}"
    );
    assert!(why.contains(&expected), "{why}");
    let signed = sign(&hello, &key).unwrap();
    fs::write(apps.join("signed.wasm"), &signed).unwrap();
    runs(&realm, "signed.wasm", json!({}));
    // Now that it is loaded, and while it runs, another file of the same code is not let in.
    let why = refused(&realm, json!({"filename": "hello.wasm"}));
    assert!(why.contains("not signed"), "{why}");

    // Beside it.
    let detached = sign_detached(&hello, None, &key).unwrap();
    fs::write(apps.join("hello.wasm.sig"), &detached).unwrap();
    runs(&realm, "hello.wasm", json!({}));
    fs::write(apps.join("hello.wasm.sig"), "nonsense").unwrap();
    let why = refused(&realm, json!({"filename": "hello.wasm"}));
    assert!(why.contains("cannot be read"), "{why}");

    runs(
        &realm,
        "inline.wasm",
        json!({"wasm": STANDARD.encode(&signed)}),
    );
    let mut changed = signed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let (stranger, _) = SigningKey::create(&keys.path().join("stranger")).unwrap();
    for (file, expected) in [
        (&hello, "not signed"),
        (&changed, "is not what"),
        (&sign(&hello, &stranger).unwrap(), "is signed by"),
        (&b"\0aot\x06\0\0\0rest".to_vec(), "native code"),
    ] {
        let why = refused(
            &realm,
            json!({"wasm": STANDARD.encode(file), "filename": "x"}),
        );
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn from_a_store_and_from_its_cache() {
    let hello = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/wasm-samples/build/hello.wasm"
    ));
    let hello = hello.unwrap();
    let keys = tempfile::tempdir().unwrap();
    let (key, public) = SigningKey::create(&keys.path().join("ops")).unwrap();
    let security =
        format!("[security]\nrequire_signed_modules = true\ntrusted_keys = [{public:?}]\n");
    let store = |port: u16| format!("{security}[store]\nurl = \"http://127.0.0.1:{port}/store\"\n");
    let named = json!({"name": "me/prog"});
    // Signed, from the store and then, when nobody serves any more, from the cache.
    let realm = Realm::start(&store(serve(sign(&hello, &key).unwrap(), 1)));
    runs(&realm, "app.wasm", named.clone());
    runs(&realm, "app.wasm", named.clone());
    // Not signed: looked for beside it in vain, and refused. What comes from the cache, too.
    let realm = Realm::start(&store(serve(hello, 3)));
    for _ in 0..2 {
        let why = refused(&realm, json!({"name": "me/prog", "filename": "app.wasm"}));
        assert!(
            why.contains("not signed") || why.contains("app.wasm.sig"),
            "{why}"
        );
    }
}

/// A file that somebody changes under a name that is trusted.
#[test]
fn what_replaces_a_signed_file_is_refused() {
    let (realm, key, _keys) = realm("");
    let apps = realm.runtime.apps();
    let file = apps.join("app.wasm");
    let write = |name: &str, path: &Path| {
        let bytes = fs::read(apps.join(name)).unwrap();
        fs::write(path, sign(&bytes, &key).unwrap()).unwrap();
    };
    write("hello.wasm", &file);
    runs(&realm, "app.wasm", json!({}));
    fs::copy(apps.join("args-env.wasm"), &file).unwrap();
    let why = refused(&realm, json!({"filename": "app.wasm"}));
    assert!(why.contains("not signed"), "{why}");
    write("args-env.wasm", &file);
    runs(&realm, "app.wasm", json!({}));
}

/// Code that was compiled before signatures were wanted does not help, and signed native code runs.
#[test]
fn native_code() {
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        eprintln!("ARENA_AOTC is not set: not tested");
        return;
    };
    let (realm, key, keys) = realm(&format!(
        "[engine]\nmode = \"aot\"\ncompiler = {compiler:?}\ncpu = {:?}",
        crate::compiled::cpu()
    ));
    let apps = realm.runtime.apps();
    let aot = keys.path().join("hello.aot");
    let compiled = std::process::Command::new(compiler)
        .args(["--target", &crate::program::arch()])
        .arg(apps.join("hello.wasm"))
        .arg("-o")
        .arg(&aot)
        .output()
        .unwrap();
    assert!(compiled.status.success());
    let native = fs::read(aot).unwrap();
    fs::write(apps.join("hello.aot"), &native).unwrap();
    let why = refused(&realm, json!({"filename": "hello.aot"}));
    assert!(why.contains("native code"), "{why}");
    fs::write(apps.join("hello.aot"), sign(&native, &key).unwrap()).unwrap();
    runs(&realm, "hello.aot", json!({}));
    let signed = sign(&fs::read(apps.join("hello.wasm")).unwrap(), &key).unwrap();
    fs::write(apps.join("signed.wasm"), signed).unwrap();
    runs(&realm, "signed.wasm", json!({}));
    let why = refused(&realm, json!({"filename": "hello.wasm"}));
    assert!(why.contains("not signed"), "{why}");
}
