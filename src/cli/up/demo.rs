//! The modules of `arena up --demo`: `clock` publishes, `echo` answers it, and `counter` counts the
//! answers. They are WebAssembly text in the program, and go through the supervisor like any other
//! module.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::bounded;
use serde_json::{Map, Value, json};

use crate::supervisor::{NewModule, Supervisor};

use crate::cli::status::{Failure, Status};

const COMMON: &str = include_str!("demo/common.wat");

/// How long a module may take to be started.
const PATIENCE: Duration = Duration::from_secs(15);

struct Part {
    name: &'static str,
    text: &'static str,
    /// The last levels of the topics of `/ch/in` and `out`.
    input: Option<&'static str>,
    output: &'static str,
}

/// Whoever listens comes before whoever speaks.
const PARTS: [Part; 3] = [
    Part {
        name: "demo/counter",
        text: include_str!("demo/counter.wat"),
        input: Some("echo"),
        output: "count",
    },
    Part {
        name: "demo/echo",
        text: include_str!("demo/echo.wat"),
        input: Some("clock"),
        output: "echo",
    },
    Part {
        name: "demo/clock",
        text: include_str!("demo/clock.wat"),
        input: None,
        output: "clock",
    },
];

/// The topics on which they talk.
pub(super) fn topics(realm: &str) -> String {
    format!("{realm}/demo/#")
}

/// Starts them, and returns their names.
pub(super) fn deploy(supervisor: &Supervisor) -> Result<Vec<&'static str>, Failure> {
    PARTS.iter().map(|part| part.deploy(supervisor)).collect()
}

impl Part {
    fn deploy(&self, supervisor: &Supervisor) -> Result<&'static str, Failure> {
        let failure = |why: &str| {
            let name = self.name;
            Failure::new(Status::CannotStart, format!("cannot start {name}: {why}"))
        };
        let wasm = self.compile().map_err(|e| failure(&e.to_string()))?;
        let module = NewModule::from_fields(self.fields(&wasm, supervisor.realm()))
            .map_err(|e| failure(&e.to_string()))?;
        let (sender, answer) = bounded(1);
        let reply = Box::new(move |answer| {
            // Nobody waits when it has taken too long.
            let _ = sender.send(answer);
        });
        supervisor.create(module, reply);
        match answer.recv_timeout(PATIENCE) {
            Ok(Ok(_)) => Ok(self.name),
            Ok(Err(refusal)) => Err(failure(&refusal.to_string())),
            Err(_) => Err(failure("the supervisor does not answer")),
        }
    }

    fn compile(&self) -> Result<Vec<u8>, wat::Error> {
        wat::parse_str(format!("(module\n{COMMON}\n{})", self.text))
    }

    fn fields(&self, wasm: &[u8], realm: &str) -> Map<String, Value> {
        let channel = |path: &str, mode: &str, topic: &str| {
            let topic = format!("{realm}/demo/{topic}");
            json!({"path": path, "type": "pubsub", "mode": mode, "params": {"topic": topic}})
        };
        let input = self.input.map(|topic| channel("/ch/in", "r", topic));
        let output = channel("out", "w", self.output);
        let channels: Vec<Value> = input.into_iter().chain([output]).collect();
        let mut fields = Map::new();
        fields.insert("type".to_owned(), "module".into());
        fields.insert("name".to_owned(), self.name.into());
        fields.insert("wasm".to_owned(), STANDARD.encode(wasm).into());
        fields.insert("channels".to_owned(), channels.into());
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_modules() {
        for part in PARTS {
            let wasm = part.compile().unwrap();
            wasmparser::validate(&wasm).unwrap();
            NewModule::from_fields(part.fields(&wasm, "realm")).unwrap();
        }
    }
}
