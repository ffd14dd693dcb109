//! How values of a kind are read and shown. The kinds are in `kinds.rs`.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

/// A kind of value: a size, a path, one of some words.
pub(super) trait Kind {
    /// What settings of this kind hold.
    type Value;
    /// Its values are not for everybody's eyes: messages leave them out.
    const SECRET: bool = false;
    /// An example of a text, where that is written in another way than in the file.
    const TEXT_EXAMPLE: Option<&'static str> = None;

    /// The same for a list of them.
    const LIST_EXAMPLE: Option<&'static str> = None;

    /// What is expected, as in "a size".
    fn noun() -> String;

    /// Reads what a variable or a flag says, or a string in the file. Paths are
    /// relative to `base`.
    fn text(text: &str, base: &Path) -> Result<Self::Value, Bad>;

    /// Reads what a flag says that was given several times.
    fn texts(texts: &[String], base: &Path) -> Result<Self::Value, Bad> {
        texts
            .last()
            .map_or(Err(Bad::Unexpected), |text| Self::text(text, base))
    }

    /// Reads a value of the file.
    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Self::Value, Bad> {
        match value.get_ref() {
            DeValue::String(text) => Self::text(text, base),
            _ => Err(Bad::Unexpected),
        }
    }

    /// The value as the file would have it.
    fn show(value: &Self::Value) -> Shown;
}

/// Why a value cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is not of the kind, or not in the range.
    Unexpected,
    /// For a reason of its own.
    Because(String),
    /// For what is at this offset in the file, in a table that is the value.
    Inside { at: usize, why: String },
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown {
    /// There is none.
    Unset,
    /// There is one, which stays hidden; this may be said of it.
    Hidden(String),
    /// As the file would have it.
    Value(toml::Value),
}

impl Shown {
    pub(super) fn text(text: impl Into<String>) -> Shown {
        Shown::Value(toml::Value::String(text.into()))
    }

    /// As TOML, if it is not hidden.
    pub(super) fn toml(&self) -> Option<String> {
        match self {
            Shown::Value(value) => Some(value.to_string()),
            Shown::Unset | Shown::Hidden(_) => None,
        }
    }
}
