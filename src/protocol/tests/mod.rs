//! Tests of whole messages.

mod captured;
mod hostile;
mod round_trips;
mod spellings;

use serde_json::{Value, json};

use super::{CreateModule, Incoming, ParseError, Request, RequestData, Response, parse};

/// More than any of these messages has.
const MAX: usize = 256 * 1024 * 1024;

const UUID: &str = "5f937916-d29d-4f66-801e-3d69f57728e2";
const OTHER: &str = "d3a4dd0a-6a2f-4f0e-a1b5-0a2e0f3e9a11";

fn request(message: &str) -> Request {
    match parse(message.as_bytes(), MAX) {
        Ok(Incoming::Request(request)) => request,
        other => panic!("{message}: {other:?}"),
    }
}

fn response(message: &str) -> Response {
    match parse(message.as_bytes(), MAX) {
        Ok(Incoming::Response(response)) => response,
        other => panic!("{message}: {other:?}"),
    }
}

/// The request to create a module with `fields`.
fn create_message(fields: &Value) -> String {
    let mut data = json!({ "type": "module", "uuid": UUID });
    for (key, value) in fields.as_object().unwrap() {
        data[key] = value.clone();
    }
    json!({ "object_id": "1", "action": "create", "type": "arts_req", "data": data }).to_string()
}

fn create(fields: &Value) -> CreateModule {
    let message = create_message(fields);
    match request(&message).data {
        RequestData::CreateModule(module) => *module,
        other => panic!("{message}: {other:?}"),
    }
}

/// What the sender of a request to create a module with `fields` is told.
fn refused(fields: &Value) -> String {
    let error = parse(create_message(fields).as_bytes(), MAX).unwrap_err();
    assert_eq!(error.request().unwrap().to_string(), "1");
    error.to_string()
}

/// The text of an error's answer.
fn answer(error: &ParseError) -> Option<(String, String)> {
    let answer = String::from_utf8(error.answer()?).unwrap();
    let answer = response(&answer);
    assert!(!answer.ok);
    Some((answer.object_id.to_string(), answer.details_text()))
}
