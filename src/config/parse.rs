//! Sizes, times and directories as people write them.

use std::path::PathBuf;
use std::time::Duration;

/// A directory of the host, and the path that a module sees it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// Where it is on the host.
    pub host: PathBuf,
    /// What the module sees.
    pub guest: String,
    /// Whether the module can only read it.
    pub read_only: bool,
}

/// A directory: `HOST[::GUEST][:ro]`.
///
/// # Errors
/// What was expected.
pub fn dir(text: &str) -> Result<Dir, String> {
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

/// A size in bytes: `65536`, `64KiB`, `64MiB`, `1GB`.
///
/// # Errors
/// What was expected.
pub fn size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "expected a size, for example 64MiB".to_owned())
}

/// A length of time: `5s`, `250ms`, `1m30s`; without a unit in seconds.
///
/// # Errors
/// What was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string());
    }
    humantime::parse_duration(text)
        .map_err(|_| "expected a time, for example 5s or 250ms".to_owned())
}

/// The size as [`size`] reads it, in the largest unit that needs no fraction.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = |shift: u32| bytes != 0 && bytes.trailing_zeros() >= shift;
    match units.iter().find(|(shift, _)| whole(*shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// The time as [`duration`] reads it.
pub(super) fn duration_text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("-1").is_err());
        assert!(duration("NaN").is_err());
        assert!(duration("soon").is_err());
        assert_eq!(size_text(0), "0");
        assert_eq!(size_text(1 << 20), "1MiB");
        assert_eq!(size_text(1025), "1025");
        assert_eq!(duration_text(Duration::from_secs(90)), "1m 30s");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(bytes: u64, shift in 0_u32..40, nanos in 0_u64..1 << 62) {
            let bytes = (bytes >> 24) << (shift % 24);
            prop_assert_eq!(size(&size_text(bytes)), Ok(bytes));
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(duration(&duration_text(time)), Ok(time));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,20}", number in "[-+0-9.eEinfa]{0,12} ?[a-zA-Z]{0,4}") {
            for text in [text, number] {
                let _ = (size(&text), duration(&text));
            }
        }
    }
}
