//! Values of options.

use std::path::PathBuf;
use std::time::Duration;

use crate::wamr::{FuncType, PAGE_SIZE, Val, ValType};

/// `--dir HOST[::GUEST][:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dir {
    pub(super) host: PathBuf,
    pub(super) guest: String,
    pub(super) read_only: bool,
}

pub(super) fn dir(text: &str) -> Result<Dir, String> {
    let (rest, read_only) = match text.strip_suffix(":ro") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (host, guest) = rest.split_once("::").unwrap_or((rest, rest));
    if host.is_empty() || guest.is_empty() {
        return Err("expected HOST[::GUEST][:ro], for example ./data::/data:ro".to_owned());
    }
    Ok(Dir {
        host: PathBuf::from(host),
        guest: guest.to_owned(),
        read_only,
    })
}

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

/// A size in bytes: `65536`, `64KiB`, `64MiB`, `1GB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "expected a size, for example 64MiB".to_owned())
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

/// A length of time: `5s`, `250ms`, `1m30s`; without a unit in seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string());
    }
    humantime::parse_duration(text)
        .map_err(|_| "expected a time, for example 5s or 250ms".to_owned())
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
    fn directories() {
        let parsed = |text: &str| {
            let dir = dir(text).unwrap();
            (dir.host.display().to_string(), dir.guest, dir.read_only)
        };
        let expected = |host: &str, guest: &str, ro| (host.to_owned(), guest.to_owned(), ro);
        assert_eq!(parsed("data"), expected("data", "data", false));
        assert_eq!(parsed("/srv/a::/data"), expected("/srv/a", "/data", false));
        assert_eq!(
            parsed("/srv/a::/data:ro"),
            expected("/srv/a", "/data", true)
        );
        assert_eq!(parsed("data:ro"), expected("data", "data", true));
        assert!(dir("").is_err());
        assert!(dir("::/x").is_err());
        assert!(dir("x::").is_err());
    }

    #[test]
    fn sizes_and_times() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("65536"), Ok(65_536));
        assert!(size("many").is_err());
        assert!(size("-1").is_err());
        assert!(memory_size("60KiB").is_err());
        assert_eq!(memory_size("64KiB"), Ok(65_536));
        assert!(stack_size("1").is_err());
        assert_eq!(stack_size("256KiB"), Ok(262_144));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("-1").is_err());
        assert!(duration("NaN").is_err());
        assert!(duration("soon").is_err());
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
