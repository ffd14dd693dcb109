//! Tokens (JWT) that others have issued, and the keys that they are checked with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::jwt;

/// Why the keys of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenKeyError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A secret can be guessed.
    #[error("the secret in {} has {length} bytes: it needs at least 32", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// The bytes of the secret.
        length: usize,
    },
    /// A private or public key in the place of a secret.
    #[error("{} is a key in PEM, and no secret", .0.display())]
    NotSecret(PathBuf),
    /// It is another kind of key.
    #[error("{} is no public key of Ed25519 or RSA (PEM, as \"openssl pkey -pubout\" writes it)", .0.display())]
    NotPublic(PathBuf),
}

/// The keys that tokens are checked with.
#[derive(Clone)]
pub struct TokenKeys {
    /// Each with its algorithm, so that none is used with another one.
    keys: Vec<(Algorithm, DecodingKey)>,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms = self.keys.iter().map(|(algorithm, _)| algorithm);
        f.debug_list().entries(algorithms).finish()
    }
}

/// Whom a token has to be for: what its "aud" has to be, or to have in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    /// Anybody.
    Any,
    /// This one, if the token says whom it is for.
    IfSaid(&'a str),
    /// This one.
    Is(&'a str),
}

/// How far the clocks of two machines may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// The shortest secret: as long as the hash.
const SHORTEST: usize = 32;
/// What is before the 32 bytes of a public key of Ed25519 in DER (RFC 8410).
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// What says in DER that a key is one of RSA (RFC 3279).
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const UNUSABLE: &str = "the token's claims cannot be used";
/// No token that is meant for us is longer.
const LONGEST: usize = 16 * 1024;

fn read(path: &Path) -> Result<Vec<u8>, TokenKeyError> {
    std::fs::read(path).map_err(|error| TokenKeyError::Read {
        path: path.to_owned(),
        error,
    })
}

impl TokenKeys {
    /// The keys in these files: a secret for HS256, and a public key for EdDSA or RS256. `None`
    /// when no file is named.
    ///
    /// # Errors
    /// When a file cannot be read, or holds something else.
    pub fn load(
        secret: Option<&Path>,
        public: Option<&Path>,
    ) -> Result<Option<TokenKeys>, TokenKeyError> {
        let mut keys = Vec::new();
        if let Some(path) = secret {
            let bytes = read(path)?;
            let line = bytes.split(|byte| *byte == b'\n').next();
            let secret = line.unwrap_or_default().trim_ascii();
            // Of a key in PEM the first line is no secret.
            if secret.starts_with(b"-----BEGIN") {
                return Err(TokenKeyError::NotSecret(path.to_owned()));
            }
            if secret.len() < SHORTEST {
                return Err(TokenKeyError::Short {
                    path: path.to_owned(),
                    length: secret.len(),
                });
            }
            keys.push((Algorithm::HS256, DecodingKey::from_secret(secret)));
        }
        if let Some(path) = public {
            let pem = read(path)?;
            let key = public_key(&pem);
            keys.push(key.ok_or_else(|| TokenKeyError::NotPublic(path.to_owned()))?);
        }
        if keys.is_empty() {
            return Ok(None);
        }
        jwt::install();
        Ok(Some(TokenKeys { keys }))
    }

    /// What a token says, if one of the keys has signed it, its time is now, and it is for that
    /// audience.
    ///
    /// # Errors
    /// What is wrong with it, in words that do not have the token in them.
    pub fn claims<C: DeserializeOwned>(
        &self,
        token: &str,
        audience: Audience<'_>,
    ) -> Result<C, String> {
        if token.len() > LONGEST {
            return Err("the token is too long".to_owned());
        }
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| "the token is no JWT".to_owned())?;
        let key = self.keys.iter().find(|(known, _)| *known == header.alg);
        let Some((algorithm, key)) = key else {
            let alg = header.alg;
            return Err(format!("there is no key for tokens signed with {alg:?}"));
        };
        let mut validation = Validation::new(*algorithm);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        validation.set_required_spec_claims(&["exp"]);
        match audience {
            Audience::Any => validation.validate_aud = false,
            Audience::IfSaid(audience) => validation.set_audience(&[audience]),
            Audience::Is(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "aud"]);
            }
        }
        // As a whole first, so that what is missing has its own words.
        let decoded = jsonwebtoken::decode::<Value>(token, key, &validation);
        let claims = decoded.map(|data| data.claims).map_err(|error| {
            let why = match error.kind() {
                errors::ErrorKind::ExpiredSignature => "the token has expired",
                errors::ErrorKind::ImmatureSignature => "the token is not valid yet",
                errors::ErrorKind::InvalidAudience => "the token is for somebody else (\"aud\")",
                errors::ErrorKind::InvalidSignature => "the token is not signed with our key",
                errors::ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => {
                    "the token does not say whom it is for (\"aud\")"
                }
                errors::ErrorKind::MissingRequiredClaim(_) => {
                    "the token does not say when it expires (\"exp\")"
                }
                _ => UNUSABLE,
            };
            why.to_owned()
        })?;
        // The library takes what it cannot read for nothing said.
        if audience != Audience::Any && !is_audience(&claims["aud"]) {
            return Err("the token's \"aud\" is no text, and no list of them".to_owned());
        }
        serde_json::from_value(claims).map_err(|_| UNUSABLE.to_owned())
    }
}

/// Whether a token says whom it is for in a way that can be read, or not at all.
fn is_audience(aud: &Value) -> bool {
    match aud {
        Value::Null | Value::String(_) => true,
        Value::Array(all) => all.iter().all(Value::is_string),
        _ => false,
    }
}

/// A key in PEM, with what it is for.
fn public_key(pem: &[u8]) -> Option<(Algorithm, DecodingKey)> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
    if let Some(key) = der.strip_prefix(ED25519) {
        return (key.len() == 32).then(|| (Algorithm::EdDSA, DecodingKey::from_ed_der(key)));
    }
    // Two sequences and a bit string, whose lengths have two bytes with every key that is not too
    // short. Whether the key itself is one is seen when it is used.
    let [0x30, 0x82, _, _, rest @ ..] = &*der else {
        return None;
    };
    let [0x03, 0x82, _, _, 0, key @ ..] = rest.strip_prefix(RSA)? else {
        return None;
    };
    Some((Algorithm::RS256, DecodingKey::from_rsa_der(key)))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::hmac;
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"a secret of more than 32 bytes, for tests";

    fn token(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        let signature = hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// What asks for a claim itself has the same words for one that is missing.
    #[test]
    fn what_is_wrong_with_a_token_is_said() {
        #[derive(Debug, serde::Deserialize)]
        struct Claims {
            exp: u64,
        }
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        let keys = TokenKeys::load(Some(&secret), None).unwrap().unwrap();
        let later = 32_503_680_000_u64;
        let us = Audience::IfSaid("us");
        for (claims, audience, why) in [
            (json!({}), Audience::Any, "when it expires"),
            (json!({"exp": null}), Audience::Any, "when it expires"),
            (json!({"exp": later, "aud": 5}), us, "\"aud\" is no text"),
            (json!({"exp": later, "aud": {}}), us, "\"aud\" is no text"),
            (
                json!({"exp": later, "aud": ["us", 5]}),
                us,
                "\"aud\" is no text",
            ),
            (json!({"exp": later, "aud": []}), us, "somebody else"),
            (json!([]), Audience::Any, ""),
        ] {
            let error = keys
                .claims::<Claims>(&token(&claims), audience)
                .unwrap_err();
            assert!(error.contains(why), "{claims}: {error}");
        }
        for (claims, audience) in [
            (json!({"exp": later, "aud": 5}), Audience::Any),
            (json!({"exp": later}), us),
            (json!({"exp": later, "aud": null}), us),
            (json!({"exp": later, "aud": ["them", "us"]}), us),
        ] {
            let good = keys.claims::<Claims>(&token(&claims), audience).unwrap();
            assert_eq!(good.exp, later);
        }
    }
}
