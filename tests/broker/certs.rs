//! What `arena certs` makes lets in whom it should, and nobody else.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};

use serde_json::Value;

use crate::arena_broker::{ArenaBroker, run};
use crate::mosquitto::{Broker, Setup, eventually};

/// Runs `arena`, and gives what it prints.
pub(crate) fn arena(dir: &Path, args: &[&str]) -> Result<String, String> {
    let (status, out, err) = run(ArenaBroker::arena(dir).args(args), b"");
    if status.success() { Ok(out) } else { Err(err) }
}

/// The flags of a client with a certificate.
pub(crate) fn login<'a>(
    url: &'a str,
    ca: &'a str,
    client: Option<(&'a str, &'a str)>,
) -> Vec<&'a str> {
    let mut flags = vec!["--broker", url, "--ca", ca];
    if let Some((cert, key)) = client {
        flags.extend(["--cert", cert, "--key", key]);
    }
    flags
}

/// Ends a program when it is dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub(crate) fn start(command: &mut Command, output: &Path) -> Running {
        let output = File::create(output).unwrap();
        let errors = output.try_clone().unwrap();
        Running(command.stdout(output).stderr(errors).spawn().unwrap())
    }
}

/// Both sides with certificates: the program's clients and a runtime get in, others do not.
fn lets_in(dir: &Path, url: &str) {
    let flags = login(
        url,
        "certs/ca.pem",
        Some(("certs/node1.pem", "certs/node1.key")),
    );
    let seen = dir.join("seen");
    let mut sub = ArenaBroker::arena(dir);
    let _sub = Running::start(sub.args(["sub", "-v", "realm/#"]).args(&flags), &seen);
    let has = |text: &str| {
        let text = text.to_owned();
        let seen = seen.clone();
        move || fs::read_to_string(&seen).unwrap().contains(&text)
    };
    let mut runtime = ArenaBroker::arena(dir);
    runtime.args([
        "runtime",
        "--name",
        "secured",
        "--app-dir",
        ".",
        "--state-dir",
        "state",
    ]);
    let _runtime = Running::start(
        runtime.args(login(
            url,
            "certs/ca.pem",
            Some(("certs/node2.pem", "certs/node2.key")),
        )),
        &dir.join("log"),
    );
    eventually("the runtime's registration", has("\"name\":\"secured\""));
    let publish = [&["pub", "realm/a", "hello"][..], &flags].concat();
    arena(dir, &publish).unwrap();
    eventually("the message", has("realm/a hello"));

    // Of another authority, or without any.
    for (client, why) in [
        (
            Some(("others/node1.pem", "others/node1.key")),
            "does it ask for another client certificate?",
        ),
        (None, "does it ask for another client certificate?"),
    ] {
        let flags = login(url, "certs/ca.pem", client);
        let refused = arena(dir, &[&["pub", "realm/a", "forged"][..], &flags].concat());
        let error = refused.unwrap_err();
        assert!(error.contains(why), "{error}");
        assert!(
            error.contains("the broker refuses the TLS connection"),
            "{error}"
        );
    }
    // And the broker of another authority is not believed.
    let flags = login(url, "others/ca.pem", None);
    let error = arena(dir, &[&["pub", "realm/a", "x"][..], &flags].concat()).unwrap_err();
    assert!(
        error.contains("the broker's certificate is not valid"),
        "{error}"
    );
    assert!(!has("forged")());
}

fn make(dir: &Path) {
    let server = [
        "--server",
        "broker.local",
        "--server",
        "localhost",
        "--server",
        "127.0.0.1",
    ];
    let made = arena(
        dir,
        &[
            &["certs", "--client", "node1", "--client", "node2"][..],
            &server,
        ]
        .concat(),
    );
    let told = made.unwrap();
    for word in [
        "require_certificate true",
        "[mqtt_server]\n    listen = \"\"",
        "url = \"mqtts://broker.local:8883\"",
    ] {
        assert!(told.contains(word), "{told}");
    }
    arena(dir, &["certs", "--out", "others", "--client", "node1"]).unwrap();
}

#[test]
fn mosquitto_with_certificates() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let file = |name: &str| dir.path().join("certs").join(name);
    let broker = Broker::with(Setup {
        tls: Some((file("server.pem"), file("server.key"), Some(file("ca.pem")))),
        ..Setup::default()
    });
    lets_in(dir.path(), &broker.url());
    // By its address, too.
    lets_in(dir.path(), &format!("mqtts://127.0.0.1:{}", broker.port()));
}

#[test]
fn our_broker_with_certificates() {
    let broker = ArenaBroker::prepared(
        [
            "--listen",
            "",
            "--tls-listen",
            "127.0.0.1:0",
            "--tls-cert",
            "certs/server.pem",
            "--tls-key",
            "certs/server.key",
            "--tls-client-ca",
            "certs/ca.pem",
        ],
        make,
    );
    lets_in(broker.dir(), &broker.url_of("mqtts"));
}

#[test]
fn what_certs_tells() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let certs = |args: &[&str]| arena(dir, &[&["certs", "--json"], args].concat());
    let made: Value = serde_json::from_str(&certs(&["--client", "a"]).unwrap()).unwrap();
    assert_eq!(made["new"], true);
    let names = made["server"]["names"].as_array().unwrap();
    assert!(names.contains(&"localhost".into()) && names.contains(&"127.0.0.1".into()));
    let key = made["clients"][0]["key"].as_str().unwrap();
    assert!(Path::new(key).is_file());
    // An address of IPv6 as URLs have it.
    let text = arena(
        dir,
        &["certs", "--out", "six", "--server", "::1", "--client", "a"],
    )
    .unwrap();
    assert!(text.contains("url = \"mqtts://[::1]:8883\""), "{text}");
    // One more of the same authority.
    let made: Value = serde_json::from_str(&certs(&["--client", "b"]).unwrap()).unwrap();
    assert_eq!(
        (&made["new"], &made["server"]),
        (&false.into(), &Value::Null)
    );
    for (args, why) in [
        (&["--client", "a"][..], "keys are not overwritten"),
        (&[], "Name a client to add"),
        (&["--server", "x.local"], "server.pem is there already"),
        (&["--client", "../a"], "cannot be a client's name"),
        (&["--server", "a b"], "no name of a host"),
        (&["--days", "0"], "--days"),
    ] {
        let error = certs(args).unwrap_err();
        assert!(error.contains(why), "{args:?}: {error}");
    }
}

/// Certificates are asked for at one port, and not at the other.
#[test]
fn a_port_without_certificates_beside_one_with_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let log = dir.path().join("log");
    let mut broker = ArenaBroker::arena(dir.path());
    broker.args([
        "broker",
        "--listen=127.0.0.1:0",
        "--tls-listen=127.0.0.1:0",
        "--tls-cert=certs/server.pem",
        "--tls-key=certs/server.key",
        "--tls-client-ca=certs/ca.pem",
    ]);
    let _broker = Running::start(&mut broker, &log);
    let warning = "mqtt_server.tls_client_ca does not hold for mqtt://127.0.0.1:";
    eventually("the warning", || {
        fs::read_to_string(&log).unwrap().contains(warning)
    });
}
