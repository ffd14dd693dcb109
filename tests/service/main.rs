//! What the service manager hears: `arena runtime`, `arts` and `broker` with a notification socket
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

use nix::sys::signal::Signal;

use mosquitto::{Broker, Setup};
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
fn what_cannot_start_is_not_ready() {
    let mut runtime = Watched::start(&["runtime", "--state-dir", "/dev/null/no"]);
    assert_eq!(runtime.exit_status(), Some(3));
    assert_eq!(runtime.rest(), [""; 0]);
}
