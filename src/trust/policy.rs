//! Which files of modules may run.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::{Exposed, FileDigest, PublicKey, SecuritySettings, exposed};

use super::keys::{self, KeyError};
use super::signature::{Content, KeyId, Signatures, Verdict};
use super::signed_file::{self, Parts, SignatureError};

/// Whom the settings trust, and for what.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    required: bool,
    keys: Vec<TrustedKey>,
    files: Vec<FileDigest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TrustedKey {
    key: PublicKey,
    /// The file's name, for people.
    name: String,
}

/// A file that may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted<'a> {
    /// What the engine is to load.
    pub code: &'a [u8],
    /// Whether it is native code that somebody vouches for.
    pub native: bool,
}

/// A signature of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// By a key that is trusted, it says.
    Known {
        /// The key.
        key: PublicKey,
        /// The name of the key's file.
        name: String,
        /// Whether it is true, and of what the file is.
        valid: bool,
    },
    /// By another key, which alone could tell whether it is true.
    Unknown(KeyId),
}

/// Why the settings of trust cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A key cannot be used.
    #[error("security.trusted_keys: {0}")]
    Key(#[from] KeyError),
    /// Whoever can change it decides what runs.
    #[error("security.trusted_keys: {0}")]
    Exposed(Exposed),
    /// Nothing could ever run.
    #[error(
        "security.require_signed_modules needs security.trusted_keys or security.trusted_files too"
    )]
    Nobody,
}

/// Why a file may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// There is no signature.
    #[error("it is not signed, and must be{expected}")]
    Unsigned {
        /// What it must be, as the end of a sentence.
        expected: String,
    },
    /// There are signatures, of others.
    #[error("it is signed by {by}, and must be{expected}")]
    Stranger {
        /// Who has signed it.
        by: String,
        /// What it must be.
        expected: String,
    },
    /// It is not what was signed.
    #[error(
        "it is not what {key} has signed: the file was changed, or the signature is of another one"
    )]
    Changed {
        /// The key.
        key: PublicKey,
    },
    /// There is something in the signature's place that is none.
    #[error("its signature cannot be read: {why}; it must be{expected}")]
    Malformed {
        /// What is wrong.
        why: &'static str,
        /// What it must be.
        expected: String,
    },
    /// Native code that nobody vouches for.
    #[error("it is native code, which is not confined, and nobody vouches for it: {why}")]
    Native {
        /// Why not.
        why: Box<Distrust>,
    },
    /// Native code where no key is trusted.
    #[error(
        "it is native code, which is not confined, and no key is trusted here (security.trusted_keys)"
    )]
    NativeUntrusted,
}

impl Trust {
    /// What the settings say. Keys are read from their files now.
    ///
    /// # Errors
    /// When a key cannot be used, or could be anybody's.
    pub fn new(settings: &SecuritySettings) -> Result<Trust, TrustError> {
        let mut trusted = Vec::new();
        for path in &settings.trusted_keys {
            let key = keys::read_public(path)?;
            if let Some(exposed) = exposed(path) {
                return Err(TrustError::Exposed(exposed));
            }
            let name = path.file_name().unwrap_or(path.as_os_str());
            trusted.push(TrustedKey {
                key,
                name: name.to_string_lossy().into_owned(),
            });
        }
        if settings.require_signed_modules
            && trusted.is_empty()
            && settings.trusted_files.is_empty()
        {
            return Err(TrustError::Nobody);
        }
        Ok(Trust {
            required: settings.require_signed_modules,
            keys: trusted,
            files: settings.trusted_files.clone(),
        })
    }

    /// Trusts these keys.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn of_keys<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<Trust, KeyError> {
        let keys = paths.into_iter().map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            Ok(TrustedKey {
                key: keys::read_public(path)?,
                name: name.to_string_lossy().into_owned(),
            })
        });
        Ok(Trust {
            required: true,
            keys: keys.collect::<Result<_, KeyError>>()?,
            files: Vec::new(),
        })
    }

    /// The same, but that every file must be vouched for.
    #[must_use]
    pub fn requiring(mut self) -> Trust {
        self.required = true;
        self
    }

    /// Whether a module needs a signature.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.files.is_empty()
    }

    /// The signatures of a file, in it or, if it has none, `detached`.
    ///
    /// # Errors
    /// When it is no module's file, or there is something in the signature's place that is none.
    pub fn signatures(
        &self,
        file: &[u8],
        detached: Option<&[u8]>,
    ) -> Result<Vec<Signed>, SignatureError> {
        let parts = signed_file::parts(file)?;
        let Some(bytes) = parts.embedded.or(detached) else {
            return Ok(Vec::new());
        };
        let signatures = Signatures::parse(parts.content, bytes)?;
        let digest = parts.digest();
        let signed = signatures.key_ids().into_iter().map(|id| {
            let trusted = self
                .keys
                .iter()
                .find(|trusted| KeyId::of(&trusted.key) == id);
            match trusted {
                Some(trusted) => Signed::Known {
                    key: trusted.key,
                    name: trusted.name.clone(),
                    valid: signatures.check(&digest, &trusted.key) == Verdict::Right,
                },
                None => Signed::Unknown(id),
            }
        });
        Ok(signed.collect())
    }

    /// Whether a signature that is not in this file would be looked at.
    #[must_use]
    pub fn wants_signature(&self, file: &[u8]) -> bool {
        let Ok(parts) = Parts::of(file) else {
            return false;
        };
        let counts = self.required || parts.content == Content::Aot;
        counts && !self.is_empty() && parts.embedded.is_none() && !self.names(file)
    }

    /// Whether the settings name this file by its hash.
    fn names(&self, file: &[u8]) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let digest: [u8; 32] = Sha256::digest(file).into();
        self.files.iter().any(|trusted| *trusted.bytes() == digest)
    }

    /// Whether a file may run: WebAssembly, if that need not be signed; or what a trusted key has
    /// signed, in the file or, if it has no signature, `detached`; or what the settings name. What
    /// is no module at all is left to whoever loads it.
    ///
    /// # Errors
    /// Why not.
    pub fn admit<'a>(
        &self,
        file: &'a [u8],
        detached: Option<&[u8]>,
    ) -> Result<Admitted<'a>, Distrust> {
        let native = file.starts_with(b"\0aot");
        if !self.required && !native {
            return Ok(Admitted {
                code: file,
                native: false,
            });
        }
        if native && self.is_empty() {
            return Err(Distrust::NativeUntrusted);
        }
        let vouched = self.vouched(file, detached);
        vouched
            .map(|code| Admitted { code, native })
            .map_err(|why| {
                if native {
                    Distrust::Native { why: Box::new(why) }
                } else {
                    why
                }
            })
    }

    /// What is to be loaded of a file that somebody vouches for.
    fn vouched<'a>(&self, file: &'a [u8], detached: Option<&[u8]>) -> Result<&'a [u8], Distrust> {
        let malformed = |why| Distrust::Malformed {
            why,
            expected: self.expected(),
        };
        let parts = match Parts::of(file) {
            Ok(parts) => parts,
            Err(why) => return Err(malformed(why.0)),
        };
        if self.names(file) {
            return Ok(parts.code(file));
        }
        let Some(bytes) = parts.embedded.or(detached) else {
            return Err(Distrust::Unsigned {
                expected: self.expected(),
            });
        };
        let signatures = Signatures::parse(parts.content, bytes).map_err(|why| malformed(why.0))?;
        let digest = parts.digest();
        let mut changed = None;
        for trusted in &self.keys {
            match signatures.check(&digest, &trusted.key) {
                Verdict::Right => return Ok(parts.code(file)),
                Verdict::Wrong => changed = Some(trusted.key),
                Verdict::Absent => {}
            }
        }
        if let Some(key) = changed {
            return Err(Distrust::Changed { key });
        }
        let by: Vec<String> = signatures
            .key_ids()
            .iter()
            .map(|id| format!("key {id}"))
            .collect();
        Err(Distrust::Stranger {
            by: by.join(" and "),
            expected: self.expected(),
        })
    }

    /// What a file must be, as the end of a sentence.
    fn expected(&self) -> String {
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|trusted| format!("{} ({})", trusted.key, trusted.name))
            .collect();
        match keys.as_slice() {
            [] => " one of the files that security.trusted_files names".to_owned(),
            keys => format!(" signed by {}", keys.join(" or ")),
        }
    }
}
