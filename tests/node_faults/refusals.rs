//! A broker that does not let the runtime in, until somebody has changed something.

use std::time::{Duration, Instant};

use crate::client::{Arts, Client};
use crate::mosquitto::{Broker, Setup};
use crate::runtime::{Realm, Runtime, wait_until};
use crate::steady::Steady;

const REFUSED: &str = "does not let us in";

/// The part of a processor that the runtime needs, over a few seconds.
pub fn cpu_share(runtime: &Runtime) -> f32 {
    let (begin, before) = (Instant::now(), runtime.cpu());
    std::thread::sleep(Duration::from_secs(2));
    (runtime.cpu() - before).as_secs_f32() / begin.elapsed().as_secs_f32()
}

/// How many lines of its log have this.
pub fn lines_with(runtime: &Runtime, text: &str) -> usize {
    let log = runtime.log();
    log.lines().filter(|line| line.contains(text)).count()
}

/// Our test's clients have no name and are let in; the runtime needs a password.
fn with_user(password: &str) -> Setup {
    Setup {
        users: vec![("kitchen".to_owned(), password.to_owned())],
        more: "allow_anonymous true\n".to_owned(),
        ..Setup::default()
    }
}

#[test]
fn the_wrong_password() {
    let mut broker = Broker::with(with_user("right"));
    let arts = Arts::start(broker.port(), 1);
    let client = Client::connect(broker.port());
    client.subscribe("realm/#");
    let settings = "[broker]\nuser = \"kitchen\"\npassword = \"wrong\"";
    let runtime = Runtime::start(broker.port(), settings);
    wait_until("it says why", || runtime.log().contains(REFUSED));
    let share = cpu_share(&runtime);
    println!("CPU {share}");
    assert!(share < 0.2, "{share}");
    // Once, though it has tried more than once.
    assert_eq!(lines_with(&runtime, REFUSED), 1);
    assert!(!runtime.log().contains("wrong"));
    broker.set_users(&[("kitchen", "wrong")]);
    Realm {
        runtime,
        arts,
        client,
        broker,
    }
    .wait_registered();
}

#[test]
fn a_token_that_expires() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "first").unwrap();
    let settings = format!("[broker]\nuser = \"kitchen\"\ntoken_file = {token:?}");
    let mut steady = Steady::start(&settings, with_user("first"), 10);
    // The broker may end the connection itself when it no longer takes the token.
    steady.realm.broker.set_users(&[("kitchen", "second")]);
    steady.realm.broker.stop();
    steady.realm.broker.restart();
    wait_until("it says why", || {
        steady.realm.runtime.log().contains(REFUSED)
    });
    let before = Instant::now();
    let share = cpu_share(&steady.realm.runtime);
    // The modules need some of it.
    assert!(share < 0.6, "{share}");
    assert_eq!(lines_with(&steady.realm.runtime, REFUSED), 1);
    std::fs::write(&token, "second\n").unwrap();
    steady.wait_back(before, Instant::now());
    let summary = steady.end();
    println!("{summary:?}, CPU {share}");
    assert_eq!(summary.refused, 0);
    assert_eq!(summary.answered, summary.sent);
    let (kept, _) = steady.kept(summary.sent);
    assert!(kept.into_iter().eq(0..summary.sent));
}
