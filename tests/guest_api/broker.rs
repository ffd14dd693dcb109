//! `arena run --broker`: a module's channels against a real Mosquitto, without a supervisor.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::mosquitto::{Broker, PATIENCE, Peer};

fn run(broker: &str, more: &[&str]) -> Child {
    crate::program::arena()
        .args(["run", "--broker", broker])
        .args(more)
        .env_clear()
        .env("ARENA_ENGINE", "interpreter")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn guest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/build/ch");
    path.join(name).to_str().unwrap().to_owned()
}

#[test]
fn messages_from_the_broker() {
    let broker = Broker::start();
    let peer = Peer::connect(broker.port(), &[]);
    let channels = [
        "--channel",
        "/ch/in=some/topic:r",
        "--channel",
        "light=some/light:r",
    ];
    let guest = guest("waits.wasm");
    let mut child = run(&broker.url(), &[&channels[..], &[&guest, "ch"]].concat());
    let (sender, lines) = mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "waits: ch");
    // Its subscription may not be there yet.
    let line = loop {
        peer.publish("some/topic", "hello");
        if let Ok(line) = lines.recv_timeout(Duration::from_millis(100)) {
            break line;
        }
    };
    assert_eq!(line, "in: hello");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a module publishes last goes to the broker, though the module is gone then.
#[test]
fn messages_to_the_broker() {
    let broker = Broker::start();
    let peer = Peer::connect(broker.port(), &["some/#"]);
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("publish.wat");
    let text = r#"(module
        (import "env" "ch_open" (func $open (param i32 i32 i32) (result i32)))
        (import "env" "ch_write_msg" (func $write (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "light\00")
        (func (export "_start")
            (drop (call $write (call $open (i32.const 0) (i32.const 1) (i32.const 0))
                               (i32.const 0) (i32.const 5)))))"#;
    std::fs::write(&module, text).unwrap();
    let channel = ["--channel", "light=some/topic:w", module.to_str().unwrap()];
    let outcome = run(&broker.url(), &channel).wait_with_output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(peer.next(), ("some/topic".to_owned(), b"light".to_vec()));
}

#[test]
fn a_broker_that_is_not_there() {
    let broker = Broker::start();
    let url = broker.url();
    drop(broker);
    let outcome = run(&url, &[&guest("waits.wasm"), "ch"])
        .wait_with_output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(126));
    let text = String::from_utf8(outcome.stderr).unwrap();
    assert!(
        text.starts_with("arena: cannot reach the broker: "),
        "{text}"
    );
    assert!(outcome.stdout.is_empty());
}
