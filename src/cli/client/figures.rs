//! Values of the API as people read them.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::cli::figures::size;

/// A text, or a dash.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// The beginning of a uuid, which commands take in its place.
pub(super) fn short(uuid: &Value) -> String {
    let uuid = uuid.as_str().unwrap_or("-");
    uuid.get(..8).unwrap_or(uuid).to_owned()
}

/// As in `12.3%`, of one core.
pub(super) fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}%"))
}

/// As in `12.3 MiB`.
pub(super) fn bytes(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), size)
}

/// How long ago something was, in its largest unit: `5s`, `3m`, `2h`, `9d`.
pub(super) fn ago(at: &Value, now: SystemTime) -> String {
    let at = at.as_str().and_then(|at| humantime::parse_rfc3339(at).ok());
    at.map_or_else(
        || "-".to_owned(),
        // The server's clock may be ahead.
        |at| rough(now.duration_since(at).unwrap_or_default()),
    )
}

fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How many of how many; 0 is no limit.
pub(super) fn of(count: &Value, limit: &Value) -> String {
    let count = count.as_u64().unwrap_or_default();
    match limit.as_u64() {
        None | Some(0) => count.to_string(),
        Some(limit) => format!("{count}/{limit}"),
    }
}

/// The list with this name in an answer.
pub(super) fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures() {
        for (number, is) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_600_000, "1.5 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(&json!(number)), is);
        }
        assert_eq!(bytes(&Value::Null), "-");
        assert_eq!(percent(&json!(12.34)), "12.3%");
        assert_eq!(of(&json!(3), &json!(0)), "3");
        assert_eq!(of(&json!(3), &json!(9)), "3/9");
        let now = humantime::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        for (at, is) in [
            ("2026-01-31T11:59:59.5Z", "0s"),
            ("2026-01-31T11:00:01Z", "59m"),
            ("2026-01-29T12:00:00Z", "2d"),
            ("2027-01-31T12:00:00Z", "0s"),
            ("yesterday", "-"),
        ] {
            assert_eq!(ago(&json!(at), now), is, "{at}");
        }
    }
}
