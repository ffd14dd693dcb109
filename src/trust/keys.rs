//! Keys that sign modules: Ed25519, in files of PEM format as `openssl` has them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::config::{Exposed, PublicKey, exposed};

use super::private_file;

/// What is before the 32 bytes of a private key in PKCS #8 (RFC 8410).
const PRIVATE: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// What is before the 32 bytes of a public key in DER (RFC 8410).
const PUBLIC: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// More than any file of a key has.
const LONGEST: u64 = 4096;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// Keys are not overwritten.
    #[error("{} is there already: keys are not overwritten", .0.display())]
    Exists(PathBuf),
    /// It holds something else.
    #[error("{} is no private key of Ed25519 (PEM): arena sign --new-key makes one", .0.display())]
    NotPrivate(PathBuf),
    /// It holds something else.
    #[error("{} is no public key of Ed25519 (PEM, or 44 characters of base64)", .0.display())]
    NotPublic(PathBuf),
    /// Whoever can read it can sign.
    #[error("others can read {}: chmod go-rwx it", .0.display())]
    Shared(PathBuf),
    /// Others could put another key in its place, or its owner is another.
    #[error("{} is no key to sign with: {why}", .path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// What lets them.
        why: Exposed,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// Who signs modules.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes a key: `path`, which only the user can read, and `path` with the ending `.pub`.
    ///
    /// # Errors
    /// When one of the files is there already, or cannot be written.
    pub fn create(path: &Path) -> Result<(SigningKey, PathBuf), KeyError> {
        let public = public_path(path);
        for path in [path, &public] {
            if path.symlink_metadata().is_ok() {
                return Err(KeyError::Exists(path.to_owned()));
            }
        }
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| KeyError::Random)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Random)?;
        let key = SigningKey(pair);
        let pem = pem("PRIVATE KEY", &[PRIVATE, &seed].concat());
        let failed = |path: &Path, why: io::Error| match why.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => KeyError::File {
                path: path.to_owned(),
                why,
            },
        };
        private_file::write_new(path, &pem).map_err(|e| failed(path, e))?;
        private_file::write_new_public(&public, &to_pem(&key.public()))
            .map_err(|e| failed(&public, e))?;
        Ok((key, public))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// When it cannot be read, is none, or others can read it or could replace it.
    pub fn read(path: &Path) -> Result<SigningKey, KeyError> {
        let (bytes, mode) = read(path)?;
        if mode & private_file::OF_OTHERS != 0 {
            return Err(KeyError::Shared(path.to_owned()));
        }
        if let Some(why) = exposed(path) {
            let path = path.to_owned();
            return Err(KeyError::Exposed { path, why });
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(&bytes).ok();
        let pair = key.and_then(|key| {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).ok()
        });
        pair.map(SigningKey)
            .ok_or_else(|| KeyError::NotPrivate(path.to_owned()))
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::new(key)
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(message).as_ref());
        bytes
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// The public key in a file: PEM, or a line of base64.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyError> {
    let (bytes, _) = read(path)?;
    let wrong = || KeyError::NotPublic(path.to_owned());
    if let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(&bytes) {
        let key = der.strip_prefix(PUBLIC).ok_or_else(wrong)?;
        return Ok(PublicKey::new(key.try_into().map_err(|_| wrong())?));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
    text.parse().map_err(|_| wrong())
}

fn public_path(path: &Path) -> PathBuf {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    public.into()
}

fn read(path: &Path) -> Result<(Vec<u8>, u32), KeyError> {
    let read = || {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok((bytes, mode))
    };
    read().map_err(|why| KeyError::File {
        path: path.to_owned(),
        why,
    })
}

fn to_pem(key: &PublicKey) -> String {
    pem("PUBLIC KEY", &[PUBLIC, key.bytes()].concat())
}

/// Of what fits into one line.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_the_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ops");
        let (key, public) = SigningKey::create(&path).unwrap();
        assert_eq!(public, dir.path().join("ops.pub"));
        assert_eq!(read_public(&public).unwrap(), key.public());
        assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            SigningKey::create(&path),
            Err(KeyError::Exists(_))
        ));
        // Also with the line that engine.trusted_key would have.
        fs::write(&public, format!("{}\n", key.public())).unwrap();
        assert_eq!(read_public(&public).unwrap(), key.public());
    }

    #[test]
    fn what_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(
            SigningKey::read(&path),
            Err(KeyError::File { .. })
        ));
        SigningKey::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::read(&path), Err(KeyError::Shared(_))));
        // The private key in place of the public one, and the other way round.
        assert!(matches!(read_public(&path), Err(KeyError::NotPublic(_))));
        let public = dir.path().join("key.pub");
        fs::set_permissions(&public, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            SigningKey::read(&public),
            Err(KeyError::NotPrivate(_))
        ));
        for text in [
            "",
            "nonsense",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ] {
            fs::write(&public, text).unwrap();
            assert!(matches!(read_public(&public), Err(KeyError::NotPublic(_))));
        }
    }

    /// What `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write.
    #[test]
    fn openssls_keys() {
        let dir = tempfile::tempdir().unwrap();
        let (private, public) = (dir.path().join("a"), dir.path().join("a.pub"));
        // The key pair of RFC 8410, 10.3.
        private_file::write_new(
            &private,
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        private_file::write_new_public(
            &public,
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
        )
        .unwrap();
        let key = SigningKey::read(&private).unwrap();
        assert_eq!(key.public(), read_public(&public).unwrap());
    }
}
