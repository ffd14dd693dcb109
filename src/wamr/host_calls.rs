//! Counting calls of host functions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::engine::lock;

/// How often, and for how long, host functions have been called: of those
/// sets that [`Imports::count_calls`](super::Imports::count_calls) was called
/// for with this. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct HostCalls {
    counters: Arc<Mutex<Counters>>,
}

/// By the names of the module and the function.
type Counters = BTreeMap<(String, String), Arc<Counter>>;

/// One function's calls.
#[derive(Debug, Default)]
pub(super) struct Counter {
    calls: AtomicU64,
    nanos: AtomicU64,
}

/// The calls of one host function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCall {
    /// The name of the module that it is imported from.
    pub module: String,
    /// The function's name.
    pub name: String,
    /// How often it was called.
    pub count: u64,
    /// How long these calls took together, with what they waited for. One that
    /// panicked is not in it.
    pub time: Duration,
}

impl HostCalls {
    /// No calls yet.
    #[must_use]
    pub fn new() -> HostCalls {
        HostCalls::default()
    }

    /// The functions that have been called, in the order of their names.
    #[must_use]
    pub fn calls(&self) -> Vec<HostCall> {
        let counters = lock(&self.counters);
        let calls = counters.iter().map(|((module, name), counter)| HostCall {
            module: module.clone(),
            name: name.clone(),
            count: counter.calls.load(Ordering::Relaxed),
            time: Duration::from_nanos(counter.nanos.load(Ordering::Relaxed)),
        });
        calls.filter(|call| call.count > 0).collect()
    }

    pub(super) fn counter(&self, module: &str, name: &str) -> Arc<Counter> {
        let mut counters = lock(&self.counters);
        let key = (module.to_owned(), name.to_owned());
        Arc::clone(counters.entry(key).or_default())
    }
}

impl Counter {
    /// Runs a call and counts it.
    pub(super) fn count<R>(&self, call: impl FnOnce() -> R) -> R {
        // Before it, since one that panics does not return here.
        self.calls.fetch_add(1, Ordering::Relaxed);
        let begin = Instant::now();
        let result = call();
        let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        result
    }
}
