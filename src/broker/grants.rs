//! What tokens (JWT) allow: as the password of a client they say who it is, and what it may do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::pubsub::Filter;
use crate::trust::{Audience, LEEWAY, TokenKeys};

use super::config::BrokerConfig;
use super::error::BrokerError;
use super::rules::Wish;
use super::watched::Watched;

/// How many clients of a user are remembered. More of them, at a time, are one that goes on making
/// up names.
const CLIENTS: usize = 1000;

/// What a token says. Its times are checked by whoever checks its signature.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    /// Filters of what may be subscribed to.
    subs: Option<Vec<String>>,
    /// Filters of where may be published.
    publ: Option<Vec<String>>,
}

/// What a token allows.
#[derive(Debug)]
pub(super) struct Grant {
    until: SystemTime,
    /// `None` when the token does not say it.
    topics: Option<Topics>,
}

#[derive(Debug, Default)]
struct Topics {
    read: Vec<Filter>,
    write: Vec<Filter>,
}

/// Whether something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// The token says nothing of topics.
    NotSaid,
}

/// Follows the name of a user who has come with a token. No user with a password has a colon in the
/// name, so nobody becomes one of those, or gets the session of one.
const MARK: &str = ":token";

/// Checks tokens, and remembers what those of clients allow.
pub(super) struct Grants {
    keys: Watched<TokenKeys>,
    /// Whom tokens have to be for.
    audience: Option<String>,
    /// By user and client: a user may have several, with a token each, and nobody has another's.
    known: RwLock<HashMap<String, HashMap<String, Arc<Grant>>>>,
}

impl Grants {
    /// `None` where no key of tokens is named.
    pub(super) fn new(config: &BrokerConfig) -> Result<Option<Grants>, BrokerError> {
        let (secret, public) = (
            config.jwt_secret_file.clone(),
            config.jwt_public_key.clone(),
        );
        let files: Vec<PathBuf> = secret.iter().chain(&public).cloned().collect();
        let Some(first) = files.first().cloned() else {
            return Ok(None);
        };
        let keys = Watched::new(files, move || {
            let keys = TokenKeys::load(secret.as_deref(), public.as_deref());
            let keys = keys.map_err(|e| BrokerError::file(&first, e))?;
            keys.ok_or_else(|| BrokerError::file(&first, "there is no key"))
        })?;
        Ok(Some(Grants {
            keys,
            audience: config.jwt_audience.clone(),
            known: RwLock::default(),
        }))
    }

    /// Whether a password is meant to be a token.
    pub(super) fn is_token(password: &[u8]) -> bool {
        // A JWT begins with an object in JSON.
        password.starts_with(b"eyJ") && password.iter().filter(|byte| **byte == b'.').count() == 2
    }

    /// Lets a client in by its token; returns what the user is called from now on.
    pub(super) fn admit(&self, user: &str, client: &str, token: &[u8]) -> Result<String, String> {
        let token = std::str::from_utf8(token).map_err(|_| "the token is no JWT".to_owned())?;
        let audience = match &self.audience {
            Some(audience) => Audience::Is(audience),
            None => Audience::Any,
        };
        let claims: Claims = self.keys.get().claims(token, audience)?;
        if claims.sub.is_empty() || claims.sub != user {
            return Err("the token is another user's (\"sub\")".to_owned());
        }
        let until = Duration::from_secs(claims.exp).saturating_add(LEEWAY);
        let until = SystemTime::UNIX_EPOCH.checked_add(until);
        let grant = Grant {
            until: until.ok_or("the token's \"exp\" is no time")?,
            topics: (claims.subs.is_some() || claims.publ.is_some()).then(|| Topics {
                read: filters(claims.subs),
                write: filters(claims.publ),
            }),
        };
        self.remember(user, client, grant);
        Ok(format!("{user}{MARK}"))
    }

    /// The name of a user who has come with a token. `None` for all others.
    pub(super) fn name(user: Option<&str>) -> Option<&str> {
        user?.strip_suffix(MARK)
    }

    fn remember(&self, user: &str, client: &str, grant: Grant) {
        let now = SystemTime::now();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, clients| {
            clients.retain(|_, grant| grant.until >= now);
            !clients.is_empty()
        });
        let clients = known.entry(user.to_owned()).or_default();
        if clients.len() >= CLIENTS && !clients.contains_key(client) {
            let first = clients.iter().min_by_key(|(_, grant)| grant.until);
            if let Some(first) = first.map(|(client, _)| client.clone()) {
                clients.remove(&first);
            }
        }
        clients.insert(client.to_owned(), Arc::new(grant));
    }

    /// Whether a client may do that, by its token.
    pub(super) fn allow(&self, user: &str, client: &str, wish: Wish, topics: &Filter) -> Answer {
        let grant = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            // Who has come without a client id has been given one before its token was looked at.
            known
                .get(user)
                .and_then(|clients| clients.get(client).cloned())
        };
        // Forgotten is expired, too.
        let Some(grant) = grant.filter(|grant| grant.until >= SystemTime::now()) else {
            return Answer::No;
        };
        let Some(allowed) = &grant.topics else {
            return Answer::NotSaid;
        };
        let filters = match wish {
            Wish::Read => &allowed.read,
            Wish::Write => &allowed.write,
        };
        if filters.iter().any(|filter| filter.covers(topics)) {
            Answer::Yes
        } else {
            Answer::No
        }
    }
}

/// What is no filter allows nothing.
fn filters(texts: Option<Vec<String>>) -> Vec<Filter> {
    let texts = texts.unwrap_or_default();
    texts
        .iter()
        .filter_map(|text| Filter::new(text).ok())
        .collect()
}
