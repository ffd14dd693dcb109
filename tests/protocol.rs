//! Messages from strangers: whatever comes, nothing breaks, and whoever can be answered is.
#![allow(clippy::expect_used, reason = "this is a test")]

use arena_runtime::protocol::{Incoming, MAX_OBJECT_ID, ParseError, RequestData, parse};
use serde_json::{Value, json};

/// What runtimes, supervisors and clients were seen to send.
const MESSAGES: [(&str, &str); 17] = [
    ("create", include_str!("../fuzz/seeds/message/create.json")),
    (
        "create-inline",
        include_str!("../fuzz/seeds/message/create-inline.json"),
    ),
    (
        "create-repr",
        include_str!("../fuzz/seeds/message/create-repr.json"),
    ),
    (
        "create-strings",
        include_str!("../fuzz/seeds/message/create-strings.json"),
    ),
    (
        "create-words",
        include_str!("../fuzz/seeds/message/create-words.json"),
    ),
    (
        "create-wrapped",
        include_str!("../fuzz/seeds/message/create-wrapped.json"),
    ),
    ("delete", include_str!("../fuzz/seeds/message/delete.json")),
    (
        "delete-migrate",
        include_str!("../fuzz/seeds/message/delete-migrate.json"),
    ),
    (
        "delete-runtime",
        include_str!("../fuzz/seeds/message/delete-runtime.json"),
    ),
    (
        "deleted",
        include_str!("../fuzz/seeds/message/deleted.json"),
    ),
    ("exited", include_str!("../fuzz/seeds/message/exited.json")),
    (
        "keepalive",
        include_str!("../fuzz/seeds/message/keepalive.json"),
    ),
    (
        "register",
        include_str!("../fuzz/seeds/message/register.json"),
    ),
    (
        "register-error",
        include_str!("../fuzz/seeds/message/register-error.json"),
    ),
    (
        "register-ok",
        include_str!("../fuzz/seeds/message/register-ok.json"),
    ),
    (
        "silverline-create",
        include_str!("../fuzz/seeds/message/silverline-create.json"),
    ),
    (
        "silverline-stop",
        include_str!("../fuzz/seeds/message/silverline-stop.json"),
    ),
];

const MAX: usize = 256 << 20;

/// Parses `message`, and checks what holds for every message: a JSON object with an id and the
/// type of a request is a request, or an error that can be answered.
fn receive(message: &[u8]) -> Result<Incoming, ParseError> {
    let result = parse(message, MAX);
    if let Err(error) = &result {
        if let Some(answer) = error.answer() {
            let answer: Value = serde_json::from_slice(&answer).expect("well-formed");
            assert_eq!(answer["type"], "arts_resp");
            assert_eq!(answer["data"]["result"], "error");
            assert!(
                !answer["data"]["details"]
                    .as_str()
                    .expect("a text")
                    .is_empty()
            );
        }
        if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(message) {
            let has_id = match object.get("object_id") {
                Some(Value::String(id)) => (1..=MAX_OBJECT_ID).contains(&id.len()),
                Some(Value::Number(_)) => true,
                _ => false,
            };
            if has_id && object.get("type") == Some(&"arts_req".into()) {
                let id = error
                    .request()
                    .expect("a request that is answered")
                    .to_value();
                assert_eq!(id, object["object_id"], "{error}");
            }
        }
    }
    result
}

#[test]
fn what_was_seen_is_understood() {
    for (name, message) in MESSAGES {
        if let Err(error) = receive(message.as_bytes()) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn every_truncation() {
    for (_, message) in MESSAGES {
        for end in 0..message.trim_end().len() {
            // Without its end it is not JSON, unless that is the closing quote of all of it.
            let result = receive(&message.as_bytes()[..end]);
            assert!(
                result.is_err() || message.starts_with('\''),
                "{}",
                &message[..end]
            );
        }
    }
}

/// Values that are wrong nearly everywhere.
fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        true.into(),
        (-1).into(),
        u64::MAX.into(),
        i64::MIN.into(),
        1e308.into(),
        (-0.0).into(),
        0.5.into(),
        "".into(),
        " ".into(),
        "\0".into(),
        "xyz".into(),
        "[".into(),
        "{'a': ".into(),
        "[None, True, 1e999, -0x10]".into(),
        "['a'".into(),
        "['\\".into(),
        "\u{202e}\u{feff}\u{10ffff}".into(),
        "9".repeat(1_000).into(),
        "x".repeat(70_000).into(),
        json!([]),
        json!([null]),
        json!([[[]], {}, "a", 1, false]),
        json!({}),
        json!({"uuid": 7}),
        json!({"a": {"b": [{"c": null}]}}),
        vec![Value::from("a"); 2_000].into(),
    ]
}

/// All places in `value`, as JSON pointers.
fn places(value: &Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                self::places(value, &format!("{at}/{key}"), places);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                self::places(value, &format!("{at}/{index}"), places);
            }
        }
        _ => {}
    }
}

#[test]
fn every_place_with_every_wrong_value() {
    for (_, message) in MESSAGES {
        let Ok(message) = serde_json::from_str::<Value>(message) else {
            continue;
        };
        let mut all = Vec::new();
        places(&message, "", &mut all);
        for place in all {
            for value in wrong_values() {
                let mut changed = message.clone();
                *changed.pointer_mut(&place).expect("it was there") = value;
                let result = receive(changed.to_string().as_bytes());
                // An error is about the place that is wrong, by the name that it has in `data`.
                if let (Err(error), Some(field)) = (result, place.strip_prefix("/data/")) {
                    let field = field.split('/').next().unwrap_or_default();
                    let text = error.to_string();
                    assert!(text.contains(field), "{place}: {text}");
                    assert!(text.len() < 1_000, "{} bytes for {place}", text.len());
                }
            }
        }
    }
}

/// A generator of numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}

#[test]
fn a_hundred_thousand_damaged_messages() {
    const TOKENS: [&str; 16] = [
        "{", "}", "[", "]", "'", "\"", "\\", "\\u", ":", ",", "None", "1e400", "-", "\0", "\\\\'",
        "\u{fc}",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..100_000 {
        let mut message = MESSAGES[round % MESSAGES.len()].1.as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(message.len());
            match random.below(5) {
                0 => message[at] = u8::try_from(random.below(256)).expect("below 256"),
                1 => drop(message.remove(at)),
                2 => {
                    let token = TOKENS[random.below(TOKENS.len())];
                    message.splice(at..at, token.bytes());
                }
                3 => {
                    let end = at + random.below(message.len() - at);
                    let piece = message[at..end].to_vec();
                    let to = random.below(message.len());
                    message.splice(to..to, piece);
                }
                _ => {
                    let other = MESSAGES[random.below(MESSAGES.len())].1.as_bytes();
                    let from = random.below(other.len());
                    let end = from + random.below(other.len() - from).min(60);
                    message.splice(at..at, other[from..end].iter().copied());
                }
            }
        }
        let _ = receive(&message);
    }
}

/// Whatever takes more than linear time, or stack, does not come to an end here.
#[test]
fn large_and_deep() {
    const N: usize = 40_000;
    let texts = [
        "[".repeat(N),
        "(".repeat(N),
        "{".repeat(N),
        "{'a':".repeat(N),
        "[[],".repeat(N),
        format!("{}{}", "[".repeat(N), "]".repeat(N)),
        format!("{}{}", "(".repeat(60), ")".repeat(60)),
        format!("{}{}", "{".repeat(30), "}".repeat(30)),
        format!("[{}]", "'a',".repeat(N)),
        format!("['{}']", "\\\\".repeat(N)),
        format!("['{}", "\\".repeat(N)),
        format!("[{}]", "9".repeat(N)),
        format!("[-{}e{}]", "9".repeat(N), "9".repeat(N)),
        format!("[{}1]", "-".repeat(N)),
        "'".repeat(N),
        "\"".repeat(N),
        "''\"\"".repeat(N),
        " ".repeat(N),
        "a ".repeat(N),
        "=".repeat(N),
        format!("{}x", "\u{3000}".repeat(N)),
        "0-8191,".repeat(N),
        "0-8191 ".repeat(N),
    ];
    for text in &texts {
        for field in [
            "args",
            "env",
            "channels",
            "apis",
            "parent",
            "uuid",
            "resources",
            "wasm",
            "memory",
        ] {
            let message = json!({
                "object_id": "1", "action": "create", "type": "arts_req",
                "data": {"type": "module", "filename": "a.wasm", field: text},
            });
            let _ = receive(message.to_string().as_bytes());
        }
        let message = json!({
            "object_id": "1", "action": "create", "type": "arts_req",
            "data": {"type": "module", "resources": {"affinity": text}},
        });
        let _ = receive(message.to_string().as_bytes());
        let _ = receive(text.as_bytes());
        let _ = receive(format!(r#"{{"object_id":{text},"type":"arts_req"}}"#).as_bytes());
    }
}

#[test]
fn a_module_of_48_mib_comes_whole() {
    let wasm: Vec<u8> = (0u8..=255).cycle().take(48 << 20).collect();
    let message = format!(
        r#"{{"object_id":"1","action":"create","type":"arts_req","data":{{"type":"module","wasm":"{}"}}}}"#,
        base64(&wasm)
    );
    assert_eq!(message.len() >> 20, 64);
    let Ok(Incoming::Request(request)) = receive(message.as_bytes()) else {
        panic!("it is refused");
    };
    let RequestData::CreateModule(create) = request.data else {
        panic!("it is something else");
    };
    assert!(create.wasm.is_some_and(|bytes| bytes == wasm));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
