//! The module store.

use arena_runtime::trust::{SigningKey, sign, sign_detached};
use serde_json::json;

use crate::arts::Arts;
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};
use crate::schema::Description;

/// A module of so many bytes: nothing, and a section that nobody reads.
fn module(size: usize) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0\0".to_vec();
    let content = size - bytes.len() - 5;
    let mut left = content;
    for at in 0..5 {
        let digits = u8::try_from(left & 0x7f).unwrap();
        bytes.push(if at < 4 { digits | 0x80 } else { digits });
        left >>= 7;
    }
    // Its name is empty.
    bytes.resize(size, 0);
    bytes
}

#[test]
fn files_come_and_go() {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &["--set=supervisor.upload_size=1MiB"]);
    let api = &arts.api;
    let described = Description::of(api);
    let path = "/store/users/me/dir/a.wasm";
    let first = module(1 << 20);
    let file = api.put(path, &first).granted(201);
    described.check("/store/users/{user}/{filename}", "PUT", 201, &file);
    assert_eq!(file["size"], 1 << 20);
    assert_eq!(file["path"], path);
    let got = api.get(path);
    assert_eq!(got.status, 200);
    assert_eq!(got.headers["content-type"], "application/wasm");
    assert_eq!(got.headers["content-length"], (1 << 20).to_string());
    let etag = got.headers["etag"].clone();
    assert_eq!(etag, format!("\"{}\"", file["sha256"].as_str().unwrap()));
    assert!(got.body == first);
    let head = api.send("HEAD", path, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["etag"], etag);
    let weak = format!("\"other\", W/{etag}");
    for known in [&etag, &weak, "*"] {
        let same = api.send("GET", path, &[("If-None-Match", known)], b"");
        assert_eq!((same.status, same.body.len()), (304, 0));
    }

    // Another one in its place, in pieces whose number nobody knows before.
    let second = module(100_000);
    let head = format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let mut bytes = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in second.chunks(999) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    assert_eq!(api.raw(&bytes).granted(200)["size"], 100_000);
    let got = api.send("GET", path, &[("If-None-Match", &etag)], b"");
    assert!(got.status == 200 && got.body == second);

    // What is not to be in there, and changes nothing.
    let large = module((1 << 20) + 1);
    api.put(path, &large).refused(413, "too-large");
    api.put(path, b"#!/bin/sh").refused(422, "not-a-module");
    api.put(path, b"").refused(422, "not-a-module");
    api.put(path, b"\0as").refused(422, "not-a-module");
    api.put(path, &second[..50_000])
        .refused(422, "not-a-module");
    api.put(path, b"\0aot\x05\0\0\0")
        .refused(422, "not-a-module");
    let listed = api.get("/api/v1/files").granted(200);
    assert_eq!(listed["files"].as_array().unwrap().len(), 1);
    assert_eq!(listed["files"][0]["size"], 100_000);
    let files = |dir: &str| {
        std::fs::read_dir(arts.dir().join("data/store").join(dir))
            .unwrap()
            .count()
    };
    assert_eq!((files("objects"), files("users")), (1, 1));

    let gone = api.delete(path).granted(200);
    assert_eq!(gone["name"], "me/dir/a.wasm");
    api.get(path).refused(404, "unknown");
    api.delete(path).refused(404, "unknown");
    assert_eq!((files("objects"), files("users")), (0, 0));
}

#[test]
fn runtimes_take_their_files_from_it() {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[]);
    let settings = format!("[store]\nurl = \"http://{}/store\"\n", arts.api.address);
    let runtime = Runtime::start(broker.port(), &settings);
    arts.wait_runtimes(1);
    let api = &arts.api;
    let file = runtime.apps().join("hello.wasm");
    let hello = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let body = json!({"name": "me/hi", "filename": "hello.wasm"});
    api.post("/api/v1/modules", &body).refused(422, "rejected");
    api.put("/store/users/me/hi/hello.wasm", &hello)
        .granted(201);
    for _ in 0..2 {
        let made = api.post("/api/v1/modules", &body).granted(201);
        let path = format!(
            "/api/v1/modules/{}",
            made["modules"][0]["uuid"].as_str().unwrap()
        );
        wait_until("it has ended", || {
            api.get(&path).granted(200)["state"] == "exited"
        });
    }
}

#[test]
fn signatures_go_with_modules() {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[]);
    let dir = tempfile::tempdir().unwrap();
    let (key, public) = SigningKey::create(&dir.path().join("ops")).unwrap();
    let _runtime = Runtime::start(
        broker.port(),
        &format!(
            "[security]\nrequire_signed_modules = true\ntrusted_keys = [{public:?}]\n\
             [store]\nurl = \"http://{}/store\"\n",
            arts.api.address
        ),
    );
    wait_until("it is registered", || {
        arts.api.get("/api/v1/runtimes").granted(200)["runtimes"][0].is_object()
    });
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/wasm-samples/build/hello.wasm");
    let file = dir.path().join("hello.wasm");
    std::fs::copy(hello, &file).unwrap();
    let deploy = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_arena"));
        command.args(["deploy", "--wait", "--server"]);
        let done = command
            .arg(arts.api.address.to_string())
            .arg(&file)
            .output();
        done.unwrap()
    };
    let refused = deploy();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && error.contains("not signed"),
        "{error}"
    );
    // Beside the file: it goes into what is uploaded.
    let unsigned = std::fs::read(&file).unwrap();
    let signature = sign_detached(&unsigned, None, &key).unwrap();
    let beside = dir.path().join("hello.wasm.sig");
    std::fs::write(&beside, signature).unwrap();
    let done = deploy();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(done.stdout, b"Hello from WebAssembly!\n");
    // In the file.
    std::fs::remove_file(beside).unwrap();
    std::fs::write(&file, sign(&unsigned, &key).unwrap()).unwrap();
    assert!(deploy().status.success());
}
