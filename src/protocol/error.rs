//! What can be wrong with a message.

use thiserror::Error;

use super::{ObjectId, Response};

/// A message that was not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct ParseError {
    reason: Reason,
    request: Option<ObjectId>,
}

/// What is wrong with a message, in words that its sender can use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// More bytes than the limit.
    #[error("the message has {size} bytes, more than the limit of {max}")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Not UTF-8.
    #[error("the message is not UTF-8: wrong byte at offset {0}")]
    NotUtf8(usize),
    /// Not a JSON object, or one that is too deep or has too much in it.
    #[error("the message is not JSON that is understood: {0}")]
    Json(String),
    /// No `object_id`, or one that cannot be repeated.
    #[error(
        "\"object_id\" must be a text of 1 to {} bytes or a number",
        super::MAX_OBJECT_ID
    )]
    ObjectId,
    /// Another `type` than requests and responses have.
    #[error("\"type\": {0} is neither \"arts_req\" nor \"arts_resp\"")]
    Type(String),
    /// A field with a value that it cannot have.
    #[error("\"{field}\": {problem}")]
    Field {
        /// The field, such as `channels[2].mode`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ParseError {
    pub(super) fn new(reason: Reason) -> Self {
        Self {
            reason,
            request: None,
        }
    }

    pub(super) fn of_request(reason: Reason, object_id: ObjectId) -> Self {
        Self {
            reason,
            request: Some(object_id),
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The id of the request that was not understood. `None` when the message was not a request,
    /// or none that can be answered.
    #[must_use]
    pub fn request(&self) -> Option<&ObjectId> {
        self.request.as_ref()
    }

    /// The error response, when the message was a request.
    #[must_use]
    pub fn answer(&self) -> Option<Vec<u8>> {
        self.request
            .as_ref()
            .map(|id| Response::error(id, &self.reason.to_string()))
    }
}

impl Reason {
    pub(super) fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The same about a field of `outer`.
    pub(super) fn within(self, outer: &str) -> Self {
        match self {
            Self::Field { field, problem } => Self::field(format!("{outer}.{field}"), problem),
            other => other,
        }
    }
}
