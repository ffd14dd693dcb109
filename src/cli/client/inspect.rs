//! `arena inspect` of what is no file: a module or a runtime of the realm.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::status::printable;

use super::server::{Client, RequestError};

/// What the supervisor knows of the module with this name, or else of the runtime.
pub(in crate::cli) fn ask(client: &Client, name: &str) -> Result<Value, RequestError> {
    match client.get(&["api", "v1", "modules", name], &[]) {
        Err(error) if error.is_unknown() => client.get(&["api", "v1", "runtimes", name], &[]),
        answer => answer,
    }
}

/// A line for each value.
pub(in crate::cli) fn to_text(value: &Value) -> String {
    let mut text = String::new();
    lines(&mut text, 0, value);
    text
}

fn lines(to: &mut String, depth: usize, value: &Value) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, value) in fields {
        let name = printable(name);
        let indent = depth * 2;
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Object(inner) if !inner.is_empty() => {
                let _ = writeln!(to, "{:indent$}{name}:", "");
                lines(to, depth + 1, value);
                Ok(())
            }
            Value::Array(all) if all.iter().any(Value::is_object) => {
                let _ = writeln!(to, "{:indent$}{name}:", "");
                let indent = indent + 2;
                all.iter()
                    .try_for_each(|one| writeln!(to, "{:indent$}{}", "", short(one)))
            }
            _ => writeln!(to, "{:indent$}{name}: {}", "", short(value)),
        };
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Null => "-".to_owned(),
        Value::Array(all) => all.iter().map(short).collect::<Vec<_>>().join(" "),
        // Strings in it are escaped.
        other => printable(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text() {
        let value =
            json!({"a": 1, "b": {"c": ["x", "y"], "d": null}, "e": [{"f": "\u{1b}"}], "g": {}});
        let text = to_text(&value);
        assert_eq!(
            text,
            "a: 1\nb:\n  c: x y\n  d: -\ne:\n  {\"f\":\"\\u001b\"}\ng: {}\n"
        );
    }
}
