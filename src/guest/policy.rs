//! From the path that a module opens to a topic, or to a refusal.

use std::collections::HashMap;

use crate::pubsub::{Filter, Qos, Topic, TopicError};
use crate::wasi::Access;

use super::config::{ChannelSpec, GuestConfig, GuestError, UndeclaredTopics};
use super::refusal::Refusal;

/// What a module may open.
#[derive(Debug)]
pub(super) struct Policy {
    /// Declared channels, in order.
    declared: Vec<ChannelSpec>,
    by_path: HashMap<String, usize>,
    undeclared: UndeclaredTopics,
    /// With the slash behind it.
    realm: String,
    default_qos: Qos,
    /// What no module may publish on or subscribe to.
    control: Vec<Filter>,
}

/// What a path stands for.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// What is subscribed to.
    pub(super) filter: Filter,
    /// What is published on; a filter with wildcards is none.
    pub(super) topic: Option<Topic>,
    pub(super) qos: Qos,
}

impl Policy {
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn new(config: &GuestConfig) -> Result<Policy, GuestError> {
        let realm_error = |source| GuestError::Realm {
            realm: config.realm.clone(),
            source,
        };
        Topic::new(&config.realm).map_err(realm_error)?;
        let own_control = Filter::new(&format!("{}/proc/#", config.realm)).map_err(realm_error)?;
        let control = ["proc/#", "$SYS/#"].into_iter().map(Filter::new);
        let mut policy = Policy {
            declared: Vec::new(),
            by_path: HashMap::new(),
            undeclared: config.undeclared,
            realm: format!("{}/", config.realm),
            default_qos: config.default_qos,
            control: control
                .chain([Ok(own_control)])
                .collect::<Result<_, _>>()
                .map_err(realm_error)?,
        };
        if config.channels.len() > config.max_channels {
            return Err(GuestError::TooMany {
                declared: config.channels.len(),
                limit: config.max_channels,
            });
        }
        for channel in &config.channels {
            policy.declare(channel)?;
        }
        Ok(policy)
    }

    fn declare(&mut self, channel: &ChannelSpec) -> Result<(), GuestError> {
        let ChannelSpec { path, topic, .. } = channel;
        if path.is_empty() || path.contains('\0') {
            return Err(GuestError::Path(path.clone()));
        }
        let filter = Filter::new(topic).map_err(|source| GuestError::Topic {
            path: path.clone(),
            topic: topic.clone(),
            source,
        })?;
        if self.is_control(&filter) {
            return Err(GuestError::Control {
                path: path.clone(),
                topic: topic.clone(),
            });
        }
        match self.by_path.get(path).and_then(|at| self.declared.get(*at)) {
            // Said twice, which does no harm.
            Some(known) if known == channel => Ok(()),
            Some(_) => Err(GuestError::Twice(path.clone())),
            None => {
                self.by_path.insert(path.clone(), self.declared.len());
                self.declared.push(channel.clone());
                Ok(())
            }
        }
    }

    /// The declared channels, in order.
    pub(super) fn declared(&self) -> &[ChannelSpec] {
        &self.declared
    }

    /// Topics that begin with `$` mean something else to brokers: `$SYS` is theirs, and
    /// `$share/NAME/TOPIC` is a way to another topic.
    fn is_control(&self, filter: &Filter) -> bool {
        filter.as_str().starts_with('$')
            || self.control.iter().any(|control| control.overlaps(filter))
    }

    /// What a path stands for, if the module may open it for that.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn resolve(&self, path: &str, access: Access) -> Result<Resolved, Refusal> {
        let (topic, channel) = self.topic_of(path)?;
        let filter = Filter::new(&topic).map_err(|_| Refusal::NoTopic)?;
        if self.is_control(&filter) {
            return Err(Refusal::Control);
        }
        let allowed = channel.map_or(Access::READ_WRITE, |channel| channel.mode.access());
        if !allowed.contains(access) {
            return Err(Refusal::Mode);
        }
        let topic = match Topic::new(&topic) {
            Ok(topic) => Some(topic),
            Err(TopicError::Wildcard) if !access.write => None,
            Err(TopicError::Wildcard) => return Err(Refusal::Wildcard),
            Err(_) => return Err(Refusal::NoTopic),
        };
        Ok(Resolved {
            filter,
            topic,
            qos: channel.and_then(|c| c.qos).unwrap_or(self.default_qos),
        })
    }

    /// The text of the topic, and the declared channel that it comes from.
    fn topic_of(&self, path: &str) -> Result<(String, Option<&ChannelSpec>), Refusal> {
        if let Some((channel, rest)) = self.longest_declared(path) {
            return Ok((format!("{}{rest}", channel.topic), Some(channel)));
        }
        match self.undeclared {
            UndeclaredTopics::Declared => Err(Refusal::Undeclared),
            UndeclaredTopics::Realm => match path.strip_prefix(self.realm.as_str()) {
                Some(rest) if !rest.is_empty() => Ok((path.to_owned(), None)),
                _ => Err(Refusal::OutsideRealm),
            },
        }
    }

    /// The declared channel whose path is the path, or the longest whose path it continues with a
    /// slash; and what comes behind it.
    fn longest_declared<'p>(&self, path: &'p str) -> Option<(&ChannelSpec, &'p str)> {
        let ends = path.rmatch_indices('/').map(|(at, _)| at);
        std::iter::once(path.len()).chain(ends).find_map(|end| {
            let (beginning, rest) = path.split_at(end);
            let at = *self.by_path.get(beginning)?;
            Some((self.declared.get(at)?, rest))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::config::ChannelMode;
    use super::*;

    fn channel(path: &str, topic: &str, mode: ChannelMode) -> ChannelSpec {
        ChannelSpec {
            path: path.to_owned(),
            topic: topic.to_owned(),
            mode,
            qos: None,
        }
    }

    fn config(undeclared: UndeclaredTopics) -> GuestConfig {
        GuestConfig {
            channels: vec![
                channel("light", "kitchen/light", ChannelMode::ReadWrite),
                channel("light/status", "kitchen/state", ChannelMode::Read),
                channel("/ch/out", "realm/out", ChannelMode::Write),
                channel("all", "house/#", ChannelMode::ReadWrite),
                channel("top", "realm", ChannelMode::ReadWrite),
            ],
            undeclared,
            ..GuestConfig::default()
        }
    }

    fn policy() -> Policy {
        Policy::new(&config(UndeclaredTopics::Realm)).unwrap()
    }

    fn topic(path: &str, access: Access) -> Result<String, Refusal> {
        let resolved = policy().resolve(path, access)?;
        Ok(resolved.filter.as_str().to_owned())
    }

    #[test]
    fn declared_channels_and_what_continues_them() {
        for (path, want) in [
            ("light", "kitchen/light"),
            ("light/status", "kitchen/state"),
            ("light/status/x", "kitchen/state/x"),
            ("light/", "kitchen/light/"),
            ("light/a/b", "kitchen/light/a/b"),
            ("light/+/b", "kitchen/light/+/b"),
            ("all", "house/#"),
            ("realm/s/x", "realm/s/x"),
            ("realm/#x", "-"),
        ] {
            let got = topic(path, Access::READ);
            assert_eq!(got.as_deref().unwrap_or("-"), want, "{path}");
        }
        assert_eq!(topic("all/x", Access::READ), Err(Refusal::NoTopic));
    }

    #[test]
    fn modes_and_wildcards() {
        assert_eq!(topic("light/status", Access::WRITE), Err(Refusal::Mode));
        assert_eq!(topic("/ch/out", Access::READ), Err(Refusal::Mode));
        assert_eq!(topic("/ch/out/x", Access::READ_WRITE), Err(Refusal::Mode));
        assert!(topic("/ch/out/x", Access::WRITE).is_ok());
        assert_eq!(topic("all", Access::WRITE), Err(Refusal::Wildcard));
        assert_eq!(
            topic("realm/+/x", Access::READ),
            Err(Refusal::Control),
            "realm/proc/x is one of them"
        );
        assert!(topic("realm/s/+", Access::READ).is_ok());
        assert_eq!(topic("realm/s/+", Access::WRITE), Err(Refusal::Wildcard));
    }

    #[test]
    fn topics_of_the_realm_alone() {
        for path in [
            "realm", "realm/", "realms/x", "other/x", "Realm/x", "#", "+/s/x", "",
        ] {
            let refusal = topic(path, Access::READ).err();
            assert_eq!(refusal, Some(Refusal::OutsideRealm), "{path}");
        }
        let declared_only = Policy::new(&config(UndeclaredTopics::Declared)).unwrap();
        let refusal = declared_only.resolve("realm/s/x", Access::READ).err();
        assert_eq!(refusal, Some(Refusal::Undeclared));
        assert!(declared_only.resolve("light/x", Access::READ).is_ok());
    }

    #[test]
    fn never_a_control_topic() {
        for path in [
            "realm/proc",
            "realm/proc/reg",
            "realm/proc/control/x",
            "realm/#",
            "realm/+",
            "realm/+/#",
            "top/proc/reg",
            "top/proc",
            "top/#",
            "top/+/reg",
        ] {
            for access in [Access::READ, Access::WRITE] {
                assert_eq!(topic(path, access), Err(Refusal::Control), "{path}");
            }
        }
        for topic in [
            "proc/control/x",
            "proc",
            "$SYS/broker",
            "$SYS",
            "#",
            "+/proc/x",
            "+/+/x",
            "realm/#",
            "+",
        ] {
            let mut config = config(UndeclaredTopics::Realm);
            config.channels = vec![channel("x", topic, ChannelMode::Read)];
            let error = Policy::new(&config).unwrap_err();
            assert!(matches!(error, GuestError::Control { .. }), "{topic}");
        }
        // A shared subscription is not a way round.
        let mut config = config(UndeclaredTopics::Realm);
        config.channels = vec![channel("x", "$share/g/realm/proc/#", ChannelMode::Read)];
        assert!(Policy::new(&config).is_err());
    }

    #[test]
    fn what_cannot_be_declared() {
        let with = |channels: Vec<ChannelSpec>| {
            Policy::new(&GuestConfig {
                channels,
                max_channels: 2,
                ..GuestConfig::default()
            })
        };
        let ok = channel("a", "t", ChannelMode::Read);
        assert!(with(vec![ok.clone(), ok.clone()]).is_ok());
        let other = channel("a", "u", ChannelMode::Read);
        let error = with(vec![ok.clone(), other]).unwrap_err();
        assert_eq!(error, GuestError::Twice("a".to_owned()));
        assert!(matches!(
            with(vec![ok.clone(), ok.clone(), ok.clone()]).unwrap_err(),
            GuestError::TooMany {
                declared: 3,
                limit: 2
            }
        ));
        for (path, topic) in [
            ("", "t"),
            ("a\0", "t"),
            ("a", ""),
            ("a", "t\0"),
            ("a", "x#"),
        ] {
            assert!(with(vec![channel(path, topic, ChannelMode::Read)]).is_err());
        }
        for realm in ["", "a/#", "+", "a\0"] {
            let config = GuestConfig {
                realm: realm.to_owned(),
                ..GuestConfig::default()
            };
            assert!(matches!(
                Policy::new(&config),
                Err(GuestError::Realm { .. })
            ));
        }
    }

    proptest! {
        /// Whatever a module opens, no message on a control topic comes to it.
        #[test]
        fn no_path_leads_to_a_control_topic(
            levels in proptest::collection::vec(
                prop_oneof![
                    Just("realm"), Just("proc"), Just("+"), Just("#"), Just("top"), Just("light"),
                    Just("$SYS"), Just("$share"), Just(""), Just("all"), Just("x"), Just("house"),
                ],
                0..6,
            ),
        ) {
            if let Ok(resolved) = policy().resolve(&levels.join("/"), Access::READ) {
                for control in [
                    "realm/proc", "realm/proc/x", "realm/proc/x/x", "proc", "proc/x", "proc/x/x/x",
                    "realm/proc/", "$SYS", "$SYS/x", "$SYS/x/realm",
                ] {
                    prop_assert!(!resolved.filter.matches(control), "{:?}", resolved);
                }
                prop_assert!(!resolved.filter.as_str().starts_with('$'));
            }
        }
    }
}
