//! What requests are answered that are not granted.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::protocol::Reason;
use crate::supervisor::{Refusal, RefusalKind, StoreError};

macro_rules! kinds {
    ($( $(#[$meta:meta])* $Kind:ident = $word:literal, $status:ident; )+) => {
        /// Kinds of errors: each has a word and a status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ErrorKind { $( $(#[$meta])* $Kind, )+ }

        impl ErrorKind {
            pub(super) const ALL: &'static [ErrorKind] = &[ $( ErrorKind::$Kind, )+ ];

            pub(super) fn word(self) -> &'static str {
                match self { $( ErrorKind::$Kind => $word, )+ }
            }

            pub(super) fn status(self) -> StatusCode {
                match self { $( ErrorKind::$Kind => StatusCode::$status, )+ }
            }
        }
    };
}

kinds! {
    /// The request cannot be.
    Invalid = "invalid", BAD_REQUEST;
    /// There is no token, or none that counts.
    Unauthorized = "unauthorized", UNAUTHORIZED;
    /// The token does not allow it, or it comes from another site.
    Forbidden = "forbidden", FORBIDDEN;
    /// There is no such thing.
    Unknown = "unknown", NOT_FOUND;
    /// There is another way to use this path.
    Method = "method", METHOD_NOT_ALLOWED;
    /// The body comes too slowly.
    Timeout = "timeout", REQUEST_TIMEOUT;
    /// There are several of that name.
    Ambiguous = "ambiguous", CONFLICT;
    /// The module is busy with something else, or there already.
    Conflict = "conflict", CONFLICT;
    /// The body is too large.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE;
    /// The body is of another type than the one that is understood.
    Type = "type", UNSUPPORTED_MEDIA_TYPE;
    /// The file is no module that can be run.
    NotAModule = "not-a-module", UNPROCESSABLE_ENTITY;
    /// The runtimes that were asked have refused.
    Rejected = "rejected", UNPROCESSABLE_ENTITY;
    /// Something in here does not work.
    Failed = "failed", INTERNAL_SERVER_ERROR;
    /// No runtime can take the module.
    NoRuntime = "no-runtime", SERVICE_UNAVAILABLE;
    /// The supervisor ends.
    Stopping = "stopping", SERVICE_UNAVAILABLE;
    /// Too much is asked at the same time.
    Busy = "busy", SERVICE_UNAVAILABLE;
    /// The runtime has not answered in time.
    NoAnswer = "no-answer", GATEWAY_TIMEOUT;
    /// There is no room.
    Full = "full", INSUFFICIENT_STORAGE;
}

/// An error as clients get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    /// The field that is wrong.
    pub(super) field: Option<String>,
    /// What a name or a beginning of a uuid may stand for.
    pub(super) candidates: Vec<(Uuid, String)>,
    /// Why each runtime did not take the module.
    pub(super) attempts: Vec<String>,
}

impl ApiError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> ApiError {
        ApiError {
            kind,
            message: message.into(),
            field: None,
            candidates: Vec::new(),
            attempts: Vec::new(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorKind::Invalid, message)
    }

    pub(super) fn unknown(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorKind::Unknown, message)
    }

    /// A field, or a parameter, is wrong.
    pub(super) fn field(field: &str, problem: impl std::fmt::Display) -> ApiError {
        let mut error = ApiError::invalid(format!("\"{field}\": {problem}"));
        error.field = Some(field.to_owned());
        error
    }

    /// The same about a field.
    pub(super) fn about(mut self, field: &str) -> ApiError {
        self.message = format!("\"{field}\": {}", self.message);
        self.field = Some(field.to_owned());
        self
    }

    pub(super) fn to_value(&self) -> Value {
        let mut value = Map::new();
        value.insert("error".to_owned(), self.message.clone().into());
        value.insert("kind".to_owned(), self.kind.word().into());
        if let Some(field) = &self.field {
            value.insert("field".to_owned(), field.clone().into());
        }
        if !self.candidates.is_empty() {
            let candidates = self.candidates.iter();
            let candidates = candidates.map(|(uuid, name)| json!({ "uuid": uuid, "name": name }));
            value.insert("candidates".to_owned(), candidates.collect());
        }
        if !self.attempts.is_empty() {
            value.insert("attempts".to_owned(), self.attempts.clone().into());
        }
        Value::Object(value)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), axum::Json(self.to_value())).into_response();
        if self.kind == ErrorKind::Unauthorized {
            let realm = HeaderValue::from_static("Bearer realm=\"arena\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        let kind = match refusal.kind {
            RefusalKind::Invalid => ErrorKind::Invalid,
            RefusalKind::Unknown => ErrorKind::Unknown,
            RefusalKind::Conflict => ErrorKind::Conflict,
            RefusalKind::Full => ErrorKind::Full,
            RefusalKind::NoRuntime => ErrorKind::NoRuntime,
            RefusalKind::Rejected => ErrorKind::Rejected,
            RefusalKind::NoAnswer => ErrorKind::NoAnswer,
            RefusalKind::Stopping => ErrorKind::Stopping,
        };
        let mut error = ApiError::new(kind, refusal.message);
        error.attempts = refusal.attempts;
        error
    }
}

impl From<Reason> for ApiError {
    fn from(reason: Reason) -> ApiError {
        let mut error = ApiError::invalid(reason.to_string());
        if let Reason::Field { field, .. } = reason {
            error.field = Some(field);
        }
        error
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let kind = match &error {
            StoreError::Name(_) => ErrorKind::Invalid,
            StoreError::NotFound(_) => ErrorKind::Unknown,
            StoreError::TooLarge { .. } => ErrorKind::TooLarge,
            StoreError::NotAModule(_) | StoreError::NativeCode => ErrorKind::NotAModule,
            StoreError::Full { .. } | StoreError::TooManyNames { .. } => ErrorKind::Full,
            StoreError::Io { .. } => {
                // Its paths are nothing for clients.
                tracing::error!("the module store: {error}");
                let message = "the module store cannot be used; the log says why";
                return ApiError::new(ErrorKind::Failed, message);
            }
        };
        ApiError::new(kind, error.to_string())
    }
}
