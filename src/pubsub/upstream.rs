//! What is subscribed at the broker: of all filters in use those that no other covers.
//!
//! A broker sends a message once for each of our subscriptions that match it, and one that came
//! twice would be delivered twice.

use std::collections::BTreeMap;

use super::message::Qos;
use super::topic::Filter;

/// A subscription at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    /// Its identifier in MQTT 5.
    pub(super) id: u32,
    pub(super) qos: Qos,
}

/// What has to be said to the broker, in this order: what is new first, so that nothing is
/// missed in between.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) subscribe: Vec<(Filter, Qos, u32)>,
    pub(super) unsubscribe: Vec<Filter>,
}

/// The filters in use, and which of them are subscribed at the broker.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    /// Each filter with the highest quality that is wanted of it.
    used: BTreeMap<Filter, Qos>,
    at_broker: BTreeMap<Filter, Upstream>,
    last_id: u32,
}

/// The largest identifier of MQTT 5.
const MAX_ID: u32 = 268_435_455;

impl Upstreams {
    pub(super) fn at_broker(&self) -> impl Iterator<Item = (&Filter, &Upstream)> {
        self.at_broker.iter()
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &Filter> {
        self.used.keys()
    }

    /// The subscription by which messages for this filter come.
    pub(super) fn source(&self, filter: &Filter) -> Option<Upstream> {
        self.at_broker.get(filter).copied().or_else(|| {
            let covering = self
                .at_broker
                .iter()
                .filter(|(wide, _)| wide.has_wildcards() && wide.covers(filter));
            covering
                .map(|(_, upstream)| *upstream)
                .max_by_key(|upstream| upstream.qos)
        })
    }

    /// A filter is used from now on, with at least this quality.
    pub(super) fn add(&mut self, filter: &Filter, qos: Qos) -> Changes {
        let known = self.used.insert(filter.clone(), qos);
        let qos = known.map_or(qos, |known| known.max(qos));
        self.used.insert(filter.clone(), qos);
        let mut changes = Changes::default();
        if known == Some(qos) {
            return changes;
        }
        self.want(filter, qos, &mut changes);
        changes
    }

    /// Nobody uses a filter any more.
    pub(super) fn remove(&mut self, filter: &Filter) -> Changes {
        let mut changes = Changes::default();
        self.used.remove(filter);
        if self.at_broker.remove(filter).is_none() {
            return changes;
        }
        if filter.has_wildcards() {
            let lost: Vec<_> = self
                .used
                .iter()
                .filter(|(narrow, _)| filter.covers(narrow))
                .map(|(narrow, qos)| (narrow.clone(), *qos))
                .collect();
            for (narrow, qos) in lost {
                self.want(&narrow, qos, &mut changes);
            }
        }
        changes.unsubscribe.push(filter.clone());
        changes
    }

    /// Sees to it that messages for a filter come with that quality.
    fn want(&mut self, filter: &Filter, qos: Qos, changes: &mut Changes) {
        let covering = self
            .at_broker
            .iter_mut()
            .find(|(wide, _)| *wide == filter || wide.has_wildcards() && wide.covers(filter));
        if let Some((wide, upstream)) = covering {
            if upstream.qos < qos {
                upstream.qos = qos;
                changes.subscribe.push((wide.clone(), qos, upstream.id));
            }
            return;
        }
        let mut qos = qos;
        if filter.has_wildcards() {
            let covered: Vec<_> = self
                .at_broker
                .keys()
                .filter(|narrow| filter.covers(narrow))
                .cloned()
                .collect();
            for narrow in covered {
                if let Some(upstream) = self.at_broker.remove(&narrow) {
                    qos = qos.max(upstream.qos);
                }
                // Not at all, if it was to be subscribed just now.
                let before = changes.subscribe.len();
                changes.subscribe.retain(|(new, ..)| *new != narrow);
                if changes.subscribe.len() == before {
                    changes.unsubscribe.push(narrow);
                }
            }
        }
        self.last_id = self.last_id % MAX_ID + 1;
        let id = self.last_id;
        self.at_broker.insert(filter.clone(), Upstream { id, qos });
        changes.subscribe.push((filter.clone(), qos, id));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::new(text).unwrap()
    }

    fn names(changes: &Changes) -> (Vec<&str>, Vec<&str>) {
        (
            changes
                .subscribe
                .iter()
                .map(|(filter, ..)| filter.as_str())
                .collect(),
            changes.unsubscribe.iter().map(Filter::as_str).collect(),
        )
    }

    #[test]
    fn only_what_nothing_covers() {
        let mut upstreams = Upstreams::default();
        let q0 = Qos::AtMostOnce;
        assert_eq!(
            names(&upstreams.add(&filter("a/b"), q0)),
            (vec!["a/b"], vec![])
        );
        assert_eq!(
            names(&upstreams.add(&filter("a/c"), q0)),
            (vec!["a/c"], vec![])
        );
        assert_eq!(
            names(&upstreams.add(&filter("a/#"), q0)),
            (vec!["a/#"], vec!["a/b", "a/c"])
        );
        assert_eq!(names(&upstreams.add(&filter("a/d"), q0)), (vec![], vec![]));
        assert_eq!(names(&upstreams.remove(&filter("a/c"))), (vec![], vec![]));
        assert_eq!(
            names(&upstreams.remove(&filter("a/#"))),
            (vec!["a/b", "a/d"], vec!["a/#"])
        );
    }

    #[test]
    fn the_highest_quality_that_is_wanted() {
        let mut upstreams = Upstreams::default();
        upstreams.add(&filter("a/#"), Qos::AtMostOnce);
        let changes = upstreams.add(&filter("a/b"), Qos::AtLeastOnce);
        assert_eq!(changes.subscribe, [(filter("a/#"), Qos::AtLeastOnce, 1)]);
        assert_eq!(
            upstreams.add(&filter("a/b"), Qos::AtMostOnce),
            Changes::default()
        );
    }

    const FILTERS: &[&str] = &[
        "a", "a/b", "a/+", "+/b", "a/#", "#", "a/b/c", "+/+", "+/+/#",
    ];

    proptest! {
        /// The broker hears exactly the changes, covers all that is used, and nothing twice.
        #[test]
        fn the_broker_has_what_it_needs(
            steps in proptest::collection::vec((proptest::sample::select(FILTERS), any::<bool>(), any::<bool>()), 1..60)
        ) {
            let mut upstreams = Upstreams::default();
            let mut broker: BTreeMap<Filter, Qos> = BTreeMap::new();
            for (text, add, high) in steps {
                let filter = filter(text);
                let changes = if add {
                    let qos = if high { Qos::AtLeastOnce } else { Qos::AtMostOnce };
                    upstreams.add(&filter, qos)
                } else if upstreams.used.contains_key(&filter) {
                    upstreams.remove(&filter)
                } else {
                    continue;
                };
                broker.extend(changes.subscribe.into_iter().map(|(filter, qos, _)| (filter, qos)));
                for filter in changes.unsubscribe {
                    prop_assert!(broker.remove(&filter).is_some());
                }
                let known: BTreeMap<_, _> = upstreams.at_broker().map(|(f, u)| (f.clone(), u.qos)).collect();
                prop_assert_eq!(&broker, &known);
                for (used, qos) in &upstreams.used {
                    let source = upstreams.source(used).expect("it comes from somewhere");
                    prop_assert!(source.qos >= *qos);
                }
                for a in broker.keys() {
                    prop_assert!(broker.keys().all(|b| a == b || !a.covers(b)));
                }
            }
        }
    }
}
