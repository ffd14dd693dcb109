//! The broker is there, and does not let us in.

use std::time::Duration;

use arena_runtime::pubsub::{Credentials, LinkConfig, LinkError, LinkEvent, Protocol, Qos};

use crate::harness::{Node, config, message};
use crate::mosquitto::{Broker, PATIENCE, Setup};

fn broker(user: &str, password: &str) -> Broker {
    Broker::with(Setup {
        users: vec![(user.to_owned(), password.to_owned())],
        ..Setup::default()
    })
}

fn as_user(broker: &Broker, user: &str, password: &str) -> LinkConfig {
    let mut config = config(&broker.url(), "user");
    config.credentials = Credentials::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    };
    config
}

#[test]
fn the_wrong_password() {
    let broker = broker("me", "right");
    for protocol in [Protocol::Mqtt311, Protocol::Mqtt5] {
        let mut config = as_user(&broker, "me", "wrong");
        let defaults = LinkConfig::new(config.broker.clone(), "");
        config.backoff_refused = defaults.backoff_refused;
        config.protocol = protocol;
        let node = Node::start(config);
        let event = node.link.events().recv_timeout(PATIENCE).unwrap();
        let LinkEvent::Disconnected { why, retry_in } = event else {
            panic!("it connects with the wrong password");
        };
        assert_eq!(
            why,
            "the broker does not let us in: check user name and password, or the token"
        );
        // No hurry: somebody has to change something first.
        assert!(retry_in >= Duration::from_secs(1), "{retry_in:?}");
        let status = node.link.status();
        assert_eq!((status.connected, status.refused), (false, true));
        assert_eq!(status.last_failure, Some(why));
        // Ending it does not wait for that.
        assert!(node.link.close(PATIENCE));
    }
}

#[test]
fn the_right_password() {
    let broker = broker("me", "r:i/g@h t");
    Node::connected(as_user(&broker, "me", "r:i/g@h t"));
    let url = broker.url().replace("://", "://me:r%3Ai%2Fg%40h%20t@");
    let node = Node::connected(config(&url, "in-url"));
    node.publish("a", "b", Qos::AtLeastOnce);
    node.flush();
}

#[test]
fn a_token_file_is_read_at_each_connect() {
    let mut broker = broker("bot", "token-1");
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |token: &str| std::fs::write(file.path(), token).unwrap();
    let mut config = config(&broker.url(), "token");
    config.credentials = Credentials::TokenFile {
        user: Some("bot".to_owned()),
        path: file.path().to_owned(),
    };
    let node = Node::start(config);
    assert!(node.await_failure().contains("there is no token in"));
    write("expired");
    while !node.await_failure().contains("or the token") {}
    write(" token-1\n");
    node.await_connected();

    // It is renewed, and the old one no longer holds.
    broker.set_users(&[("bot", "token-2")]);
    broker.kill();
    node.await_failure();
    broker.restart();
    while !node.await_failure().contains("or the token") {}
    write("token-2");
    node.await_connected();
}

#[test]
fn the_user_of_a_token() {
    // {"alg":"none"} . {"sub":"alice"} .
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
    let file = tempfile::NamedTempFile::new().unwrap();
    for (user, token) in [("alice", token), ("the-client", "no-jwt")] {
        std::fs::write(file.path(), token).unwrap();
        let broker = broker(user, token);
        let mut config = config(&broker.url(), "the-client");
        config.credentials = Credentials::TokenFile {
            user: None,
            path: file.path().to_owned(),
        };
        Node::connected(config);
    }
}

#[test]
fn a_missing_token() {
    let broker = Broker::start();
    let mut config = config(&broker.url(), "token");
    config.credentials = Credentials::TokenFile {
        user: None,
        path: "/nowhere/token".into(),
    };
    let why = Node::start(config).await_failure();
    assert!(
        why.starts_with("cannot read the token /nowhere/token: "),
        "{why}"
    );
}

#[test]
fn no_such_host() {
    let node = Node::start(config("mqtt://no-such-host.invalid", "nobody"));
    let why = node.await_failure();
    assert!(
        why.starts_with("cannot find the host no-such-host.invalid"),
        "{why}"
    );
}

/// Something else listens there.
#[test]
fn no_broker() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for (url, because) in [
        (
            "mqtt",
            "the broker closed the connection instead of answering",
        ),
        ("mqtts", "does not answer in TLS"),
        ("ws", "no WebSocket there: HTTP status 400"),
    ] {
        let node = Node::start(config(&format!("{url}://127.0.0.1:{port}"), "http"));
        let why = node.await_failure();
        assert!(why.contains(because), "{url}: {why}");
    }
}

#[test]
fn what_mqtt_does_not_allow() {
    let broker = "localhost".parse().unwrap();
    let mut config = LinkConfig::new(broker, "x".repeat(70_000));
    let start = |config: &LinkConfig| {
        arena_runtime::pubsub::Link::start(config.clone(), arena_runtime::pubsub::Router::new())
    };
    assert!(matches!(
        start(&config),
        Err(LinkError::ClientIdTooLong(70_000))
    ));
    config.client_id = "short".to_owned();
    config.will = Some(message("will", vec![0; 70_000], Qos::AtMostOnce));
    assert!(matches!(
        start(&config),
        Err(LinkError::WillTooLarge(70_000))
    ));
}
