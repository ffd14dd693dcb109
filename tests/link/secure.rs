//! TLS.

use std::path::PathBuf;

use arena_runtime::broker::{Broker as OurBroker, BrokerConfig, TlsFiles};
use arena_runtime::pubsub::{LinkConfig, Protocol, Qos, TlsConfig};

use crate::certificates::Authority;
use crate::harness::{Node, config};
use crate::mosquitto::{Broker, Setup};

fn broker((cert, key): (PathBuf, PathBuf), client_ca: Option<PathBuf>) -> Broker {
    Broker::with(Setup {
        tls: Some((cert, key, client_ca)),
        ..Setup::default()
    })
}

fn secure(broker: &Broker, ca: Option<PathBuf>) -> LinkConfig {
    let mut config = config(&broker.url(), "secure");
    config.tls = TlsConfig {
        ca,
        cert: None,
        key: None,
    };
    config
}

fn works(node: &Node) {
    let (inbox, _subscription) = node.subscribe("secure");
    node.flush();
    node.publish("secure", "x".repeat(200_000), Qos::AtLeastOnce);
    node.flush();
    assert_eq!(inbox.sizes(1), [200_000]);
}

fn fails(config: LinkConfig, because: &str) {
    let node = Node::start(config);
    let why = node.await_failure();
    assert!(why.contains(because), "{why:?} does not say {because:?}");
    assert!(node.link.status().refused, "{why}");
}

#[test]
fn with_a_ca_of_its_own() {
    let authority = Authority::new();
    let broker = broker(authority.issue("localhost"), None);
    works(&Node::connected(secure(&broker, Some(authority.file()))));
}

#[test]
fn what_is_not_to_be_trusted() {
    let authority = Authority::new();
    let good = broker(authority.issue("localhost"), None);
    let not_valid = "the broker's certificate is not valid";
    // The system's roots do not know it, nor does another CA.
    fails(secure(&good, Some(Authority::new().file())), not_valid);
    let roots = rustls_native_certs::load_native_certs();
    let because = if roots.certs.is_empty() {
        "no root certificates"
    } else {
        not_valid
    };
    fails(secure(&good, None), because);

    let expired = broker(authority.issue_expired("localhost"), None);
    fails(secure(&expired, Some(authority.file())), "expired");
    let other = broker(authority.issue("other.example"), None);
    fails(secure(&other, Some(authority.file())), "not valid for name");
}

#[test]
fn files_that_cannot_be_used() {
    let authority = Authority::new();
    let broker = broker(authority.issue("localhost"), None);
    let missing = PathBuf::from("/nowhere/ca.pem");
    fails(
        secure(&broker, Some(missing)),
        "cannot read the certificate /nowhere/ca.pem",
    );
    let (certificate, key) = authority.issue("client");
    fails(
        secure(&broker, Some(key.clone())),
        "there is no certificate in",
    );
    let with_client = |cert: Option<&PathBuf>, key: Option<&PathBuf>| {
        let mut config = secure(&broker, Some(authority.file()));
        (config.tls.cert, config.tls.key) = (cert.cloned(), key.cloned());
        config
    };
    fails(with_client(Some(&certificate), None), "no key for it");
    fails(
        with_client(None, Some(&key)),
        "no client certificate for it",
    );
    fails(
        with_client(Some(&certificate), Some(&certificate)),
        "cannot read the key",
    );
    let (_, other) = authority.issue("other");
    fails(with_client(Some(&certificate), Some(&other)), "do not fit");
}

#[test]
fn client_certificates() {
    let authority = Authority::new();
    let broker = broker(authority.issue("localhost"), Some(authority.file()));
    fails(
        secure(&broker, Some(authority.file())),
        "does it ask for another client certificate?",
    );
    let (cert, key) = authority.issue("client");
    let mut config = secure(&broker, Some(authority.file()));
    (config.tls.cert, config.tls.key) = (Some(cert), Some(key));
    works(&Node::connected(config));
}

/// Certificates are renewed while the link runs.
#[test]
fn files_are_read_again() {
    let authority = Authority::new();
    let mut broker = broker(authority.issue("localhost"), None);
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(Authority::new().file(), ca.path()).unwrap();
    let node = Node::start(secure(&broker, Some(ca.path().to_owned())));
    node.await_failure();
    std::fs::copy(authority.file(), ca.path()).unwrap();
    node.await_connected();
    broker.kill();
    node.await_failure();
    broker.restart();
    node.await_connected();
    works(&node);
}

/// Both sides speak, and neither understands the other.
#[test]
fn plain_mqtt_at_a_port_for_tls() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("localhost");
    let mosquitto = broker((cert.clone(), key.clone()), None);
    let ours = OurBroker::start(BrokerConfig {
        listen: None,
        tls_listen: Some(([127, 0, 0, 1], 0).into()),
        tls: Some(TlsFiles {
            cert,
            key,
            client_ca: None,
        }),
        ..BrokerConfig::default()
    })
    .unwrap();
    let addresses = [
        (
            format!("127.0.0.1:{}", mosquitto.port()),
            "does it speak TLS at this port",
        ),
        (
            ours.addresses().tls.unwrap().to_string(),
            "it speaks TLS at this port",
        ),
    ];
    for (address, because) in addresses {
        for protocol in [Protocol::Mqtt311, Protocol::Mqtt5] {
            let mut config = config(&format!("mqtt://{address}"), "plain");
            config.protocol = protocol;
            let why = Node::start(config).await_failure();
            assert!(why.contains(because), "{why:?} does not say {because:?}");
        }
    }
}
