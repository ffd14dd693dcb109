//! Messages of all sizes over everything that the broker speaks.

use arena_runtime::pubsub::{LinkConfig, Protocol, Qos};
use rumqttc::{LastWill, QoS};

use crate::arena_broker::ArenaBroker;
use crate::certificates::Authority;
use crate::harness::{Node, config, message};
use crate::mosquitto::{Peer, eventually};

/// Both ways between a node and a plain client that talks over TCP.
fn works(mut config: LinkConfig, broker: &ArenaBroker) {
    for protocol in [Protocol::Mqtt311, Protocol::Mqtt5] {
        config.protocol = protocol;
        let node = Node::connected(config.clone());
        let (inbox, _subscription) = node.subscribe("in/#");
        node.flush();
        let peer = Peer::connect(broker.port(), &["out/+"]);
        for size in [0, 1, 1000, 20 << 20] {
            node.publish("out/a", vec![b'x'; size], Qos::AtLeastOnce);
            assert_eq!(peer.next().1.len(), size);
            peer.publish("in/b/c", vec![b'x'; size]);
        }
        assert_eq!(inbox.sizes(4), [0, 1, 1000, 20 << 20], "{protocol:?}");
        node.flush();
    }
}

#[test]
fn over_tcp() {
    let broker = ArenaBroker::start();
    works(config(&broker.url(), "tcp"), &broker);
}

#[test]
fn over_web_socket() {
    let broker = ArenaBroker::with(["--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0"]);
    works(config(&(broker.url_of("ws") + "/mqtt"), "ws"), &broker);
}

#[test]
fn over_tls() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("localhost");
    let broker = ArenaBroker::with([
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--tls-listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--wss".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--tls-cert".as_ref(),
        cert.as_os_str(),
        "--tls-key".as_ref(),
        key.as_os_str(),
    ]);
    for scheme in ["mqtts", "wss"] {
        let mut config = config(&broker.url_of(scheme), scheme);
        config.tls.ca = Some(authority.file());
        works(config, &broker);
    }
}

#[test]
fn clients_show_certificates_where_they_are_asked_for() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("localhost");
    let ca = authority.file();
    let broker = ArenaBroker::with([
        "--listen".as_ref(),
        "".as_ref(),
        "--tls-listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--tls-cert".as_ref(),
        cert.as_os_str(),
        "--tls-key".as_ref(),
        key.as_os_str(),
        "--tls-client-ca".as_ref(),
        ca.as_os_str(),
    ]);
    let mut with = config(&broker.url_of("mqtts"), "with");
    with.tls.ca = Some(authority.file());
    let node = Node::start(with.clone());
    let why = node.await_failure();
    assert!(why.contains("ertificate"), "{why}");
    let (cert, key) = authority.issue("client");
    (with.tls.cert, with.tls.key) = (Some(cert), Some(key));
    Node::connected(with);
}

#[test]
fn a_burst_arrives_whole_and_in_order() {
    const COUNT: usize = 10_000;
    let broker = ArenaBroker::start();
    let receiver = Node::connected(config(&broker.url(), "receiver"));
    let (inbox, _subscription) = receiver.subscribe("burst");
    receiver.flush();
    let sender = Node::connected(config(&broker.url(), "sender"));
    for number in 0..COUNT {
        sender.publish("burst", number.to_string(), Qos::AtLeastOnce);
    }
    sender.flush();
    let texts = inbox.texts(COUNT);
    assert_eq!(texts.len(), COUNT);
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(*text, number.to_string());
    }
}

#[test]
fn wills_of_those_who_are_gone_without_a_word() {
    let broker = ArenaBroker::start();
    let watcher = Peer::connect(broker.port(), &["will/#"]);
    let mut runner = std::process::Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &broker.port().to_string()])
        .args(["-t", "ready/#", "--will-topic", "will/sub"])
        .args(["--will-payload", "gone", "--will-qos", "1"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("Mosquitto's clients are installed");
    // It is there when it gets something.
    let mut out = runner.stdout.take().unwrap();
    let teller = Peer::connect(broker.port(), &[]);
    let heard = std::thread::spawn(move || {
        let mut byte = [0];
        assert_eq!(std::io::Read::read(&mut out, &mut byte).unwrap(), 1);
        // It says goodbye when nobody reads what it prints.
        out
    });
    eventually("the client's subscription", || {
        teller.publish("ready/x", "1");
        heard.is_finished()
    });
    let _out = heard.join().unwrap();
    runner.kill().unwrap();
    runner.wait().unwrap();
    let (topic, payload) = watcher.next();
    assert_eq!(
        (topic.as_str(), payload.as_slice()),
        ("will/sub", &b"gone"[..])
    );

    // Whoever says goodbye has none; and who takes over a session publishes that of the other.
    let with_will = |options: &mut rumqttc::MqttOptions| {
        options.set_client_id("double".to_owned());
        options.set_last_will(LastWill::new(
            "will/double",
            "first",
            QoS::AtLeastOnce,
            false,
        ));
    };
    let first = Peer::with(broker.port(), &[], with_will);
    let polite = Peer::with(broker.port(), &[], |options| {
        options.set_client_id("polite".to_owned());
        options.set_last_will(LastWill::new("will/polite", "", QoS::AtLeastOnce, false));
    });
    polite.disconnect();
    let _second = Peer::with(broker.port(), &[], |options| {
        options.set_client_id("double".to_owned());
    });
    // The first connection has been ended.
    first.disconnect();
    assert_eq!(watcher.next().0, "will/double");
    teller.publish("will/last", "");
    assert_eq!(watcher.next().0, "will/last");
}

#[test]
fn sessions_are_kept_for_those_who_ask() {
    let broker = ArenaBroker::start();
    let keep = |options: &mut rumqttc::MqttOptions| {
        options.set_client_id("keeper".to_owned());
        options.set_clean_session(false);
    };
    let keeper = Peer::with(broker.port(), &["kept"], keep);
    keeper.disconnect();
    let sender = Node::connected(config(&broker.url(), "sender"));
    for number in 0..100 {
        sender.publish("kept", number.to_string(), Qos::AtLeastOnce);
    }
    sender.flush();
    let keeper = Peer::with(broker.port(), &[], keep);
    for number in 0..100 {
        assert_eq!(keeper.text(), number.to_string());
    }
}

#[test]
fn retained_messages_stay_until_they_are_taken_back() {
    let broker = ArenaBroker::start();
    let node = Node::connected(config(&broker.url(), "node"));
    let retain = |payload: &str| {
        let mut message = message("state/a", payload, Qos::AtLeastOnce);
        message.retain = true;
        node.router.publish(message).unwrap();
        node.flush();
    };
    retain("first");
    retain("second");
    assert_eq!(Peer::connect(broker.port(), &["state/+"]).text(), "second");
    retain("");
    let peer = Peer::connect(broker.port(), &["state/+", "end"]);
    peer.publish("end", "");
    assert_eq!(peer.next().0, "end");
}
