//! Who may do what: bearer tokens (JWT), signed with HS256 or EdDSA.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::config::SupervisorSettings;

use super::error::{ApiError, ErrorKind};
use super::signatures;

/// What a route asks of whoever uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// The role `read` or `write`.
    Read,
    /// The role `write`.
    Write,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
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
    /// It is another kind of key.
    #[error("{} is no public key of Ed25519 (PEM, as \"openssl pkey -pubout\" writes it)", .0.display())]
    NotEd25519(PathBuf),
}

/// The keys that tokens are checked with.
#[derive(Clone)]
pub(super) struct Keys {
    /// Each with its algorithm, so that none is used with another one.
    keys: Vec<(Algorithm, DecodingKey)>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms = self.keys.iter().map(|(algorithm, _)| algorithm);
        f.debug_list().entries(algorithms).finish()
    }
}

/// The shortest secret: as long as the hash.
const SHORTEST: usize = 32;
/// What is before the 32 bytes of a public key of Ed25519 in DER (RFC 8410).
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// No token that is meant for us is longer.
const LONGEST: usize = 8 * 1024;
/// How far the clocks of two machines may differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// Whom a token is for, if it says so.
const AUDIENCE: &str = "arena";

/// What a token says that counts here. Its times, `exp` and `nbf`, are checked by the library.
#[derive(Debug, Deserialize)]
struct Claims {
    /// Without one there is an error of the library, which has the words for it.
    exp: Option<u64>,
    #[serde(default)]
    role: Words,
    #[serde(default)]
    scope: Words,
}

/// Words separated by spaces, or an array of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Words {
        Words::List(Vec::new())
    }
}

impl Words {
    fn has(&self, word: &str) -> bool {
        match self {
            Words::Text(text) => text.split_whitespace().any(|each| each == word),
            Words::List(list) => list.iter().any(|each| each == word),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|error| KeyError::Read {
        path: path.to_owned(),
        error,
    })
}

impl Keys {
    /// The keys that the settings name, if they name any.
    pub(super) fn load(settings: &SupervisorSettings) -> Result<Option<Keys>, KeyError> {
        let mut keys = Vec::new();
        if let Some(path) = &settings.jwt_secret_file {
            let bytes = read(path)?;
            let line = bytes.split(|byte| *byte == b'\n').next();
            let secret = line.unwrap_or_default().trim_ascii();
            if secret.len() < SHORTEST {
                return Err(KeyError::Short {
                    path: path.clone(),
                    length: secret.len(),
                });
            }
            keys.push((Algorithm::HS256, DecodingKey::from_secret(secret)));
        }
        if let Some(path) = &settings.jwt_public_key {
            let wrong = || KeyError::NotEd25519(path.clone());
            let pem = read(path)?;
            let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| wrong())?;
            let key = der.strip_prefix(ED25519).ok_or_else(wrong)?;
            if key.len() != 32 {
                return Err(wrong());
            }
            keys.push((Algorithm::EdDSA, DecodingKey::from_ed_der(key)));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        signatures::install();
        Ok(Some(Keys { keys }))
    }

    /// Until when whoever sends these headers may use a route.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        access: Access,
    ) -> Result<SystemTime, ApiError> {
        let refused = |why: &str| ApiError::new(ErrorKind::Unauthorized, why);
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (value, None) = (values.next(), values.next()) else {
            return Err(refused("there are several headers \"Authorization\""));
        };
        let value = value.ok_or_else(|| {
            refused("this needs a token: the header \"Authorization: Bearer TOKEN\"")
        })?;
        let token = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token
            .ok_or_else(|| refused("the header \"Authorization\" is not \"Bearer\" and a token"))?;
        let claims = self.claims(token).map_err(|why| refused(&why))?;
        let write = claims.role.has("write") || claims.scope.has("write");
        let read = write || claims.role.has("read") || claims.scope.has("read");
        let (allowed, role) = match access {
            Access::Open => (true, ""),
            Access::Read => (read, "read"),
            Access::Write => (write, "write"),
        };
        if !allowed {
            let why = format!("the token does not have the role \"{role}\"");
            return Err(ApiError::new(ErrorKind::Forbidden, why));
        }
        let since = Duration::from_secs(claims.exp.unwrap_or_default()).saturating_add(LEEWAY);
        let until = SystemTime::UNIX_EPOCH.checked_add(since);
        until.ok_or_else(|| refused("the token's \"exp\" is no time"))
    }

    fn claims(&self, token: &str) -> Result<Claims, String> {
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
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
        decoded.map(|data| data.claims).map_err(|error| {
            let why = match error.kind() {
                errors::ErrorKind::ExpiredSignature => "the token has expired",
                errors::ErrorKind::ImmatureSignature => "the token is not valid yet",
                errors::ErrorKind::InvalidAudience => "the token is for somebody else (\"aud\")",
                errors::ErrorKind::InvalidSignature => "the token is not signed with our key",
                errors::ErrorKind::MissingRequiredClaim(_) => "the token does not expire (\"exp\")",
                _ => "the token's claims cannot be used",
            };
            why.to_owned()
        })
    }
}
