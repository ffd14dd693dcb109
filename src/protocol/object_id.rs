//! The transaction id that a response repeats.

use std::fmt;

use serde_json::{Number, Value};
use uuid::Uuid;

/// The longest `object_id`, in bytes.
pub const MAX_OBJECT_ID: usize = 256;

/// The `object_id` of a message. Usually a uuid, but any short text or number is taken, and given
/// back as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId(Inner);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Inner {
    Text(String),
    Number(Number),
}

impl ObjectId {
    /// A new random one.
    #[must_use]
    pub fn random() -> Self {
        Self(Inner::Text(Uuid::new_v4().to_string()))
    }

    /// `text` as an id; `None` when it is empty or longer than [`MAX_OBJECT_ID`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (1..=MAX_OBJECT_ID)
            .contains(&text.len())
            .then(|| Self(Inner::Text(text.to_owned())))
    }

    /// An id from JSON, if it can be one.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::new(text),
            Value::Number(number) => Some(Self(Inner::Number(number.clone()))),
            _ => None,
        }
    }

    /// The id as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.0 {
            Inner::Text(text) => Value::String(text.clone()),
            Inner::Number(number) => Value::Number(number.clone()),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Text(text) => f.write_str(text),
            Inner::Number(number) => number.fmt(f),
        }
    }
}
