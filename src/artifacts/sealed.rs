//! An artifact in a file: the code, what is known of it, and the proof that it was made here.
//!
//! ```text
//! code | about (JSON) | length of about: u32, little-endian | key: 32 bytes | MAC: 32 bytes | "arenaot1"
//! ```
//! The MAC is over all that is before it.
//! The code comes first, so that it is where the file's buffer begins, which WAMR wants aligned.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::key::{Key, Target};

const MAGIC: &[u8; 8] = b"arenaot1";
const KEY: usize = 32;
const MAC: usize = 32;
const TRAILER: usize = size_of::<u32>() + KEY + MAC + MAGIC.len();

/// What is known of an artifact, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What the module was called when it was compiled.
    pub name: String,
    /// The module's size in bytes.
    pub wasm_bytes: u64,
    /// The code's size in bytes; 0 when the module cannot be compiled.
    pub code_bytes: u64,
    /// The architecture that it is for.
    pub arch: String,
    /// The processor that it is for.
    pub cpu: String,
    /// How long it took to compile, in seconds.
    pub seconds: f64,
    /// When it was made, in seconds since 1970.
    pub made: u64,
}

impl About {
    /// Of what has just been made.
    #[must_use]
    pub fn new(name: &str, wasm: &[u8], code: &[u8], target: &Target, seconds: f64) -> About {
        let made = SystemTime::now().duration_since(UNIX_EPOCH);
        About {
            name: name.to_owned(),
            wasm_bytes: wasm.len() as u64,
            code_bytes: code.len() as u64,
            arch: target.arch.clone(),
            cpu: target.cpu.clone(),
            seconds,
            made: made.map_or(0, |time| time.as_secs()),
        }
    }
}

/// What proves that a file was written by whoever has it.
pub(super) struct Secret(hmac::Key);

impl Secret {
    pub(super) const LENGTH: usize = 32;

    pub(super) fn new(bytes: &[u8; Secret::LENGTH]) -> Secret {
        Secret(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

/// The contents of the file for an artifact.
///
/// # Errors
/// When `about` cannot be written as JSON.
pub(super) fn seal(
    secret: &Secret,
    key: &Key,
    code: &[u8],
    about: &About,
) -> serde_json::Result<Vec<u8>> {
    let about = serde_json::to_vec(about)?;
    let mut file = Vec::with_capacity(code.len() + about.len() + TRAILER);
    file.extend_from_slice(code);
    file.extend_from_slice(&about);
    // What is longer does not come back: opening finds another length.
    let length = u32::try_from(about.len()).unwrap_or(u32::MAX);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(key.bytes());
    let mac = hmac::sign(&secret.0, &file);
    file.extend_from_slice(mac.as_ref());
    file.extend_from_slice(MAGIC);
    Ok(file)
}

/// The code in a file, if it is this key's and whoever has the secret has written it.
pub(super) fn open(secret: &Secret, key: &Key, mut file: Vec<u8>) -> Option<Vec<u8>> {
    let parts = Parts::of(&file)?;
    hmac::verify(&secret.0, parts.sealed, parts.mac).ok()?;
    if parts.key != key.bytes() {
        return None;
    }
    let length = parts.code.len();
    file.truncate(length);
    Some(file)
}

/// What a file says of itself, unproven.
pub(super) fn about(file: &[u8]) -> Option<About> {
    serde_json::from_slice(Parts::of(file)?.about).ok()
}

struct Parts<'a> {
    /// What the MAC is over.
    sealed: &'a [u8],
    code: &'a [u8],
    about: &'a [u8],
    key: &'a [u8],
    mac: &'a [u8],
}

impl Parts<'_> {
    fn of(file: &[u8]) -> Option<Parts<'_>> {
        let rest = file.strip_suffix(MAGIC)?;
        let (sealed, mac) = rest.split_last_chunk::<MAC>()?;
        let (rest, key) = sealed.split_last_chunk::<KEY>()?;
        let (rest, length) = rest.split_last_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (code, about) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
        Some(Parts {
            sealed,
            code,
            about,
            key,
            mac,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> Secret {
        Secret::new(&[7; 32])
    }

    fn key() -> Key {
        Key::new(b"module", &Target::host("native"))
    }

    fn some() -> About {
        About::new("a.wasm", b"module", b"code", &Target::host("native"), 0.25)
    }

    #[test]
    fn what_is_sealed_can_be_opened() {
        let file = seal(&secret(), &key(), b"code", &some()).unwrap();
        assert_eq!(about(&file), Some(some()));
        assert_eq!(open(&secret(), &key(), file).as_deref(), Some(&b"code"[..]));
    }

    #[test]
    fn what_is_anothers_cannot() {
        let file = seal(&secret(), &key(), b"code", &some()).unwrap();
        let other = Key::new(b"other", &Target::host("native"));
        assert_eq!(open(&secret(), &other, file.clone()), None);
        assert_eq!(open(&Secret::new(&[8; 32]), &key(), file), None);
    }

    proptest! {
        #[test]
        fn what_is_damaged_cannot(at in any::<prop::sample::Index>(), bit in 0..8u32, cut in any::<prop::sample::Index>()) {
            let file = seal(&secret(), &key(), b"some code", &some()).unwrap();
            let mut flipped = file.clone();
            flipped[at.index(file.len())] ^= 1 << bit;
            prop_assert_eq!(open(&secret(), &key(), flipped), None);
            let short = file[..cut.index(file.len())].to_vec();
            prop_assert_eq!(open(&secret(), &key(), short), None);
        }

        #[test]
        fn no_file_breaks_it(file in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut file = file;
            file.extend_from_slice(MAGIC);
            let _ = about(&file);
            prop_assert_eq!(open(&secret(), &key(), file), None);
        }
    }
}
