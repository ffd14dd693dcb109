//! Who gets which message.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use super::echo::Echoes;
use super::message::{Inbound, Lane, Message, PublishError, Qos, Share, Subscriber, Uplink};
use super::source::Source;
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
    /// Changed for one subscription at a time: messages wait for no more than that.
    routes: RwLock<Trie<Route>>,
    /// The filters that are subscribed at the broker, for the number that match a topic. Only
    /// the link waits for it.
    at_broker: RwLock<Trie<Qos>>,
    /// Held while subscriptions change and the broker is told, so that it hears of changes in
    /// the order in which they are made. What has to change is found under this lock alone:
    /// messages do not wait for it.
    upstreams: Mutex<Upstreams>,
    uplink: RwLock<Option<Arc<dyn Uplink>>>,
    echoes: Mutex<Echoes>,
    /// The broker does not send us our own messages.
    no_local: AtomicBool,
    last_id: AtomicU64,
}

/// The subscriptions with one filter.
#[derive(Default)]
struct Route {
    subscribers: Vec<(u64, Qos, Arc<dyn Subscriber>)>,
    source: Source,
}

impl Router {
    /// A router without subscriptions and without a broker.
    #[must_use]
    pub fn new() -> Router {
        Router::default()
    }

    fn routes(&self) -> RwLockReadGuard<'_, Trie<Route>> {
        // No state is half made when a subscriber panics, which the link catches.
        self.inner
            .routes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn routes_mut(&self) -> RwLockWriteGuard<'_, Trie<Route>> {
        self.inner
            .routes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn at_broker(&self) -> RwLockReadGuard<'_, Trie<Qos>> {
        self.inner
            .at_broker
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn echoes(&self) -> MutexGuard<'_, Echoes> {
        self.inner
            .echoes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn upstreams(&self) -> MutexGuard<'_, Upstreams> {
        self.inner
            .upstreams
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
        let mut upstreams = self.upstreams();
        let changes = upstreams.add(&filter, qos);
        {
            let mut routes = self.routes_mut();
            match routes.get_mut(&filter) {
                Some(route) => route.subscribers.push(subscriber),
                None => routes.insert(
                    &filter,
                    Route {
                        subscribers: vec![subscriber],
                        source: Source::default(),
                    },
                ),
            }
        }
        self.follow(&changes);
        self.tell(changes);
        drop(upstreams);
        Subscription {
            router: self.clone(),
            filter,
            id,
        }
    }

    fn unsubscribe(&self, filter: &Filter, id: u64) {
        // Dropped when nothing is locked: whatever it holds may end with it.
        let mut removed = None;
        let mut upstreams = self.upstreams();
        let mut routes = self.routes_mut();
        if let Some(route) = routes.get_mut(filter) {
            let mut known = route.subscribers.iter();
            let at = known.position(|(known, ..)| *known == id);
            removed = at.map(|at| route.subscribers.swap_remove(at));
            if route.subscribers.is_empty() {
                routes.remove(filter);
                drop(routes);
                let changes = upstreams.remove(filter);
                self.follow(&changes);
                self.tell(changes);
            } else {
                drop(routes);
            }
        } else {
            drop(routes);
        }
        drop(upstreams);
        drop(removed);
    }

    /// Brings what depends on the subscriptions at the broker up to date.
    fn follow(&self, changes: &Changes) {
        let mut at_broker = self
            .inner
            .at_broker
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for (filter, qos, _) in &changes.subscribe {
            at_broker.insert(filter, *qos);
        }
        for filter in &changes.unsubscribe {
            at_broker.remove(filter);
        }
        drop(at_broker);
        let (routes, now) = (self.routes(), Instant::now());
        for (filter, source) in &changes.sources {
            if let Some(route) = routes.get(filter) {
                route.source.change(*source, now);
            }
        }
    }

    /// Tells the broker of changes.
    fn tell(&self, changes: Changes) {
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
        self.publish_in(Lane::COMMON, message)
    }

    /// A lane that nobody else has, for one who may publish more than the broker takes.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane::new(self.inner.last_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Publishes a message as [`Router::publish`] does, on its way to the broker in this lane.
    ///
    /// # Errors
    /// When the uplink does not take it. It was delivered in this process all the same.
    pub fn publish_in(&self, lane: Lane, message: Message) -> Result<(), PublishError> {
        let mut taken = false;
        self.routes().matches(message.topic.as_str(), |route| {
            for (_, _, subscriber) in &route.subscribers {
                taken |= subscriber.offer(&message);
            }
        });
        let Some(uplink) = self.uplink() else {
            return Ok(());
        };
        match uplink.publish_in(lane, Share::Messages, message) {
            Err(PublishError::Full) if !taken => Err(PublishError::AllFull),
            result => result,
        }
    }

    /// Publishes a message of the node's own: at the broker only, where it does not wait behind
    /// those of [`Router::publish`]. It does not come back to subscribers here.
    ///
    /// # Errors
    /// When the uplink does not take it.
    pub fn publish_up(&self, message: Message) -> Result<(), PublishError> {
        match self.uplink() {
            Some(uplink) => uplink.publish_own(message),
            None => Ok(()),
        }
    }

    /// Publishes a message as [`Router::publish_up`] does, but in this lane: after all that was
    /// published in it before.
    ///
    /// # Errors
    /// When the uplink does not take it.
    pub fn publish_up_in(
        &self,
        lane: Lane,
        share: Share,
        message: Message,
    ) -> Result<(), PublishError> {
        match self.uplink() {
            Some(uplink) => uplink.publish_in(lane, share, message),
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
        let now = Instant::now();
        if subscription_ids.is_empty() {
            let mut copies = 0;
            self.at_broker().matches(topic, |_| copies += 1);
            if self.echoes().is_copy(&message, copies, now) {
                return;
            }
        }
        if !self.inner.no_local.load(Ordering::Relaxed) && self.echoes().is_own(&message, now) {
            return;
        }
        self.routes().matches(topic, |route| {
            let take = || route.source.takes(&message, &subscription_ids, now);
            if subscription_ids.is_empty() || take() {
                for (_, _, subscriber) in &route.subscribers {
                    subscriber.deliver(&message);
                }
            }
        });
    }

    /// What is to be subscribed at the broker: filters, and their identifiers in MQTT 5.
    #[must_use]
    pub fn broker_filters(&self) -> Vec<(Filter, Qos, u32)> {
        self.upstreams().at_broker()
    }

    /// A connection to the broker begins. With `no_local` it does not send us our own messages.
    pub fn link_connected(&self, no_local: bool) {
        self.inner.no_local.store(no_local, Ordering::Relaxed);
        self.echoes().forget();
        // What the last connection's subscriptions were called does not matter any more.
        for route in self.routes().values() {
            route.source.forget();
        }
    }

    /// The link is about to send a message on the current connection. Called in the order of
    /// sending.
    pub fn sent(&self, message: &Message) {
        if self.inner.no_local.load(Ordering::Relaxed) {
            return;
        }
        let mut highest = None;
        self.at_broker().matches(message.topic.as_str(), |qos| {
            highest = highest.max(Some(*qos))
        });
        if let Some(highest) = highest {
            let qos = highest.min(message.qos);
            self.echoes().expect(message, qos, Instant::now());
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
