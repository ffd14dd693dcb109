//! Values by topic filter, found by topic. What a lookup costs depends on the levels of the
//! topic and the wildcards that match, not on how many filters there are.
//!
//! The nodes are in one list and refer to each other by number: nothing here calls itself. Only
//! the first levels of a filter have nodes, since a filter may have 30,000 levels and a module
//! many filters; what comes after them is compared as text.

use std::collections::HashMap;

use super::topic::{Filter, covers};

/// The levels that have nodes.
const DEPTH: usize = 32;

#[derive(Debug)]
pub(super) struct Trie<V> {
    nodes: Vec<Node<V>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Node<V> {
    parent: usize,
    /// The level that leads here from the parent.
    level: Box<str>,
    /// By level, wildcards excepted.
    children: HashMap<Box<str>, usize>,
    plus: Option<usize>,
    hash: Option<usize>,
    /// Of the filter that ends here.
    value: Option<V>,
    /// Of the filters that go on, with what follows. Only where [`DEPTH`] is reached.
    deep: Vec<(Box<str>, V)>,
}

impl<V> Node<V> {
    fn new(parent: usize, level: &str) -> Node<V> {
        Node {
            parent,
            level: level.into(),
            children: HashMap::new(),
            plus: None,
            hash: None,
            value: None,
            deep: Vec::new(),
        }
    }

    fn child(&self, level: &str) -> Option<usize> {
        match level {
            "+" => self.plus,
            "#" => self.hash,
            _ => self.children.get(level).copied(),
        }
    }

    fn set_child(&mut self, level: &str, at: Option<usize>) {
        match (level, at) {
            ("+", _) => self.plus = at,
            ("#", _) => self.hash = at,
            (_, Some(at)) => drop(self.children.insert(level.into(), at)),
            (_, None) => drop(self.children.remove(level)),
        }
    }

    fn is_unused(&self) -> bool {
        self.value.is_none()
            && self.deep.is_empty()
            && self.children.is_empty()
            && self.plus.is_none()
            && self.hash.is_none()
    }
}

const ROOT: usize = 0;

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new(ROOT, "")],
            free: Vec::new(),
        }
    }
}

/// The levels that have nodes, and what follows them.
fn split(text: &str) -> (impl Iterator<Item = &str>, Option<&str>) {
    let rest = text
        .match_indices('/')
        .nth(DEPTH - 1)
        .and_then(|(at, _)| text.split_at_checked(at))
        .and_then(|(_, rest)| rest.strip_prefix('/'));
    (text.split('/').take(DEPTH), rest)
}

/// Wildcards in the first level leave the broker's own topics out.
fn is_system(level: &str) -> bool {
    level.starts_with('$')
}

impl<V> Trie<V> {
    fn child(&self, at: usize, level: &str) -> Option<usize> {
        self.nodes.get(at)?.child(level)
    }

    fn find(&self, filter: &Filter) -> Option<usize> {
        let (mut levels, _) = split(filter.as_str());
        levels.try_fold(ROOT, |at, level| self.child(at, level))
    }

    /// The value of exactly this filter.
    pub(super) fn get(&self, filter: &Filter) -> Option<&V> {
        let node = self.nodes.get(self.find(filter)?)?;
        match split(filter.as_str()).1 {
            None => node.value.as_ref(),
            Some(rest) => node
                .deep
                .iter()
                .find_map(|(known, value)| (**known == *rest).then_some(value)),
        }
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, filter: &Filter) -> Option<&mut V> {
        let at = self.find(filter)?;
        let node = self.nodes.get_mut(at)?;
        match split(filter.as_str()).1 {
            None => node.value.as_mut(),
            Some(rest) => node
                .deep
                .iter_mut()
                .find_map(|(known, value)| (**known == *rest).then_some(value)),
        }
    }

    pub(super) fn insert(&mut self, filter: &Filter, value: V) {
        if let Some(known) = self.get_mut(filter) {
            *known = value;
            return;
        }
        let (levels, rest) = split(filter.as_str());
        let mut at = ROOT;
        for level in levels {
            at = match self.child(at, level) {
                Some(child) => child,
                None => self.add(at, level),
            };
        }
        if let Some(node) = self.nodes.get_mut(at) {
            match rest {
                None => node.value = Some(value),
                Some(rest) => node.deep.push((rest.into(), value)),
            }
        }
    }

    fn add(&mut self, parent: usize, level: &str) -> usize {
        let node = Node::new(parent, level);
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.nodes.len(),
        };
        match self.nodes.get_mut(at) {
            Some(place) => *place = node,
            None => self.nodes.push(node),
        }
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.set_child(level, Some(at));
        }
        at
    }

    pub(super) fn remove(&mut self, filter: &Filter) -> Option<V> {
        let mut at = self.find(filter)?;
        let node = self.nodes.get_mut(at)?;
        let value = match split(filter.as_str()).1 {
            None => node.value.take(),
            Some(rest) => {
                let known = node.deep.iter().position(|(known, _)| **known == *rest)?;
                Some(node.deep.swap_remove(known).1)
            }
        };
        // Nodes that only led here.
        while at != ROOT
            && let Some(node) = self.nodes.get_mut(at)
            && node.is_unused()
        {
            let (parent, level) = (node.parent, std::mem::take(&mut node.level));
            node.children = HashMap::new();
            node.deep = Vec::new();
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.set_child(&level, None);
            }
            self.free.push(at);
            at = parent;
        }
        if self.free.len() + 1 == self.nodes.len() {
            *self = Self::default();
        }
        value
    }

    /// Calls `found` with the value of each filter that matches the topic.
    pub(super) fn matches<'a>(&'a self, topic: &str, found: impl FnMut(&'a V)) {
        self.covering(topic, found);
    }

    /// Calls `found` with the value of each filter that covers this topic or filter.
    pub(super) fn covering<'a>(&'a self, text: &str, mut found: impl FnMut(&'a V)) {
        // Nodes that are reached by the levels so far; most often one or two.
        let mut here = vec![ROOT];
        let mut next = Vec::new();
        let mut wild = !is_system(text);
        let (levels, rest) = split(text);
        for level in levels {
            for node in here.iter().filter_map(|at| self.nodes.get(*at)) {
                if wild {
                    self.value(node.hash, &mut found);
                    if level != "#" {
                        next.extend(node.plus);
                    }
                }
                if level != "+" && level != "#" {
                    next.extend(node.children.get(level));
                }
            }
            wild = true;
            here.clear();
            std::mem::swap(&mut here, &mut next);
            if here.is_empty() {
                return;
            }
        }
        for node in here.iter().filter_map(|at| self.nodes.get(*at)) {
            if rest.is_none() {
                node.value.iter().for_each(&mut found);
                // `a/#` is for `a`, too.
                self.value(node.hash, &mut found);
            }
            for (known, value) in &node.deep {
                if rest.map_or(**known == *"#", |rest| covers(known, rest)) {
                    found(value);
                }
            }
        }
    }

    /// Calls `found` with the value of each filter that this one covers.
    pub(super) fn covered<'a>(&'a self, filter: &Filter, mut found: impl FnMut(&'a V)) {
        let mut here = vec![ROOT];
        let mut next = Vec::new();
        let (levels, rest) = split(filter.as_str());
        for (depth, level) in levels.enumerate() {
            if level == "#" {
                return self.all_below(here, depth == 0, found);
            }
            for node in here.iter().filter_map(|at| self.nodes.get(*at)) {
                if level == "+" {
                    next.extend(node.plus);
                    let mut children = node.children.iter();
                    next.extend(
                        children.by_ref().filter_map(|(level, at)| {
                            (depth > 0 || !is_system(level)).then_some(*at)
                        }),
                    );
                } else {
                    next.extend(node.children.get(level));
                }
            }
            here.clear();
            std::mem::swap(&mut here, &mut next);
        }
        for node in here.iter().filter_map(|at| self.nodes.get(*at)) {
            match rest {
                None => node.value.iter().for_each(&mut found),
                Some(rest) => {
                    if rest == "#" {
                        node.value.iter().for_each(&mut found);
                    }
                    let deep = node.deep.iter().filter(|(known, _)| covers(rest, known));
                    deep.for_each(|(_, value)| found(value));
                }
            }
        }
    }

    fn all_below<'a>(
        &'a self,
        mut nodes: Vec<usize>,
        from_the_root: bool,
        mut found: impl FnMut(&'a V),
    ) {
        while let Some(at) = nodes.pop() {
            let Some(node) = self.nodes.get(at) else {
                continue;
            };
            node.value.iter().for_each(&mut found);
            node.deep.iter().for_each(|(_, value)| found(value));
            nodes.extend(node.plus.iter().chain(&node.hash));
            let hide = from_the_root && at == ROOT;
            let children = node.children.iter();
            nodes.extend(
                children
                    .filter(|(level, _)| !(hide && is_system(level)))
                    .map(|(_, at)| at),
            );
        }
    }

    /// The value of each filter.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.nodes
            .iter()
            .flat_map(|node| node.value.iter().chain(node.deep.iter().map(|(_, v)| v)))
    }

    fn value<'a>(&'a self, at: Option<usize>, found: &mut impl FnMut(&'a V)) {
        if let Some(value) = at
            .and_then(|at| self.nodes.get(at))
            .and_then(|node| node.value.as_ref())
        {
            found(value);
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

    fn found(trie: &Trie<u32>, topic: &str) -> Vec<u32> {
        let mut values = Vec::new();
        trie.matches(topic, |value| values.push(*value));
        values.sort_unstable();
        values
    }

    #[test]
    fn finds_and_forgets() {
        let mut trie = Trie::default();
        for (at, text) in ["a/b", "a/+", "a/#", "#", "+/b", "a"].iter().enumerate() {
            trie.insert(&filter(text), u32::try_from(at).unwrap());
        }
        assert_eq!(found(&trie, "a/b"), [0, 1, 2, 3, 4]);
        assert_eq!(found(&trie, "a"), [2, 3, 5]);
        assert!(found(&trie, "$SYS").is_empty());
        assert_eq!(trie.remove(&filter("a/b")), Some(0));
        assert_eq!(trie.remove(&filter("a/b")), None);
        assert_eq!(trie.get_mut(&filter("a/+")), Some(&mut 1));
        for text in ["a/+", "a/#", "#", "+/b", "a"] {
            assert!(trie.remove(&filter(text)).is_some());
        }
        assert_eq!(trie.nodes.len(), 1, "only the root is left");
    }

    #[test]
    fn thousands_of_levels() {
        let mut trie = Trie::default();
        let deep = "/".repeat(60_000);
        trie.insert(&filter(&deep), 1);
        let wide = "+/".repeat(30_000) + "#";
        trie.insert(&filter(&wide), 2);
        assert!(trie.nodes.len() < 3 * DEPTH, "they take no node each");
        assert_eq!(found(&trie, &deep), [1, 2]);
        trie.remove(&filter(&deep));
        assert_eq!(found(&trie, &deep), [2]);
        trie.remove(&filter(&wide));
        assert_eq!(trie.nodes.len(), 1);
    }

    /// Filters and topics, some of which are about as deep as nodes go.
    fn text(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
        let levels = proptest::collection::vec(proptest::sample::select(choices), 1..4);
        let before = proptest::sample::select(&[0, 0, DEPTH - 2, DEPTH - 1, DEPTH][..]);
        (levels, before).prop_map(|(levels, before)| "a/".repeat(before) + &levels.join("/"))
    }

    fn some_filter() -> impl Strategy<Value = Filter> {
        (text(&["a", "b", "+", "$s"]), any::<bool>())
            .prop_map(|(text, open)| filter(&if open { text + "/#" } else { text }))
            .boxed()
            .prop_union(Just(filter("#")).boxed())
    }

    proptest! {
        #[test]
        fn as_the_filters_say(
            steps in proptest::collection::vec((some_filter(), any::<bool>()), 0..40),
            topics in proptest::collection::vec(text(&["a", "b", "$s"]), 1..5),
            asked in some_filter(),
        ) {
            let mut trie = Trie::default();
            let mut model = BTreeMap::new();
            for (at, (filter, add)) in (0u32..).zip(steps) {
                if add {
                    trie.insert(&filter, at);
                    model.insert(filter, at);
                } else {
                    prop_assert_eq!(trie.remove(&filter), model.remove(&filter));
                }
            }
            let expected = |which: &dyn Fn(&Filter) -> bool| {
                let mut values: Vec<_> =
                    model.iter().filter(|(f, _)| which(f)).map(|(_, at)| *at).collect();
                values.sort_unstable();
                values
            };
            for (filter, value) in &model {
                prop_assert_eq!(trie.get(filter), Some(value));
                prop_assert_eq!(trie.get_mut(filter).copied(), Some(*value));
            }
            prop_assert_eq!(trie.get(&asked), model.get(&asked));
            for topic in topics {
                prop_assert_eq!(found(&trie, &topic), expected(&|f| f.matches(&topic)));
            }
            prop_assert_eq!(found(&trie, asked.as_str()), expected(&|f| f.covers(&asked)));
            let mut covered = Vec::new();
            trie.covered(&asked, |value| covered.push(*value));
            covered.sort_unstable();
            prop_assert_eq!(covered, expected(&|f| asked.covers(f)));
            let mut all: Vec<_> = trie.values().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, expected(&|_| true));
            for filter in model.keys() {
                trie.remove(filter);
            }
            prop_assert_eq!(trie.nodes.len(), 1);
        }
    }
}
