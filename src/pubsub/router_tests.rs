//! The router against a model of a broker that echoes, and copies for each subscription.

use std::collections::BTreeMap;
use std::sync::mpsc;

use proptest::prelude::*;

use super::super::topic::Topic;
use super::*;

/// Counts what it gets, by payload.
#[derive(Default)]
struct Reader(Mutex<BTreeMap<String, usize>>);

impl Subscriber for Reader {
    fn deliver(&self, message: &Message) {
        let text = String::from_utf8(message.payload.to_vec()).unwrap();
        *self.0.lock().unwrap().entry(text).or_default() += 1;
    }
}

impl Reader {
    fn taken(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// What the router has asked of the broker.
enum Asked {
    Publish(Message),
    Subscribe(Filter, Qos, u32),
    Unsubscribe(Filter),
}

struct Wire(mpsc::Sender<Asked>);

impl Uplink for Wire {
    fn publish(&self, message: Message) -> Result<(), PublishError> {
        self.0.send(Asked::Publish(message)).unwrap();
        Ok(())
    }
    fn subscribe(&self, filter: Filter, qos: Qos, id: u32) {
        self.0.send(Asked::Subscribe(filter, qos, id)).unwrap();
    }
    fn unsubscribe(&self, filter: Filter) {
        self.0.send(Asked::Unsubscribe(filter)).unwrap();
    }
}

/// A broker at the other end of the link: MQTT 3.1.1, or 5 with no local and identifiers.
struct Broker {
    router: Router,
    asked: mpsc::Receiver<Asked>,
    subscribed: BTreeMap<Filter, (Qos, u32)>,
    mqtt5: bool,
}

impl Broker {
    fn new(mqtt5: bool) -> Broker {
        let router = Router::new();
        let (sender, asked) = mpsc::channel();
        router.set_uplink(Arc::new(Wire(sender)));
        router.link_connected(mqtt5);
        Broker {
            router,
            asked,
            subscribed: BTreeMap::new(),
            mqtt5,
        }
    }

    /// Does what it was asked so far.
    fn work(&mut self) {
        let asked: Vec<_> = self.asked.try_iter().collect();
        for asked in asked {
            self.do_one(asked);
        }
    }

    fn do_one(&mut self, asked: Asked) {
        match asked {
            Asked::Publish(message) => {
                self.router.sent(&message);
                if !self.mqtt5 {
                    self.send(&message);
                }
            }
            Asked::Subscribe(filter, qos, id) => {
                self.subscribed.insert(filter, (qos, id));
            }
            Asked::Unsubscribe(filter) => {
                assert!(self.subscribed.remove(&filter).is_some());
            }
        }
    }

    /// A message, to us: a copy for each of our subscriptions.
    fn send(&self, message: &Message) {
        for (filter, (qos, id)) in &self.subscribed {
            if filter.matches(message.topic.as_str()) {
                let mut message = message.clone();
                message.qos = message.qos.min(*qos);
                self.router.deliver(Inbound {
                    message,
                    subscription_ids: if self.mqtt5 { vec![*id] } else { Vec::new() },
                    dup: false,
                });
            }
        }
    }
}

fn filter(text: &str) -> Filter {
    Filter::new(text).unwrap()
}

fn message(topic: &str, text: &str) -> Message {
    Message::new(
        Topic::new(topic).unwrap(),
        text.to_owned(),
        Qos::AtLeastOnce,
    )
}

#[test]
fn within_the_process_without_a_broker() {
    let router = Router::new();
    let reader = Arc::new(Reader::default());
    let subscription = router.subscribe(filter("a/+"), Qos::AtMostOnce, reader.clone());
    router.publish(message("a/b", "x")).unwrap();
    router.publish(message("b", "y")).unwrap();
    assert_eq!(reader.taken(), BTreeMap::from([("x".to_owned(), 1)]));
    drop(subscription);
    router.publish(message("a/b", "x")).unwrap();
    assert!(reader.taken().is_empty());
}

#[test]
fn what_goes_to_the_broker_only_does_not_come_back() {
    let mut broker = Broker::new(false);
    let reader = Arc::new(Reader::default());
    let _subscription = broker
        .router
        .subscribe(filter("a"), Qos::AtMostOnce, reader.clone());
    broker.work();
    broker.router.publish_up(message("a", "mine")).unwrap();
    broker.work();
    assert!(reader.taken().is_empty());
    broker.send(&message("a", "mine"));
    assert_eq!(reader.taken(), BTreeMap::from([("mine".to_owned(), 1)]));
}

#[test]
fn a_subscription_that_ends_while_messages_come() {
    let router = Router::new();
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for _ in 0..2_000 {
                router.publish(message("a", "x")).unwrap();
            }
        });
        while !publisher.is_finished() {
            let reader = Arc::new(Reader::default());
            drop(router.subscribe(filter("a"), Qos::AtMostOnce, reader));
        }
    });
    assert!(router.broker_filters().is_empty());
}

/// With MQTT 5 nothing is lost of what is under way while subscriptions change, and what comes by
/// the old and the new one comes once.
#[test]
fn while_subscriptions_change() {
    let mut broker = Broker::new(true);
    let reader = Arc::new(Reader::default());
    let narrow = broker
        .router
        .subscribe(filter("a/b"), Qos::AtLeastOnce, reader.clone());
    broker.work();
    let wide =
        broker
            .router
            .subscribe(filter("a/#"), Qos::AtLeastOnce, Arc::new(Reader::default()));
    broker.send(&message("a/b", "before"));
    let asked: Vec<_> = broker.asked.try_iter().collect();
    for asked in asked {
        broker.do_one(asked);
        broker.send(&message("a/b", "between"));
    }
    broker.send(&message("a/b", "after"));
    let taken = reader.taken();
    let texts: Vec<_> = taken.iter().map(|(text, n)| (text.as_str(), *n)).collect();
    // Twice, since it is sent after each of two steps.
    assert_eq!(texts, [("after", 1), ("before", 1), ("between", 2)]);
    drop(wide);
    broker.send(&message("a/b", "before"));
    broker.work();
    broker.send(&message("a/b", "after"));
    assert_eq!(reader.taken().len(), 2);
    drop(narrow);
    broker.work();
    assert!(broker.subscribed.is_empty());
}

/// A subscription that ends may own others.
#[test]
fn subscriptions_within_subscribers() {
    struct Owner(#[expect(dead_code, reason = "it is there to be dropped")] Subscription);
    impl Subscriber for Owner {
        fn deliver(&self, _: &Message) {}
    }
    let router = Router::new();
    let inner = router.subscribe(filter("a"), Qos::AtMostOnce, Arc::new(Reader::default()));
    let outer = router.subscribe(filter("#"), Qos::AtMostOnce, Arc::new(Owner(inner)));
    drop(outer);
    assert!(router.broker_filters().is_empty());
}

const FILTERS: &[&str] = &["a", "a/b", "a/+", "+/b", "a/#", "#", "+/+"];
const TOPICS: &[&str] = &["a", "a/b", "a/c", "b/b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Subscribe(&'static str, Qos),
    Unsubscribe(usize),
    /// By us, or by somebody else at the broker; twice the same in a row.
    Publish(&'static str, bool, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use proptest::sample::select;
    let step = prop_oneof![
        2 => (select(FILTERS), select(&[Qos::AtMostOnce, Qos::AtLeastOnce][..]))
            .prop_map(|(text, qos)| Step::Subscribe(text, qos)),
        1 => any::<usize>().prop_map(Step::Unsubscribe),
        4 => (select(TOPICS), any::<bool>(), any::<bool>())
            .prop_map(|(topic, own, twice)| Step::Publish(topic, own, twice)),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn exactly_once(steps in steps(), mqtt5 in any::<bool>()) {
        let mut broker = Broker::new(mqtt5);
        let mut readers: Vec<(Filter, Arc<Reader>, Subscription)> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Subscribe(text, qos) => {
                    let reader = Arc::new(Reader::default());
                    let filter = filter(text);
                    let to: Arc<dyn Subscriber> = reader.clone();
                    let subscription = broker.router.subscribe(filter.clone(), qos, to);
                    readers.push((filter, reader, subscription));
                }
                Step::Unsubscribe(which) if !readers.is_empty() => {
                    readers.swap_remove(which % readers.len());
                }
                Step::Unsubscribe(_) => {}
                Step::Publish(topic, own, twice) => {
                    let times = if twice { 2 } else { 1 };
                    for _ in 0..times {
                        let message = message(topic, &at.to_string());
                        if own {
                            broker.router.publish(message).unwrap();
                            broker.work();
                        } else {
                            broker.work();
                            broker.send(&message);
                        }
                    }
                    for (filter, reader, _) in &readers {
                        let expected = if filter.matches(topic) { times } else { 0 };
                        let got = reader.taken().values().sum::<usize>();
                        prop_assert_eq!(got, expected, "{} for {} ({})", got, topic, filter);
                    }
                }
            }
            broker.work();
        }
        drop(readers);
        broker.work();
        prop_assert!(broker.subscribed.is_empty());
    }
}
