//! Files with signatures in them.
//!
//! In a WebAssembly module the signature is the first section, a custom one, so that it goes
//! wherever the module goes and whoever does not know it passes over it; what is signed is all that
//! comes after it. Behind native code it is a trailer, `signature | length: u32, little-endian |
//! "arenasig"`, which is taken off before the code is loaded; what is signed is all before it.

use sha2::{Digest as _, Sha256};

use super::keys::SigningKey;
use super::signature::{Content, LONGEST, Malformed, Reader, Signatures, put_number};

const WASM: &[u8; 8] = b"\0asm\x01\0\0\0";
const AOT: &[u8; 4] = b"\0aot";
const SECTION: &[u8] = b"signature";
const TRAILER: &[u8; 8] = b"arenasig";

/// A module's file, taken apart.
pub(super) struct Parts<'a> {
    pub(super) content: Content,
    /// What comes before the signature: the header of a module, or native code.
    head: &'a [u8],
    /// What comes after it.
    rest: &'a [u8],
    /// The signature that is in the file.
    pub(super) embedded: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Takes any file apart.
    pub(super) fn of(file: &'a [u8]) -> Result<Parts<'a>, Malformed> {
        if file.starts_with(AOT) {
            return Parts::of_aot(file);
        }
        let Some(sections) = file.strip_prefix(WASM) else {
            return Err(Malformed("it is no module"));
        };
        let embedded = first_section(sections);
        let (embedded, rest) = embedded.map_or((None, sections), |(is, rest)| (Some(is), rest));
        Ok(Parts {
            content: Content::Wasm,
            head: WASM,
            rest,
            embedded,
        })
    }

    fn of_aot(file: &'a [u8]) -> Result<Parts<'a>, Malformed> {
        let (head, embedded) = match file.strip_suffix(TRAILER) {
            None => (file, None),
            Some(rest) => {
                let cut_off = Malformed("its trailer is cut off");
                let (rest, length) = rest.split_last_chunk::<4>().ok_or(cut_off)?;
                let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                let at = rest.len().checked_sub(length).ok_or(cut_off)?;
                let (code, signature) = rest.split_at_checked(at).ok_or(cut_off)?;
                (code, Some(signature))
            }
        };
        Ok(Parts {
            content: Content::Aot,
            head,
            rest: &[],
            embedded,
        })
    }

    /// What is signed, as a hash.
    pub(super) fn digest(&self) -> [u8; 32] {
        match self.content {
            Content::Wasm => Sha256::digest(self.rest),
            Content::Aot => Sha256::digest(self.head),
        }
        .into()
    }

    /// What the engine is to load: of native code all but the signature.
    pub(super) fn code(&self, file: &'a [u8]) -> &'a [u8] {
        match self.content {
            Content::Wasm => file,
            Content::Aot => self.head,
        }
    }

    /// The file with this signature in it.
    fn with(&self, signature: &[u8]) -> Vec<u8> {
        match self.content {
            Content::Wasm => {
                let mut payload = Vec::new();
                put_number(&mut payload, SECTION.len());
                payload.extend(SECTION);
                payload.extend(signature);
                let mut file = [self.head, &[0]].concat();
                put_number(&mut file, payload.len());
                file.extend(payload);
                file.extend(self.rest);
                file
            }
            Content::Aot => {
                let length = u32::try_from(signature.len()).unwrap_or(u32::MAX);
                [self.head, signature, &length.to_le_bytes(), TRAILER].concat()
            }
        }
    }
}

/// The signature in the first section, and what comes after it.
fn first_section(sections: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader(sections);
    if reader.byte().ok()? != 0 {
        return None;
    }
    let size = usize::try_from(reader.number().ok()?).ok()?;
    let mut section = Reader(reader.take(size).ok()?);
    let length = usize::try_from(section.number().ok()?).ok()?;
    (section.take(length).ok()? == SECTION).then_some((section.0, reader.0))
}

/// Why a file is not signed or its signatures are not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The file is neither WebAssembly nor native code.
    #[error("it is no WebAssembly module and no AOT file")]
    NotAModule,
    /// There is something in the signature's place that is none.
    #[error("its signature cannot be read: {0}")]
    Malformed(&'static str),
    /// It has a signature in it, in whose place none beside it counts.
    #[error(
        "there is a signature in it, and then nobody looks at one beside it: sign it without --detached"
    )]
    Embedded,
}

impl From<Malformed> for SignatureError {
    fn from(Malformed(why): Malformed) -> SignatureError {
        SignatureError::Malformed(why)
    }
}

pub(super) fn parts(file: &[u8]) -> Result<Parts<'_>, SignatureError> {
    match Parts::of(file) {
        Err(_) if !file.starts_with(AOT) => Err(SignatureError::NotAModule),
        parts => Ok(parts?),
    }
}

/// The file with a signature in it, beside those of other keys that it has.
///
/// # Errors
/// When it is no module's file, or has a signature that cannot be read.
pub fn sign(file: &[u8], key: &SigningKey) -> Result<Vec<u8>, SignatureError> {
    let parts = parts(file)?;
    let signature = signed(&parts, parts.embedded, key)?;
    Ok(parts.with(&signature))
}

/// The contents of a file `.sig` for a file, beside the signatures of other keys in `before`.
///
/// # Errors
/// As [`sign`], and when it has a signature in it: then nobody would look at this one.
pub fn sign_detached(
    file: &[u8],
    before: Option<&[u8]>,
    key: &SigningKey,
) -> Result<Vec<u8>, SignatureError> {
    let parts = parts(file)?;
    if parts.embedded.is_some() {
        return Err(SignatureError::Embedded);
    }
    signed(&parts, before, key)
}

fn signed(
    parts: &Parts<'_>,
    before: Option<&[u8]>,
    key: &SigningKey,
) -> Result<Vec<u8>, SignatureError> {
    let mut signatures = match before {
        None => Signatures::new(parts.content),
        Some(bytes) => Signatures::parse(parts.content, bytes)?,
    };
    signatures.add(key, &parts.digest())?;
    let bytes = signatures.to_bytes();
    if bytes.len() > LONGEST {
        return Err(SignatureError::Malformed("it has no room for another one"));
    }
    Ok(bytes)
}

/// The file with a detached signature put into it, in place of one that it has.
///
/// # Errors
/// When it is no module's file, or the signature is none for such a file.
pub fn embed(file: &[u8], signature: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let parts = parts(file)?;
    Signatures::parse(parts.content, signature)?;
    Ok(parts.with(signature))
}

/// A file without the trailer of a signature that native code may have.
#[must_use]
pub fn without_trailer(file: &[u8]) -> &[u8] {
    Parts::of(file).map_or(file, |parts| parts.code(file))
}
