//! One request: what its route has found in it, and its body, within limits of size and time.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{ApiError, ErrorKind};

/// A request that may be answered.
pub(super) struct Call {
    /// The parts of the path that have names, decoded.
    pub(super) path: Vec<(String, String)>,
    /// The parameters: only those that the route has.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// When the token expires that came with it.
    pub(super) until: Option<SystemTime>,
}

/// What a request is answered.
pub(super) type Answer = Result<Response, ApiError>;

/// How long a body may pause.
const PAUSE: Duration = Duration::from_secs(15);

impl Call {
    /// A part of the path. The router has made sure that it is there.
    pub(super) fn part(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter that is a whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.parameter(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            let text: String = text.chars().take(100).collect();
            ApiError::field(name, format!("{text:?} is no whole number"))
        })?;
        Ok(Some(number))
    }

    /// A parameter that is `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.parameter(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::field(
                name,
                "it is neither \"true\" nor \"false\"",
            )),
        }
    }

    /// How many bytes the body will have, as its sender says.
    pub(super) fn length(&self) -> Option<u64> {
        let length = self.headers.get(header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// Takes the body apart as JSON.
    pub(super) async fn json<T: DeserializeOwned>(
        &mut self,
        limit: u64,
        time: Duration,
    ) -> Result<T, ApiError> {
        let kind = self.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let why = "the body must be JSON: the header \"Content-Type: application/json\"";
            return Err(ApiError::new(ErrorKind::Type, why));
        }
        let mut bytes = BytesMut::new();
        let mut chunks = Chunks::new(std::mem::take(&mut self.body), limit, time, self.length())?;
        while let Some(chunk) = chunks.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let problem = error.into_inner();
            if problem.is_syntax() || problem.is_eof() {
                return ApiError::invalid(format!("the body is not JSON: {problem}"));
            }
            // Where it is in the text is of less use than the field.
            let text = problem.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            let text: String = text.chars().take(500).collect();
            match path.as_str() {
                "." | "" => ApiError::invalid(text),
                path => ApiError::field(path, text),
            }
        })?;
        json.end()
            .map_err(|problem| ApiError::invalid(format!("the body is not JSON: {problem}")))?;
        Ok(value)
    }
}

/// The body piece by piece.
pub(super) struct Chunks {
    body: axum::body::BodyDataStream,
    left: u64,
    limit: u64,
    deadline: Instant,
}

impl Chunks {
    pub(super) fn new(
        body: Body,
        limit: u64,
        time: Duration,
        length: Option<u64>,
    ) -> Result<Chunks, ApiError> {
        if length.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        Ok(Chunks {
            body: body.into_data_stream(),
            left: limit,
            limit,
            deadline: Instant::now() + time,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let slow = |_| ApiError::new(ErrorKind::Timeout, "the body comes too slowly");
        let body = &mut self.body;
        let next =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_next(context));
        let next = timeout(PAUSE, timeout_at(self.deadline, next)).await;
        let chunk = match next.map_err(slow)?.map_err(slow)? {
            None => return Ok(None),
            Some(Err(_)) => return Err(ApiError::invalid("the body ends too early")),
            Some(Ok(chunk)) => chunk,
        };
        let left = self.left.checked_sub(chunk.len() as u64);
        self.left = left.ok_or_else(|| too_large(self.limit))?;
        Ok(Some(chunk))
    }
}

fn too_large(limit: u64) -> ApiError {
    let why = format!("the body has more bytes than the limit of {limit}");
    ApiError::new(ErrorKind::TooLarge, why)
}
