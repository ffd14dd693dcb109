//! Who may do what: bearer tokens (JWT), signed with HS256, EdDSA or RS256.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, header};
use serde::Deserialize;

use crate::config::SupervisorSettings;
use crate::trust::{Audience, LEEWAY, TokenKeyError, TokenKeys};

use super::error::{ApiError, ErrorKind};

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

/// The keys that tokens are checked with.
#[derive(Clone, Debug)]
pub(super) struct Keys(TokenKeys);

/// Whom a token is for, if it says so.
const AUDIENCE: &str = "arena";

/// What a token says that counts here. Its times, `exp` and `nbf`, are checked by the library.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    /// Without one there is an error of the library, which has the words for it.
    exp: Option<u64>,
    #[serde(default)]
    role: Words,
    #[serde(default)]
    scope: Words,
}

/// Words separated by spaces, or an array of them.
#[derive(Clone, Debug, Deserialize)]
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

impl Keys {
    /// The keys that the settings name, if they name any.
    pub(super) fn load(settings: &SupervisorSettings) -> Result<Option<Keys>, TokenKeyError> {
        let (secret, public) = (&settings.jwt_secret_file, &settings.jwt_public_key);
        let keys = TokenKeys::load(secret.as_deref(), public.as_deref())?;
        Ok(keys.map(Keys))
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
        let claims = self
            .0
            .claims::<Claims>(token, Audience::IfSaid(AUDIENCE))
            .map_err(|why| refused(&why))?;
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
}
