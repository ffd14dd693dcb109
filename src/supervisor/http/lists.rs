//! Lists that may be long: made on a thread apart, item by item, and in parts for those who want.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::blocking;
use super::call::{Answer, Call};
use super::error::{ApiError, ErrorKind};

/// Where a part of a list ends: the time and uuid of its last item. The next part goes on after
/// it, also when that item is gone by then.
pub(super) type Mark = (SystemTime, Uuid);

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    limit: Option<usize>,
    after: Option<Mark>,
}

impl Part {
    pub(super) fn of(call: &Call) -> Result<Part, ApiError> {
        let limit = match call.number("limit")? {
            Some(0) => return Err(ApiError::field("limit", "it is 0".to_owned())),
            limit => limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        };
        let after = match call.parameter("after") {
            None => None,
            Some(text) => {
                let why = "it is not the `next` of an answer".to_owned();
                Some(mark(text).ok_or_else(|| ApiError::field("after", why))?)
            }
        };
        Ok(Part { limit, after })
    }

    /// Takes the part of a list that is in order. What asks for the next part, if there is one.
    pub(super) fn take<T>(self, list: &mut Vec<T>, of: impl Fn(&T) -> Mark) -> Option<String> {
        if let Some(after) = self.after {
            let begin = list.partition_point(|item| of(item) <= after);
            list.drain(..begin);
        }
        let limit = self.limit.filter(|limit| *limit < list.len())?;
        list.truncate(limit);
        list.last().map(|last| text(of(last)))
    }
}

fn text((at, uuid): Mark) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    format!("{}.{uuid}", since.unwrap_or_default().as_nanos())
}

fn mark(text: &str) -> Option<Mark> {
    let (nanos, uuid) = text.split_once('.')?;
    let since = Duration::from_nanos(nanos.parse().ok()?);
    let at = SystemTime::UNIX_EPOCH.checked_add(since)?;
    Some((at, Uuid::try_parse(uuid).ok()?))
}

/// Answers `{"NAME": [ITEM, …]}`, and `next` if there is one. `items` is asked on the thread apart,
/// where one item after the other becomes text: of thousands, the values would take much memory.
pub(super) async fn answer<I: Iterator<Item = Map<String, Value>>>(
    name: &'static str,
    items: impl FnOnce() -> (I, Option<String>) + Send + 'static,
) -> Answer {
    let bytes = blocking(move || {
        let (items, next) = items();
        write(name, items, next)
    });
    let bytes = bytes.await?.map_err(|error| {
        tracing::error!("a list cannot be told: {error}");
        ApiError::new(ErrorKind::Failed, "the request failed; the log says why")
    })?;
    let mut response = Response::new(Body::from(bytes));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

fn write(
    name: &str,
    items: impl Iterator<Item = Map<String, Value>>,
    next: Option<String>,
) -> serde_json::Result<Vec<u8>> {
    let mut bytes = format!("{{\"{name}\":[").into_bytes();
    for (at, item) in items.enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, &item)?;
    }
    bytes.push(b']');
    if let Some(next) = next {
        bytes.extend_from_slice(b",\"next\":");
        serde_json::to_writer(&mut bytes, &next)?;
    }
    bytes.push(b'}');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(number: u64) -> Mark {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(number / 2);
        (at, Uuid::from_u128(number.into()))
    }

    #[test]
    fn parts_make_the_whole() {
        let whole: Vec<_> = (0..10).map(item).collect();
        let (mut seen, mut part) = (Vec::new(), Part::default());
        part.limit = Some(3);
        loop {
            let mut list = whole.clone();
            let next = part.take(&mut list, |item| *item);
            seen.extend(list);
            let Some(next) = next else { break };
            part.after = mark(&next);
            assert!(part.after.is_some(), "{next}");
        }
        assert_eq!(seen, whole);
        let mut list = whole.clone();
        part.limit = Some(10);
        part.after = None;
        assert_eq!(part.take(&mut list, |item| *item), None);
        assert_eq!(list, whole);
        for text in [
            "",
            ".",
            "1",
            "x.y",
            "1.",
            "-1.00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(mark(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_json() {
        let map = |number: u64| Map::from_iter([("n".to_owned(), number.into())]);
        for (count, next) in [(0, None), (1, Some("x\"".to_owned())), (3, None)] {
            let bytes = write("list", (0..count).map(map), next.clone()).unwrap();
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            let list: Vec<_> = (0..count).map(|number| json!({ "n": number })).collect();
            assert_eq!(value["list"], json!(list));
            assert_eq!(value.get("next").and_then(Value::as_str), next.as_deref());
        }
    }
}
