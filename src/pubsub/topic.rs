//! Topic names and topic filters, by the rules of MQTT (3.1.1, section 4.7).

use std::fmt;
use std::sync::Arc;

/// The longest topic or filter, in bytes of UTF-8.
pub const MAX_TOPIC: usize = 65_535;

/// Why a text is no topic or no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// There is nothing in it.
    #[error("a topic has at least one character")]
    Empty,
    /// It has more than [`MAX_TOPIC`] bytes.
    #[error("a topic has at most 65535 bytes")]
    TooLong,
    /// It has a character that MQTT does not carry.
    #[error("a topic has no NUL character")]
    Nul,
    /// It is to be published on, and has a wildcard.
    #[error("a topic to publish on has no wildcards + and #")]
    Wildcard,
    /// Its wildcards are not where they may be.
    #[error("the wildcard + stands for a whole level, and # for all that follow, at the end")]
    Misplaced,
    /// It asks for a share of the messages only, which the broker hands out: their topics do not
    /// match it, so nobody here would get them.
    #[error("shared subscriptions ($share/...) are not supported")]
    Shared,
}

fn check(text: &str) -> Result<(), TopicError> {
    match text {
        "" => Err(TopicError::Empty),
        _ if text.len() > MAX_TOPIC => Err(TopicError::TooLong),
        _ if text.contains('\0') => Err(TopicError::Nul),
        _ => Ok(()),
    }
}

/// A topic that messages are published on. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Checks the text.
    ///
    /// # Errors
    /// When it is empty, too long, or has a NUL or a wildcard.
    pub fn new(text: &str) -> Result<Topic, TopicError> {
        check(text)?;
        if text.contains(['+', '#']) {
            return Err(TopicError::Wildcard);
        }
        Ok(Topic(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A filter that topics are chosen by: `+` stands for one level, `#` at the end for any number.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(Arc<str>);

impl From<Topic> for Filter {
    fn from(topic: Topic) -> Filter {
        Filter(topic.0)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Filter {
    /// Checks the text.
    ///
    /// # Errors
    /// When it is empty, too long, has a NUL, or a wildcard where none may be, or is that of a
    /// shared subscription.
    pub fn new(text: &str) -> Result<Filter, TopicError> {
        check(text)?;
        if text.starts_with("$share/") {
            return Err(TopicError::Shared);
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let misplaced = match level {
                "+" => false,
                "#" => levels.peek().is_some(),
                _ => level.contains(['+', '#']),
            };
            if misplaced {
                return Err(TopicError::Misplaced);
            }
        }
        Ok(Filter(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has wildcards, and so is more than one topic.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Whether a topic is one of those that the filter stands for.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        !self.hides_system(topic) && covers(&self.0, topic)
    }

    /// Whether it stands for every topic that `other` stands for.
    #[must_use]
    pub fn covers(&self, other: &Filter) -> bool {
        !self.hides_system(&other.0) && covers(&self.0, &other.0)
    }

    /// Whether there is a topic that both stand for.
    #[must_use]
    pub fn overlaps(&self, other: &Filter) -> bool {
        if self.hides_system(&other.0) || other.hides_system(&self.0) {
            return false;
        }
        let (mut left, mut right) = (self.0.split('/'), other.0.split('/'));
        loop {
            match (left.next(), right.next()) {
                // `a/#` stands for `a` too.
                (None, None) | (Some("#"), _) | (_, Some("#")) => return true,
                (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
                _ => return false,
            }
        }
    }

    /// A wildcard in the first level does not stand for topics of the broker's own, which begin
    /// with a dollar sign.
    fn hides_system(&self, other: &str) -> bool {
        other.starts_with('$') && self.0.starts_with(['+', '#'])
    }
}

/// Level by level; what is covered may be a topic or a filter, or what follows in one.
pub(super) fn covers(filter: &str, other: &str) -> bool {
    let (mut wide, mut narrow) = (filter.split('/'), other.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            (None, None) | (Some("#"), _) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::new(text).unwrap()
    }

    #[test]
    fn topics() {
        assert!(Topic::new("a/b").is_ok());
        assert!(Topic::new("/").is_ok());
        assert_eq!(Topic::new(""), Err(TopicError::Empty));
        assert_eq!(Topic::new("a/+"), Err(TopicError::Wildcard));
        assert_eq!(Topic::new("a#"), Err(TopicError::Wildcard));
        assert_eq!(Topic::new("a\0"), Err(TopicError::Nul));
        assert_eq!(
            Topic::new(&"x".repeat(MAX_TOPIC + 1)),
            Err(TopicError::TooLong)
        );
        assert!(Topic::new(&"x".repeat(MAX_TOPIC)).is_ok());
    }

    #[test]
    fn filters() {
        for good in ["a", "+", "#", "a/+/b", "a/#", "/", "+/+", "/#"] {
            assert!(Filter::new(good).is_ok(), "{good}");
        }
        for bad in ["a+", "#/a", "a/#/b", "a#", "++", "a/b+/c"] {
            assert_eq!(Filter::new(bad), Err(TopicError::Misplaced), "{bad}");
        }
        assert_eq!(Filter::new("$share/group/a"), Err(TopicError::Shared));
    }

    #[test]
    fn matching() {
        for (text, topic, matches) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "/", true),
            ("+", "/", false),
            ("+/+", "/", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("a/#", "a/$b", true),
        ] {
            assert_eq!(filter(text).matches(topic), matches, "{text} {topic}");
        }
    }

    #[test]
    fn covering_and_overlapping() {
        for (a, b, covers, overlaps) in [
            ("a/#", "a/b", true, true),
            ("a/#", "a/+", true, true),
            ("a/#", "a/#", true, true),
            ("a/#", "a", true, true),
            ("a/+", "a/#", false, true),
            ("a/+", "+/b", false, true),
            ("a/+", "b/+", false, false),
            ("a/+/c", "a/b/#", false, true),
            ("a/+/c", "a/b/d", false, false),
            ("a", "a/#", false, true),
            ("a", "a/+", false, false),
            ("#", "$SYS/#", false, false),
            ("#", "a/$x", true, true),
        ] {
            let (a, b) = (filter(a), filter(b));
            assert_eq!(a.covers(&b), covers, "{a} covers {b}");
            assert_eq!(a.overlaps(&b), overlaps, "{a} overlaps {b}");
            assert_eq!(b.overlaps(&a), overlaps, "{b} overlaps {a}");
        }
    }

    fn levels(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(choices), 1..5)
            .prop_map(|levels| levels.join("/"))
    }

    proptest! {
        #[test]
        fn what_covers_and_overlaps_means(
            a in levels(&["a", "b", "", "+", "$s"]),
            b in levels(&["a", "b", "", "+", "$s"]),
            a_open in any::<bool>(),
            b_open in any::<bool>(),
            topics in proptest::collection::vec(levels(&["a", "b", "", "c", "$s"]), 1..40),
        ) {
            let open = |text: String, open| filter(&if open { text + "/#" } else { text });
            prop_assume!(!a.is_empty() && !b.is_empty());
            let (a, b) = (open(a, a_open), open(b, b_open));
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                if a.covers(&b) && b.matches(topic) {
                    prop_assert!(a.matches(topic), "{} covers {} but not {}", a, b, topic);
                }
                if a.matches(topic) && b.matches(topic) {
                    prop_assert!(a.overlaps(&b));
                }
            }
        }
    }
}
