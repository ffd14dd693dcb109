//! How it ends.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{Home, eventually};

fn sample(name: &str) -> Vec<u8> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build");
    fs::read(build.join(name)).expect("run scripts/build-samples")
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let home = Home::new();
    let mut realm = home.up(&["--set=runtime.grace_time=1h"]);
    fs::create_dir_all(home.path("data/modules")).unwrap();
    let loops = home.path("data/modules/loop.wasm");
    fs::write(loops, sample("endless-loop.wasm")).unwrap();
    let broker = format!("--broker={}", realm.address("mqtt"));
    let create = r#"{"object_id": "1", "action": "create", "type": "arts_req", "data":
        {"type": "module", "name": "loop", "filename": "loop.wasm"}}"#;
    let uuid = realm.ready["runtime"]["uuid"].as_str().unwrap();
    let mut output = home
        .arena(["sub", "--count=1", &broker, "realm/proc/debug/stdout/#"])
        .spawn()
        .unwrap();
    eventually("the module runs", || {
        let topic = format!("realm/proc/control/{uuid}");
        assert!(home.run(["pub", &broker, &topic, create]).status.success());
        output.try_wait().unwrap().is_some()
    });
    realm.signal(Signal::SIGINT);
    // It may be that the second one comes before the first was seen.
    eventually("it ends at once", || {
        let ended = realm.child.try_wait().unwrap();
        if ended.is_none() {
            realm.signal(Signal::SIGINT);
        }
        ended.is_some()
    });
    assert_eq!(realm.wait().code(), Some(130));
}

#[test]
fn a_realm_that_was_killed_comes_up_again() {
    let home = Home::new();
    let mut realm = home.up(&["--demo"]);
    realm.signal(Signal::SIGKILL);
    realm.wait();
    home.up(&[]).stop();
}
