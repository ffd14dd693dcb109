//! An artifact in a file: the code, what is known of it, and the proof of where it comes from.
//!
//! ```text
//! code | about (JSON) | length of about: u32, little-endian | key: 32 bytes | proof | magic
//! ```
//! The proof is over all that is before it: in the cache an HMAC-SHA-256 with a secret of the user's
//! (32 bytes, `arenaot1`), from elsewhere a signature by Ed25519 (64 bytes, `arenaed1`). The code
//! comes first, so that it is where the file's buffer begins, which WAMR wants aligned.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::key::{Key, Target};

const SEALED: &[u8; 8] = b"arenaot1";
const MAC: usize = 32;
const KEY: usize = 32;

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
    /// What tells the compiler from others; empty where it is not on this machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub compiler: String,
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
            compiler: String::new(),
        }
    }

    /// The same, made by this compiler.
    #[must_use]
    pub fn by(mut self, compiler: &str) -> About {
        compiler.clone_into(&mut self.compiler);
        self
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

/// The contents of the cache's file for an artifact.
///
/// # Errors
/// When `about` cannot be written as JSON.
pub(super) fn seal(
    secret: &Secret,
    key: &Key,
    code: &[u8],
    about: &About,
) -> serde_json::Result<Vec<u8>> {
    let body = body(key, code, about)?;
    let mac = hmac::sign(&secret.0, &body);
    Ok([&body, mac.as_ref(), SEALED].concat())
}

/// The code in a file of the cache, if it is this key's and whoever has the secret has written it.
pub(super) fn open(secret: &Secret, key: &Key, mut file: Vec<u8>) -> Option<Vec<u8>> {
    let parts = Parts::of(&file, SEALED, MAC)?;
    hmac::verify(&secret.0, parts.body, parts.proof).ok()?;
    let length = parts.code_of(key)?.len();
    file.truncate(length);
    Some(file)
}

/// What a file of the cache says of itself, unproven.
pub(super) fn about(file: &[u8]) -> Option<About> {
    serde_json::from_slice(Parts::of(file, SEALED, MAC)?.about).ok()
}

/// What a proof is over.
pub(super) fn body(key: &Key, code: &[u8], about: &About) -> serde_json::Result<Vec<u8>> {
    let about = serde_json::to_vec(about)?;
    // What is longer does not come back: opening finds another length.
    let length = u32::try_from(about.len()).unwrap_or(u32::MAX);
    Ok([code, &about, &length.to_le_bytes(), key.bytes()].concat())
}

pub(super) struct Parts<'a> {
    /// What the proof is over.
    pub(super) body: &'a [u8],
    pub(super) proof: &'a [u8],
    pub(super) about: &'a [u8],
    code: &'a [u8],
    key: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None` when a file does not have them.
    pub(super) fn of(file: &'a [u8], magic: &[u8; 8], proof: usize) -> Option<Parts<'a>> {
        let rest = file.strip_suffix(magic)?;
        let (body, proof) = rest.split_at_checked(rest.len().checked_sub(proof)?)?;
        let (rest, key) = body.split_last_chunk::<KEY>()?;
        let (rest, length) = rest.split_last_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (code, about) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
        Some(Parts {
            body,
            proof,
            about,
            code,
            key,
        })
    }

    /// The code, if it is this key's.
    pub(super) fn code_of(&self, key: &Key) -> Option<&'a [u8]> {
        (self.key == key.bytes()).then_some(self.code)
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
            file.extend_from_slice(SEALED);
            let _ = about(&file);
            prop_assert_eq!(open(&secret(), &key(), file), None);
        }
    }
}
