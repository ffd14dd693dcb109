//! What is subscribed at the broker: of all filters in use those that no other covers.
//!
//! A broker sends a message once for each of our subscriptions that match it, and one that came
//! twice would be delivered twice.

use std::collections::HashSet;

use super::message::Qos;
use super::topic::Filter;
use super::trie::Trie;

/// What has to be said to the broker, in this order: what is new first, so that nothing is
/// missed in between. And what follows from that here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) subscribe: Vec<(Filter, Qos, u32)>,
    pub(super) unsubscribe: Vec<Filter>,
    /// Filters in use whose messages come by another subscription from now on.
    pub(super) sources: Vec<(Filter, u32)>,
}

/// The filters in use, and which of them are subscribed at the broker: those that no other
/// covers. A change looks only at the filters that begin as the one that changes does.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    used: Trie<Used>,
    at_broker: Trie<Upstream>,
    /// The identifiers of those at the broker.
    ids: HashSet<u32>,
    last_id: u32,
}

#[derive(Debug)]
struct Used {
    filter: Filter,
    /// The highest quality that is wanted of it.
    qos: Qos,
    /// The subscription by which its messages come.
    source: u32,
}

/// A subscription at the broker.
#[derive(Clone, Debug)]
struct Upstream {
    filter: Filter,
    qos: Qos,
    /// Its identifier in MQTT 5.
    id: u32,
}

/// The largest identifier of MQTT 5.
const MAX_ID: u32 = 268_435_455;

impl Upstreams {
    /// What is subscribed at the broker.
    pub(super) fn at_broker(&self) -> Vec<(Filter, Qos, u32)> {
        let all = self.at_broker.values();
        all.map(|upstream| (upstream.filter.clone(), upstream.qos, upstream.id))
            .collect()
    }

    /// A filter is used from now on, with at least this quality.
    pub(super) fn add(&mut self, filter: &Filter, qos: Qos) -> Changes {
        let mut changes = Changes::default();
        match self.used.get_mut(filter) {
            Some(known) if known.qos >= qos => return changes,
            Some(known) => known.qos = qos,
            None => {
                let used = Used {
                    filter: filter.clone(),
                    qos,
                    source: 0,
                };
                self.used.insert(filter, used);
            }
        }
        if self.has_source(filter, qos, &mut changes) {
            return changes;
        }
        let mut covered = Vec::new();
        self.at_broker
            .covered(filter, |narrow| covered.push(narrow.clone()));
        let highest = covered.iter().map(|narrow| narrow.qos).max();
        self.subscribe(filter, highest.max(Some(qos)).unwrap_or(qos), &mut changes);
        for narrow in covered {
            self.unsubscribe(&narrow, &mut changes);
            for orphan in self.orphans(&narrow) {
                self.has_source(&orphan.0, orphan.1, &mut changes);
            }
        }
        changes
    }

    /// Nobody uses a filter any more.
    pub(super) fn remove(&mut self, filter: &Filter) -> Changes {
        let mut changes = Changes::default();
        self.used.remove(filter);
        let Some(gone) = self.at_broker.get_mut(filter).cloned() else {
            return changes;
        };
        self.unsubscribe(&gone, &mut changes);
        let orphans = self.orphans(&gone);
        for (orphan, qos) in &orphans {
            let mut covering = 0;
            self.used.covering(orphan.as_str(), |_| covering += 1);
            // Only by itself.
            if covering == 1 {
                self.subscribe(orphan, *qos, &mut changes);
            }
        }
        for (orphan, qos) in &orphans {
            self.has_source(orphan, *qos, &mut changes);
        }
        changes
    }

    /// The filters whose messages came by a subscription.
    fn orphans(&self, gone: &Upstream) -> Vec<(Filter, Qos)> {
        let mut orphans = Vec::new();
        self.used.covered(&gone.filter, |used| {
            if used.source == gone.id {
                orphans.push((used.filter.clone(), used.qos));
            }
        });
        orphans
    }

    fn subscribe(&mut self, filter: &Filter, qos: Qos, changes: &mut Changes) {
        // After years, or of a module that does nothing else, they begin again.
        loop {
            self.last_id = self.last_id % MAX_ID + 1;
            if self.ids.insert(self.last_id) {
                break;
            }
        }
        let (filter, id) = (filter.clone(), self.last_id);
        changes.subscribe.push((filter.clone(), qos, id));
        let upstream = Upstream {
            filter: filter.clone(),
            qos,
            id,
        };
        self.at_broker.insert(&filter, upstream);
        self.move_to(&filter, id, changes);
    }

    fn unsubscribe(&mut self, gone: &Upstream, changes: &mut Changes) {
        self.at_broker.remove(&gone.filter);
        self.ids.remove(&gone.id);
        changes.unsubscribe.push(gone.filter.clone());
    }

    /// Has the messages of a filter come by a subscription that is there, if one covers it.
    fn has_source(&mut self, filter: &Filter, qos: Qos, changes: &mut Changes) -> bool {
        let mut best: Option<&Upstream> = None;
        self.at_broker.covering(filter.as_str(), |wide| {
            if best.is_none_or(|best| best.qos < wide.qos) {
                best = Some(wide);
            }
        });
        let Some(best) = best.cloned() else {
            return false;
        };
        if best.qos < qos
            && let Some(wide) = self.at_broker.get_mut(&best.filter)
        {
            wide.qos = qos;
            let told = changes.subscribe.iter_mut().find(|(.., id)| *id == best.id);
            match told {
                Some(told) => told.1 = qos,
                None => changes.subscribe.push((best.filter.clone(), qos, best.id)),
            }
        }
        self.move_to(filter, best.id, changes);
        true
    }

    fn move_to(&mut self, filter: &Filter, source: u32, changes: &mut Changes) {
        if let Some(used) = self.used.get_mut(filter)
            && used.source != source
        {
            used.source = source;
            changes.sources.push((filter.clone(), source));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::new(text).unwrap()
    }

    fn names(changes: &Changes) -> (Vec<&str>, Vec<&str>) {
        let subscribe = changes.subscribe.iter().map(|(filter, ..)| filter.as_str());
        let mut subscribe: Vec<_> = subscribe.collect();
        let mut unsubscribe: Vec<_> = changes.unsubscribe.iter().map(Filter::as_str).collect();
        subscribe.sort_unstable();
        unsubscribe.sort_unstable();
        (subscribe, unsubscribe)
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

    #[test]
    fn identifiers_begin_again_and_are_not_given_twice() {
        let mut upstreams = Upstreams::default();
        upstreams.add(&filter("a"), Qos::AtMostOnce);
        upstreams.last_id = MAX_ID - 1;
        upstreams.add(&filter("b"), Qos::AtMostOnce);
        upstreams.add(&filter("c"), Qos::AtMostOnce);
        let mut ids: Vec<_> = upstreams.at_broker().iter().map(|(.., id)| *id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, MAX_ID]);
    }

    const FILTERS: &[&str] = &[
        "a", "a/b", "a/+", "+/b", "a/#", "#", "a/b/c", "+/+", "+/+/#", "$s/a", "$s/#",
    ];

    proptest! {
        /// The broker hears exactly the changes, covers all that is used, and nothing twice.
        #[test]
        fn the_broker_has_what_it_needs(
            steps in proptest::collection::vec((proptest::sample::select(FILTERS), any::<bool>(), any::<bool>()), 1..60)
        ) {
            let mut upstreams = Upstreams::default();
            let mut broker: BTreeMap<Filter, (Qos, u32)> = BTreeMap::new();
            let mut model: BTreeMap<Filter, Qos> = BTreeMap::new();
            let mut sources: BTreeMap<Filter, u32> = BTreeMap::new();
            for (text, add, high) in steps {
                let filter = filter(text);
                let changes = if add {
                    let qos = if high { Qos::AtLeastOnce } else { Qos::AtMostOnce };
                    let known = model.entry(filter.clone()).or_insert(qos);
                    *known = qos.max(*known);
                    upstreams.add(&filter, qos)
                } else if model.remove(&filter).is_some() {
                    sources.remove(&filter);
                    upstreams.remove(&filter)
                } else {
                    continue;
                };
                for (filter, qos, id) in changes.subscribe {
                    broker.insert(filter, (qos, id));
                }
                for filter in changes.unsubscribe {
                    prop_assert!(broker.remove(&filter).is_some());
                }
                sources.extend(changes.sources);
                let mut known = upstreams.at_broker();
                known.sort_unstable();
                let told: Vec<_> = broker.iter().map(|(f, (q, id))| (f.clone(), *q, *id)).collect();
                prop_assert_eq!(known, told);
                prop_assert_eq!(upstreams.ids.len(), broker.len());
                for (used, qos) in &model {
                    let by = sources.get(used).expect("it comes from somewhere");
                    let (wide, (given, _)) =
                        broker.iter().find(|(_, (_, id))| id == by).expect("it is at the broker");
                    prop_assert!(wide.covers(used) && given >= qos);
                }
                for a in broker.keys() {
                    prop_assert!(model.contains_key(a));
                    prop_assert!(broker.keys().all(|b| a == b || !a.covers(b)));
                }
            }
        }
    }
}
