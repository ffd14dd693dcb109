//! Runtimes that offer the same.
//!
//! Of a thousand runtimes most offer what others do. Whether a module can run there at all is then
//! found out once, and not a thousand times for each module.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::supervisor::records::Runtime;

/// A class of runtimes: the place of its answer in a list of [`Classes::len`] places.
pub(super) type Class = usize;

/// What makes a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Offer {
    api_names: BTreeSet<String>,
    arch: Option<String>,
    labels: BTreeMap<String, String>,
}

/// The classes that there are.
#[derive(Debug, Default)]
pub(super) struct Classes {
    of: HashMap<Offer, Class>,
    /// How many runtimes each has, and what they offer.
    members: Vec<Option<(usize, Offer)>>,
    free: Vec<Class>,
}

impl Classes {
    /// One more runtime. It is in its class until [`Classes::leave`].
    pub(super) fn enter(&mut self, runtime: &Runtime) -> Class {
        let offer = Offer {
            api_names: runtime.api_names.clone(),
            arch: runtime.arch.clone(),
            labels: runtime.labels.clone(),
        };
        if let Some(&class) = self.of.get(&offer)
            && let Some(Some((count, _))) = self.members.get_mut(class)
        {
            *count += 1;
            return class;
        }
        let class = self.free.pop().unwrap_or(self.members.len());
        if class == self.members.len() {
            self.members.push(None);
        }
        if let Some(place) = self.members.get_mut(class) {
            *place = Some((1, offer.clone()));
        }
        self.of.insert(offer, class);
        class
    }

    /// One runtime less.
    pub(super) fn leave(&mut self, class: Class) {
        let Some(place) = self.members.get_mut(class) else {
            return;
        };
        if let Some((count, offer)) = place {
            *count -= 1;
            if *count == 0 {
                self.of.remove(offer);
                *place = None;
                self.free.push(class);
            }
        }
    }

    /// More than any class.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }
}
