//! Who is let in, and who may read and write what.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use mqtt5::broker::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tracing::warn;
use uuid::Uuid;

use crate::pubsub::{Filter, Topic};

use super::config::BrokerConfig;
use super::ending::Ending;
use super::error::BrokerError;
use super::grants::{Answer, Grants};
use super::passwords::{self, Users};
use super::rules::{Client, Rules, Wish};
use super::watched::Watched;

/// How many passwords are hashed at a time: each takes 19 MiB and a thread's whole attention.
const AT_A_TIME: usize = 2;

/// How many users are remembered.
const REMEMBERED: usize = 10_000;

/// Lets clients in by the file of passwords or by tokens, and to topics by the file of rules. Whether those
/// have changed is looked at when somebody connects.
pub(super) struct Access {
    users: Option<Watched<Users>>,
    grants: Option<Grants>,
    rules: Option<Watched<Rules>>,
    hashing: Semaphore,
    known: Known,
    end: Ending,
}

/// Passwords that were right, so that a thousand clients that come back at once need not wait for
/// a thousand hashes. Kept as digests with a key that only this process has, together with the
/// hash that they were right for.
struct Known {
    key: [u8; 16],
    digests: Mutex<HashMap<String, [u8; 32]>>,
}

impl Known {
    fn new() -> Known {
        Known {
            key: Uuid::new_v4().into_bytes(),
            digests: Mutex::default(),
        }
    }

    fn digest(&self, password: &[u8], hash: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        digest.update(hash);
        digest.update([0]);
        digest.update(password);
        digest.finalize().into()
    }

    fn has(&self, user: &str, digest: &[u8; 32]) -> bool {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.get(user) == Some(digest)
    }

    fn add(&self, user: &str, digest: [u8; 32]) {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= REMEMBERED {
            digests.clear();
        }
        digests.insert(user.to_owned(), digest);
    }
}

/// An answer of the trait, later.
type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Access {
    pub(super) fn new(config: &BrokerConfig, end: Ending) -> Result<Access, BrokerError> {
        let users = config
            .password_file
            .clone()
            .map(|file| Watched::new(vec![file.clone()], move || Users::read(&file)));
        let rules = config
            .acl_file
            .clone()
            .map(|file| Watched::new(vec![file.clone()], move || Rules::read(&file)));
        Ok(Access {
            users: users.transpose()?,
            grants: Grants::new(config)?,
            rules: rules.transpose()?,
            hashing: Semaphore::new(AT_A_TIME),
            known: Known::new(),
            end,
        })
    }

    /// The user's name, `None` for one without; an error, and why, for who is not let in.
    async fn user(&self, connect: &ConnectPacket) -> Result<Option<String>, String> {
        let wrong = || "wrong user or password".to_owned();
        let login = connect.username.as_ref().zip(connect.password.as_ref());
        if let (Some(grants), Some((user, password))) = (&self.grants, login)
            && Grants::is_token(password)
        {
            return grants.admit(user, &connect.client_id, password).map(Some);
        }
        let users = match &self.users {
            Some(users) => users,
            None if self.grants.is_some() => return Err("it has no token".to_owned()),
            // A name that nobody has checked is no name.
            None => return Ok(None),
        };
        let (user, password) = login.ok_or_else(wrong)?;
        let hash = users.get().hash(user).to_owned();
        let digest = self.known.digest(password, &hash);
        if !self.known.has(user, &digest) {
            // Nobody closes the semaphore.
            let _permit = self.hashing.acquire().await;
            let password = password.clone();
            let hashing =
                tokio::task::spawn_blocking(move || passwords::is_password(&password, &hash));
            if !hashing.await.unwrap_or(false) {
                return Err(wrong());
            }
            self.known.add(user, digest);
        }
        Ok(Some(user.clone()))
    }

    /// Whether a message may be published there.
    fn may_publish(&self, client: Client<'_>, topic: &str) -> bool {
        // What begins with a dollar sign is the broker's own.
        let Ok(topic) = Topic::new(topic) else {
            return false;
        };
        !topic.as_str().starts_with('$') && self.may(client, Wish::Write, &topic.into())
    }

    /// Whether the token that a client has come with, or the rules, allow that.
    fn may(&self, client: Client<'_>, wish: Wish, topics: &Filter) -> bool {
        let named = match (Grants::name(client.user), &self.grants) {
            (None, _) => false,
            // Nobody comes with a token where none is looked at.
            (Some(_), None) => return false,
            (Some(user), Some(grants)) => match grants.allow(user, client.id, wish, topics) {
                Answer::Yes => return true,
                Answer::No => return false,
                Answer::NotSaid => true,
            },
        };
        let client = Client {
            user: Grants::name(client.user).or(client.user),
            ..client
        };
        match &self.rules {
            Some(rules) => rules.known().allow(client, wish, topics),
            // Who has a token has what that says, and it says nothing.
            None => !named,
        }
    }

    fn may_subscribe(&self, client: Client<'_>, filter: &str) -> bool {
        if self.rules.is_none() && Grants::name(client.user).is_none() {
            return true;
        }
        // A share of the messages, $share/NAME/FILTER, is asked for by those who may have all.
        let filter = match filter.strip_prefix("$share/") {
            None => filter,
            Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
        };
        Filter::new(filter).is_ok_and(|filter| self.may(client, Wish::Read, &filter))
    }

    async fn let_in(&self, connect: &ConnectPacket, peer: SocketAddr) -> AuthResult {
        let user = match self.user(connect).await {
            Ok(user) => user,
            Err(why) => {
                let user = connect.username.as_deref().unwrap_or("");
                warn!("{peer} is not let in as user {user:?}: {why}");
                return AuthResult::fail(ReasonCode::BadUsernameOrPassword);
            }
        };
        if let Some(rules) = &self.rules {
            rules.get();
        }
        // The crate publishes it without asking.
        if let Some(will) = &connect.will {
            let client = Client {
                user: user.as_deref(),
                id: &connect.client_id,
            };
            if !self.may_publish(client, &will.topic) {
                let topic = &will.topic;
                warn!("{peer} is not let in: it may not publish its will on {topic:?}");
                return AuthResult::fail(ReasonCode::NotAuthorized);
            }
        }
        user.map_or_else(AuthResult::success, AuthResult::success_with_user)
    }
}

impl AuthProvider for Access {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Later<'a, mqtt5::error::Result<AuthResult>> {
        Box::pin(async move { Ok(self.let_in(connect, client_addr).await) })
    }

    fn authorize_publish<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Later<'a, bool> {
        let client = Client {
            user: user_id,
            id: client_id,
        };
        let may = self.may_publish(client, topic);
        Box::pin(async move {
            self.end.pass().await;
            may
        })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Later<'a, bool> {
        let client = Client {
            user: user_id,
            id: client_id,
        };
        let may = self.may_subscribe(client, topic_filter);
        if !may {
            warn!("client {client_id:?} may not subscribe to {topic_filter:?}");
        }
        Box::pin(ready(may))
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// As the crate wants it.
pub(super) fn provider(
    config: &BrokerConfig,
    end: Ending,
) -> Result<Arc<dyn AuthProvider>, BrokerError> {
    Ok(Arc::new(Access::new(config, end)?))
}
