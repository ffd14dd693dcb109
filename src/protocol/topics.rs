//! The topics below `<realm>/proc/`.

use thiserror::Error;
use uuid::Uuid;

/// The longest realm, in bytes.
pub const MAX_REALM: usize = 1024;

/// The topics of one realm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topics {
    realm: String,
}

/// Why a text is not a realm.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RealmError {
    /// Nothing, or nothing between two slashes.
    #[error("realm {0:?} has an empty level: it is one or more names with a slash between them")]
    EmptyLevel(String),
    /// `+`, `#`, or a control character.
    #[error("realm {realm:?} must not contain {character:?}")]
    Character {
        /// The realm.
        realm: String,
        /// What is in it.
        character: char,
    },
    /// A broker keeps topics that begin with `$` for itself.
    #[error("realm {0:?} must not begin with `$`")]
    Dollar(String),
    /// More than [`MAX_REALM`] bytes.
    #[error("the realm has {0} bytes, more than {MAX_REALM}")]
    TooLong(usize),
}

impl Topics {
    /// The topics of `realm`, such as `realm` or `lab/floor1`.
    ///
    /// # Errors
    ///
    /// When `realm` cannot be the beginning of a topic.
    pub fn new(realm: &str) -> Result<Self, RealmError> {
        if realm.len() > MAX_REALM {
            return Err(RealmError::TooLong(realm.len()));
        }
        if realm.split('/').any(str::is_empty) {
            return Err(RealmError::EmptyLevel(realm.to_owned()));
        }
        if let Some(character) = realm
            .chars()
            .find(|c| matches!(c, '+' | '#') || c.is_control())
        {
            return Err(RealmError::Character {
                realm: realm.to_owned(),
                character,
            });
        }
        if realm.starts_with('$') {
            return Err(RealmError::Dollar(realm.to_owned()));
        }
        Ok(Self {
            realm: realm.to_owned(),
        })
    }

    /// The realm itself.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What all topics of this protocol begin with. Modules may not open any of them.
    #[must_use]
    pub fn proc_prefix(&self) -> String {
        format!("{}/proc/", self.realm)
    }

    /// Where runtimes register, and where they are answered.
    #[must_use]
    pub fn reg(&self) -> String {
        format!("{}/proc/reg", self.realm)
    }

    /// Where runtimes say that they are alive.
    #[must_use]
    pub fn keepalive(&self) -> String {
        format!("{}/proc/keepalive", self.realm)
    }

    /// Where clients ask the supervisor, and where ended modules are reported.
    #[must_use]
    pub fn control_any(&self) -> String {
        format!("{}/proc/control", self.realm)
    }

    /// Where the runtime `runtime` gets its requests, and answers them.
    #[must_use]
    pub fn control(&self, runtime: Uuid) -> String {
        format!("{}/proc/control/{runtime}", self.realm)
    }

    /// Where browser runtimes send the modules that migrate to `runtime`: the realm is missing.
    #[must_use]
    pub fn control_without_realm(runtime: Uuid) -> String {
        format!("proc/control/{runtime}")
    }

    /// Where the lines of a module's stdout and stderr go.
    #[must_use]
    pub fn stdout(&self, module: Uuid) -> String {
        format!("{}/proc/debug/stdout/{module}", self.realm)
    }

    /// What is before the uuid in [`Topics::stdout`].
    #[must_use]
    pub fn stdout_any(&self) -> String {
        format!("{}/proc/debug/stdout", self.realm)
    }

    /// Where the lines for a module's stdin come from.
    #[must_use]
    pub fn stdin(&self, module: Uuid) -> String {
        format!("{}/proc/debug/stdin/{module}", self.realm)
    }
}

impl Default for Topics {
    /// The topics of the realm `realm`.
    fn default() -> Self {
        Self {
            realm: "realm".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_begin_with_the_realm() {
        let topics = Topics::new("lab/floor1").unwrap();
        let uuid = Uuid::nil();
        assert_eq!(topics.realm(), "lab/floor1");
        assert_eq!(topics.reg(), "lab/floor1/proc/reg");
        assert_eq!(topics.keepalive(), "lab/floor1/proc/keepalive");
        assert_eq!(topics.control_any(), "lab/floor1/proc/control");
        assert_eq!(
            topics.control(uuid),
            format!("lab/floor1/proc/control/{uuid}")
        );
        assert_eq!(
            topics.stdout(uuid),
            format!("lab/floor1/proc/debug/stdout/{uuid}")
        );
        assert_eq!(
            topics.stdin(uuid),
            format!("lab/floor1/proc/debug/stdin/{uuid}")
        );
        assert_eq!(
            Topics::control_without_realm(uuid),
            format!("proc/control/{uuid}")
        );
        assert!(topics.stdin(uuid).starts_with(&topics.proc_prefix()));
        assert_eq!(Topics::default(), Topics::new("realm").unwrap());
    }

    #[test]
    fn a_realm_is_the_beginning_of_a_topic() {
        for realm in ["", "/", "/realm", "realm/", "a//b"] {
            assert_eq!(
                Topics::new(realm),
                Err(RealmError::EmptyLevel(realm.to_owned()))
            );
        }
        for (realm, character) in [("a/+", '+'), ("#", '#'), ("a\0b", '\0'), ("a\nb", '\n')] {
            let expected = RealmError::Character {
                realm: realm.to_owned(),
                character,
            };
            assert_eq!(Topics::new(realm), Err(expected));
        }
        assert_eq!(
            Topics::new("$SYS"),
            Err(RealmError::Dollar("$SYS".to_owned()))
        );
        assert_eq!(
            Topics::new(&"x".repeat(2000)),
            Err(RealmError::TooLong(2000))
        );
    }
}
