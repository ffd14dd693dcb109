//! JSON values within bounds: a message cannot take much more memory than it has bytes.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How many values there may be in a message, besides the module and its memory.
pub(super) const MAX_VALUES: usize = 65_536;
/// How many bytes of text there may be in a message, besides the module and its memory.
pub(super) const MAX_TEXT: usize = 1024 * 1024;

/// What is left for the values of one message.
pub(super) struct Budget {
    values: Cell<usize>,
    text: Cell<usize>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            values: Cell::new(MAX_VALUES),
            text: Cell::new(MAX_TEXT),
        }
    }

    /// Takes one value with `text` bytes of text.
    pub(super) fn take(&self, text: usize) -> Result<(), String> {
        let values = self.values.get().checked_sub(1);
        self.values
            .set(values.ok_or_else(|| format!("more than {MAX_VALUES} values"))?);
        let left = self.text.get().checked_sub(text);
        self.text
            .set(left.ok_or_else(|| format!("more than {MAX_TEXT} bytes of text"))?);
        Ok(())
    }

    fn charge<E: Error>(&self, text: usize) -> Result<(), E> {
        self.take(text).map_err(E::custom)
    }
}

/// Any value, as far as the budget goes.
#[derive(Clone, Copy)]
pub(super) struct Bounded<'b>(pub(super) &'b Budget);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.0.charge(0).map(|()| Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.0.charge(0).map(|()| value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.0.charge(0).map(|()| value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.0.charge(0).map(|()| value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.charge(0).map(|()| value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.charge(value.len()).map(|()| value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.0.charge(0)?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.charge(0)?;
        let mut values = Map::new();
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            let value = map.next_value_seed(self)?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

/// The key of a map, as far as the budget goes.
pub(super) struct Key<'b>(pub(super) &'b Budget);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        self.0.charge(key.len()).map(|()| key.to_owned())
    }
}
