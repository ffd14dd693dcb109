//! The cryptography of tokens: HMAC-SHA-256, Ed25519 and RSA of ring, which TLS uses as well.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::{hmac, signature as keys};
use signature::Verifier;

/// Tokens are checked with it from now on, in this process.
pub(super) fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: no_signer,
        verifier_factory: verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    // Whoever has set another one before has one that can do this.
    let _ = PROVIDER.install_default();
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
            Ok(Box::new(Hmac(key)))
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            let key = keys::UnparsedPublicKey::new(&keys::ED25519, bytes.to_vec());
            Ok(Box::new(Public(key, Algorithm::EdDSA)))
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa) => {
            let rsa = &keys::RSA_PKCS1_2048_8192_SHA256;
            let key = keys::UnparsedPublicKey::new(rsa, bytes.to_vec());
            Ok(Box::new(Public(key, Algorithm::RS256)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Hmac(hmac::Key);

impl Verifier<Vec<u8>> for Hmac {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hmac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// A key, and the one algorithm that it is for.
struct Public(keys::UnparsedPublicKey<Vec<u8>>, Algorithm);

impl Verifier<Vec<u8>> for Public {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = self.0.verify(message, signature);
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Public {
    fn algorithm(&self) -> Algorithm {
        self.1
    }
}
