//! What a module gets, and what it may open.

use uuid::Uuid;

use crate::pubsub::{Lane, MailboxLimits, Qos, TopicError};
use crate::wasi::Access;

/// What a channel may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelMode {
    /// To get messages.
    Read,
    /// To publish messages.
    Write,
    /// Both.
    #[default]
    ReadWrite,
}

impl ChannelMode {
    pub(super) fn access(self) -> Access {
        match self {
            Self::Read => Access::READ,
            Self::Write => Access::WRITE,
            Self::ReadWrite => Access::READ_WRITE,
        }
    }

    /// As it is written in messages: `r`, `w` or `rw`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "w",
            Self::ReadWrite => "rw",
        }
    }
}

/// A channel that is declared for a module: a path of the module's, bound to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    /// What the module opens. A path `/ch/NAME` is also a directory of the module's.
    pub path: String,
    /// The topic; with wildcards it can only be read.
    pub topic: String,
    /// What it may be opened for.
    pub mode: ChannelMode,
    /// How hard its messages are delivered; None for [`GuestConfig::default_qos`].
    pub qos: Option<Qos>,
}

/// Which topics a module may open beside its declared channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UndeclaredTopics {
    /// None.
    Declared,
    /// Those of the realm, but not its control topics.
    #[default]
    Realm,
}

/// What a [`Guest`](super::Guest) is made of.
#[derive(Clone, Debug)]
pub struct GuestConfig {
    /// The module's uuid.
    pub uuid: Uuid,
    /// The uuid of the runtime that runs it.
    pub runtime_uuid: Uuid,
    /// The first levels of all of the realm's topics.
    pub realm: String,
    /// The declared channels, in the order in which the module gets their directories.
    pub channels: Vec<ChannelSpec>,
    /// What else it may open.
    pub undeclared: UndeclaredTopics,
    /// How much may wait to be read.
    pub mailbox: MailboxLimits,
    /// How hard messages are delivered where a channel does not say it.
    pub default_qos: Qos,
    /// How many channels may be open at once, and how many may be declared.
    pub max_channels: usize,
    /// The longest message that the module may publish, in bytes.
    pub max_message: usize,
    /// In which its messages wait for the broker; None for a lane of its own.
    pub lane: Option<Lane>,
}

impl Default for GuestConfig {
    fn default() -> Self {
        Self {
            uuid: Uuid::nil(),
            runtime_uuid: Uuid::nil(),
            realm: "realm".to_owned(),
            channels: Vec::new(),
            undeclared: UndeclaredTopics::default(),
            mailbox: MailboxLimits::default(),
            default_qos: Qos::default(),
            max_channels: 1000,
            max_message: 256 << 20,
            lane: None,
        }
    }
}

/// Why a module's channels cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The realm is no topic.
    #[error("the realm {realm:?} cannot be the beginning of topics: {source}")]
    Realm {
        /// The realm.
        realm: String,
        /// What is wrong with it.
        source: TopicError,
    },
    /// A channel's path is empty or has a NUL.
    #[error("a channel's path has at least one character, and no NUL: {0:?}")]
    Path(String),
    /// A channel's topic is no topic, and no filter either.
    #[error("the topic {topic:?} of channel {path:?} cannot be used: {source}")]
    Topic {
        /// The channel's path.
        path: String,
        /// Its topic.
        topic: String,
        /// What is wrong with it.
        source: TopicError,
    },
    /// A channel's topic is, or may be, one that no module may use.
    #[error(
        "the topic {topic:?} of channel {path:?} is for supervisors and runtimes, or the broker's own"
    )]
    Control {
        /// The channel's path.
        path: String,
        /// Its topic.
        topic: String,
    },
    /// Two channels have the same path.
    #[error("two channels have the path {0:?}, with different topics or modes")]
    Twice(String),
    /// More channels than may be open.
    #[error("{declared} channels are declared, and a module may have {limit}")]
    TooMany {
        /// How many are declared.
        declared: usize,
        /// How many there may be.
        limit: usize,
    },
}
