//! What messages within the process cost, without a broker: `cargo bench --bench pubsub`.
//!
//! From one thread to another through the router and a mailbox, as between two modules: how long
//! one takes when the other waits for it, and how many go through. Then what filters that do not
//! match cost, many subscribers, and changes of subscriptions, also for a neighbour.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]
#![allow(missing_docs, reason = "programs have no documentation")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arena_runtime::pubsub::{
    Filter, Mailbox, MailboxLimits, Message, Qos, Queue, Router, Subscriber, Subscription, Topic,
};

fn main() {
    latency();
    throughput();
    filters();
    fan_out();
    changes();
    neighbour();
}

fn message(topic: &str) -> Message {
    let topic = Topic::new(topic).expect("it is one");
    Message::new(topic, vec![b'x'; 64], Qos::AtMostOnce)
}

fn subscribe(router: &Router, filter: &str, to: Arc<dyn Subscriber>) -> Subscription {
    let filter = Filter::new(filter).expect("it is one");
    router.subscribe(filter, Qos::AtMostOnce, to)
}

/// A module's end: a mailbox with one queue.
struct End {
    mailbox: Arc<Mailbox>,
    queue: Arc<Queue>,
    _subscription: Subscription,
}

impl End {
    fn new(router: &Router, filter: &str) -> End {
        let mailbox = Mailbox::new(MailboxLimits::default());
        let queue = mailbox.open();
        let to: Arc<dyn Subscriber> = queue.clone();
        End {
            _subscription: subscribe(router, filter, to),
            mailbox,
            queue,
        }
    }

    /// The next message, for which it sleeps if there is none; none at the end.
    fn next(&self, over: &AtomicBool) -> Option<Message> {
        loop {
            if let Some(message) = self.queue.pop() {
                return Some(message);
            }
            let ready = || !self.queue.is_empty();
            self.mailbox
                .wait(ready, None, || over.load(Ordering::SeqCst));
            if over.load(Ordering::SeqCst) && self.queue.is_empty() {
                return None;
            }
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The median, and what 99 of 100 are below.
fn quantiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    (at(50).unwrap_or_default(), at(99).unwrap_or_default())
}

fn latency() {
    const ROUNDS: usize = 100_000;
    let router = Router::new();
    let (there, back) = (End::new(&router, "there"), End::new(&router, "back"));
    let over = AtomicBool::new(false);
    let mut times = Vec::with_capacity(ROUNDS);
    thread::scope(|scope| {
        scope.spawn(|| {
            let answer = message("back");
            while there.next(&over).is_some() {
                router.publish(answer.clone()).expect("there is no broker");
            }
        });
        let ping = message("there");
        for _ in 0..ROUNDS {
            let start = Instant::now();
            router.publish(ping.clone()).expect("there is no broker");
            back.next(&over).expect("it is not over");
            times.push(start.elapsed());
        }
        over.store(true, Ordering::SeqCst);
        there.mailbox.wake();
    });
    let (median, most) = quantiles(times);
    println!(
        "one way, thread to thread:        median {:>7.2} µs, 99% {:>7.2} µs ({ROUNDS} round trips, halved)",
        micros(median) / 2.0,
        micros(most) / 2.0
    );
}

fn throughput() {
    const TOTAL: usize = 3_000_000;
    /// As many are under way at most, so that none is dropped.
    const WINDOW: usize = 5_000;
    let router = Router::new();
    let end = End::new(&router, "realm/+/values");
    let (over, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            while end.next(&over).is_some() {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let message = message("realm/module/values");
        for sent in 0..TOTAL {
            while sent - taken.load(Ordering::Relaxed) > WINDOW {
                thread::yield_now();
            }
            router.publish(message.clone()).expect("there is no broker");
        }
        over.store(true, Ordering::SeqCst);
        end.mailbox.wake();
    });
    let time = start.elapsed();
    let total = u32::try_from(TOTAL).map_or(f64::MAX, f64::from);
    println!(
        "64 bytes, thread to thread:       {:>7.0} messages/s ({} of {TOTAL} came, {} dropped)",
        total / time.as_secs_f64(),
        taken.load(Ordering::Relaxed),
        end.mailbox.stats().dropped
    );
}

struct Nobody;

impl Subscriber for Nobody {
    fn deliver(&self, message: &Message) {
        black_box(message);
    }
}

/// The time of one of many.
fn each(count: u32, mut action: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        action();
    }
    start.elapsed() / count
}

fn filters() {
    for count in [0, 100, 10_000] {
        for (kind, suffix) in [("plain", ""), ("with wildcards", "/+/x/#")] {
            let router = Router::new();
            let nobody: Arc<dyn Subscriber> = Arc::new(Nobody);
            let other = |at| subscribe(&router, &format!("realm/s/{at}{suffix}"), nobody.clone());
            let _others: Vec<_> = (0..count).map(other).collect();
            let _own = subscribe(&router, "realm/s/own/value", nobody.clone());
            let message = message("realm/s/own/value");
            let time = each(1_000_000, || {
                router.publish(message.clone()).expect("there is no broker");
            });
            println!(
                "{count:>6} other filters, {kind:<14}: {:>7.0} ns a message",
                time.as_secs_f64() * 1e9
            );
        }
    }
}

fn fan_out() {
    const MAILBOXES: u32 = 100;
    let router = Router::new();
    let ends: Vec<_> = (0..MAILBOXES).map(|_| End::new(&router, "all")).collect();
    let message = message("all");
    let time = each(20_000, || {
        router.publish(message.clone()).expect("there is no broker");
        for end in &ends {
            black_box(end.queue.pop());
        }
    });
    println!(
        "to {MAILBOXES} mailboxes, and out of them: {:>7.2} µs a message, {:.0} ns each",
        micros(time),
        time.as_secs_f64() * 1e9 / f64::from(MAILBOXES)
    );
}

fn changes() {
    let router = Router::new();
    let nobody: Arc<dyn Subscriber> = Arc::new(Nobody);
    for (kind, suffix) in [("plain", ""), ("wildcard", "/+/x/#")] {
        let start = Instant::now();
        let open = |at| subscribe(&router, &format!("realm/s/{at}{suffix}"), nobody.clone());
        let all: Vec<_> = (0..10_000).map(open).collect();
        let opened = start.elapsed();
        let one = each(10_000, || {
            drop(subscribe(&router, "realm/s/+/more", nobody.clone()));
        });
        let start = Instant::now();
        drop(all);
        println!(
            "10,000 {kind:<8} subscriptions: {:>6.1} ms to begin, {:.1} ms to end; with them, another one {:.1} µs",
            opened.as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64() * 1e3,
            micros(one)
        );
    }
}

/// What publishing takes while another thread subscribes and unsubscribes as fast as it can.
fn neighbour() {
    let router = Router::new();
    let nobody: Arc<dyn Subscriber> = Arc::new(Nobody);
    let _own = subscribe(&router, "realm/own", nobody.clone());
    let message = message("realm/own");
    // Long enough for the other to go through all it does several times.
    let measure = || {
        let end = Instant::now() + Duration::from_secs(3);
        let mut times = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            router.publish(message.clone()).expect("there is no broker");
            times.push(start.elapsed());
        }
        let worst = times.iter().max().copied().unwrap_or_default();
        (quantiles(times), worst)
    };
    let quiet = measure();
    let over = AtomicBool::new(false);
    let rounds = AtomicUsize::new(0);
    let disturbed = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let open = |at| subscribe(&router, &format!("realm/s/{at}/+"), nobody.clone());
                let all: Vec<_> = (0..10_000).map(open).collect();
                drop(subscribe(&router, "realm/s/#", nobody.clone()));
                drop(all);
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        let disturbed = measure();
        over.store(true, Ordering::Relaxed);
        disturbed
    });
    for (what, ((median, most), worst)) in [("quiet", quiet), ("10,000 channels open", disturbed)] {
        println!(
            "publishing, {what:<20}: median {:>7.2} µs, 99% {:>7.2} µs, worst {:>8.1} µs",
            micros(median),
            micros(most),
            micros(worst)
        );
    }
    println!(
        "(they were opened and closed {} times)",
        rounds.load(Ordering::Relaxed)
    );
}
