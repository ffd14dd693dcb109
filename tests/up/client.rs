//! The commands that ask the supervisor, against a realm that is up.

use std::net::TcpListener;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Home, Outcome, PATIENCE, Realm, eventually, lines};

fn sample(name: &str) -> String {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build");
    let path = build.join(name);
    assert!(path.exists(), "run scripts/build-samples");
    path.to_str().unwrap().to_owned()
}

/// A realm, and a terminal in it.
struct Terminal {
    home: Home,
    realm: Realm,
}

impl Terminal {
    fn open() -> Terminal {
        let home = Home::new();
        let realm = home.up(&["--name=kitchen", "--set=runtime.grace_time=10ms"]);
        Terminal { home, realm }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.home.arena(args);
        command.env("ARENA_SERVER", self.realm.address("http"));
        command.env("USER", "me");
        command
    }

    fn run(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.command(args))
    }

    /// Ends well; what it prints.
    #[track_caller]
    fn prints(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert!(outcome.status.success(), "{args:?} {outcome:?}");
        assert_eq!(outcome.stderr, "");
        outcome.stdout
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.prints(args)).unwrap()
    }

    #[track_caller]
    fn fails(&self, args: &[&str], status: i32, part: &str) {
        let outcome = self.run(args);
        assert_eq!(outcome.status.code(), Some(status), "{args:?} {outcome:?}");
        assert!(outcome.stderr.contains(part), "{args:?} {outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    }
}

#[test]
fn a_module_from_start_to_end() {
    let terminal = Terminal::open();
    let publisher = sample("publisher.wasm");
    let said = terminal.prints(&[
        "deploy",
        &publisher,
        "--name=me/talk",
        "--runtime=kitchen",
        "--channel=out=realm/talk:w",
        "--memory=1MiB",
        "--restart=on-failure",
        "--arg=out",
        "--arg=0",
        "--env=A=b",
    ]);
    assert!(said.starts_with("me/talk "), "{said}");
    assert!(said.ends_with(" is running on kitchen\n"), "{said}");

    let listed = terminal.json(&["ps", "--json"]);
    let module = &listed["modules"][0];
    assert_eq!(module["name"], "me/talk");
    assert_eq!(module["restart"], "on-failure");
    assert_eq!(module["runtime"]["name"], "kitchen");
    let uuid = module["uuid"].as_str().unwrap();
    let short = &uuid[..8];
    let table = terminal.prints(&["ps", "--runtime=kitchen"]);
    let mut rows = table.lines();
    assert!(rows.next().unwrap().starts_with("NAME     UUID      STATE"));
    let row: Vec<_> = rows.next().unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["me/talk", short, "running", "kitchen"]);

    let known = terminal.json(&["inspect", "--json", short]);
    assert_eq!(known["request"]["args"], serde_json::json!(["out", "0"]));
    assert_eq!(known["request"]["env"], serde_json::json!(["A=b"]));
    let known = terminal.prints(&["inspect", "kitchen"]);
    assert!(known.contains("state: alive\n"), "{known}");
    let runtimes = terminal.json(&["runtimes", "--json"]);
    assert_eq!(runtimes["runtimes"][0]["nmodules"], 1);
    assert!(terminal.prints(&["runtimes"]).contains("kitchen"));
    let shown = terminal.prints(&["top"]);
    assert!(
        shown.contains("me/talk") && shown.contains("kitchen"),
        "{shown}"
    );

    let said = terminal.prints(&["stop", "me/talk"]);
    assert_eq!(said, format!("me/talk {uuid} is stopped\n"));
    assert_eq!(
        terminal.json(&["ps", "-a", "--json"])["modules"],
        serde_json::json!([])
    );
    let events = terminal.prints(&["events"]);
    for kind in ["registered", "placed", "started", "deleted"] {
        assert!(events.contains(kind), "{events}");
    }
    terminal.realm.stop();
}

#[test]
fn output_is_shown_again() {
    let terminal = Terminal::open();
    terminal.prints(&["deploy", &sample("hello.wasm"), "--name=hi"]);
    eventually("its output is kept", || {
        terminal.prints(&["logs", "hi"]) == "Hello from WebAssembly!\n"
    });
    // Following ends with the module.
    let said = terminal.prints(&["logs", "--follow", "--timestamps", "hi"]);
    assert!(said.ends_with("Z  Hello from WebAssembly!\n"), "{said}");
    let line = terminal.json(&["logs", "--json", "--tail=1", "hi"]);
    assert_eq!(line["text"], "Hello from WebAssembly!");
    assert_eq!(terminal.prints(&["logs", "--tail=0", "hi"]), "");
    let table = terminal.prints(&["ps", "--all"]);
    assert!(table.contains("exited (0)"), "{table}");
}

#[test]
fn output_is_followed() {
    let terminal = Terminal::open();
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (import "env" "ch_open" (func $open (param i32 i32 i32) (result i32)))
        (import "env" "ch_poll" (func $poll (param i32 i32 i32) (result i32)))
        (import "env" "ch_read_msg" (func $read (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 32) "in\00")
        (func (export "_start")
            (i32.store (i32.const 0) (call $open (i32.const 32) (i32.const 0) (i32.const 0)))
            (loop $on
                (drop (call $poll (i32.const 0) (i32.const 1) (i32.const 0)))
                (i32.store (i32.const 8) (i32.const 64))
                (i32.store (i32.const 12)
                    (call $read (i32.load (i32.const 0)) (i32.const 64) (i32.const 64)))
                (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
                (br $on))))"#;
    let file = terminal.home.path("parrot.wat");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    terminal.prints(&["deploy", file, "--channel=in=realm/say:r"]);
    let mut follow = terminal.command(&["logs", "-f", "parrot"]).spawn().unwrap();
    let shown = lines(follow.stdout.take().unwrap());
    let broker = format!("--broker={}", terminal.realm.address("mqtt"));
    for word in ["one", "two"] {
        let line = format!("{word}\n");
        terminal.prints(&["pub", &broker, "realm/say", &line]);
        assert_eq!(shown.recv_timeout(PATIENCE).unwrap(), word);
    }
    terminal.prints(&["stop", "parrot"]);
    assert!(follow.wait().unwrap().success());
}

#[test]
fn waiting_ends_as_the_module_does() {
    let terminal = Terminal::open();
    let hello = terminal.run(&["deploy", "--wait", &sample("hello.wasm")]);
    assert_eq!(hello.stdout, "Hello from WebAssembly!\n");
    assert_eq!(hello.status.code(), Some(0));
    let exit = terminal.run(&["deploy", "--wait", &sample("exit-code.wasm"), "--arg=7"]);
    assert_eq!(exit.status.code(), Some(7), "{exit:?}");
    terminal.fails(
        &["deploy", "--wait", &sample("trap-unreachable.wasm")],
        134,
        "unreachable",
    );
}

#[test]
fn several_at_once() {
    let terminal = Terminal::open();
    let counter = sample("publisher.wasm");
    let args = [
        "deploy",
        &counter,
        "--name=n",
        "--replicas=3",
        "--channel=out=realm/n:w",
    ];
    let said = terminal.prints(&[&args[..], &["--arg=out", "--arg=0"]].concat());
    assert_eq!(said.lines().count(), 3, "{said}");
    terminal.fails(&["stop", "n"], 4, "n");
    let said = terminal.prints(&["stop", "n-1", "n-2", "n-3"]);
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn events_are_followed() {
    let terminal = Terminal::open();
    let mut follow = terminal
        .command(&["events", "-f", "--after=0", "--json"])
        .spawn()
        .unwrap();
    let shown = lines(follow.stdout.take().unwrap());
    terminal.prints(&["deploy", &sample("hello.wasm")]);
    loop {
        let line = shown.recv_timeout(PATIENCE).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["kind"] == "exited" {
            break;
        }
    }
    // It ends with the supervisor.
    terminal.realm.signal(Signal::SIGINT);
    follow.wait().unwrap();
}

#[test]
fn what_is_refused_is_told_in_a_line() {
    let terminal = Terminal::open();
    let hello = sample("hello.wasm");
    for (args, status, part) in [
        (&["deploy", "nothing.wasm"][..], 127, "no such file"),
        (&["deploy", &hello, "--runtime=nobody"], 4, "nobody"),
        (&["deploy", "text.wasm"], 4, "WebAssembly"),
        (&["stop", "nobody"], 4, "nobody"),
        (&["logs", "nobody"], 4, "nobody"),
        (&["logs", "-f", "nobody"], 4, "nobody"),
        (
            &["inspect", "nobody"],
            127,
            "no file, module or runtime nobody",
        ),
        (&["ps", "--runtime=nobody"], 4, "nobody"),
    ] {
        std::fs::write(terminal.home.path("text.wasm"), "no module").unwrap();
        terminal.fails(args, status, part);
    }
}

#[test]
fn who_is_not_there_is_named() {
    let home = Home::new();
    // A port that nobody listens on, and one where nobody answers as a supervisor.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = format!("--server={free}");
    for command in [
        &["ps"][..],
        &["runtimes"],
        &["logs", "x"],
        &["stop", "x"],
        &["events"],
        &["top"],
    ] {
        let outcome = home.run(command.iter().chain(&[server.as_str()]));
        assert_eq!(outcome.status.code(), Some(5), "{outcome:?}");
        assert!(outcome.stderr.contains(&free), "{outcome:?}");
        assert!(outcome.stderr.contains("arena up"), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    }
    let outcome = home.run(["ps", "--server=ftp://x"]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
}

#[test]
fn completions_and_manual_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = home.run(["completions", shell]);
        assert!(outcome.status.success(), "{outcome:?}");
        for command in ["deploy", "runtimes", "up"] {
            assert!(outcome.stdout.contains(command), "{shell} {command}");
        }
    }
    assert!(home.run(["man", "deep/man1"]).status.success());
    let page = std::fs::read_to_string(home.path("deep/man1/arena-deploy.1")).unwrap();
    assert!(page.contains("replicas"), "{page}");
    std::fs::write(home.path("file"), "").unwrap();
    assert_eq!(home.run(["man", "file"]).status.code(), Some(1));
}
