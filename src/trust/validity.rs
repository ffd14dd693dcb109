//! Until when a certificate is valid. No library that is here says so, and reading all of X.509 for
//! that would be much.

use std::time::Duration;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A value of DER with this tag, and what comes after it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes.iter().try_fold(0_usize, |length, byte| {
                length.checked_mul(256)?.checked_add(usize::from(*byte))
            })?;
            (length, rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// The end of a certificate's validity, after 1970 (RFC 5280, 4.1). `None` for what is no
/// certificate, or ends before.
pub(super) fn not_after(certificate: &[u8]) -> Option<Duration> {
    let (certificate, _) = value(certificate, SEQUENCE)?;
    let (signed, _) = value(certificate, SEQUENCE)?;
    // The version, the serial number, the algorithm and the issuer.
    let (_, rest) = value(signed, 0xa0)?;
    let (_, rest) = value(rest, 0x02)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (validity, _) = value(rest, SEQUENCE)?;
    let (_, rest) = time(validity)?;
    time(rest)?.0
}

/// A time, if it is one after 1970, and what comes after it.
fn time(der: &[u8]) -> Option<(Option<Duration>, &[u8])> {
    let (text, century, rest) = match value(der, UTC_TIME) {
        Some((text, rest)) => {
            // Years from 50 on are those of the last century.
            let century: &[u8] = if text.first()? < &b'5' { b"20" } else { b"19" };
            (text, century, rest)
        }
        None => {
            let (text, rest) = value(der, GENERALIZED_TIME)?;
            (text, &b""[..], rest)
        }
    };
    let text = [century, text].concat();
    let digits = text.strip_suffix(b"Z")?;
    if digits.len() != 14 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = digits.get(from..to).unwrap_or_default();
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    let days = days_since_1970(number(0, 4), number(4, 6), number(6, 8));
    let seconds = ((days * 24 + number(8, 10)) * 60 + number(10, 12)) * 60 + number(12, 14);
    Some((u64::try_from(seconds).ok().map(Duration::from_secs), rest))
}

/// Of a date of the Gregorian calendar. Years are counted from March, so that a leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // March to July, August to December: 31, 30, 31, 30, 31.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn what_a_certificate_says() {
        let key = KeyPair::generate().unwrap();
        for (year, month, day) in [
            (1999, 12, 31),
            (2000, 2, 29),
            (2000, 3, 1),
            (2026, 1, 1),
            (2049, 12, 31),
            (2050, 1, 1),
            (2100, 2, 28),
            (2100, 3, 1),
            (4096, 7, 15),
        ] {
            let mut params = CertificateParams::default();
            params.not_before = date_time_ymd(1990, 1, 1);
            params.not_after = date_time_ymd(year, month, day) + Duration::from_secs(45_296);
            let certificate = params.self_signed(&key).unwrap();
            let seconds = u64::try_from(params.not_after.unix_timestamp()).unwrap();
            let said = not_after(certificate.der());
            assert_eq!(said, Some(Duration::from_secs(seconds)), "{year}");
        }
    }

    #[test]
    fn anything_else() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        for cut in 0..certificate.der().len() {
            let _ = not_after(&certificate.der()[..cut]);
            let mut changed = certificate.der().to_vec();
            for byte in [0, 0x7f, 0x84, 0xff] {
                changed[cut] = byte;
                let _ = not_after(&changed);
            }
        }
        assert_eq!(not_after(b""), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
