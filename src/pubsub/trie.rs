//! Values by topic filter, found by topic. What a lookup costs depends on the levels of the
//! topic and the wildcards that match, not on how many filters there are.
//!
//! The nodes are in one list and refer to each other by number: a filter may have thousands of
//! levels, which must not become thousands of calls inside each other.

use std::collections::HashMap;

use super::topic::Filter;

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
    children: HashMap<Box<str>, usize>,
    /// Of the filter that ends here.
    value: Option<V>,
}

impl<V> Node<V> {
    fn new(parent: usize, level: &str) -> Node<V> {
        Node {
            parent,
            level: level.into(),
            children: HashMap::new(),
            value: None,
        }
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

impl<V> Trie<V> {
    fn child(&self, at: usize, level: &str) -> Option<usize> {
        self.nodes.get(at)?.children.get(level).copied()
    }

    fn find(&self, filter: &Filter) -> Option<usize> {
        let mut levels = filter.as_str().split('/');
        levels.try_fold(ROOT, |at, level| self.child(at, level))
    }

    /// The value of exactly this filter.
    pub(super) fn get_mut(&mut self, filter: &Filter) -> Option<&mut V> {
        let at = self.find(filter)?;
        self.nodes.get_mut(at)?.value.as_mut()
    }

    pub(super) fn insert(&mut self, filter: &Filter, value: V) {
        let mut at = ROOT;
        for level in filter.as_str().split('/') {
            at = match self.child(at, level) {
                Some(child) => child,
                None => self.add(at, level),
            };
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.value = Some(value);
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
            parent.children.insert(level.into(), at);
        }
        at
    }

    pub(super) fn remove(&mut self, filter: &Filter) -> Option<V> {
        let mut at = self.find(filter)?;
        let value = self.nodes.get_mut(at)?.value.take();
        // Nodes that only led here.
        while at != ROOT
            && let Some(node) = self.nodes.get(at)
            && node.value.is_none()
            && node.children.is_empty()
        {
            let (parent, level) = (node.parent, node.level.clone());
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.children.remove(&level);
            }
            self.free.push(at);
            at = parent;
        }
        value
    }

    /// Calls `found` with the value of each filter that matches the topic.
    pub(super) fn matches<'a>(&'a self, topic: &str, mut found: impl FnMut(&'a V)) {
        // Nodes that are reached by the levels so far; most often one or two.
        let mut here = vec![ROOT];
        let mut next = Vec::new();
        // Wildcards in the first level leave the broker's own topics out.
        let mut wild = !topic.starts_with('$');
        for level in topic.split('/') {
            for &at in &here {
                if wild {
                    self.value(self.child(at, "#"), &mut found);
                    next.extend(self.child(at, "+"));
                }
                next.extend(self.child(at, level));
            }
            wild = true;
            here.clear();
            std::mem::swap(&mut here, &mut next);
            if here.is_empty() {
                return;
            }
        }
        for at in here {
            self.value(Some(at), &mut found);
            // `a/#` is for `a`, too.
            self.value(self.child(at, "#"), &mut found);
        }
    }

    fn value<'a>(&'a self, at: Option<usize>, found: &mut impl FnMut(&'a V)) {
        if let Some(node) = at.and_then(|at| self.nodes.get(at))
            && let Some(value) = &node.value
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
        assert_eq!(
            trie.nodes.len() - trie.free.len(),
            1,
            "only the root is left"
        );
    }

    #[test]
    fn thousands_of_levels() {
        let mut trie = Trie::default();
        let deep = "/".repeat(60_000);
        trie.insert(&filter(&deep), 1);
        let wide = "+/".repeat(30_000) + "#";
        trie.insert(&filter(&wide), 2);
        assert_eq!(found(&trie, &deep), [1, 2]);
        trie.remove(&filter(&deep));
        assert_eq!(found(&trie, &deep), [2]);
    }

    proptest! {
        #[test]
        fn as_the_filters_say(
            steps in proptest::collection::vec(
                (proptest::sample::select(&["a", "a/b", "a/+", "+/b", "#", "a/#", "+", "/", "b/#", "$s/#", "+/+/c"][..]), any::<bool>()),
                0..40),
            topic in proptest::sample::select(&["a", "a/b", "b/b", "a/b/c", "/", "$s/a", "b", "$s"][..]),
        ) {
            let mut trie = Trie::default();
            let mut model = BTreeMap::new();
            for (at, (text, add)) in (0u32..).zip(steps) {
                if add {
                    trie.insert(&filter(text), at);
                    model.insert(text, at);
                } else {
                    prop_assert_eq!(trie.remove(&filter(text)), model.remove(text));
                }
            }
            let mut expected: Vec<_> = model.iter()
                .filter(|(text, _)| filter(text).matches(topic)).map(|(_, at)| *at).collect();
            expected.sort_unstable();
            prop_assert_eq!(found(&trie, topic), expected);
        }
    }
}
