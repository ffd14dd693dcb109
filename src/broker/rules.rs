//! Who may read and write which topics: a file in the format of Mosquitto's `acl_file`.
//!
//! `user NAME` begins the rules of a user; those before the first are for clients without a user.
//! `topic [read|write|readwrite|deny] FILTER` is a rule, `pattern …` one for everybody, in which
//! `%u` stands for the user's name and `%c` for the client id. What no rule allows is denied, and
//! what one denies is denied whatever others say.
//!
//! A subscription is looked at when it is made, not message by message: one that would also get
//! what is denied is refused. (Mosquitto takes it and leaves out the messages.)

use std::fs;
use std::path::Path;

use crate::pubsub::{Filter, TopicError};

use super::error::BrokerError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    Read,
    Write,
    ReadWrite,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anonymous,
    User(String),
    Everybody,
}

#[derive(Debug)]
struct Rule {
    who: Who,
    grant: Grant,
    what: What,
}

#[derive(Debug)]
enum What {
    Fixed(Filter),
    /// Has `%u` or `%c` in it.
    Pattern(String),
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Read,
    Write,
}

/// Who wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) id: &'a str,
}

#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn read(file: &Path) -> Result<Rules, BrokerError> {
        let text = fs::read_to_string(file).map_err(|e| BrokerError::file(file, e))?;
        Rules::parse(&text).map_err(|why| BrokerError::file(file, why))
    }

    fn parse(text: &str) -> Result<Rules, String> {
        let mut rules = Vec::new();
        let mut who = Who::Anonymous;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, rest) = split(line);
            let rule = match word {
                "user" if !rest.is_empty() => {
                    who = Who::User(rest.to_owned());
                    continue;
                }
                "topic" => rule(who.clone(), rest),
                "pattern" => rule(Who::Everybody, rest),
                _ => Err("expected user NAME, topic, or pattern".to_owned()),
            };
            rules.push(rule.map_err(|why| format!("line {number}: {why}"))?);
        }
        Ok(Rules(rules))
    }

    /// Whether the client may do that with the topic, or with all that the filter stands for.
    pub(super) fn allow(&self, client: Client<'_>, wish: Wish, topics: &Filter) -> bool {
        let mut allowed = false;
        for rule in self.0.iter().filter(|rule| rule.who.is(client)) {
            let pattern;
            let filter = match &rule.what {
                What::Fixed(filter) => filter,
                What::Pattern(text) => match fill_in(text, client) {
                    Some(filter) => {
                        pattern = filter;
                        &pattern
                    }
                    // Nothing is allowed by a name that would make another filter of it; what it
                    // would deny stays denied.
                    None if rule.grant == Grant::Deny => return false,
                    None => continue,
                },
            };
            match (rule.grant, wish) {
                (Grant::Deny, _) if filter.overlaps(topics) => return false,
                (Grant::Read | Grant::ReadWrite, Wish::Read)
                | (Grant::Write | Grant::ReadWrite, Wish::Write) => {
                    allowed |= filter.covers(topics);
                }
                _ => {}
            }
        }
        allowed
    }
}

impl Who {
    fn is(&self, client: Client<'_>) -> bool {
        match self {
            Who::Everybody => true,
            Who::Anonymous => client.user.is_none(),
            Who::User(name) => client.user == Some(name),
        }
    }
}

/// The first word, and what follows it.
fn split(line: &str) -> (&str, &str) {
    line.split_once(char::is_whitespace)
        .map_or((line, ""), |(word, rest)| (word, rest.trim_start()))
}

fn rule(who: Who, text: &str) -> Result<Rule, String> {
    let (word, rest) = split(text);
    let (grant, filter) = match word {
        "read" if !rest.is_empty() => (Grant::Read, rest),
        "write" if !rest.is_empty() => (Grant::Write, rest),
        "readwrite" if !rest.is_empty() => (Grant::ReadWrite, rest),
        "deny" if !rest.is_empty() => (Grant::Deny, rest),
        _ => (Grant::ReadWrite, text),
    };
    let checked = Filter::new(filter).map_err(|e: TopicError| format!("{filter:?}: {e}"))?;
    let is_pattern = who == Who::Everybody && (filter.contains("%u") || filter.contains("%c"));
    let what = if is_pattern {
        What::Pattern(filter.to_owned())
    } else {
        What::Fixed(checked)
    };
    Ok(Rule { who, grant, what })
}

/// The pattern for this client; none if the client has not what it asks for, or a name that is
/// more than a part of a level.
fn fill_in(pattern: &str, client: Client<'_>) -> Option<Filter> {
    let fits = |name: &str| !name.is_empty() && !name.contains(['/', '+', '#']);
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let name = match from.get(..2) {
            Some("%u") => client.user.filter(|name| fits(name))?,
            Some("%c") => Some(client.id).filter(|name| fits(name))?,
            _ => {
                text.push('%');
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
        };
        text.push_str(name);
        rest = from.get(2..).unwrap_or_default();
    }
    text.push_str(rest);
    Filter::new(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(rules: &str, user: Option<&str>, wish: Wish, topics: &str) -> bool {
        let rules = Rules::parse(rules).unwrap();
        let client = Client { user, id: "c-1" };
        rules.allow(client, wish, &Filter::new(topics).unwrap())
    }

    const REALM: &str = "
        # Those without a name can look.
        topic read realm/s/#

        user node
        topic realm/#

        user module
        topic deny realm/proc/#
        topic readwrite realm/#
        topic write logs/module
        pattern readwrite users/%u/#
        pattern read clients/%c/a%%b/%x
    ";

    #[test]
    fn modules_do_not_reach_control_topics() {
        let module = |wish, topics| allow(REALM, Some("module"), wish, topics);
        assert!(module(Wish::Write, "realm/s/light"));
        assert!(module(Wish::Read, "realm/s/#"));
        assert!(!module(Wish::Write, "realm/proc/control/1"));
        assert!(!module(Wish::Read, "realm/proc/#"));
        assert!(!module(Wish::Read, "realm/proc"));
        // These would get them, too.
        assert!(!module(Wish::Read, "realm/#"));
        assert!(!module(Wish::Read, "realm/+/reg"));
        assert!(!module(Wish::Read, "#"));
        assert!(module(
            Wish::Read,
            "realm/+x/reg".replace('+', "y").as_str()
        ));
        assert!(allow(REALM, Some("node"), Wish::Read, "realm/#"));
        assert!(allow(REALM, Some("node"), Wish::Write, "realm/proc/reg"));
    }

    #[test]
    fn what_no_rule_allows_is_denied() {
        assert!(allow(REALM, None, Wish::Read, "realm/s/+"));
        assert!(!allow(REALM, None, Wish::Write, "realm/s/light"));
        assert!(!allow(REALM, Some("else"), Wish::Read, "realm/s/+"));
        assert!(!allow(REALM, Some("module"), Wish::Read, "logs/module"));
        assert!(allow(REALM, Some("module"), Wish::Write, "logs/module"));
        assert!(!allow("", Some("module"), Wish::Read, "a"));
    }

    #[test]
    fn patterns() {
        assert!(allow(REALM, Some("else"), Wish::Write, "users/else/x"));
        assert!(!allow(REALM, Some("else"), Wish::Write, "users/other/x"));
        assert!(!allow(REALM, None, Wish::Write, "users//x"));
        // A name that would be a wildcard.
        assert!(!allow(REALM, Some("+"), Wish::Read, "users/+/x"));
        assert!(!allow(REALM, Some("a/b"), Wish::Write, "users/a/b/x"));
        assert!(allow(REALM, None, Wish::Read, "clients/c-1/a%%b/%x"));
        let deny = "pattern readwrite #\npattern deny secret/%u";
        assert!(allow(deny, Some("a"), Wish::Read, "secret/b"));
        assert!(!allow(deny, Some("a"), Wish::Read, "secret/a"));
        assert!(!allow(deny, Some("#"), Wish::Read, "secret/a"));
    }

    #[test]
    fn lines_that_cannot_be() {
        for (text, why) in [
            ("allow a", "line 1"),
            ("user", "line 1"),
            ("\ntopic", "line 2"),
            ("topic read a/#/b", "line 1"),
            ("topic deny", "good"),
            ("pattern x+", "line 1"),
        ] {
            match Rules::parse(text) {
                // "deny" is a topic, as in Mosquitto.
                Ok(_) => assert_eq!(why, "good", "{text}"),
                Err(error) => assert!(error.contains(why), "{text}: {error}"),
            }
        }
    }
}
