//! The fields of `data`, in every spelling.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Reason;
use super::literal;

/// How often a text may hold a text that holds a list.
const MAX_NESTED_TEXTS: usize = 3;

/// Enough of a value to know it again in an error.
pub(super) fn show(value: &Value) -> String {
    const MOST: usize = 60;
    let short = |text: &str| {
        let cut = text.char_indices().nth(MOST).map(|(at, _)| at);
        cut.map_or_else(|| text.to_owned(), |at| format!("{}…", &text[..at]))
    };
    match value {
        Value::String(text) => Value::from(short(text)).to_string(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// A uuid. `None` when there is none.
pub(super) fn uuid(map: &Map<String, Value>, key: &str) -> Result<Option<Uuid>, Reason> {
    uuid_of(map.get(key).unwrap_or(&Value::Null), key)
}

pub(super) fn uuid_of(value: &Value, field: &str) -> Result<Option<Uuid>, Reason> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Uuid::try_parse(text.trim())
            .map(Some)
            .map_err(|_| Reason::field(field, format!("{} is not a uuid", show(value)))),
        other => Err(Reason::field(
            field,
            format!("{} is not a uuid", show(other)),
        )),
    }
}

/// A uuid that must be there.
pub(super) fn required_uuid(map: &Map<String, Value>, key: &str) -> Result<Uuid, Reason> {
    uuid(map, key)?.ok_or_else(|| Reason::field(key, "is missing"))
}

/// A text of at most `max` bytes. `None` when there is none, or an empty one.
pub(super) fn text(
    map: &Map<String, Value>,
    key: &str,
    max: usize,
) -> Result<Option<String>, Reason> {
    let value = map.get(key).unwrap_or(&Value::Null);
    if value.is_null() {
        return Ok(None);
    }
    let text = scalar(value, key)?;
    check(&text, key, max)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The text of a value that is no list.
pub(super) fn scalar(value: &Value, field: &str) -> Result<String, Reason> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(Reason::field(field, format!("{} is not text", show(other)))),
    }
}

pub(super) fn check(text: &str, field: &str, max: usize) -> Result<(), Reason> {
    if text.len() > max {
        let problem = format!("has {} bytes, more than {max}", text.len());
        return Err(Reason::field(field, problem));
    }
    if text.contains('\0') {
        return Err(Reason::field(field, "must not contain a NUL character"));
    }
    Ok(())
}

/// A whole number that is not negative, also as a float or as a text.
pub(super) fn unsigned(value: &Value, field: &str) -> Result<Option<u64>, Reason> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        value => whole(value).and_then(|text| text.parse().ok()),
    };
    let problem = || {
        format!(
            "{} is not a whole number from 0 to {}",
            show(value),
            u64::MAX
        )
    };
    number
        .map(Some)
        .ok_or_else(|| Reason::field(field, problem()))
}

/// A whole number, also as a float or as a text.
pub(super) fn signed(value: &Value) -> Option<i64> {
    whole(value)?.parse().ok()
}

/// The digits of a whole number.
fn whole(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if number.is_f64() => digits(number.as_f64()?),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            let text = text.trim();
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            if plain {
                Some(text.to_owned())
            } else {
                digits(text.parse().ok()?)
            }
        }
        _ => None,
    }
}

fn digits(number: f64) -> Option<String> {
    // Beyond this, the digits would be made up; `-0.0` would keep its sign.
    let whole = number.is_finite() && number.fract() == 0.0 && number.abs() < 1e19;
    whole.then(|| format!("{:.0}", number + 0.0))
}

/// A finite number, also as a text.
pub(super) fn float(value: &Value, field: &str) -> Result<Option<f64>, Reason> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite());
    number
        .map(Some)
        .ok_or_else(|| Reason::field(field, format!("{} is not a number", show(value))))
}

/// An object, also as a text. `None` when there is none.
pub(super) fn object(value: &Value, field: &str) -> Result<Option<Map<String, Value>>, Reason> {
    match value {
        Value::Null => Ok(None),
        Value::Object(map) => Ok(Some(map.clone())),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => match literal::parse(text) {
            Ok(Value::Object(map)) => Ok(Some(map)),
            Ok(Value::Null) => Ok(None),
            Ok(_) => Err(Reason::field(
                field,
                format!("{} is no object", show(value)),
            )),
            Err(e) => Err(Reason::field(
                field,
                format!("{} is no object: {e}", show(value)),
            )),
        },
        other => Err(Reason::field(
            field,
            format!("{} is no object", show(other)),
        )),
    }
}

/// A list of at most `max`: an array, a text that holds an array as JSON or Python write it, or
/// words with spaces between. Nothing, `null`, `""`, `[]` and `[""]` are empty.
pub(super) fn list(
    map: &Map<String, Value>,
    field: &str,
    max: usize,
) -> Result<Vec<Value>, Reason> {
    let values = match map.get(field).unwrap_or(&Value::Null) {
        Value::Null => Vec::new(),
        Value::Array(values) => values.clone(),
        Value::String(text) => list_in(text, field, MAX_NESTED_TEXTS)?,
        other => vec![other.clone()],
    };
    if let [Value::Null] = values.as_slice() {
        return Ok(Vec::new());
    }
    if let [Value::String(only)] = values.as_slice()
        && only.is_empty()
    {
        return Ok(Vec::new());
    }
    if values.len() > max {
        return Err(too_many(field, values.len(), max));
    }
    Ok(values)
}

fn too_many(field: &str, there: usize, max: usize) -> Reason {
    Reason::field(field, format!("has {there} entries, more than {max}"))
}

fn list_in(text: &str, field: &str, nested: usize) -> Result<Vec<Value>, Reason> {
    let text = text.trim();
    let words = || text.split_ascii_whitespace().map(Value::from).collect();
    if matches!(text, "None" | "null") {
        return Ok(Vec::new());
    }
    if !text.starts_with(['[', '(', '{', '\'', '"']) {
        return Ok(words());
    }
    match literal::parse(text) {
        Ok(Value::Array(values)) => Ok(values),
        Ok(Value::String(text)) => match nested.checked_sub(1) {
            Some(nested) => list_in(&text, field, nested),
            None => Ok(vec![text.into()]),
        },
        Ok(Value::Null) => Ok(Vec::new()),
        Ok(other) => Ok(vec![other]),
        Err(error) => {
            // Escaped once more than is right: `[\'a\']`.
            if let Some(values) = unescaped(text) {
                return Ok(values);
            }
            if text.starts_with('[') && text.ends_with(']') {
                return Err(Reason::field(field, format!("is not a list: {error}")));
            }
            Ok(words())
        }
    }
}

fn unescaped(text: &str) -> Option<Vec<Value>> {
    if !text.contains("\\'") && !text.contains("\\\"") {
        return None;
    }
    let text = text.replace("\\'", "'").replace("\\\"", "\"");
    match literal::parse(&text) {
        Ok(Value::Array(values)) => Some(values),
        _ => None,
    }
}

/// Texts of at most `max_bytes` each.
pub(super) fn texts(
    map: &Map<String, Value>,
    field: &str,
    max: usize,
    max_bytes: usize,
) -> Result<Vec<String>, Reason> {
    let values = match map.get(field) {
        // One word that looks like an object is an argument as good as any other.
        Some(Value::String(text)) if text.trim().starts_with('{') => {
            text.split_ascii_whitespace().map(Value::from).collect()
        }
        _ => list(map, field, max)?,
    };
    if values.len() > max {
        return Err(too_many(field, values.len(), max));
    }
    let texts = values.iter().enumerate().map(|(at, value)| {
        let field = format!("{field}[{at}]");
        let text = scalar(value, &field)?;
        check(&text, &field, max_bytes)?;
        Ok(text)
    });
    texts.collect()
}

/// Processors: `[0, 2]`, `"0,2-3"`, or one number.
pub(super) fn cpus(
    value: Option<&Value>,
    field: &str,
    max: u32,
) -> Result<Option<BTreeSet<u32>>, Reason> {
    let wrong = |value: &Value| {
        let problem = format!("{} is no list of processors from 0 to {max}", show(value));
        Reason::field(field, problem)
    };
    let values = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(values)) => values.clone(),
        Some(Value::String(text)) if text.trim().starts_with(['[', '(', '{']) => {
            list_in(text, field, 1)?
        }
        Some(other) => vec![other.clone()],
    };
    let mut cpus = BTreeSet::new();
    // A short text can name all processors many times.
    let mut left = u64::from(max) * 2;
    for value in &values {
        let Value::String(text) = value else {
            let cpu = signed(value).and_then(|cpu| u32::try_from(cpu).ok());
            cpus.insert(cpu.filter(|cpu| *cpu <= max).ok_or_else(|| wrong(value))?);
            continue;
        };
        for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.parse::<u32>(), last.parse::<u32>()) {
                (Ok(first), Ok(last)) if first <= last && last <= max => {
                    let named = u64::from(last - first) + 1;
                    left = left.checked_sub(named).ok_or_else(|| wrong(value))?;
                    cpus.extend(first..=last);
                }
                _ => return Err(wrong(value)),
            }
        }
    }
    Ok(Some(cpus).filter(|cpus| !cpus.is_empty()))
}
