//! Where module files come from, and what is wrong with those that do not run.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::runtime::Realm;

pub fn refused(realm: &Realm, more: Value) -> String {
    let mut data = json!({"uuid": uuid::Uuid::new_v4()});
    for (key, value) in more.as_object().unwrap() {
        data[key] = value.clone();
    }
    let answer = realm.create(data);
    assert_eq!(answer["result"], "error", "{answer}");
    answer["details"].as_str().unwrap().to_owned()
}

#[test]
fn what_does_not_run_says_why() {
    let realm = Realm::start("[limits]\nmodule_size = \"1MiB\"");
    let apps = realm.runtime.apps();
    std::fs::write(apps.join("text.wasm"), "hello").unwrap();
    std::fs::write(apps.join("big.wasm"), vec![0; (1 << 20) + 1]).unwrap();
    let wants = wat::parse_str(r#"(module (import "env" "warp" (func)) (func (export "_start")))"#)
        .unwrap();
    std::fs::write(apps.join("wants.wasm"), wants).unwrap();
    std::fs::write(
        apps.join("cut.wasm"),
        &std::fs::read(apps.join("hello.wasm")).unwrap()[..1000],
    )
    .unwrap();
    std::fs::write(apps.join("aot.wasm"), b"\0aot\x05\0\0\0rest").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", apps.join("link.wasm")).unwrap();
    for (filename, expected) in [
        ("missing.wasm", "there is no file \"missing.wasm\""),
        ("text.wasm", "not a WebAssembly module"),
        ("big.wasm", "larger than"),
        ("wants.wasm", "\"env\" \"warp\""),
        ("cut.wasm", "not valid"),
        ("aot.wasm", "AOT"),
        ("library.wasm", "_start"),
        ("link.wasm", "leads out"),
        ("../state/runtime-uuid", "leads out"),
        ("/etc/passwd", "leads out"),
        (".", "not a regular file"),
    ] {
        let why = refused(&realm, json!({"filename": filename}));
        assert!(why.contains(expected), "{filename}: {why}");
    }
}

#[test]
fn inline_modules() {
    let realm = Realm::start("");
    let hello = std::fs::read(realm.runtime.apps().join("hello.wasm")).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(&hello);
    let id = realm.run("hello.wasm", json!({"wasm": text}));
    assert_eq!(realm.exit(&id)["code"], 0);
    let why = refused(&realm, json!({"wasm": "no base64!"}));
    assert!(why.contains("wasm"), "{why}");
    let why = refused(&realm, json!({"wasm": ""}));
    assert!(why.contains("filename") || why.contains("empty"), "{why}");
}

/// Serves one file at /store/users/me/prog/app.wasm for this many requests.
pub fn serve(file: Vec<u8>, requests: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for _ in 0..requests {
            let (stream, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let answer = if !head.starts_with("GET /store/users/me/prog/app.wasm ") {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            } else if head.to_lowercase().contains("if-none-match: \"1\"") {
                b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec()
            } else {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    file.len()
                );
                [head.as_bytes(), &file].concat()
            };
            (&stream).write_all(&answer).unwrap();
        }
    });
    port
}

/// Sends everybody to this place.
fn redirect(to: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    port
}

/// Whether the sandbox keeps it from the place depends on the kernel.
#[test]
fn a_store_that_sends_us_where_we_do_not_get() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("http://{}/app.wasm", nobody.local_addr().unwrap());
    drop(nobody);
    let port = redirect(elsewhere.clone());
    let realm = Realm::start(&format!("[store]\nurl = \"http://127.0.0.1:{port}/store\""));
    let why = refused(&realm, json!({"name": "me/prog", "filename": "app.wasm"}));
    assert!(
        why.contains(&format!("it sends us to {elsewhere}")),
        "{why}"
    );
    let denied = why.to_lowercase().contains("denied");
    assert_eq!(denied, why.contains("In the sandbox"), "{why}");
}

#[test]
fn modules_from_a_store() {
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/wasm-samples/build/hello.wasm");
    let port = serve(std::fs::read(hello).unwrap(), 3);
    let realm = Realm::start(&format!("[store]\nurl = \"http://127.0.0.1:{port}/store\""));
    for _ in 0..2 {
        let id = realm.run("app.wasm", json!({"name": "me/prog"}));
        assert_eq!(realm.exit(&id)["code"], 0);
    }
    let why = refused(&realm, json!({"name": "me/prog", "filename": "other.wasm"}));
    assert!(why.contains("users/me/prog/other.wasm"), "{why}");
    // Nobody serves any more: the cache does.
    let id = realm.run("app.wasm", json!({"name": "me/prog"}));
    assert_eq!(realm.exit(&id)["code"], 0);
    let why = refused(&realm, json!({"name": "../..", "filename": "app.wasm"}));
    assert!(why.contains("\"../..\""), "{why}");
}
