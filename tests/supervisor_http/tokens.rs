//! Tokens: who may read, who may write, and who is nobody.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{hmac, rand::SystemRandom};
use serde_json::{Value, json};

use crate::arts::{Arts, command};
use crate::http::Api;
use crate::mosquitto::Broker;
use crate::runtime::Runtime;

/// The secret of the tokens.
pub const SECRET: &[u8] = b"a secret of more than 32 bytes, for tests";

fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn hs256(secret: &[u8], claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let header = json!({"alg": "HS256", "typ": "JWT"});
    signed(&header, claims, |text| {
        hmac::sign(&key, text).as_ref().to_vec()
    })
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

/// A token of somebody who may read.
pub fn reader() -> String {
    hs256(SECRET, &json!({"role": "read", "exp": in_seconds(600)}))
}

#[test]
fn roles() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let mut der = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    der.extend(pair.public_key().as_ref());
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&der)
    );
    std::fs::write(dir.path().join("key.pem"), &pem).unwrap();
    std::fs::write(dir.path().join("secret"), [SECRET, b"\n"].concat()).unwrap();
    let keys = ["--jwt-secret-file=secret", "--jwt-public-key=key.pem"];
    let arts = Arts::start_in(dir, broker.port(), &keys);
    let eddsa = |claims: &Value| {
        let header = json!({"alg": "EdDSA"});
        signed(&header, claims, |text| pair.sign(text).as_ref().to_vec())
    };
    let with = |token: String| Api {
        token: Some(token),
        ..arts.api.clone()
    };
    let soon = in_seconds(600);
    let wait = json!({"filename": "wait.wasm"});
    let _runtime = Runtime::start(broker.port(), "[runtime]\ngrace_time = \"100ms\"\n");

    // Nobody may do what is open.
    let nobody = &arts.api;
    nobody.get("/healthz").granted(200);
    nobody.get("/openapi.json").granted(200);
    nobody.get("/store/users/me/a.wasm").refused(404, "unknown");
    let refused = nobody.get("/api/v1/modules");
    refused.refused(401, "unauthorized");
    assert!(refused.headers["www-authenticate"].starts_with("Bearer"));
    for path in [
        "/metrics",
        "/api/v1/stats",
        "/api/v1/events",
        "/arts-api/v1/config/",
    ] {
        nobody.get(path).refused(401, "unauthorized");
    }
    nobody
        .put("/store/users/me/a.wasm", b"")
        .refused(401, "unauthorized");

    // Who may read, may not write.
    for claims in [
        json!({"role": "read", "exp": soon}),
        json!({"role": ["read"], "exp": soon, "aud": "arena"}),
        json!({"scope": "openid read", "exp": soon, "aud": ["x", "arena"]}),
    ] {
        for token in [hs256(SECRET, &claims), eddsa(&claims)] {
            let reader = with(token);
            reader.get("/api/v1/modules").granted(200);
            assert_eq!(reader.get("/metrics").status, 200);
            reader
                .post("/api/v1/modules", &wait)
                .refused(403, "forbidden");
            reader
                .delete("/api/v1/modules/none")
                .refused(403, "forbidden");
            reader
                .put("/store/users/me/a.wasm", b"")
                .refused(403, "forbidden");
        }
    }
    // Who may write, may read, and need not be on this machine.
    let writer = with(eddsa(&json!({"role": "write", "exp": soon})));
    let host = [("Host", "arts.example")];
    crate::runtime::wait_until("it is registered", || {
        let runtimes = writer
            .send("GET", "/api/v1/runtimes", &host, b"")
            .granted(200);
        runtimes["runtimes"][0].is_object()
    });
    let made = writer.post("/api/v1/modules", &wait).granted(201);
    let uuid = made["modules"][0]["uuid"].as_str().unwrap();
    let other = with(hs256(SECRET, &json!({"scope": "write", "exp": soon})));
    other
        .delete(&format!("/api/v1/modules/{uuid}"))
        .granted(200);

    // What is no token of ours.
    let claims = json!({"role": "write", "exp": soon});
    let none = signed(&json!({"alg": "none"}), &claims, |_| Vec::new());
    let hs512 = signed(&json!({"alg": "HS512"}), &claims, |text| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, SECRET), text)
            .as_ref()
            .to_vec()
    });
    let mut changed = hs256(SECRET, &claims);
    changed.replace_range(changed.len() - 4.., "AAAA");
    for (token, why) in [
        (String::new(), "token"),
        ("nonsense".to_owned(), "no JWT"),
        ("a.b.c".to_owned(), "no JWT"),
        ("x".repeat(20_000), "too long"),
        (none, "no JWT"),
        (hs512, "no key"),
        (changed, "not signed"),
        (
            hs256(b"another secret of more than 32 bytes", &claims),
            "not signed",
        ),
        // The public key is no secret.
        (hs256(pair.public_key().as_ref(), &claims), "not signed"),
        (hs256(pem.as_bytes(), &claims), "not signed"),
        (
            hs256(SECRET, &json!({"role": "write", "exp": in_seconds(-600)})),
            "expired",
        ),
        (hs256(SECRET, &json!({"role": "write"})), "exp"),
        (
            hs256(SECRET, &json!({"role": "write", "exp": "never"})),
            "exp",
        ),
        (
            hs256(SECRET, &json!({"role": "write", "exp": soon, "nbf": soon})),
            "not valid yet",
        ),
        (
            hs256(
                SECRET,
                &json!({"role": "write", "exp": soon, "aud": "other"}),
            ),
            "somebody else",
        ),
        (
            hs256(SECRET, &json!({"role": "write", "exp": soon, "aud": 5})),
            "\"aud\" is no text",
        ),
        (
            hs256(
                SECRET,
                &json!({"role": "write", "exp": soon, "aud": ["arena", 5]}),
            ),
            "\"aud\" is no text",
        ),
        (hs256(SECRET, &json!({"role": 5, "exp": soon})), "claims"),
    ] {
        let nobody = with(token.clone());
        let answer = nobody.post("/api/v1/modules", &wait);
        let error = answer.refused(401, "unauthorized");
        let said = error["error"].as_str().unwrap();
        assert!(said.contains(why), "{said}, not {why}: {token}");
    }
    with(hs256(SECRET, &json!({"role": "admin", "exp": soon})))
        .get("/api/v1/modules")
        .refused(403, "forbidden");
    for header in ["Basic YTpi", "Bearer", "bearer"] {
        let header = [("Authorization", header)];
        let answer = arts.api.send("GET", "/api/v1/stats", &header, b"");
        answer.refused(401, "unauthorized");
    }
    assert_eq!(
        writer.get("/api/v1/modules").granted(200)["modules"],
        json!([])
    );
    let log = arts.log();
    assert!(
        !log.contains("panicked") && !log.contains("a secret of"),
        "{log}"
    );
}

#[test]
fn keys_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("short"), "short\n").unwrap();
    std::fs::write(
        dir.path().join("key.pem"),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    for (flag, why) in [
        ("--jwt-secret-file=none", "cannot read"),
        ("--jwt-secret-file=short", "at least 32"),
        ("--jwt-public-key=short", "Ed25519"),
        ("--jwt-public-key=key.pem", "Ed25519"),
    ] {
        let output = command(dir.path(), 1, &[flag]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
