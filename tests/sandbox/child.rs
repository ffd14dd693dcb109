//! The process in the sandbox: a runtime's settings, a guest, and its broken host function.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use arena_runtime::config::{FlagValues, Surroundings, load};
use arena_runtime::runtime::confine;
use arena_runtime::wamr::{Caller, Engine, Imports, Instance, InstanceConfig, Module, Val};
use serde_json::{Value, json};

use crate::attacks::{ATTACKS, Place};
use crate::file;

/// The first argument of the child.
pub(crate) const MODE: &str = "child";

/// What a runtime does itself, by name.
pub(crate) const NEEDED: &[&str] = &[
    "connect-broker",
    "keep-state",
    "read-module",
    "renewed-token",
    "thread",
];

/// Prints what holds, and then what comes of each attack, or of those that are named.
pub(crate) fn run(level: &str, only: &[String]) {
    let variable = |name: &str| std::env::var(name).unwrap();
    let place = Place {
        dir: variable("DIR").into(),
        broker: variable("BROKER").parse().unwrap(),
        other: variable("OTHER").parse().unwrap(),
    };
    let mut flags = FlagValues::default();
    let path = |name: &str| file(&place.dir, name).to_str().unwrap().to_owned();
    for (key, value) in [
        ("security.sandbox", level),
        ("broker.url", &format!("mqtt://127.0.0.1:{}", place.broker)),
        ("engine.mode", "interpreter"),
        ("runtime.state_dir", &path("state")),
        ("runtime.app_dir", &path("apps")),
        ("store.cache_dir", &path("cache")),
        ("broker.token_file", &path("secret/token")),
    ] {
        flags.add("--set", key, value);
    }
    let settings = load(&flags, &Surroundings::default()).unwrap().settings;
    let held = match confine(&settings) {
        Ok(held) => held.map_or(Value::Null, |held| held.to_json()),
        Err(error) => json!({"refused": error.to_string()}),
    };
    say(&held.to_string());
    if held.get("refused").is_some() {
        return;
    }
    // Until the token is renewed.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let all: Vec<String> = ATTACKS
        .iter()
        .map(|attack| attack.name.to_owned())
        .collect();
    let names = if only.is_empty() { all } else { only.to_vec() };
    let guest = guest(place, names.clone());
    for (number, name) in names.iter().enumerate() {
        let number = i32::try_from(number).unwrap();
        let Val::I32(outcome) = guest.call("call", &[Val::I32(number)]).unwrap()[0] else {
            panic!("{name}");
        };
        say(&format!("{name} {outcome}"));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// A guest whose import does what its argument says.
fn guest(place: Place, names: Vec<String>) -> Instance<()> {
    let mut imports = Imports::<()>::new();
    let place = Arc::new(place);
    imports.func("host", "broken", move |_: &Caller<'_, ()>, number: i32| {
        let name = &names[usize::try_from(number).unwrap()];
        attempt(name, &place)
    });
    let text = r#"(module
        (import "host" "broken" (func $broken (param i32) (result i32)))
        (func (export "call") (param i32) (result i32) (call $broken (local.get 0))))"#;
    let engine = Engine::new().unwrap();
    let module = Module::load(&engine, &wat::parse_str(text).unwrap(), &imports).unwrap();
    Instance::new(&module, (), InstanceConfig::default()).unwrap()
}

/// 0, or the number of the error.
fn attempt(name: &str, place: &Place) -> i32 {
    let outcome = match name {
        "connect-broker" => TcpStream::connect(("127.0.0.1", place.broker)).map(drop),
        "keep-state" => std::fs::write(file(&place.dir, "state/file"), "state")
            .and_then(|()| {
                std::fs::rename(
                    file(&place.dir, "state/file"),
                    file(&place.dir, "state/other"),
                )
            })
            .and_then(|()| std::fs::remove_file(file(&place.dir, "state/other"))),
        "read-module" => std::fs::read(file(&place.dir, "apps/module.wasm")).map(drop),
        "renewed-token" => {
            std::fs::read_to_string(file(&place.dir, "secret/token")).and_then(|text| {
                let renewed = text == "second";
                renewed
                    .then_some(())
                    .ok_or(std::io::ErrorKind::Other.into())
            })
        }
        "thread" => std::thread::Builder::new()
            .spawn(|| ())
            .and_then(|thread| thread.join().map_err(|_| std::io::ErrorKind::Other.into())),
        _ => {
            let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
            (attack.run)(place)
        }
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(-1),
    }
}
