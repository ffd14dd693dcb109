//! Values of options.

pub(super) use crate::config::{dir, duration, size};
use crate::guest::{ChannelMode, ChannelSpec};
use crate::pubsub::{Filter, Qos};
use crate::wamr::{FuncType, PAGE_SIZE, Val, ValType};

/// `--env K=V`, or `K` for the value that it has here.
pub(super) fn env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("expected NAME=VALUE".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => std::env::var(text)
            .map(|value| (text.to_owned(), value))
            .map_err(|e| format!("{e}; expected NAME=VALUE")),
    }
}

/// A size for linear memory, which comes in pages.
pub(super) fn memory_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes >= PAGE_SIZE => Ok(bytes),
        _ => Err("expected at least 64KiB, which is one page of memory".to_owned()),
    }
}

/// A size that fits a stack.
pub(super) fn stack_size(text: &str) -> Result<u32, String> {
    match u32::try_from(size(text)?) {
        Ok(bytes @ 16_384..=0x4000_0000) => Ok(bytes),
        _ => Err("expected a size from 16KiB to 1GiB".to_owned()),
    }
}

/// `--channel PATH=TOPIC`, with `:r`, `:w` or `:rw` behind it.
pub(super) fn channel(text: &str) -> Result<ChannelSpec, String> {
    let (path, topic) = text
        .split_once('=')
        .filter(|(path, topic)| !path.is_empty() && !topic.is_empty())
        .ok_or("expected PATH=TOPIC, for example /ch/light=realm/kitchen/light:r")?;
    // A topic may have colons, so only what is a mode is taken for one.
    let (topic, mode) = match topic.rsplit_once(':') {
        Some((topic, "r")) => (topic, ChannelMode::Read),
        Some((topic, "w")) => (topic, ChannelMode::Write),
        Some((topic, "rw")) => (topic, ChannelMode::ReadWrite),
        _ => (topic, ChannelMode::ReadWrite),
    };
    Filter::new(topic).map_err(|e| e.to_string())?;
    Ok(ChannelSpec {
        path: path.to_owned(),
        topic: topic.to_owned(),
        mode,
        qos: None,
    })
}

/// MQTT's quality of service, as far as we have it.
pub(super) fn qos(text: &str) -> Result<Qos, String> {
    match text {
        "0" => Ok(Qos::AtMostOnce),
        "1" => Ok(Qos::AtLeastOnce),
        _ => Err("expected 0 or 1".to_owned()),
    }
}

/// The arguments of `--invoke` for a function of type `ty`.
pub(super) fn values(ty: &FuncType, texts: &[String]) -> Result<Vec<Val>, String> {
    if texts.len() != ty.params.len() {
        return Err(format!(
            "it takes {} values {ty}, and {} are given",
            ty.params.len(),
            texts.len()
        ));
    }
    std::iter::zip(&ty.params, texts)
        .map(|(ty, text)| value(*ty, text).ok_or_else(|| format!("\"{text}\" is not of type {ty}")))
        .collect()
}

fn value(ty: ValType, text: &str) -> Option<Val> {
    let integer = |text: &str| -> Option<i128> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let value = match digits.strip_prefix("0x") {
            Some(hex) => i128::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        Some(if negative { -value } else { value })
    };
    Some(match ty {
        // Both the signed and the unsigned numbers of that many bits.
        ValType::I32 => Val::I32(match integer(text)? {
            v if v < 0 => i32::try_from(v).ok()?,
            v => u32::try_from(v).ok()?.cast_signed(),
        }),
        ValType::I64 => Val::I64(match integer(text)? {
            v if v < 0 => i64::try_from(v).ok()?,
            v => u64::try_from(v).ok()?.cast_signed(),
        }),
        ValType::F32 => Val::F32(text.parse().ok()?),
        ValType::F64 => Val::F64(text.parse().ok()?),
        ValType::V128 => Val::V128(match text.strip_prefix("0x") {
            Some(hex) => u128::from_str_radix(hex, 16).ok()?,
            None => text.parse().ok()?,
        }),
        ValType::FuncRef if text == "null" => Val::FuncRef(None),
        ValType::ExternRef if text == "null" => Val::ExternRef(None),
        ValType::FuncRef | ValType::ExternRef => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert!(memory_size("60KiB").is_err());
        assert_eq!(memory_size("64KiB"), Ok(65_536));
        assert!(stack_size("1").is_err());
        assert_eq!(stack_size("256KiB"), Ok(262_144));
    }

    #[test]
    fn channels() {
        for (text, path, topic, mode) in [
            ("light=a/b", "light", "a/b", ChannelMode::ReadWrite),
            ("/ch/x=a/b:r", "/ch/x", "a/b", ChannelMode::Read),
            ("/ch/x=a:b=c:w", "/ch/x", "a:b=c", ChannelMode::Write),
            ("/ch/x=a:rw:rw", "/ch/x", "a:rw", ChannelMode::ReadWrite),
        ] {
            let parsed = channel(text).unwrap();
            assert_eq!(
                (parsed.path.as_str(), parsed.topic.as_str(), parsed.mode),
                (path, topic, mode)
            );
        }
        for text in [
            "",
            "light",
            "=a",
            "light=",
            "light=:r",
            "light=a+:r",
            "light=a/#:x",
        ] {
            assert!(channel(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_by_type() {
        assert_eq!(value(ValType::I32, "-1"), Some(Val::I32(-1)));
        assert_eq!(value(ValType::I32, "4294967295"), Some(Val::I32(-1)));
        assert_eq!(value(ValType::I32, "4294967296"), None);
        assert_eq!(value(ValType::I64, "0xff"), Some(Val::I64(255)));
        assert_eq!(value(ValType::I64, "-9223372036854775809"), None);
        assert_eq!(value(ValType::F64, "1e3"), Some(Val::F64(1000.0)));
        assert_eq!(value(ValType::F32, "one"), None);
        assert_eq!(
            value(ValType::ExternRef, "null"),
            Some(Val::ExternRef(None))
        );
        assert_eq!(value(ValType::FuncRef, "1"), None);
    }
}
