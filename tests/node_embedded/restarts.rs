//! The broker goes and comes back, under a supervisor, a runtime and modules that publish.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::arena_broker::ArenaBroker;
use crate::arts::{
    Arts, children, create, create_waiting, delete, wait_for_supervisor, wait_registered,
};
use crate::client::Client;
use crate::runtime::{Runtime, wait_until};

/// The runtime is to be back 2 s after the broker; the rest is for a machine that is busy.
const BACK: f32 = 6.0;

const NUMBERS: &str = "realm/numbers";
const ANSWERS: &str = "realm/answers";

#[test]
fn a_broker_that_is_stopped() {
    outage(|broker| assert!(broker.stop().success()));
}

#[test]
fn a_broker_that_is_killed() {
    outage(ArenaBroker::kill);
}

fn outage(end: fn(&mut ArenaBroker)) {
    let mut broker = ArenaBroker::start();
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let dir = tempfile::tempdir().unwrap();
    let arts = Arts::start(dir.path(), broker.port(), &["supervisor.restart=always"]);
    wait_for_supervisor(&client);
    let settings = "runtime.register_retry = \"500ms\"";
    let runtime = Runtime::start(broker.port(), settings);
    wait_registered(&client, runtime.uuid());

    // One publishes numbers with quality 1, one answers them within the runtime, one waits.
    let channel = |path, topic, mode, qos| json!({"path": path, "type": "pubsub", "mode": mode, "params": {"topic": topic, "qos": qos}});
    let start = |filename: &str, args, channels| {
        let uuid = uuid::Uuid::new_v4().to_string();
        let data = json!({"uuid": uuid, "filename": filename, "args": args, "channels": channels});
        let answer = create(&client, data);
        assert_eq!(answer["result"], "ok", "{answer}");
        uuid
    };
    let echo = start(
        "echo.wasm",
        json!(["in", "out"]),
        json!([
            channel("in", NUMBERS, "r", 1),
            channel("out", ANSWERS, "w", 0)
        ]),
    );
    client.wait_line(&echo, "echoing");
    let steady = start(
        "steady.wasm",
        json!(["out", "back", "10"]),
        json!([
            channel("out", NUMBERS, "w", 1),
            channel("back", ANSWERS, "r", 0)
        ]),
    );
    let (waiting, _) = create_waiting(&client, json!({}));
    client.wait_line(&steady, "number 50");

    // Whatever the broker has taken goes on to those who are subscribed before it ends.
    runtime.signal(Signal::SIGSTOP);
    client.fence();
    end(&mut broker);
    runtime.signal(Signal::SIGCONT);
    wait_until("the runtime knows", || {
        runtime.log().contains("lost the connection to")
    });
    std::thread::sleep(Duration::from_secs(1));
    // And who is to get what was published meanwhile is there before it is sent.
    runtime.signal(Signal::SIGSTOP);
    broker.restart();
    let restarted = Instant::now();
    wait_until("the client is back", || client.is_back());
    runtime.signal(Signal::SIGCONT);

    let answer = client.wait("a new registration", |got| {
        let message = got.json();
        got.at > restarted
            && got.topic == "realm/proc/reg"
            && message["type"] == "arts_resp"
            && message["data"]["details"]["uuid"] == runtime.uuid()
    });
    let registered = (answer.at - restarted).as_secs_f32();
    println!("registered {registered:.2} s after the broker was back");
    assert!(registered < BACK, "{registered} s");

    // Everything runs that ran, once.
    let mut running = children(&client, runtime.uuid());
    running.sort();
    let mut expected = vec![echo.clone(), steady.clone(), waiting.clone()];
    expected.sort();
    assert_eq!(running, expected);
    let again = create(&client, json!({"uuid": waiting, "filename": "wait.wasm"}));
    assert_eq!(again["result"], "error", "{again}");
    let hello = start("hello.wasm", json!([]), json!([]));
    client.wait_line(&hello, "Hello from WebAssembly!");
    let control = format!("realm/proc/control/{}", runtime.uuid());
    for uuid in &expected {
        let creates = client.count(|got| {
            let message = got.json();
            got.topic == control
                && message["action"] == "create"
                && message["data"]["uuid"] == **uuid
        });
        assert_eq!(creates, 1);
    }
    for (uuid, line) in [
        (&echo, "echoing"),
        (&steady, "begins"),
        (&waiting, "waiting"),
    ] {
        let lines = client.lines(uuid);
        assert_eq!(lines.iter().filter(|text| *text == line).count(), 1);
    }

    // All numbers have come, in their order. One may come twice, if its acknowledgement was lost.
    assert_eq!(delete(&client, &steady)["result"], "ok");
    client.fence();
    let lines = client.lines(&steady);
    let summary = lines.iter().find(|line| line.starts_with("sent ")).unwrap();
    println!("{summary}");
    let words: Vec<u64> = summary
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let (sent, refused, answered) = (words[0], words[1], words[2]);
    assert_eq!((refused, answered), (0, sent), "{summary}");
    let mut next = 0;
    for got in client.all(|got| got.topic == NUMBERS) {
        let number: u64 = got.text().parse().unwrap();
        assert!(number <= next, "{next} is missing");
        next = next.max(number + 1);
    }
    assert_eq!(next, sent);
    arts.stop();
}
