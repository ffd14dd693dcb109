//! What is none of ours is refused, in words, and changes nothing.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::arena_broker::ArenaBroker;
use crate::arts::{Arts, command};
use crate::mosquitto::free_port;
use crate::runtime::Runtime;
use crate::schema::Description;

/// All that could have changed. A request that reached the scheduler would be among the events.
fn everything(arts: &Arts) -> Value {
    let mut stats = arts.api.get("/api/v1/stats").granted(200);
    let modules: Vec<_> = arts.modules().iter().map(|m| m["uuid"].clone()).collect();
    json!({
        "modules": modules,
        "files": arts.api.get("/api/v1/files").granted(200),
        "events": arts.api.get("/api/v1/events").text(),
        "store": stats["store"].take(),
    })
}

#[test]
fn bad_requests_change_nothing() {
    let broker = ArenaBroker::start();
    let arts = Arts::start(broker.port(), &[]);
    let runtime = Runtime::start(broker.port(), "");
    arts.wait_runtimes(1);
    let api = &arts.api;
    let wait = json!({"filename": "wait.wasm", "name": "innocent"});
    api.post("/api/v1/modules", &wait).granted(201);
    let wasm = std::fs::read(runtime.apps().join("wait.wasm")).unwrap();
    api.put("/store/users/me/wait.wasm", &wasm).granted(201);
    let before = everything(&arts);
    every_route(&arts);
    bodies(&arts);
    names_in_the_store(&arts);
    no_http(&arts);
    pages_of_others(&arts);
    assert_eq!(everything(&arts), before);
    assert!(!arts.log().contains("panicked"), "{}", arts.log());
}

/// On every route: a wrong method, a parameter that it does not have, and unknown ids.
fn every_route(arts: &Arts) {
    let api = &arts.api;
    let described = Description::of(api);
    let operations = described.operations();
    assert!(operations.len() > 20);
    for (path, method) in &operations {
        let real = path
            .replace("{user}", "nobody")
            .replace("{filename}", "none.wasm")
            .replace("{uuid}", "0")
            .replace("{id}", "nobody");
        api.send("PATCH", &real, &[], b"{}").refused(405, "method");
        let odd = api.send(method, &format!("{real}?odd=1"), &[], b"");
        assert_eq!(odd.refused(400, "invalid")["field"], "odd");
        if path.contains("{id}") || (path.contains("{user}") && method != "PUT") {
            let answer = api.send(method, &real, &[], b"");
            let error = answer.refused(404, "unknown");
            described.check(path, method, 404, &error);
        }
        let bytes = api.send(method, &real.replace("nobody", "%ff%fe"), &[], b"");
        assert!(
            real == *path || (400..500).contains(&bytes.status) || path.starts_with("/arts-api")
        );
    }
    for path in [
        "/dashboard",
        "/dashboard/",
        "/dashboard/../app.js",
        "/api",
        "/api/v1/",
        "/api/v1/modules/",
        "/store",
        "//",
        "/api/v1/%6dodules/",
    ] {
        api.get(path).refused(404, "unknown");
    }
    for (path, field) in [
        ("/api/v1/modules?state=dead", "state"),
        ("/api/v1/modules?state=running&state=lost", "state"),
        ("/api/v1/modules?limit=0", "limit"),
        ("/api/v1/modules?limit=all", "limit"),
        ("/api/v1/modules?after=innocent", "after"),
        ("/api/v1/events?after=-1", "after"),
        ("/api/v1/events?follow=yes", "follow"),
        ("/api/v1/modules/innocent/logs?tail=many", "tail"),
        (
            "/api/v1/modules/innocent/logs?tail=99999999999999999999",
            "tail",
        ),
    ] {
        assert_eq!(api.get(path).refused(400, "invalid")["field"], field);
    }
    let last = [("Last-Event-ID", "x")];
    api.send("GET", "/api/v1/events", &last, b"")
        .refused(400, "invalid");
    let runtime = "/api/v1/modules?runtime=none";
    assert_eq!(api.get(runtime).refused(404, "unknown")["field"], "runtime");
    api.get("/api/v1/modules/in").refused(404, "unknown");
    api.get(&format!("/api/v1/modules/{}", "x".repeat(20_000)))
        .refused(404, "unknown");
}

/// Bodies of `POST /api/v1/modules`.
fn bodies(arts: &Arts) {
    let api = &arts.api;
    let path = "/api/v1/modules";
    for text in [
        "",
        "{",
        "nonsense",
        "{\"filename\": \"a\"",
        "{'filename': 'a'}",
        "\u{0}",
        "{\"filename\": \"a\"} {}",
    ] {
        let error = api.post_text(path, text).refused(400, "invalid");
        assert!(error["error"].as_str().unwrap().contains("JSON"), "{error}");
    }
    let nested = format!(
        "{{\"labels\": {}1{}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    for text in ["[]", "5", "null", "\"text\"", &nested] {
        api.post_text(path, text).refused(400, "invalid");
    }
    api.post_text(path, "{\"name\": \"a\", \"name\": \"b\"}")
        .refused(400, "invalid");
    // Each with the field that is wrong.
    for (body, field) in [
        (json!({}), "filename"),
        (json!({"filename": 5}), "filename"),
        (json!({"filename": "a", "wasm": "AGFzbQ=="}), "wasm"),
        (json!({"filename": "a", "file": "me/wait.wasm"}), "file"),
        (json!({"wasm": "no base64!"}), "wasm"),
        (json!({"filename": "a", "nme": "b"}), "nme"),
        (json!({"filename": "a", "name": ["b"]}), "name"),
        (
            json!({"filename": "a", "name": "x".repeat(100_000)}),
            "name",
        ),
        (json!({"filename": "a", "uuid": "1234"}), "uuid"),
        (json!({"filename": "a", "args": "one two"}), "args"),
        (json!({"filename": "a", "args": ["one", 2]}), "args[1]"),
        (json!({"filename": "a", "args": ["a\u{0}b"]}), "args[0]"),
        (json!({"filename": "a", "env": 5}), "env"),
        (json!({"filename": "a", "env": ["A"]}), "env[0]"),
        (json!({"filename": "a", "env": {"A": 1}}), "env"),
        (json!({"filename": "a", "env": {"": "1"}}), "env[0]"),
        (json!({"filename": "a", "channels": {}}), "channels"),
        (
            json!({"filename": "a", "channels": [{"path": "/x"}]}),
            "channels[0]",
        ),
        (
            json!({"filename": "a", "channels": [{"path": "/x", "topic": "t", "qos": 3}]}),
            "channels[0].qos",
        ),
        (
            json!({"filename": "a", "channels": [{"path": "/x", "topic": "t", "mode": "x"}]}),
            "channels[0].mode",
        ),
        (
            json!({"filename": "a", "channels": [{"path": "/x", "topic": "t", "params": {}}]}),
            "channels[0].params",
        ),
        (json!({"filename": "a", "memory": -1}), "memory"),
        (json!({"filename": "a", "memory": "much"}), "memory"),
        (
            json!({"filename": "a", "memory": 1, "resources": {"memory": 2}}),
            "memory",
        ),
        (json!({"filename": "a", "restart": "sometimes"}), "restart"),
        (
            json!({"filename": "a", "resources": {"disk": 1}}),
            "resources.disk",
        ),
        (
            json!({"filename": "a", "resources": {"period": "1"}}),
            "resources.period",
        ),
        (json!({"filename": "a", "labels": ["a=b"]}), "labels"),
        (json!({"filename": "a", "arch": "x86_64"}), "arch"),
        (json!({"filename": "a", "wait": "yes"}), "wait"),
        (json!({"filename": "a", "replicas": 0}), "replicas"),
        (json!({"filename": "a", "replicas": 101}), "replicas"),
        (
            json!({"filename": "a", "replicas": 2, "uuid": uuid::Uuid::new_v4()}),
            "uuid",
        ),
        (json!({"file": "../../etc/passwd"}), "file"),
        (json!({"file": "wait.wasm"}), "file"),
    ] {
        let error = api.post(path, &body).refused(400, "invalid");
        assert_eq!(error["field"], field, "{error}");
    }
    for (body, field) in [
        (json!({"file": "me/none.wasm"}), "file"),
        (json!({"sha256": "0".repeat(64)}), "sha256"),
        (json!({"sha256": "../objects"}), "sha256"),
        (json!({"filename": "a", "runtime": "none"}), "runtime"),
    ] {
        let error = api.post(path, &body).refused(404, "unknown");
        assert_eq!(error["field"], field, "{error}");
    }
    let body = b"{\"filename\": \"wait.wasm\"}";
    for kind in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
    ] {
        api.send("POST", path, kind, body).refused(415, "type");
    }
    // As long as it says, or longer than it may be.
    let head = "POST /api/v1/modules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: 99999999999\r\n\r\n{{");
    api.raw(announced.as_bytes()).refused(413, "too-large");
}

fn names_in_the_store(arts: &Arts) {
    let api = &arts.api;
    let wasm = b"\0asm\x01\0\0\0";
    for name in [
        "..%2fescape.wasm",
        "me/..%2f..%2fescape.wasm",
        "me/../../escape.wasm",
        "../escape.wasm",
        "me/%2e%2e/escape.wasm",
        "me/.hidden",
        ".me/a.wasm",
        "me/a%00.wasm",
        "me/a%5c..%5cb",
        "me/a b.wasm",
        "me/%c3%a9.wasm",
        "me//a.wasm",
        "me/a.wasm/",
        &format!("me/{}.wasm", "x".repeat(300)),
    ] {
        // A space would end the path.
        let path = format!("/store/users/{}", name.replace(' ', "%20"));
        for (method, body) in [("PUT", &wasm[..]), ("GET", b""), ("DELETE", b"")] {
            let answer = api.send(method, &path, &[], body);
            let kind = if answer.status == 404 {
                "unknown"
            } else {
                "invalid"
            };
            let kind = if answer.status == 405 { "method" } else { kind };
            assert!(
                answer.status < 500 && answer.status >= 400,
                "{method} {path}: {}",
                answer.status
            );
            answer.refused(answer.status, kind);
        }
    }
    assert!(!arts.dir().join("escape.wasm").exists());
    assert!(!arts.dir().join("data/escape.wasm").exists());
}

/// What is no HTTP, and heads and bodies that do not end.
fn no_http(arts: &Arts) {
    let address = arts.api.address;
    let mut open = Vec::new();
    let endless = format!("GET /healthz HTTP/1.1\r\nX: {}", "a".repeat(1 << 20));
    let begun = "PUT /store/users/me/slow.wasm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n\0asm";
    for bytes in [
        &b"\x16\x03\x01\x02\0\x01\0"[..],
        b"\0\0\0",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"POST /api/v1/modules HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /api/v1/modules HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HT",
        endless.as_bytes(),
        begun.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        // It may be closed before all of it is there.
        let _ = stream.write_all(bytes);
        open.push(stream);
    }
    open.extend((0..200).map(|_| TcpStream::connect(address).unwrap()));
    // Nobody is in the way of others.
    arts.api.get("/healthz").granted(200);
    drop(open);
    arts.api.get("/healthz").granted(200);
    arts.api
        .get("/store/users/me/slow.wasm")
        .refused(404, "unknown");
}

/// A page in a browser on this machine.
fn pages_of_others(arts: &Arts) {
    let api = &arts.api;
    let body = b"{\"filename\": \"wait.wasm\"}";
    let json = ("Content-Type", "application/json");
    for other in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example"),
    ] {
        api.send("POST", "/api/v1/modules", &[json, other], body)
            .refused(403, "forbidden");
        api.send("DELETE", "/api/v1/modules/innocent", &[other], b"")
            .refused(403, "forbidden");
        api.send(
            "PUT",
            "/store/users/me/x.wasm",
            &[other],
            b"\0asm\x01\0\0\0",
        )
        .refused(403, "forbidden");
    }
    // Nor can it read: the name that leads here is not ours, and there is no CORS.
    api.send(
        "GET",
        "/api/v1/modules",
        &[("Host", "evil.example:80")],
        b"",
    )
    .refused(403, "forbidden");
    let cross = api.send("GET", "/healthz", &[("Origin", "http://evil.example")], b"");
    assert!(
        !cross
            .headers
            .keys()
            .any(|name| name.starts_with("access-control"))
    );
    let preflight = api.send(
        "OPTIONS",
        "/api/v1/modules",
        &[("Origin", "http://evil.example")],
        b"",
    );
    assert!(
        !preflight
            .headers
            .keys()
            .any(|name| name.starts_with("access-control"))
    );
}

#[test]
fn addresses_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let run = |listen: &str| {
        let listen = format!("--listen={listen}");
        let output = command(dir.path(), 1, &[&listen]).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    // Without keys everybody in the network could use it.
    let (code, said) = run("0.0.0.0:0");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("jwt_secret_file") && said.contains("0.0.0.0"),
        "{said}"
    );
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (code, said) = run(&format!("127.0.0.1:{port}"));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot serve HTTP on"), "{said}");
}
