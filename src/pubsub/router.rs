//! Who gets which message.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use super::echo::Echoes;
use super::message::{Inbound, Message, PublishError, Qos, Subscriber, Uplink};
use super::topic::Filter;
use super::trie::Trie;
use super::upstream::{Changes, Upstreams};

/// Moves messages between those who publish and those who subscribe, in this process and at the
/// broker: each message exactly once to each subscription that matches it.
///
/// Handles are cheap to clone and may be used on any thread.
#[derive(Clone, Default)]
pub struct Router {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    routes: RwLock<Routes>,
    /// Held while subscriptions change and the broker is told, so that it hears of changes in
    /// the order in which they are made.
    changing: Mutex<()>,
    uplink: RwLock<Option<Arc<dyn Uplink>>>,
    echoes: Mutex<Echoes>,
    /// The broker does not send us our own messages.
    no_local: AtomicBool,
    last_id: AtomicU64,
}

#[derive(Default)]
struct Routes {
    trie: Trie<Route>,
    upstreams: Upstreams,
    /// The filters that are subscribed at the broker, for the number that match a topic.
    at_broker: Trie<Qos>,
}

/// The subscriptions with one filter.
struct Route {
    subscribers: Vec<(u64, Qos, Arc<dyn Subscriber>)>,
    /// The identifier of the subscription by which its messages come from the broker.
    source: u32,
}

impl Router {
    /// A router without subscriptions and without a broker.
    #[must_use]
    pub fn new() -> Router {
        Router::default()
    }

    fn routes(&self) -> RwLockReadGuard<'_, Routes> {
        // No state is half made when a subscriber panics, which the link catches.
        self.inner
            .routes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn routes_mut(&self) -> RwLockWriteGuard<'_, Routes> {
        self.inner
            .routes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn echoes(&self) -> MutexGuard<'_, Echoes> {
        self.inner
            .echoes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn uplink(&self) -> Option<Arc<dyn Uplink>> {
        self.inner
            .uplink
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Connects the router with a broker. Without one, messages stay in the process.
    pub fn set_uplink(&self, uplink: Arc<dyn Uplink>) {
        *self
            .inner
            .uplink
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(uplink);
    }

    /// Has messages that match the filter delivered, until the subscription is dropped.
    #[must_use = "the subscription ends when it is dropped"]
    pub fn subscribe(&self, filter: Filter, qos: Qos, to: Arc<dyn Subscriber>) -> Subscription {
        let id = self.inner.last_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = (id, qos, to);
        self.change(|routes| {
            match routes.trie.get_mut(&filter) {
                Some(route) => route.subscribers.push(subscriber),
                None => routes.trie.insert(
                    &filter,
                    Route {
                        subscribers: vec![subscriber],
                        source: 0,
                    },
                ),
            }
            let changes = routes.upstreams.add(&filter, qos);
            routes.set_source(&filter);
            changes
        });
        Subscription {
            router: self.clone(),
            filter,
            id,
        }
    }

    fn unsubscribe(&self, filter: &Filter, id: u64) {
        // Dropped when nothing is locked: whatever it holds may end with it.
        let mut removed = None;
        self.change(|routes| {
            let Some(route) = routes.trie.get_mut(filter) else {
                return Changes::default();
            };
            let at = route
                .subscribers
                .iter()
                .position(|(known, ..)| *known == id);
            removed = at.map(|at| route.subscribers.swap_remove(at));
            if !route.subscribers.is_empty() {
                return Changes::default();
            }
            routes.trie.remove(filter);
            routes.upstreams.remove(filter)
        });
        drop(removed);
    }

    /// Changes the routes, and tells the broker of it.
    fn change(&self, change: impl FnOnce(&mut Routes) -> Changes) {
        let _changing = self
            .inner
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let changes = {
            let mut routes = self.routes_mut();
            let changes = change(&mut routes);
            routes.follow(&changes);
            changes
        };
        if let Some(uplink) = self.uplink() {
            for (filter, qos, id) in changes.subscribe {
                uplink.subscribe(filter, qos, id);
            }
            for filter in changes.unsubscribe {
                uplink.unsubscribe(filter);
            }
        }
    }

    /// Publishes a message: to subscribers in this process at once, and to the broker.
    ///
    /// # Errors
    /// When the uplink does not take it. It was delivered in this process all the same.
    pub fn publish(&self, message: Message) -> Result<(), PublishError> {
        self.routes().trie.matches(message.topic.as_str(), |route| {
            for (_, _, subscriber) in &route.subscribers {
                subscriber.deliver(&message);
            }
        });
        self.publish_up(message)
    }

    /// Publishes a message at the broker only. It does not come back to subscribers here.
    ///
    /// # Errors
    /// When the uplink does not take it.
    pub fn publish_up(&self, message: Message) -> Result<(), PublishError> {
        match self.uplink() {
            Some(uplink) => uplink.publish(message),
            None => Ok(()),
        }
    }

    /// Takes a message from the broker, for the subscribers that it is for.
    pub fn deliver(&self, inbound: Inbound) {
        let Inbound {
            message,
            subscription_ids,
            ..
        } = inbound;
        let topic = message.topic.as_str();
        let routes = self.routes();
        if !self.inner.no_local.load(Ordering::Relaxed) {
            let now = Instant::now();
            let copies = if subscription_ids.is_empty() {
                let mut count = 0;
                routes.at_broker.matches(topic, |_| count += 1);
                count
            } else {
                1
            };
            let mut echoes = self.echoes();
            if echoes.is_copy(&message, copies, now) || echoes.is_own(&message, now) {
                return;
            }
        }
        routes.trie.matches(topic, |route| {
            if subscription_ids.is_empty() || subscription_ids.contains(&route.source) {
                for (_, _, subscriber) in &route.subscribers {
                    subscriber.deliver(&message);
                }
            }
        });
    }

    /// What is to be subscribed at the broker: filters, and their identifiers in MQTT 5.
    #[must_use]
    pub fn broker_filters(&self) -> Vec<(Filter, Qos, u32)> {
        let routes = self.routes();
        let filters = routes.upstreams.at_broker();
        filters
            .map(|(filter, upstream)| (filter.clone(), upstream.qos, upstream.id))
            .collect()
    }

    /// A connection to the broker begins. With `no_local` it does not send us our own messages.
    pub fn link_connected(&self, no_local: bool) {
        self.inner.no_local.store(no_local, Ordering::Relaxed);
        self.echoes().forget();
    }

    /// The link is about to send a message on the current connection. Called in the order of
    /// sending.
    pub fn sent(&self, message: &Message) {
        if self.inner.no_local.load(Ordering::Relaxed) {
            return;
        }
        let mut highest = None;
        let routes = self.routes();
        routes.at_broker.matches(message.topic.as_str(), |qos| {
            highest = highest.max(Some(*qos))
        });
        drop(routes);
        if let Some(highest) = highest {
            let qos = highest.min(message.qos);
            self.echoes().expect(message, qos, Instant::now());
        }
    }
}

impl Routes {
    /// Brings what depends on the subscriptions at the broker up to date.
    fn follow(&mut self, changes: &Changes) {
        for (filter, qos, _) in &changes.subscribe {
            self.at_broker.insert(filter, *qos);
        }
        for filter in &changes.unsubscribe {
            self.at_broker.remove(filter);
        }
        let all = changes.subscribe.iter().map(|(filter, ..)| filter);
        let wild = all.chain(&changes.unsubscribe).any(Filter::has_wildcards);
        if wild {
            let used: Vec<_> = self.upstreams.used().cloned().collect();
            for filter in used {
                self.set_source(&filter);
            }
        }
    }

    fn set_source(&mut self, filter: &Filter) {
        let source = self
            .upstreams
            .source(filter)
            .map_or(0, |upstream| upstream.id);
        if let Some(route) = self.trie.get_mut(filter) {
            route.source = source;
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}

/// Has messages delivered until it is dropped.
pub struct Subscription {
    router: Router,
    filter: Filter,
    id: u64,
}

impl Subscription {
    /// What is subscribed to.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.router.unsubscribe(&self.filter, self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription")
            .field(&self.filter.as_str())
            .finish()
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
