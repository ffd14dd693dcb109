//! The example of a broker for a realm, in docs/examples/mosquitto: a real Mosquitto with these very
//! files, a supervisor, a runtime, and those who are to be kept out.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::arena_broker::ArenaBroker;
use crate::certs::{Running, arena, login};
use crate::mosquitto::{eventually, free_port};

/// The uuid of the example's runtime.
const UUID: &str = "5f937916-d29d-4f66-801e-3d69f57728e2";

/// The example, for this directory and a port instead of the system's.
fn mosquitto(dir: &Path) -> (Running, String) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/mosquitto");
    let here = dir.display().to_string();
    let read = |name: &str| {
        let text = fs::read_to_string(example.join(name)).unwrap();
        text.replace("/etc/mosquitto", &here)
    };
    fs::write(dir.join("acl"), read("acl")).unwrap();
    let conf = read("mosquitto.conf");
    assert!(conf.contains("\nlistener 8883\n") && conf.contains("\nuser mosquitto\n"));
    loop {
        let port = free_port();
        let conf = conf
            .replace(
                "\nlistener 8883\n",
                &format!("\nlistener {port} 127.0.0.1\n"),
            )
            .replace("\nuser mosquitto\n", "\nuser root\n");
        fs::write(dir.join("mosquitto.conf"), conf).unwrap();
        let program = ["/usr/sbin/mosquitto", "mosquitto"]
            .into_iter()
            .find(|program| !program.starts_with('/') || Path::new(program).exists());
        let mut command = Command::new(program.unwrap());
        command
            .arg("-c")
            .arg(dir.join("mosquitto.conf"))
            .stdin(Stdio::null());
        let mut broker = Running::start(&mut command, &dir.join("mosquitto.log"));
        let address = (Ipv4Addr::LOCALHOST, port);
        // Somebody else may have the port by now.
        while broker.runs() {
            if TcpStream::connect(address).is_ok() {
                return (broker, format!("mqtts://localhost:{port}"));
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let log = fs::read_to_string(dir.join("mosquitto.log")).unwrap();
        assert!(log.contains("in use"), "{log}");
    }
}

#[test]
fn a_realm_with_access_rules() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let clients = ["arts", "kitchen", "operator", "viewer", "app", "stranger"];
    let named = clients.iter().flat_map(|client| ["--client", client]);
    let all: Vec<&str> = ["certs", "--server", "localhost"]
        .into_iter()
        .chain(named)
        .collect();
    arena(dir, &all).unwrap();
    let (_broker, url) = mosquitto(dir);
    let files = |name: &str| (format!("certs/{name}.pem"), format!("certs/{name}.key"));
    let with = |name: &str, args: &[&str]| {
        let (cert, key) = files(name);
        let mut command = ArenaBroker::arena(dir);
        command.args(args);
        command.args(login(&url, "certs/ca.pem", Some((&cert, &key))));
        command
    };
    let publish = |name: &str, topic: &str, message: &str| {
        let done = with(name, &["pub", "--qos", "1", topic, message]).output();
        let done = done.unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    let watch = |name: &str, filter: &str| {
        let seen = dir.join(format!("seen-by-{name}"));
        let running = Running::start(&mut with(name, &["sub", "-v", filter]), &seen);
        (running, move || fs::read_to_string(&seen).unwrap())
    };
    let (_viewer, seen) = watch("viewer", "realm/proc/#");
    let (_app, app_seen) = watch("app", "realm/#");
    let arts = ["arts", "--listen", "127.0.0.1:0", "--data-dir", "arts"];
    let _arts = Running::start(&mut with("arts", &arts), &dir.join("arts.log"));
    fs::create_dir(dir.join("state")).unwrap();
    fs::write(dir.join("state/runtime-uuid"), UUID).unwrap();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/wasm-samples/build");
    let runtime = [
        "runtime",
        "--name",
        "kitchen",
        "--state-dir",
        "state",
        "--app-dir",
        samples,
    ];
    let _runtime = Running::start(&mut with("kitchen", &runtime), &dir.join("log"));
    eventually("the runtime is registered", || {
        let log = fs::read_to_string(dir.join("log")).unwrap();
        seen().contains("\"result\":\"ok\"") && log.contains("registered")
    });

    // Who may not, publishes into the void: MQTT 3.1.1 has no other word for it.
    let create = |id: &str| {
        format!(
            r#"{{"object_id": "{id}", "action": "create", "type": "arts_req", "data": {{
                "type": "module", "name": "{id}", "filename": "hello.wasm"}}}}"#
        )
    };
    let control = format!("realm/proc/control/{UUID}");
    for stranger in ["stranger", "app", "viewer"] {
        for topic in [&control, "realm/proc/control", "realm/proc/reg"] {
            publish(stranger, topic, &create("forged"));
        }
    }
    // Nor does a runtime give orders to another.
    publish("kitchen", "realm/proc/control/another", &create("forged"));
    publish("viewer", "realm/s/a", "forged");
    // The operator asks the supervisor, which asks the runtime, which runs it.
    publish("operator", "realm/proc/control", &create("hello"));
    eventually("the module has run", || {
        seen().contains("Hello from WebAssembly!")
    });
    // The app's subscription to all of the realm brings it what it may read.
    eventually("the app hears of its topics", || {
        publish("operator", "realm/s/a", "for the app");
        app_seen().contains("realm/s/a for the app")
    });
    assert!(!seen().contains("forged"), "{}", seen());
    assert!(!app_seen().contains("proc/"), "{}", app_seen());
}
