//! The outer object of a message, and its `data`, read in one pass over the text.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::literal;
use super::value::{Bounded, Budget, Key};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The outer object of a message. `null` where a key is missing.
#[derive(Default)]
pub(super) struct Envelope {
    pub(super) object_id: Value,
    pub(super) action: Value,
    pub(super) kind: Value,
    pub(super) data: Data,
    pub(super) send_to_runtime: Value,
    pub(super) ka_interval_sec: Value,
}

/// The `data` of a message.
#[derive(Default)]
pub(super) enum Data {
    #[default]
    Missing,
    Fields(Fields),
    /// Something that is no object, described.
    Wrong(String),
}

/// The fields of `data`. The two that may be large are not in the map.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) map: Map<String, Value>,
    pub(super) wasm: Blob,
    pub(super) memory: Blob,
}

/// A large field.
#[derive(Default)]
pub(super) enum Blob {
    #[default]
    Missing,
    /// It was base64.
    Bytes(Vec<u8>),
    /// It was another text.
    Wrong(String),
    /// It was no text.
    Value(Value),
}

/// Reads the message `text`.
pub(super) fn read(text: &str) -> Result<Envelope, String> {
    run(
        text,
        EnvelopeSeed {
            budget: &Budget::new(),
            all: true,
        },
    )
}

/// Reads `object_id` and `type` of the message `text`. The rest may be anything of any size and
/// depth.
pub(super) fn read_sender(text: &str) -> Result<Envelope, String> {
    run(
        text,
        EnvelopeSeed {
            budget: &Budget::new(),
            all: false,
        },
    )
}

fn run<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed
        .deserialize(&mut deserializer)
        .map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

struct EnvelopeSeed<'b> {
    budget: &'b Budget,
    all: bool,
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = Envelope;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Envelope, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        let any = Bounded(self.budget);
        while let Some(key) = map.next_key_seed(EnvelopeKey)? {
            let to = match key {
                "object_id" => &mut envelope.object_id,
                "type" => &mut envelope.kind,
                "action" if self.all => &mut envelope.action,
                "send_to_runtime" if self.all => &mut envelope.send_to_runtime,
                "ka_interval_sec" if self.all => &mut envelope.ka_interval_sec,
                "data" if self.all => {
                    envelope.data = map.next_value_seed(DataSeed(self.budget))?;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *to = map.next_value_seed(any)?;
        }
        Ok(envelope)
    }
}

/// A key of the outer object: one of those that are known, or `""`.
struct EnvelopeKey;

impl<'de> DeserializeSeed<'de> for EnvelopeKey {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for EnvelopeKey {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<&'static str, E> {
        const KNOWN: [&str; 6] = [
            "object_id",
            "type",
            "action",
            "data",
            "send_to_runtime",
            "ka_interval_sec",
        ];
        Ok(KNOWN
            .into_iter()
            .find(|known| *known == key)
            .unwrap_or_default())
    }
}

struct DataSeed<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for DataSeed<'_> {
    type Value = Data;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DataSeed<'_> {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Data, A::Error> {
        FieldsSeed(self.0).visit_map(map).map(Data::Fields)
    }

    // An object within a text, as JSON or as Python writes it.
    fn visit_str<E: Error>(self, text: &str) -> Result<Data, E> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Data::Missing);
        }
        if let Ok(fields) = run(text, FieldsSeed(self.0)) {
            return Ok(Data::Fields(fields));
        }
        match literal::parse(text) {
            Ok(Value::Object(map)) => Ok(Data::Fields(Fields::of(map))),
            Ok(Value::Null) => Ok(Data::Missing),
            Ok(_) => Ok(Data::Wrong("a text that is no object".to_owned())),
            Err(error) => Ok(Data::Wrong(format!("a text that is no object: {error}"))),
        }
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Missing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Data, E> {
        Ok(Data::Wrong("a boolean".to_owned()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Data, E> {
        Ok(Data::Wrong("a number".to_owned()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Data, E> {
        Ok(Data::Wrong("a number".to_owned()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Data, E> {
        Ok(Data::Wrong("a number".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Data, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Data::Wrong("an array".to_owned()))
    }
}

struct FieldsSeed<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            match key.as_str() {
                "wasm" => fields.wasm = map.next_value_seed(BlobSeed(self.0, Blob::of_text))?,
                "memory" => {
                    fields.memory = map.next_value_seed(BlobSeed(self.0, Blob::or_number))?;
                }
                _ => {
                    let value = map.next_value_seed(Bounded(self.0))?;
                    fields.map.insert(key, value);
                }
            }
        }
        Ok(fields)
    }
}

struct BlobSeed<'b>(&'b Budget, fn(&str) -> Blob);

impl<'de> DeserializeSeed<'de> for BlobSeed<'_> {
    type Value = Blob;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Blob, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BlobSeed<'_> {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    // Mostly a part of the message itself, so the bytes are made of it without a copy between.
    fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
        Ok(self.1(text))
    }

    fn visit_unit<E>(self) -> Result<Blob, E> {
        Ok(Blob::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Blob, E> {
        Ok(Blob::Value(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Blob, E> {
        Ok(Blob::Value(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Blob, E> {
        Ok(Blob::Value(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Blob, E> {
        Ok(Blob::Value(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Blob, A::Error> {
        Bounded(self.0).visit_seq(seq).map(Blob::Value)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Blob, A::Error> {
        Bounded(self.0).visit_map(map).map(Blob::Value)
    }
}

impl Fields {
    pub(super) fn of(mut map: Map<String, Value>) -> Self {
        let mut blob = |key, of_text: fn(&str) -> Blob| match map.remove(key) {
            None | Some(Value::Null) => Blob::Missing,
            Some(Value::String(text)) => of_text(&text),
            Some(value) => Blob::Value(value),
        };
        Self {
            wasm: blob("wasm", Blob::of_text),
            memory: blob("memory", Blob::or_number),
            map,
        }
    }
}

impl Blob {
    fn of_text(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "None" {
            return Self::Missing;
        }
        let decoded = BASE64.decode(text).or_else(|error| {
            // Some encoders break lines.
            if !text.contains(char::is_whitespace) {
                return Err(error);
            }
            let joined: String = text.split_whitespace().collect();
            BASE64.decode(joined)
        });
        match decoded {
            Ok(bytes) if bytes.is_empty() => Self::Missing,
            Ok(bytes) => Self::Bytes(bytes),
            Err(error) => Self::Wrong(format!("is not base64: {error}")),
        }
    }

    /// The same of a text that may also be a number. No memory is as small as one would be in
    /// base64.
    fn or_number(text: &str) -> Self {
        let digit = |b: u8| b.is_ascii_digit() || b == b'.' || b.is_ascii_whitespace();
        if text.len() <= 20 && !text.trim().is_empty() && text.bytes().all(digit) {
            return Self::Value(text.into());
        }
        Self::of_text(text)
    }
}
