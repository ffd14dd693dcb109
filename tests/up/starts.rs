//! Where everything is, and that it is kept.

use std::net::{TcpListener, TcpStream};

use crate::harness::Home;

fn port(url: &str) -> &str {
    url.rsplit_once("://").unwrap().1
}

#[test]
fn everything_is_where_it_is_said_to_be() {
    let home = Home::new();
    let realm = home.up(&["--realm=lab", "--name=kitchen"]);
    assert_eq!(realm.ready["realm"], "lab");
    assert_eq!(realm.ready["runtime"]["name"], "kitchen");
    assert_eq!(realm.ready["data"], home.path("data").to_str().unwrap());
    let http = realm.address("http");
    assert!(http.starts_with("http://127.0.0.1:"), "{http}");
    for of in ["mqtt", "ws"] {
        let url = realm.address(of);
        assert!(url.starts_with(&format!("{of}://127.0.0.1:")), "{url}");
        TcpStream::connect(port(url)).unwrap();
        let broker = format!("--broker={url}");
        let said = home.run(["pub", &broker, "lab/test", "hello"]);
        assert!(said.status.success(), "{said:?}");
    }
    let ports = ["mqtt", "ws", "http"].map(|of| port(realm.address(of)).to_owned());
    realm.stop();
    for port in ports {
        TcpListener::bind(port).unwrap();
    }
    let elsewhere: Vec<_> = home.files();
    let elsewhere: Vec<_> = elsewhere
        .iter()
        .filter(|file| !file.starts_with("data/"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn it_is_the_same_the_next_time() {
    let home = Home::new();
    let first = home.up(&[]);
    let runtime = first.ready["runtime"].clone();
    first.stop();
    let again = home.up(&[]);
    assert_eq!(again.ready["runtime"], runtime);
}

#[test]
fn without_a_word_it_is_in_the_home_on_ports_that_are_free() {
    let home = Home::new();
    let other = Home::new();
    let nothing: [&str; 0] = [];
    // One of them at the most has the usual ports.
    let realms = [home.up_with(nothing), other.up_with(nothing)];
    for of in ["mqtt", "ws", "http"] {
        assert_ne!(realms[0].address(of), realms[1].address(of));
    }
    let data = home.path(".local/share/arena");
    assert_eq!(realms[0].ready["data"], data.to_str().unwrap());
    let xdg = Home::new();
    let mut command = xdg.arena(["up"]);
    command.env("XDG_DATA_HOME", home.path(".local/share"));
    let taken = command.output().unwrap();
    assert_eq!(taken.status.code(), Some(3));
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(said.contains("another realm uses"), "{said}");
    assert!(said.contains("--data DIR"), "{said}");
}

#[test]
fn people_are_told_what_to_try() {
    let home = Home::new();
    let mut child = home
        .arena([
            "up",
            "--data=d",
            "--mqtt=127.0.0.1:0",
            "--ws=127.0.0.1:0",
            "--http=127.0.0.1:0",
        ])
        .spawn()
        .unwrap();
    let lines = crate::harness::lines(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("Ctrl-C") {
        said += &lines.recv_timeout(crate::harness::PATIENCE).unwrap();
        said += "\n";
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for part in [
        "The realm is up",
        "mqtt://127.0.0.1:",
        "ws://127.0.0.1:",
        "  arena deploy --server http",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_runtime_joins() {
    let home = Home::new();
    let realm = home.up(&["--realm=lab"]);
    let url = realm.address("mqtt");
    let join = format!("--join={url}");
    let guest = home.up_with(["--data=guest", &join, "--realm=lab", "--name=guest"]);
    assert_eq!(guest.ready["broker"], url);
    assert_eq!(guest.ready["runtime"]["name"], "guest");
    assert_ne!(
        guest.ready["runtime"]["uuid"],
        realm.ready["runtime"]["uuid"]
    );
    guest.stop();
    realm.stop();
}

#[test]
fn what_cannot_be_is_an_error_in_a_line_or_two() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--mqtt={}", taken.local_addr().unwrap());
    std::fs::write(home.path("file"), "").unwrap();
    for (args, status, part) in [
        (
            &["--data=d", &taken][..],
            3,
            "another program listens there",
        ),
        (&["--data=file", "--mqtt=127.0.0.1:0"], 3, "file"),
        (&["--data=d", "--mqtt=nowhere"], 2, "--mqtt"),
        (&["--data=d", "--mqtt=", "--ws="], 2, "no address"),
        (
            &["--data=d", "--join=mqtt://127.0.0.1", "--demo"],
            2,
            "--demo",
        ),
        (&["--data=d", "--join=http://127.0.0.1"], 2, "--join"),
        (&["--data=d", "--realm=a/#"], 2, "--realm"),
    ] {
        let outcome = home.run(["up"].iter().chain(args));
        assert_eq!(outcome.status.code(), Some(status), "{args:?} {outcome:?}");
        assert!(outcome.stderr.contains(part), "{args:?} {outcome:?}");
        assert!(outcome.stderr.lines().count() <= 2, "{outcome:?}");
        assert_eq!(outcome.stdout, "");
    }
    let mut homeless = home.arena(["up"]);
    let outcome = homeless.env_clear().output().unwrap();
    assert_eq!(outcome.status.code(), Some(2));
}
