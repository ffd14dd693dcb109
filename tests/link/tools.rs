//! `arena pub` and `arena sub`.

use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use arena_runtime::broker::BrokerConfig;

use crate::mosquitto::{Broker, Peer, Setup};

fn arena(args: &[&str], broker: &Broker) -> Command {
    at(args, &broker.url())
}

fn at(args: &[&str], url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command
        .args(args)
        .env_clear()
        .env("ARENA_BROKER", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(args: &[&str], broker: &Broker) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = arena(args, broker).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn with_input(args: &[&str], broker: &Broker, input: &[u8]) {
    let mut child = arena(args, broker).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A subscriber of "out/#" that is subscribed, which a message on "out/ready" has shown.
fn subscriber(args: &[&str], broker: &Broker) -> (Child, BufReader<ChildStdout>) {
    let args = [&["sub", "out/#"], args].concat();
    // What is retained comes when it is subscribed.
    assert_eq!(
        run(
            &["pub", "--retain", "--qos", "1", "out/ready", "ready"],
            broker
        )
        .0,
        Some(0)
    );
    let mut child = arena(&args, broker).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    assert!(line(&mut out).contains("ready"));
    (child, out)
}

fn line(out: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn messages_from_arguments_and_stdin() {
    let broker = Broker::start();
    let peer = Peer::connect(broker.port(), &["t/#"]);
    assert_eq!(
        run(&["pub", "t/a", "hello world"], &broker),
        (Some(0), String::new())
    );
    assert_eq!(peer.next(), ("t/a".to_owned(), b"hello world".to_vec()));
    assert_eq!(run(&["pub", "--qos", "1", "t/a", "-1"], &broker).0, Some(0));
    assert_eq!(peer.text(), "-1");
    assert_eq!(run(&["pub", "t/a", ""], &broker).0, Some(0));
    assert_eq!(peer.text(), "");
    with_input(&["pub", "t/in", "-"], &broker, b"one\ntwo\n");
    assert_eq!(peer.text(), "one\ntwo\n");
    with_input(&["pub", "t/in"], &broker, b"\xff\x00");
    assert_eq!(peer.next().1, b"\xff\x00");
    for qos in ["0", "1"] {
        with_input(
            &["pub", "--lines", "--qos", qos, "t/in"],
            &broker,
            b"one\n\nthree",
        );
        let lines = [peer.text(), peer.text(), peer.text()];
        assert_eq!(lines, ["one", "", "three"]);
    }
    let many: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    with_input(
        &["pub", "--lines", "t/in"],
        &broker,
        many.join("\n").as_bytes(),
    );
    assert!(many.iter().all(|number| peer.text() == *number));
}

#[test]
fn messages_are_printed() {
    let broker = Broker::start();
    let (mut child, mut out) = subscriber(&["-v"], &broker);
    Peer::connect(broker.port(), &[]).publish("out/a", "b c");
    assert_eq!(line(&mut out), "out/a b c\n");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn messages_as_json() {
    let broker = Broker::start();
    let (mut child, mut out) = subscriber(&["--json", "--count", "3", "--qos", "1"], &broker);
    let peer = Peer::connect(broker.port(), &[]);
    peer.publish("out/a", "text\n\"more\"");
    peer.publish("out/b", b"\xff\xfe".to_vec());
    let mut parsed = || serde_json::from_str::<serde_json::Value>(&line(&mut out)).unwrap();
    let (text, bytes) = (parsed(), parsed());
    assert_eq!(text["topic"], "out/a");
    assert_eq!(text["payload"], "text\n\"more\"");
    assert_eq!((&text["qos"], &text["retain"]), (&1.into(), &false.into()));
    assert!(humantime::parse_rfc3339(text["timestamp"].as_str().unwrap()).is_ok());
    assert_eq!(
        (&bytes["payload"], &bytes["encoding"]),
        (&"//4=".into(), &"base64".into())
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let broker = Broker::start();
    let (mut child, out) = subscriber(&[], &broker);
    drop(out);
    Peer::connect(broker.port(), &[]).publish("out/a", "b");
    assert!(child.wait().unwrap().success());
}

#[test]
fn time_outs() {
    let broker = Broker::start();
    let (code, stderr) = run(&["sub", "a", "--timeout", "0.2"], &broker);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let (code, stderr) = run(&["sub", "a", "--timeout", "0.2", "--count", "2"], &broker);
    assert_eq!(code, Some(124));
    assert!(stderr.contains("2 messages have not come"), "{stderr}");
}

#[test]
fn no_broker() {
    let mut broker = Broker::absent(Setup::default());
    let (code, stderr) = run(&["pub", "a", "b", "--timeout", "0.2"], &broker);
    assert_eq!(code, Some(1));
    let expected = format!(
        "arena: cannot connect to {}: connection refused; is a broker running there?\n",
        broker.url()
    );
    assert_eq!(stderr, expected);
    // The subscriber waits for it, and says so.
    let mut child = arena(&["sub", "a", "--count", "1"], &broker)
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    assert!(line(&mut err).contains("is a broker running there?"));
    assert!(line(&mut err).contains("Trying again"));
    broker.restart();
    while !line(&mut err).contains("connected to") {}
    // It was asked for before anything else was sent; a retained message comes in any case.
    assert_eq!(run(&["pub", "--retain", "a", "b"], &broker).0, Some(0));
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(out, "b\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn refused_at_once() {
    let broker = Broker::with(Setup {
        users: vec![("me".to_owned(), "secret".to_owned())],
        ..Setup::default()
    });
    let (code, stderr) = run(&["pub", "a", "b"], &broker);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("does not let us in"), "{stderr}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let file = file.to_str().unwrap();
    let with_password = ["pub", "a", "b", "--user", "me", "--password-file", file];
    assert_eq!(run(&with_password, &broker), (Some(0), String::new()));
}

/// What may be done on `open/#` alone. Mosquitto's file of rules refuses no subscriptions; its plugin
/// does.
fn mosquitto_with_rules(dir: &Path) -> Broker {
    let config = dir.join("rules.json");
    let rules = serde_json::json!({
        "defaultACLAccess": {
            "publishClientSend": false, "publishClientReceive": true,
            "subscribe": false, "unsubscribe": true,
        },
        "anonymousGroup": "all",
        "clients": [],
        "groups": [{"groupname": "all", "clients": [], "roles": [{"rolename": "open"}]}],
        "roles": [{"rolename": "open", "acls": [
            {"acltype": "publishClientSend", "topic": "open/#", "allow": true},
            {"acltype": "subscribePattern", "topic": "open/#", "allow": true},
        ]}],
    });
    std::fs::write(&config, rules.to_string()).unwrap();
    let mut libraries = std::fs::read_dir("/usr/lib").unwrap();
    let plugin = libraries
        .find_map(|dir| {
            let plugin = dir.unwrap().path().join("mosquitto_dynamic_security.so");
            plugin.is_file().then_some(plugin)
        })
        .expect("Mosquitto's package has the plugin");
    Broker::with(Setup {
        more: format!(
            "plugin {}\nplugin_opt_config_file {}\n",
            plugin.display(),
            config.display()
        ),
        ..Setup::default()
    })
}

#[test]
fn what_the_broker_refuses_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mosquitto = mosquitto_with_rules(dir.path());
    let acl = dir.path().join("acl");
    std::fs::write(&acl, "topic readwrite open/#\n").unwrap();
    let ours = arena_runtime::broker::Broker::start(BrokerConfig {
        listen: Some(([127, 0, 0, 1], 0).into()),
        acl_file: Some(acl),
        ..BrokerConfig::default()
    })
    .unwrap();
    let urls = [mosquitto.url(), ours.addresses().urls().remove(0)];
    for (url, version) in urls.iter().flat_map(|url| [(url, "3"), (url, "5")]) {
        let run = |args: &[&str]| {
            let args = [args, &["--mqtt-version", version]].concat();
            let Output { status, stderr, .. } = at(&args, url).output().unwrap();
            (status.code(), String::from_utf8(stderr).unwrap())
        };
        for topics in [&["closed"][..], &["open/a", "closed"]] {
            let refused = format!("arena: {url}: the broker refuses the subscription to closed\n");
            assert_eq!(run(&[&["sub"], topics].concat()), (Some(4), refused));
        }
        let none = (Some(0), String::new());
        assert_eq!(run(&["sub", "open/#", "--timeout", "0.1"]), none);
        assert_eq!(run(&["pub", "--qos", "1", "open/a", "b"]), none);
        let refused = run(&["pub", "--qos", "1", "closed", "b"]);
        // MQTT 3.1.1 has no answer for it.
        if version == "5" {
            let why = "the broker refuses a message on closed: we may not publish there";
            assert_eq!(refused, (Some(4), format!("arena: {url}: {why}\n")));
        } else {
            assert_eq!(refused, none);
        }
    }
}

#[test]
fn bad_arguments() {
    let broker = Broker::absent(Setup::default());
    for (args, because) in [
        (&["pub", "a/#", "b"][..], "no wildcards"),
        (&["pub", "", "b"], "at least one character"),
        (&["sub", "a/#/b"], "the wildcard"),
        (&["sub"], "FILTER"),
        (&["pub", "a", "b", "--qos", "2"], "expected 0 or 1"),
        (&["pub", "a", "b", "--broker", "http://host"], "mqtt"),
        (
            &["sub", "a", "--broker", "mqtt://h/path"],
            "only ws:// and wss:// have a path",
        ),
        (&["sub", "a", "--count", "0"], "--count"),
        (
            &["sub", "a", "--token-file", "f", "--password-file", "g"],
            "keep one",
        ),
    ] {
        let (code, stderr) = run(args, &broker);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(because), "{args:?}: {stderr}");
    }
}
