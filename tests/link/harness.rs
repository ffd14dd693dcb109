//! A link with a router, and what it received.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use arena_runtime::pubsub::{
    Backoff, Filter, Link, LinkConfig, LinkEvent, Message, Qos, Router, Subscriber, Subscription,
    Topic,
};

use crate::mosquitto::PATIENCE;

/// A link that is quick to try again.
pub(crate) fn config(url: &str, client_id: &str) -> LinkConfig {
    let mut config = LinkConfig::new(url.parse().expect("a URL"), client_id);
    let quick = Backoff {
        min: Duration::from_millis(10),
        max: Duration::from_millis(50),
    };
    (config.backoff, config.backoff_refused) = (quick, quick);
    config
}

pub(crate) struct Node {
    pub(crate) link: Link,
    pub(crate) router: Router,
}

impl Node {
    pub(crate) fn start(config: LinkConfig) -> Node {
        let router = Router::new();
        let link = Link::start(config, router.clone()).expect("the link starts");
        Node { link, router }
    }

    pub(crate) fn connected(config: LinkConfig) -> Node {
        let node = Node::start(config);
        node.await_connected();
        node
    }

    pub(crate) fn await_connected(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            match self.link.events().recv_deadline(deadline) {
                Ok(LinkEvent::Connected) => return,
                Ok(event) => last = Some(event),
                Err(_) => panic!("it does not connect: {last:?}"),
            }
        }
    }

    /// Why there is no connection.
    pub(crate) fn await_failure(&self) -> String {
        loop {
            let event = self.link.events().recv_timeout(PATIENCE);
            if let LinkEvent::Disconnected { why, .. } = event.expect("it fails") {
                return why;
            }
        }
    }

    /// Subscribed when it returns.
    pub(crate) fn subscribe(&self, filter: &str) -> (Arc<Collector>, Subscription) {
        let collector = Arc::new(Collector::default());
        let filter = Filter::new(filter).expect("a filter");
        let subscription = self
            .router
            .subscribe(filter, Qos::AtLeastOnce, collector.clone());
        (collector, subscription)
    }

    pub(crate) fn flush(&self) {
        assert!(self.link.flush(PATIENCE), "it is not delivered");
    }

    pub(crate) fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, qos: Qos) {
        self.router
            .publish(message(topic, payload, qos))
            .expect("it is taken");
    }
}

pub(crate) fn message(topic: &str, payload: impl Into<Vec<u8>>, qos: Qos) -> Message {
    Message::new(Topic::new(topic).expect("a topic"), payload.into(), qos)
}

/// What a subscription got.
#[derive(Default)]
pub(crate) struct Collector {
    messages: Mutex<Vec<Message>>,
    arrived: Condvar,
}

impl Subscriber for Collector {
    fn deliver(&self, message: &Message) {
        self.messages.lock().unwrap().push(message.clone());
        self.arrived.notify_all();
    }
}

impl Collector {
    /// Payloads, when there are so many.
    pub(crate) fn texts(&self, count: usize) -> Vec<String> {
        let (messages, _) = self
            .arrived
            .wait_timeout_while(self.messages.lock().unwrap(), PATIENCE, |messages| {
                messages.len() < count
            })
            .unwrap();
        let text = |m: &Message| String::from_utf8_lossy(&m.payload).into_owned();
        messages.iter().map(text).collect()
    }

    pub(crate) fn clear(&self) {
        self.messages.lock().unwrap().clear();
    }

    pub(crate) fn sizes(&self, count: usize) -> Vec<usize> {
        self.texts(count).iter().map(String::len).collect()
    }
}
