//! Artifacts that somebody else has compiled, and signed.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::config::PublicKey;

use super::key::Key;
use super::sealed::{self, About, Parts};

const SIGNED: &[u8; 8] = b"arenaed1";
const SIGNATURE: usize = 64;

/// Who signs artifacts.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// The key in a file (PKCS #8, DER); a new one is made where there is none, which only the user
    /// can read.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn open_or_new(path: &Path) -> io::Result<Signer> {
        let key = match read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(path)?;
                read(path)?
            }
            key => key?,
        };
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key);
        pair.map(Signer)
            .map_err(|_| io::Error::other("it is no Ed25519 key (PKCS #8, DER)"))
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::new(key)
    }

    /// A file with the code of a key, to be given to others.
    ///
    /// # Errors
    /// When `about` cannot be written as JSON.
    pub fn sign(&self, key: &Key, code: &[u8], about: &About) -> serde_json::Result<Vec<u8>> {
        let body = sealed::body(key, code, about)?;
        let signature = self.0.sign(&body);
        Ok([&body, signature.as_ref(), SIGNED].concat())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    /// More than any key has.
    const MAX: u64 = 4096;
    let mut key = Vec::new();
    File::open(path)?.take(MAX).read_to_end(&mut key)?;
    Ok(key)
}

fn make(path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    // Only the user can read and write it: so `tempfile` makes them.
    let mut file = tempfile::Builder::new().prefix("part-").tempfile_in(dir)?;
    file.write_all(key.as_ref())?;
    match file.persist_noclobber(path) {
        // Another process was faster, and its key is the one.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(|_| ()).map_err(|e| e.error),
    }
}

/// The code in a file that [`Signer::sign`] has made, if it is this key's and `signer` has signed
/// it; and what is known of it.
#[must_use]
pub fn open_signed(signer: &PublicKey, key: &Key, file: &[u8]) -> Option<(Vec<u8>, About)> {
    let parts = Parts::of(file, SIGNED, SIGNATURE)?;
    UnparsedPublicKey::new(&ED25519, signer.bytes())
        .verify(parts.body, parts.proof)
        .ok()?;
    let about = serde_json::from_slice(parts.about).ok()?;
    Some((parts.code_of(key)?.to_vec(), about))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::key::Target;
    use super::*;

    fn signer(dir: &tempfile::TempDir) -> Signer {
        Signer::open_or_new(&dir.path().join("above/key")).unwrap()
    }

    fn key() -> Key {
        Key::new(b"module", &Target::host("baseline"))
    }

    fn about() -> About {
        About::new("a.wasm", b"module", b"code", &Target::host("baseline"), 0.5)
    }

    #[test]
    fn what_is_signed_is_opened_by_its_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let signer = signer(&dir);
        let public: PublicKey = signer.public_key().to_string().parse().unwrap();
        let file = signer.sign(&key(), b"code", &about()).unwrap();
        assert_eq!(
            open_signed(&public, &key(), &file),
            Some((b"code".to_vec(), about()))
        );
        let other = Key::new(b"other", &Target::host("baseline"));
        assert_eq!(open_signed(&public, &other, &file), None);
        let stranger = self::signer(&tempfile::tempdir().unwrap()).public_key();
        assert_eq!(open_signed(&stranger, &key(), &file), None);
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(open_signed(&public, &key(), &damaged), None);
            assert_eq!(open_signed(&public, &key(), &file[..at]), None);
        }
    }

    #[test]
    fn a_key_is_made_once_and_for_the_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = signer(&dir).public_key();
        assert_eq!(signer(&dir).public_key(), first);
        let path = dir.path().join("above/key");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        fs::write(&path, "something else").unwrap();
        assert!(Signer::open_or_new(&path).is_err());
    }
}
