//! What the service manager hears: `arena runtime`, `arts`, `broker` and `up` with a notification socket
//! of the test's own, and threads that hang.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

#[path = "../support/mosquitto.rs"]
mod mosquitto;

mod hanging;
mod watched;

use std::process::Command;

use nix::sys::signal::Signal;

use mosquitto::{Broker, Setup, eventually, free_port};
use watched::Watched;

#[test]
fn a_runtime_is_ready_without_a_broker() {
    let mut broker = Broker::absent(Setup::default());
    let mut runtime = Watched::runtime(broker.port());
    let ready = runtime.next();
    assert!(
        ready.starts_with("READY=1\nSTATUS=waiting for the broker mqtt://127.0.0.1:"),
        "{ready}"
    );
    runtime.fed(3);
    broker.restart();
    runtime.wait("STATUS=waiting for ARTS to register it in realm; 0 modules");
    // A broker that hangs is no runtime that does.
    broker.freeze();
    runtime.fed(5);
    broker.thaw();
    runtime.signal(Signal::SIGTERM);
    let stopping = runtime.wait("STOPPING=1\n");
    // The modules' grace time, and fifteen seconds.
    assert!(
        stopping.contains("\nEXTEND_TIMEOUT_USEC=20000000"),
        "{stopping}"
    );
    assert_eq!(runtime.exit_status(), Some(0));
}

#[test]
fn health_is_an_exit_status() {
    let mut broker = Broker::absent(Setup::default());
    let url = broker.url();
    let http = format!("127.0.0.1:{}", free_port());
    let runtime = Watched::start(&["runtime", "--broker", &url, "--http", &http]);
    runtime.wait("READY=1\n");
    let health = |address: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(["health", "--server", &format!("http://{address}")])
            .env_clear()
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = text(output.stdout) + &text(output.stderr);
        (output.status.code(), said)
    };
    let (status, said) = health(&http);
    assert_eq!(status, Some(4), "{said}");
    assert_eq!(said, "arena: not well: the broker is not connected\n");
    let api = format!("127.0.0.1:{}", free_port());
    assert_eq!(health(&api).0, Some(5));
    let _arts = Watched::start(&["arts", "--broker", &url, "--listen", &api]);
    broker.restart();
    runtime.wait("STATUS=registered in realm as ");
    assert_eq!(health(&http), (Some(0), "all is well\n".to_owned()));
    eventually("the supervisor is well", || {
        health(&api) == (Some(0), "all is well\n".to_owned())
    });
    // It answers, and is something else.
    let (status, said) = health(&format!("127.0.0.1:{}", broker.port()));
    assert_eq!(status, Some(5), "{said}");
}

#[test]
fn a_supervisor_is_ready_without_a_broker() {
    let broker = Broker::absent(Setup::default());
    let mut arts = Watched::arts(broker.port());
    assert_eq!(
        arts.next(),
        "READY=1\nSTATUS=waiting for the broker; runtimes: 0, running modules: 0"
    );
    arts.fed(3);
    arts.signal(Signal::SIGTERM);
    arts.wait("STOPPING=1\n");
    assert_eq!(arts.exit_status(), Some(0));
}

#[test]
fn a_broker_is_ready_when_it_listens() {
    let mut broker = Watched::broker();
    let ready = broker.next();
    let address = ready
        .strip_prefix("READY=1\nSTATUS=listening on mqtt://")
        .unwrap_or_else(|| panic!("{ready}"));
    std::net::TcpStream::connect(address).unwrap();
    broker.fed(3);
    broker.signal(Signal::SIGTERM);
    broker.wait("STOPPING=1\n");
    assert_eq!(broker.exit_status(), Some(0));
}

#[test]
fn a_realm_is_ready_when_all_of_it_is() {
    let any = ["up", "--mqtt=127.0.0.1:0", "--ws=", "--http=127.0.0.1:0"];
    let mut realm = Watched::start(&any);
    assert_eq!(realm.next(), "READY=1\nSTATUS=the realm is up");
    realm.fed(3);
    realm.signal(Signal::SIGTERM);
    realm.wait("STOPPING=1\n");
    assert_eq!(realm.exit_status(), Some(0));
}

/// What the sandbox leaves of the limits of a process.
#[test]
fn limits_that_are_not_needed_are_lowered() {
    let broker = Broker::start();
    let mut runtime = Watched::runtime(broker.port());
    runtime.wait("READY=1\n");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", runtime.pid())).unwrap();
    for (name, most) in [
        ("Max core file size", 0),
        ("Max locked memory", 0),
        ("Max msgqueue size", 0),
        ("Max nice priority", 0),
        ("Max realtime priority", 1),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let mut numbers = line[name.len()..].split_whitespace();
        for _ in ["soft", "hard"] {
            let number: u64 = numbers.next().unwrap().parse().expect(line);
            assert!(number <= most, "{line}");
        }
    }
    runtime.signal(Signal::SIGTERM);
    assert_eq!(runtime.exit_status(), Some(0));
}

#[test]
fn no_sandbox_is_shown_as_one_that_is_off() {
    use std::io::{Read as _, Write as _};

    let broker = Broker::absent(Setup::default());
    let http = format!("127.0.0.1:{}", free_port());
    let args = [
        "runtime",
        "--sandbox=off",
        "--broker",
        &broker.url(),
        "--http",
        &http,
    ];
    let runtime = Watched::start(&args);
    runtime.wait("READY=1\n");
    let mut stream = std::net::TcpStream::connect(&http).unwrap();
    let request = format!("GET /status HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(status["sandbox"], serde_json::json!({"level": "off"}));
}

#[test]
fn what_cannot_start_is_not_ready() {
    let mut runtime = Watched::start(&["runtime", "--state-dir", "/dev/null/no"]);
    assert_eq!(runtime.exit_status(), Some(3));
    assert_eq!(runtime.rest(), [""; 0]);
}

/// systemd starts a service again that cannot start, but not one whose settings are wrong.
#[test]
fn settings_that_cannot_be_have_a_status_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("letter"), "Dear Ada,\n").unwrap();
    let set = |key: &str, value: &str| format!("--set={key}={value}");
    for args in [
        vec![
            "runtime".to_owned(),
            set("security.require_signed_modules", "true"),
        ],
        vec![
            "runtime".to_owned(),
            set("security.trusted_keys", &at("none")),
        ],
        vec![
            "runtime".to_owned(),
            set("security.trusted_keys", &at("letter")),
        ],
        vec![
            "runtime".to_owned(),
            "--user=me".to_owned(),
            set("broker.password_file", &at("none")),
        ],
        vec![
            "arts".to_owned(),
            "--user=me".to_owned(),
            set("broker.password_file", &at("none")),
        ],
        vec![
            "arts".to_owned(),
            set("supervisor.jwt_secret_file", &at("letter")),
        ],
        vec!["broker".to_owned(), "--listen=".to_owned()],
        vec!["broker".to_owned(), set("mqtt_server.acl", &at("none"))],
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut service = Watched::start(&args);
        assert_eq!(service.exit_status(), Some(2), "{args:?}");
        assert_eq!(service.rest(), [""; 0]);
    }
}
