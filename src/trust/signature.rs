//! Signatures as WebAssembly's tool conventions have them (Signatures.md): the contents of a section
//! `signature`, or of a file of their own.
//!
//! ```text
//! version 1 | content | hash function 1 | number of sets | sets
//! set:       length | number of hashes | hashes | number of signatures | signatures
//! signature: length | length | key id | algorithm | length | bytes
//! ```
//! Lengths and numbers are LEB128. The lengths of sets and signatures are not in the conventions'
//! tables, but in what the tool `wasmsign2` reads and writes, which is what others have.
//!
//! What is signed is `"wasmsig"`, the first three bytes, and all hashes of the set. A set may have
//! hashes of parts of a module; the last is that of all of it, and that is the one which counts
//! here: a module is signed as a whole or not at all.

use std::fmt;

use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::config::PublicKey;

use super::keys::SigningKey;

const VERSION: u8 = 1;
const SHA_256: u8 = 1;
const ED25519_ID: u8 = 1;
/// No signature that is meant for us has more.
pub const SIGNATURE_LIMIT: u64 = 16 << 10;
pub(super) const LONGEST: usize = 16 << 10;
/// Each is a check with every key.
const MOST_SIGNATURES: usize = 16;
const MOST_HASHES: usize = 64;

/// What was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A WebAssembly module.
    Wasm,
    /// Native code: not in the conventions.
    Aot,
}

impl Content {
    fn id(self) -> u8 {
        match self {
            Content::Wasm => 1,
            Content::Aot => b'a',
        }
    }
}

/// It is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// All signatures of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signatures {
    content: Content,
    sets: Vec<Set>,
}

/// Hashes, and who has signed them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    hashes: Vec<[u8; 32]>,
    signatures: Vec<One>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct One {
    /// Ours have what [`KeyId::of`] makes; others may have anything.
    key_id: Vec<u8>,
    algorithm: u8,
    bytes: Vec<u8>,
}

impl One {
    fn is_of(&self, key: &PublicKey) -> bool {
        self.key_id == KeyId::of(key).0
    }
}

/// Whether a signature of a key is there, and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key has signed it.
    Right,
    /// There is a signature that names the key, of something else.
    Wrong,
    /// There is none of the key.
    Absent,
}

impl Signatures {
    pub(super) fn new(content: Content) -> Signatures {
        Signatures {
            content,
            sets: Vec::new(),
        }
    }

    /// Reads what may be anything.
    pub(super) fn parse(content: Content, bytes: &[u8]) -> Result<Signatures, Malformed> {
        if bytes.len() > LONGEST {
            return Err(Malformed("it is longer than a signature can be"));
        }
        let mut reader = Reader(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed("it is of another version"));
        }
        if reader.byte()? != content.id() {
            return Err(Malformed("it is of another kind of file"));
        }
        if reader.byte()? != SHA_256 {
            return Err(Malformed("it does not use SHA-256"));
        }
        let mut room = MOST_SIGNATURES;
        let mut sets = Vec::new();
        for _ in 0..reader.count(MOST_SIGNATURES)? {
            let mut set = reader.part()?;
            let mut hashes = Vec::new();
            for _ in 0..set.count(MOST_HASHES)? {
                let mut hash = [0; 32];
                hash.copy_from_slice(set.take(32)?);
                hashes.push(hash);
            }
            let mut signatures = Vec::new();
            for _ in 0..set.count(room)? {
                room -= 1;
                let mut one = set.part()?;
                signatures.push(One {
                    key_id: one.part()?.0.to_vec(),
                    algorithm: one.byte()?,
                    bytes: one.part()?.0.to_vec(),
                });
                one.end()?;
            }
            set.end()?;
            sets.push(Set { hashes, signatures });
        }
        reader.end()?;
        Ok(Signatures { content, sets })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.content.id(), SHA_256];
        put_number(&mut bytes, self.sets.len());
        for set in &self.sets {
            let mut body = Vec::new();
            put_number(&mut body, set.hashes.len());
            body.extend(set.hashes.iter().flatten());
            put_number(&mut body, set.signatures.len());
            for one in &set.signatures {
                let mut signature = Vec::new();
                put_part(&mut signature, &one.key_id);
                signature.push(one.algorithm);
                put_part(&mut signature, &one.bytes);
                put_part(&mut body, &signature);
            }
            put_part(&mut bytes, &body);
        }
        bytes
    }

    /// Adds a signature, in place of one of the same key. What was signed with other contents goes.
    pub(super) fn add(&mut self, key: &SigningKey, digest: &[u8; 32]) -> Result<(), Malformed> {
        self.sets.retain(|set| set.hashes.last() == Some(digest));
        let public = key.public();
        for set in &mut self.sets {
            set.signatures.retain(|one| !one.is_of(&public));
        }
        let signatures: usize = self.sets.iter().map(|set| set.signatures.len()).sum();
        if signatures >= MOST_SIGNATURES {
            return Err(Malformed("it has as many signatures as it can have"));
        }
        let message = message(self.content, &[*digest]);
        let one = One {
            key_id: KeyId::of(&public).0,
            algorithm: ED25519_ID,
            bytes: key.sign(&message).to_vec(),
        };
        let whole = self
            .sets
            .iter_mut()
            .find(|set| set.hashes.as_slice() == [*digest].as_slice());
        match whole {
            Some(set) => set.signatures.push(one),
            None => self.sets.push(Set {
                hashes: vec![*digest],
                signatures: vec![one],
            }),
        }
        Ok(())
    }

    /// Whether a key has signed what has this digest.
    pub(super) fn check(&self, digest: &[u8; 32], key: &PublicKey) -> Verdict {
        let mut verdict = Verdict::Absent;
        for set in &self.sets {
            let message = message(self.content, &set.hashes);
            for one in &set.signatures {
                // What it says of its key is for people: it may be anything.
                if one.algorithm != ED25519_ID {
                    continue;
                }
                let whole = set.hashes.last() == Some(digest);
                let verified = || {
                    UnparsedPublicKey::new(&ED25519, key.bytes())
                        .verify(&message, &one.bytes)
                        .is_ok()
                };
                if whole && verified() {
                    return Verdict::Right;
                }
                if one.is_of(key) {
                    verdict = Verdict::Wrong;
                }
            }
        }
        verdict
    }

    /// What the signatures say of their keys.
    pub(super) fn key_ids(&self) -> Vec<KeyId> {
        let all = self.sets.iter().flat_map(|set| &set.signatures);
        let mut ids: Vec<KeyId> = Vec::new();
        for id in all.map(|one| KeyId(one.key_id.clone())) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// What a signature says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(Vec<u8>);

impl KeyId {
    /// That of a key, as `wasmsign2` makes it too.
    #[must_use]
    pub fn of(key: &PublicKey) -> KeyId {
        const LENGTH: usize = 12;
        let id = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.bytes()), b"key_id");
        KeyId(id.as_ref().iter().copied().take(LENGTH).collect())
    }
}

/// Hexadecimal.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More of it tells nobody more.
        const SHOWN: usize = 32;
        if self.0.is_empty() {
            return f.write_str("without a name");
        }
        let shown = self.0.iter().take(SHOWN);
        shown
            .into_iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn message(content: Content, hashes: &[[u8; 32]]) -> Vec<u8> {
    let head = [VERSION, content.id(), SHA_256];
    [b"wasmsig".as_slice(), &head, hashes.as_flattened()].concat()
}

/// What is left to be read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.0.split_first().ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(*byte)
    }

    /// A `varuint32`.
    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed("a number in it is too large"))
    }

    /// What has its length before it.
    fn part(&mut self) -> Result<Reader<'a>, Malformed> {
        let length = self.count(LONGEST)?;
        self.take(length).map(Reader)
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed("there is something after it"))
        }
    }

    fn count(&mut self, most: usize) -> Result<usize, Malformed> {
        let number = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if number > most {
            return Err(Malformed("it has more parts than a signature can have"));
        }
        Ok(number)
    }
}

const CUT_OFF: Malformed = Malformed("it is cut off");

pub(super) fn put_number(bytes: &mut Vec<u8>, number: usize) {
    // What is longer is refused before, and would not be read again.
    let mut left = u32::try_from(number).unwrap_or(u32::MAX);
    loop {
        let low = left.to_le_bytes()[0] & 0x7f;
        left >>= 7;
        if left == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn put_part(bytes: &mut Vec<u8>, part: &[u8]) {
    put_number(bytes, part.len());
    bytes.extend(part);
}
