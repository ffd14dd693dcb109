//! The kinds of values that settings have.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};
use url::Url;

use super::kind::{Bad, Kind, Shown};
use super::parse;
use super::types::{BrokerAddress, FileDigest, PublicKey, Secret, Words};

/// A number without a unit.
pub(super) struct Number<T>(PhantomData<T>);
/// A size in bytes.
pub(super) struct Size<T>(PhantomData<T>);
/// A length of time.
pub(super) struct Time;
/// A text that is not empty.
pub(super) struct Text;
/// A text that names something to people.
pub(super) struct Name;
/// The first levels of topics.
pub(super) struct Realm;
/// A file or directory.
pub(super) struct File;
/// An address to listen on.
pub(super) struct Listen;
/// The URL of an HTTP server.
pub(super) struct HttpUrl;
/// Where the broker is.
pub(super) struct Broker;
/// A key to check signatures with.
pub(super) struct VerifyingKey;
/// The SHA-256 of a file.
pub(super) struct Sha256Sum;
/// Yes or no.
pub(super) struct Switch;
/// Several values.
pub(super) struct List<K>(PhantomData<K>);
/// What nobody shall see.
pub(super) struct Password;
/// One of some words.
pub(super) struct Word<W>(PhantomData<W>);
/// A value, or none.
pub(super) struct Maybe<K>(PhantomData<K>);

/// A number of the file.
fn integer<T: TryFrom<i64>>(number: &DeInteger<'_>) -> Result<T, Bad> {
    i64::from_str_radix(number.as_str(), number.radix())
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .ok_or(Bad::Unexpected)
}

impl<T> Kind for Number<T>
where
    T: std::str::FromStr + TryFrom<i64> + Copy + TryInto<i64>,
{
    type Value = T;

    fn noun() -> String {
        "a whole number".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<T, Bad> {
        text.trim().parse().map_err(|_| Bad::Unexpected)
    }

    fn toml(value: &Spanned<DeValue<'_>>, _: &Path) -> Result<T, Bad> {
        match value.get_ref() {
            DeValue::Integer(number) => integer(number),
            _ => Err(Bad::Unexpected),
        }
    }

    fn show(value: &T) -> Shown {
        let number = (*value).try_into().unwrap_or(i64::MAX);
        Shown::Value(toml::Value::Integer(number))
    }
}

impl<T> Kind for Size<T>
where
    T: TryFrom<u64> + Copy + TryInto<u64>,
{
    type Value = T;

    fn noun() -> String {
        "a size".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<T, Bad> {
        let bytes = parse::size(text.trim()).map_err(|_| Bad::Unexpected)?;
        T::try_from(bytes).map_err(|_| Bad::Unexpected)
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<T, Bad> {
        match value.get_ref() {
            DeValue::String(text) => Self::text(text, base),
            DeValue::Integer(number) => {
                T::try_from(integer::<u64>(number)?).map_err(|_| Bad::Unexpected)
            }
            _ => Err(Bad::Unexpected),
        }
    }

    fn show(value: &T) -> Shown {
        Shown::text(parse::size_text((*value).try_into().unwrap_or(u64::MAX)))
    }
}

impl Kind for Time {
    type Value = Duration;

    fn noun() -> String {
        "a time".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<Duration, Bad> {
        parse::duration(text.trim()).map_err(|_| Bad::Unexpected)
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Duration, Bad> {
        match value.get_ref() {
            DeValue::String(text) => Self::text(text, base),
            DeValue::Integer(number) => integer(number).map(Duration::from_secs),
            DeValue::Float(number) => Self::text(number.as_str(), base),
            _ => Err(Bad::Unexpected),
        }
    }

    fn show(value: &Duration) -> Shown {
        Shown::text(parse::duration_text(*value))
    }
}

/// Neither empty, nor too long for a line, nor something that steers a terminal.
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Kind for Text {
    type Value = String;

    fn noun() -> String {
        "a text".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<String, Bad> {
        let fits = !text.is_empty() && text.len() <= 65_535 && !text.contains('\0');
        fits.then(|| text.to_owned()).ok_or(Bad::Unexpected)
    }

    fn show(value: &String) -> Shown {
        Shown::text(value)
    }
}

impl Kind for Name {
    type Value = String;

    fn noun() -> String {
        "a name of 1 to 255 bytes".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<String, Bad> {
        is_name(text)
            .then(|| text.to_owned())
            .ok_or(Bad::Unexpected)
    }

    fn show(value: &String) -> Shown {
        Shown::text(value)
    }
}

impl Kind for Realm {
    type Value = String;

    fn noun() -> String {
        "the beginning of a topic, without + and # and without a / at its ends".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<String, Bad> {
        let wildcards = |level: &str| level.is_empty() || level.contains(['+', '#']);
        let good = is_name(text) && !text.starts_with('$') && !text.split('/').any(wildcards);
        good.then(|| text.to_owned()).ok_or(Bad::Unexpected)
    }

    fn show(value: &String) -> Shown {
        Shown::text(value)
    }
}

impl Kind for File {
    type Value = PathBuf;
    const LIST_EXAMPLE: Option<&'static str> = Some("/etc/arena/ops.pub,/etc/arena/ci.pub");

    fn noun() -> String {
        "a path".to_owned()
    }

    fn text(text: &str, base: &Path) -> Result<PathBuf, Bad> {
        if text.is_empty() || text.contains('\0') {
            return Err(Bad::Unexpected);
        }
        if text == "~" || text.starts_with("~/") {
            let why = "~ is not replaced here; give the whole path";
            return Err(Bad::Because(why.to_owned()));
        }
        Ok(base.join(text))
    }

    fn show(value: &PathBuf) -> Shown {
        Shown::text(value.to_string_lossy())
    }
}

impl Kind for Listen {
    type Value = SocketAddr;

    fn noun() -> String {
        "an address and a port".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<SocketAddr, Bad> {
        text.trim().parse().map_err(|_| Bad::Unexpected)
    }

    fn show(value: &SocketAddr) -> Shown {
        Shown::text(value.to_string())
    }
}

impl Kind for HttpUrl {
    type Value = Url;
    const SECRET: bool = true;

    fn noun() -> String {
        "an http or https URL".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<Url, Bad> {
        let url = Url::parse(text.trim()).map_err(|e| Bad::Because(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(Bad::Unexpected);
        }
        let because = |why: &str| Err(Bad::Because(why.to_owned()));
        if url.query().is_some() || url.fragment().is_some() {
            return because("the names of files are put behind it, so it has no ? and no #");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return because("a user and a password in it are not supported");
        }
        Ok(url)
    }

    fn show(value: &Url) -> Shown {
        Shown::text(value.as_str())
    }
}

impl Kind for Broker {
    type Value = BrokerAddress;
    const SECRET: bool = true;

    fn noun() -> String {
        let schemes = BrokerAddress::SCHEMES.join(", ");
        format!("the URL of a broker ({schemes})")
    }

    fn text(text: &str, _: &Path) -> Result<BrokerAddress, Bad> {
        BrokerAddress::new(text.trim()).map_err(Bad::Because)
    }

    fn show(value: &BrokerAddress) -> Shown {
        if value.has_password() {
            Shown::Hidden(value.to_string())
        } else {
            Shown::text(value.as_str())
        }
    }
}

impl Kind for VerifyingKey {
    type Value = PublicKey;

    fn noun() -> String {
        "an Ed25519 public key in base64".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<PublicKey, Bad> {
        text.parse().map_err(Bad::Because)
    }

    fn show(value: &PublicKey) -> Shown {
        Shown::text(value.to_string())
    }
}

impl Kind for Sha256Sum {
    type Value = FileDigest;
    const LIST_EXAMPLE: Option<&'static str> =
        Some("93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476");

    fn noun() -> String {
        "a SHA-256 in hexadecimal".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<FileDigest, Bad> {
        text.parse().map_err(Bad::Because)
    }

    fn show(value: &FileDigest) -> Shown {
        Shown::text(value.to_string())
    }
}

impl Kind for Switch {
    type Value = bool;

    fn noun() -> String {
        "true or false".to_owned()
    }

    fn text(text: &str, _: &Path) -> Result<bool, Bad> {
        text.trim().parse().map_err(|_| Bad::Unexpected)
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<bool, Bad> {
        match value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            DeValue::String(text) => Self::text(text, base),
            _ => Err(Bad::Unexpected),
        }
    }

    fn show(value: &bool) -> Shown {
        Shown::Value(toml::Value::Boolean(*value))
    }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;
    const SECRET: bool = K::SECRET;
    const TEXT_EXAMPLE: Option<&'static str> = K::LIST_EXAMPLE;

    fn noun() -> String {
        format!("a list, each {}", K::noun())
    }

    /// Separated by commas; an empty text is an empty list.
    fn text(text: &str, base: &Path) -> Result<Self::Value, Bad> {
        let parts = text.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(|part| K::text(part, base)).collect()
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Self::Value, Bad> {
        let DeValue::Array(values) = value.get_ref() else {
            return Err(Bad::Unexpected);
        };
        let one = |value: &Spanned<DeValue<'_>>| {
            let inside = |why| Bad::Inside {
                at: value.span().start,
                why,
            };
            K::toml(value, base).map_err(|bad| match bad {
                Bad::Unexpected => inside(format!("expected {}", K::noun())),
                Bad::Because(why) => inside(why),
                deeper @ Bad::Inside { .. } => deeper,
            })
        };
        values.iter().map(one).collect()
    }

    fn show(value: &Self::Value) -> Shown {
        let values = value.iter().filter_map(|value| match K::show(value) {
            Shown::Value(value) => Some(value),
            _ => None,
        });
        Shown::Value(toml::Value::Array(values.collect()))
    }
}

impl Kind for Password {
    type Value = Secret;
    const SECRET: bool = true;

    fn noun() -> String {
        "a text".to_owned()
    }

    fn text(text: &str, base: &Path) -> Result<Secret, Bad> {
        Text::text(text, base).map(Secret::new)
    }

    fn show(_: &Secret) -> Shown {
        Shown::Hidden("not shown".to_owned())
    }
}

impl<W: Words> Kind for Word<W> {
    type Value = W;

    fn noun() -> String {
        let words: Vec<String> = W::WORDS
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        match words.as_slice() {
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
            [] => String::new(),
        }
    }

    fn text(text: &str, _: &Path) -> Result<W, Bad> {
        W::WORDS
            .iter()
            .find(|(word, _)| *word == text.trim())
            .map(|(_, value)| *value)
            .ok_or(Bad::Unexpected)
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<W, Bad> {
        match value.get_ref() {
            DeValue::String(text) => Self::text(text, base),
            // A word may be a number.
            DeValue::Integer(number) => Self::text(number.as_str(), base),
            _ => Err(Bad::Unexpected),
        }
    }

    fn show(value: &W) -> Shown {
        let found = W::WORDS.iter().find(|(_, of)| of == value);
        let word = found.map_or("", |(word, _)| *word);
        match word.parse() {
            Ok(number) => Shown::Value(toml::Value::Integer(number)),
            Err(_) => Shown::text(word),
        }
    }
}

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;
    const SECRET: bool = K::SECRET;

    fn noun() -> String {
        K::noun()
    }

    /// An empty text is none, so that a flag can take back what the file says.
    fn text(text: &str, base: &Path) -> Result<Option<K::Value>, Bad> {
        match text {
            "" => Ok(None),
            text => K::text(text, base).map(Some),
        }
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Option<K::Value>, Bad> {
        match value.get_ref() {
            DeValue::String(text) if text.is_empty() => Ok(None),
            _ => K::toml(value, base).map(Some),
        }
    }

    fn show(value: &Option<K::Value>) -> Shown {
        value.as_ref().map_or(Shown::Unset, K::show)
    }
}
