//! Who is let in, and to what.

use std::fs;
use std::path::Path;

use arena_runtime::broker::set_password;
use arena_runtime::pubsub::{Credentials, LinkConfig, Qos};

use crate::arena_broker::{ArenaBroker, run};
use crate::harness::{Node, config, message};
use crate::mosquitto::Peer;

const ACL: &str = "\
# The nodes and the supervisor
user node
topic readwrite realm/#

# What modules are given
user module
topic deny realm/proc/#
topic readwrite realm/#
";

fn start() -> ArenaBroker {
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--password-file",
        "users",
        "--acl",
        "acl",
    ];
    ArenaBroker::prepared(args, |dir| {
        for user in ["node", "module"] {
            set_password(&dir.join("users"), user, &format!("{user}'s secret")).unwrap();
        }
        fs::write(dir.join("acl"), ACL).unwrap();
    })
}

fn login(broker: &ArenaBroker, user: &str, password: &str) -> LinkConfig {
    let mut config = config(&broker.url(), &format!("client-of-{user}"));
    config.credentials = Credentials::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    };
    config
}

fn refused(config: LinkConfig) {
    let why = Node::start(config).await_failure();
    let known = ["password", "uthori"];
    assert!(known.iter().any(|word| why.contains(word)), "{why}");
}

#[test]
fn passwords() {
    let broker = start();
    Node::connected(login(&broker, "node", "node's secret"));
    // The second time it is remembered.
    Node::connected(login(&broker, "node", "node's secret"));
    refused(login(&broker, "node", "module's secret"));
    refused(login(&broker, "node", ""));
    refused(login(&broker, "nobody", "node's secret"));
    refused(config(&broker.url(), "anonymous"));

    // A password that is changed counts from now on, and a file that is broken does not.
    passwd(broker.dir(), "node", b"new\n");
    refused(login(&broker, "node", "node's secret"));
    Node::connected(login(&broker, "node", "new"));
    let users = fs::read(broker.file("users")).unwrap();
    fs::write(broker.file("users"), "nonsense\n").unwrap();
    Node::connected(login(&broker, "node", "new"));
    fs::write(broker.file("users"), users).unwrap();
    Node::connected(login(&broker, "module", "module's secret"));
}

fn passwd(dir: &Path, user: &str, password: &[u8]) {
    let mut command = ArenaBroker::arena(dir);
    let (status, out, err) = run(command.args(["broker", "passwd", "users", user]), password);
    assert!(
        status.success() && out.is_empty() && err.is_empty(),
        "{err}"
    );
}

#[test]
fn modules_credentials_do_not_reach_control_topics() {
    let broker = start();
    let node = Node::connected(login(&broker, "node", "node's secret"));
    let (control, _control) = node.subscribe("realm/proc/#");
    let (data, _data) = node.subscribe("realm/s/#");
    node.flush();
    let module = Node::connected(login(&broker, "module", "module's secret"));
    let (inbox, _inbox) = module.subscribe("realm/s/#");
    module.flush();
    let greedy = [
        "realm/proc/#",
        "realm/#",
        "realm/+/control/2",
        "+/proc/#",
        "#",
    ];
    let greedy = greedy.map(|filter| {
        Peer::with(broker.port(), &[filter, "realm/s/last"], |options| {
            options.set_client_id(format!("greedy {}", filter.replace('/', " ")));
            options.set_credentials("module", "module's secret");
        })
    });
    module.publish("realm/proc/control/1", "forged", Qos::AtMostOnce);
    module.publish("realm/proc/control/1", "forged", Qos::AtLeastOnce);
    module.publish("$SYS/broker/version", "forged", Qos::AtLeastOnce);
    module.publish("elsewhere", "forged", Qos::AtLeastOnce);
    module.publish("realm/s/1", "data", Qos::AtLeastOnce);
    module.flush();
    // The node's own messages do not come back by the broker.
    let other = Peer::with(broker.port(), &[], |options| {
        options.set_credentials("node", "node's secret");
    });
    other.publish("realm/proc/control/2", "real");
    other.publish("realm/s/2", "more");
    assert_eq!(control.texts(1), ["real"]);
    assert_eq!(data.texts(2), ["data", "more"]);
    // Its own message it has heard within the process.
    assert_eq!(inbox.texts(2), ["data", "more"]);
    other.publish("realm/s/last", "");
    for peer in &greedy {
        assert_eq!(peer.next().0, "realm/s/last");
    }
}

#[test]
fn a_will_is_a_message_like_others() {
    let broker = start();
    let mut config = login(&broker, "module", "module's secret");
    config.will = Some(message("realm/proc/reg", "forged", Qos::AtLeastOnce));
    refused(config.clone());
    config.will = Some(message("realm/s/gone", "gone", Qos::AtLeastOnce));
    Node::connected(config);
}

#[test]
fn setting_a_password_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("letter"), "Dear Ada,\n").unwrap();
    for (file, user, password, says) in [
        ("users", "a:b", "x", "a user's name"),
        ("users", "ada", "", "empty"),
        ("letter", "ada", "x", "line 1"),
        ("no/where", "ada", "x", "cannot be written"),
    ] {
        let mut command = ArenaBroker::arena(dir.path());
        let input = password.as_bytes();
        let (status, _, err) = run(command.args(["broker", "passwd", file, user]), input);
        assert_eq!(status.code(), Some(2), "{err}");
        assert!(err.contains(says), "{file} {user}: {err}");
    }
    assert!(!dir.path().join("users").exists());
}
