//! Tokens (JWT) as passwords, as the ARENA has them: who it is, and what may be read and written.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use arena_runtime::broker::set_password;
use arena_runtime::pubsub::{Credentials, LinkConfig, Qos};
use arena_runtime::trust::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::arena_broker::ArenaBroker;
use crate::harness::{Node, config};
use crate::mosquitto::Peer;

/// Signs, with the name of the algorithm.
type Sign = (&'static str, Box<dyn Fn(&[u8]) -> Vec<u8>>);

fn token((algorithm, sign): &Sign, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!(
        "{}.{}",
        part(&json!({"alg": algorithm, "typ": "JWT"})),
        part(claims)
    );
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// The bytes in a file of PEM.
fn der(file: &Path) -> Vec<u8> {
    let pem = fs::read_to_string(file).unwrap();
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(text).unwrap()
}

/// Makes `tokens` and `tokens.pub`.
fn eddsa(dir: &Path) -> Sign {
    SigningKey::create(&dir.join("tokens")).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(&dir.join("tokens"))).unwrap();
    (
        "EdDSA",
        Box::new(move |text| pair.sign(text).as_ref().to_vec()),
    )
}

/// The same with RSA, which the ARENA's accounts use. `None` without `openssl`.
fn rs256(dir: &Path) -> Option<Sign> {
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl").args(args).current_dir(dir).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !openssl(&["genpkey", "-algorithm", "RSA", "-out", "tokens"]) {
        eprintln!("there is no openssl: not tested");
        return None;
    }
    assert!(openssl(&[
        "pkey",
        "-in",
        "tokens",
        "-pubout",
        "-out",
        "tokens.pub"
    ]));
    let pair = RsaKeyPair::from_pkcs8(&der(&dir.join("tokens"))).unwrap();
    let sign = move |text: &[u8]| {
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            text,
            &mut signature,
        )
        .unwrap();
        signature
    };
    Some(("RS256", Box::new(sign)))
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

fn start(args: &[&str], prepare: impl FnOnce(&Path)) -> ArenaBroker {
    let all = [
        &["--listen", "127.0.0.1:0", "--jwt-public-key", "tokens.pub"],
        args,
    ]
    .concat();
    ArenaBroker::prepared(all, prepare)
}

/// A client whose token is in a file.
fn client(broker: &ArenaBroker, id: &str, token: &str) -> LinkConfig {
    let path = broker.file(&format!("token-{id}"));
    fs::write(&path, format!("{token}\n")).unwrap();
    let mut config = config(&broker.url(), id);
    config.credentials = Credentials::TokenFile { user: None, path };
    config
}

fn refused(config: LinkConfig) {
    let why = Node::start(config).await_failure();
    assert!(why.contains("password") || why.contains("uthori"), "{why}");
    assert!(!why.contains("eyJ"), "{why}");
}

fn works(sign: &Sign, broker: &ArenaBroker) {
    let soon = in_seconds(600);
    let jane = json!({
        "sub": "jane", "exp": soon, "iat": in_seconds(0),
        "subs": ["realm/s/#", "realm/proc/control/1"], "publ": ["realm/s/jane/+"],
    });
    let node = Node::connected(client(broker, "jane", &token(sign, &jane)));
    let (inbox, _inbox) = node.subscribe("realm/s/#");
    node.flush();
    // Who may read all, and write all.
    let all = json!({"sub": "all", "exp": soon, "subs": ["#"], "publ": ["#"]});
    let all = token(sign, &all);
    let peer = |id: &str, filters: &[&str]| {
        Peer::with(broker.port(), filters, |options| {
            options.set_client_id(id.to_owned());
            options.set_credentials("all", &all);
        })
    };
    let everything = peer("all", &["#"]);
    node.publish("realm/s/jane/1", "hers", Qos::AtLeastOnce);
    node.publish("realm/s/other", "not hers", Qos::AtLeastOnce);
    node.publish("realm/proc/control/1", "forged", Qos::AtLeastOnce);
    node.publish("realm/s/jane/2", "last", Qos::AtLeastOnce);
    node.flush();
    assert_eq!(everything.text(), "hers");
    assert_eq!(everything.text(), "last");
    peer("other", &[]).publish("realm/s/x", "for all");
    // What she has published she hears within her process, whether or not the broker takes it.
    assert_eq!(inbox.texts(4).last().unwrap(), "for all");
    // More than she may have she does not get.
    let greedy = Peer::with(broker.port(), &["realm/#", "realm/s/last"], |options| {
        options.set_client_id("greedy".to_owned());
        options.set_credentials("jane", token(sign, &jane));
    });
    peer("another", &[]).publish("realm/proc/control/2", "secret");
    peer("the last", &[]).publish("realm/s/last", "for all");
    assert_eq!(greedy.text(), "for all");
}

#[test]
fn tokens_say_who_it_is_and_what_it_may() {
    let mut sign = None;
    let broker = start(&[], |dir| sign = Some(eddsa(dir)));
    let sign = sign.unwrap();
    works(&sign, &broker);
    // What is not good enough.
    let soon = in_seconds(600);
    let good = json!({"sub": "jane", "exp": soon, "subs": ["#"], "publ": ["#"]});
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        token(&sign, &claims)
    };
    refused(client(
        &broker,
        "expired",
        &with("exp", in_seconds(-60).into()),
    ));
    refused(client(&broker, "endless", &with("exp", Value::Null)));
    refused(client(
        &broker,
        "later",
        &with("nbf", in_seconds(600).into()),
    ));
    let stranger = eddsa(tempfile::tempdir().unwrap().path());
    refused(client(&broker, "stranger", &token(&stranger, &good)));
    let unsigned: Sign = ("none", Box::new(|_| Vec::new()));
    refused(client(&broker, "unsigned", &token(&unsigned, &good)));
    let mut other = client(&broker, "another", &token(&sign, &good));
    let Credentials::TokenFile { path, .. } = other.credentials else {
        panic!("it has a token")
    };
    other.credentials = Credentials::TokenFile {
        user: Some("joe".to_owned()),
        path,
    };
    refused(other);
    refused(config(&broker.url(), "nobody"));
    // Its will is a message like others.
    let mut will = client(&broker, "will", &with("publ", json!(["realm/s/#"])));
    will.will = Some(crate::harness::message(
        "realm/proc/reg",
        "forged",
        Qos::AtLeastOnce,
    ));
    refused(will);
    // A token that says nothing of topics allows nothing, where no file does.
    let silent = token(&sign, &json!({"sub": "silent", "exp": soon}));
    let silent = Node::connected(client(&broker, "silent", &silent));
    let watching = Peer::with(broker.port(), &["#"], |options| {
        options.set_client_id("watching".to_owned());
        options.set_credentials("jane", token(&sign, &good));
    });
    silent.publish("realm/s/silent", "x", Qos::AtLeastOnce);
    silent.flush();
    watching.publish("realm/s/jane", "y");
    assert_eq!(watching.text(), "y");
}

#[test]
fn tokens_of_the_arenas_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sign) = rs256(dir.path()) else {
        return;
    };
    let broker = start(&[], |to| {
        fs::copy(dir.path().join("tokens.pub"), to.join("tokens.pub")).unwrap();
    });
    works(&sign, &broker);
}

#[test]
fn tokens_for_others_are_refused_where_an_audience_is_named() {
    let mut sign = None;
    let broker = start(&["--jwt-audience", "our broker"], |dir| {
        sign = Some(eddsa(dir));
    });
    let sign = sign.unwrap();
    let for_whom = |aud: Value| {
        let soon = in_seconds(600);
        let claims = json!({"sub": "jane", "exp": soon, "aud": aud, "subs": ["#"]});
        token(&sign, &claims)
    };
    let list = for_whom(json!(["another one", "our broker"]));
    Node::connected(client(&broker, "list", &list));
    Node::connected(client(&broker, "one", &for_whom("our broker".into())));
    for (id, aud) in [
        ("another", json!("another one")),
        ("others", json!(["another one", "our brokers"])),
        ("empty", json!([])),
        ("null", Value::Null),
        ("number", json!(1)),
    ] {
        refused(client(&broker, id, &for_whom(aud)));
    }
    let silent = token(
        &sign,
        &json!({"sub": "jane", "exp": in_seconds(600), "subs": ["#"]}),
    );
    refused(client(&broker, "silent", &silent));
}

/// Passwords beside tokens, and an access file for users whose tokens say nothing of topics.
#[test]
fn tokens_beside_passwords() {
    const ACL: &str = "user node\ntopic realm/#\nuser ops\ntopic read realm/s/#\n";
    let mut sign = None;
    let broker = start(&["--password-file", "users", "--acl", "acl"], |dir| {
        sign = Some(eddsa(dir));
        set_password(&dir.join("users"), "ops", "secret").unwrap();
        fs::write(dir.join("acl"), ACL).unwrap();
    });
    let sign = sign.unwrap();
    let node = token(&sign, &json!({"sub": "node", "exp": in_seconds(600)}));
    let node = Node::connected(client(&broker, "node", &node));
    let mut ops = config(&broker.url(), "ops");
    ops.credentials = Credentials::Password {
        user: "ops".to_owned(),
        password: "secret".to_owned(),
    };
    let ops = Node::connected(ops);
    let (inbox, _inbox) = ops.subscribe("realm/s/#");
    ops.flush();
    node.publish("realm/s/1", "from the node", Qos::AtLeastOnce);
    assert_eq!(inbox.texts(1), ["from the node"]);
    // A file that is renewed is read at the next connection, and one that is broken is not taken.
    let path = broker.file("token-node");
    fs::write(&path, "eyJ.broken.").unwrap();
    let again = Node::start({
        let mut config = config(&broker.url(), "node-2");
        config.credentials = Credentials::TokenFile {
            user: None,
            path: path.clone(),
        };
        config
    });
    let why = again.await_failure();
    assert!(!why.contains("eyJ"), "{why}");
    let renewed = token(&sign, &json!({"sub": "node", "exp": in_seconds(600)}));
    fs::write(&path, renewed).unwrap();
    again.await_connected();
}
