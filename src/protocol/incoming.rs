//! Taking messages apart.

use std::time::Duration;

use serde_json::{Map, Value};

use super::envelope::{self, Blob, Data, Envelope, Fields};
use super::fields::{float, show};
use super::literal;
use super::{Action, ObjectId, ParseError, Reason, Request, RequestData, Response, from_data};

/// The longest time between keepalives that a supervisor may ask for, in seconds.
const MAX_INTERVAL: f64 = 7.0 * 24.0 * 3600.0;

/// A message that was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// Somebody wants something.
    Request(Request),
    /// Somebody answers.
    Response(Response),
}

/// Takes the message `payload` apart, of at most `max` bytes.
///
/// # Errors
///
/// When it is no message, or has a field that cannot be. [`ParseError::answer`] is what its sender
/// is told, if it is a request.
pub fn parse(payload: &[u8], max: usize) -> Result<Incoming, ParseError> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| ParseError::new(Reason::NotUtf8(error.valid_up_to())))?;
    let whole = text
        .trim_start_matches('\u{feff}')
        .trim_matches(|c: char| c.is_whitespace() || c == '\0');
    // Some clients put single quotes around the whole.
    let quoted = whole
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    let text = quoted.unwrap_or(whole);
    if payload.len() > max {
        let reason = Reason::TooLarge {
            size: payload.len(),
            max,
        };
        return Err(blame(text, reason));
    }
    let message = match envelope::read(text) {
        Ok(message) => message,
        // What Python writes in single quotes has its backslashes and quotes escaped.
        Err(problem) if quoted.is_some() && text.contains('\\') => {
            let Ok(Value::String(text)) = literal::parse(whole) else {
                return Err(blame(text, Reason::Json(problem)));
            };
            envelope::read(&text).map_err(|problem| blame(&text, Reason::Json(problem)))?
        }
        Err(problem) => return Err(blame(text, Reason::Json(problem))),
    };
    let (object_id, kind) = sender(&message).map_err(ParseError::new)?;
    match kind {
        Kind::Request => request(&object_id, message)
            .map(Incoming::Request)
            .map_err(|reason| ParseError::of_request(reason, object_id)),
        Kind::Response => Ok(Incoming::Response(response(object_id, message))),
    }
}

enum Kind {
    Request,
    Response,
}

/// The error for a message that cannot be read, with its id if that can.
fn blame(text: &str, reason: Reason) -> ParseError {
    let message = envelope::read_sender(text).ok();
    match message.as_ref().map(sender) {
        Some(Ok((object_id, Kind::Request))) => ParseError::of_request(reason, object_id),
        _ => ParseError::new(reason),
    }
}

fn sender(message: &Envelope) -> Result<(ObjectId, Kind), Reason> {
    let object_id = ObjectId::from_value(&message.object_id).ok_or(Reason::ObjectId)?;
    match message.kind.as_str() {
        Some("arts_req") => Ok((object_id, Kind::Request)),
        Some("arts_resp") => Ok((object_id, Kind::Response)),
        _ => Err(Reason::Type(show(&message.kind))),
    }
}

fn request(object_id: &ObjectId, message: Envelope) -> Result<Request, Reason> {
    let action = match message.action.as_str() {
        Some("create") => Action::Create,
        Some("delete") => Action::Delete,
        Some("update") => Action::Update,
        _ => Action::Other(match &message.action {
            Value::String(action) if action.len() <= 64 => action.clone(),
            other => show(other),
        }),
    };
    let fields = match message.data {
        Data::Fields(fields) => fields,
        Data::Missing => return Err(Reason::field("data", "is missing")),
        Data::Wrong(what) => {
            return Err(Reason::field("data", format!("is {what}, not an object")));
        }
    };
    let data = request_data(&action, fields, &message.send_to_runtime)?;
    Ok(Request {
        object_id: object_id.clone(),
        action,
        data,
    })
}

fn request_data(
    action: &Action,
    fields: Fields,
    send_to_runtime: &Value,
) -> Result<RequestData, Reason> {
    let data_type = match fields.map.get("type") {
        Some(Value::String(data_type)) => Some(data_type.as_str()),
        _ => None,
    };
    Ok(match (action, data_type) {
        (Action::Create, Some("module")) => {
            RequestData::CreateModule(Box::new(from_data::create_module(fields)?))
        }
        (Action::Delete, Some("module")) => {
            RequestData::DeleteModule(from_data::delete_module(&fields.map, send_to_runtime)?)
        }
        (Action::Create, Some("runtime")) => {
            RequestData::CreateRuntime(Box::new(from_data::runtime(&fields.map)?))
        }
        (Action::Delete, Some("runtime")) => {
            RequestData::DeleteRuntime(from_data::delete_runtime(&fields.map)?)
        }
        (Action::Update, Some("runtime")) => {
            RequestData::KeepAlive(Box::new(from_data::keepalive(&fields.map)?))
        }
        _ => RequestData::Other {
            data_type: fields.map.get("type").map(show_plain),
        },
    })
}

/// A text as it is, shortened; anything else as JSON.
fn show_plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() <= 64 => text.clone(),
        other => show(other),
    }
}

fn response(object_id: ObjectId, message: Envelope) -> Response {
    let data = match message.data {
        Data::Fields(Fields {
            mut map,
            wasm,
            memory,
        }) => {
            // Nobody answers with a module or its memory, so of these only the rest is kept.
            for (key, blob) in [("wasm", wasm), ("memory", memory)] {
                if let Blob::Value(value) = blob {
                    map.insert(key.to_owned(), value);
                }
            }
            map
        }
        Data::Missing | Data::Wrong(_) => Map::new(),
    };
    let ok = data
        .get("result")
        .and_then(Value::as_str)
        .is_some_and(|result| result == "ok");
    let details = data
        .get("details")
        .and_then(|details| details.get("ka_interval_sec"));
    let intervals = [
        details,
        data.get("ka_interval_sec"),
        Some(&message.ka_interval_sec),
    ];
    let keepalive_interval = intervals.into_iter().flatten().find_map(interval);
    Response {
        object_id,
        data,
        ok,
        keepalive_interval,
    }
}

fn interval(value: &Value) -> Option<Duration> {
    let seconds = float(value, "ka_interval_sec").ok()??;
    Duration::try_from_secs_f64(seconds.min(MAX_INTERVAL)).ok()
}
