//! Messages, and who moves them.

use bytes::Bytes;

use super::topic::{Filter, Topic};

/// How hard MQTT tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qos {
    /// 0: once or never.
    #[default]
    AtMostOnce,
    /// 1: until it is acknowledged.
    AtLeastOnce,
}

/// A message. Clones share topic and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is published on.
    pub topic: Topic,
    /// What it says.
    pub payload: Bytes,
    /// How hard it is delivered.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers, or has kept it.
    pub retain: bool,
}

impl Message {
    /// A message that is not retained.
    #[must_use]
    pub fn new(topic: Topic, payload: impl Into<Bytes>, qos: Qos) -> Message {
        Message {
            topic,
            payload: payload.into(),
            qos,
            retain: false,
        }
    }

    /// The bytes of topic and payload, by which queues are bounded.
    #[must_use]
    pub fn size(&self) -> usize {
        self.topic.as_str().len() + self.payload.len()
    }
}

/// A message from the broker.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// The message.
    pub message: Message,
    /// Which of our subscriptions it comes for (MQTT 5); empty when the broker does not say.
    pub subscription_ids: Vec<u32>,
    /// The broker has sent it before and does not know whether it came.
    pub dup: bool,
}

/// Why a message does not go to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The outbox has no room for it.
    #[error("too much is waiting for the broker already")]
    Full,
    /// As [`PublishError::Full`], and nobody in this process has room for it either.
    #[error("too much is waiting for the broker already, and for everybody here")]
    AllFull,
    /// MQTT cannot carry it.
    #[error("the message is larger than MQTT allows")]
    TooLarge,
    /// It is not to be kept for later, and there is no connection.
    #[error("the broker is not connected")]
    Offline,
}

/// Whose messages wait for the broker in one line. Those of one lane keep their order; lanes take
/// turns, and none can fill all the room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane(u64);

impl Lane {
    /// The node's own, which goes first and has room that is for it alone.
    pub(super) const OWN: Lane = Lane(0);

    /// That of everybody who has none.
    pub(super) const COMMON: Lane = Lane(1);

    /// One of those that modules have.
    pub(super) fn new(number: u64) -> Lane {
        Lane(number.saturating_add(2))
    }
}

/// Whose room a message takes that waits in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// That of all who publish: the lane's part of it for messages.
    Messages,
    /// The lane's part of it for output, so that one whose messages fill theirs can still say so.
    Output,
    /// That of the node's own messages.
    Node,
}

/// Gets the messages of a subscription.
pub trait Subscriber: Send + Sync {
    /// Takes a message. Called on the publisher's or the link's thread: it must not block, must
    /// not call the router, and must not drop a subscription.
    fn deliver(&self, message: &Message);

    /// Takes a message as [`Subscriber::deliver`] does. Whether nothing was lost over it.
    fn offer(&self, message: &Message) -> bool {
        self.deliver(message);
        true
    }
}

/// The way to the broker. Nothing here blocks or calls the router: what cannot be done at once is
/// queued.
///
/// Subscriptions are told in the order in which they change, and go before messages that wait:
/// the router counts on the broker to send back what goes out after them. Of what is said about
/// one filter the last word counts. What was not sent yet may be left out, and had better be: a
/// module may subscribe and unsubscribe faster than a broker can.
pub trait Uplink: Send + Sync {
    /// Publishes a message.
    ///
    /// # Errors
    /// When it is not taken, and so is lost for the broker.
    fn publish(&self, message: Message) -> Result<(), PublishError>;

    /// Publishes a message that waits with others of its lane, if it has to wait.
    ///
    /// # Errors
    /// As [`Uplink::publish`].
    fn publish_in(&self, lane: Lane, share: Share, message: Message) -> Result<(), PublishError> {
        let _ = (lane, share);
        self.publish(message)
    }

    /// Publishes a message of the node's own, which does not wait behind those of modules.
    ///
    /// # Errors
    /// As [`Uplink::publish`].
    fn publish_own(&self, message: Message) -> Result<(), PublishError> {
        self.publish(message)
    }

    /// Subscribes at the broker; `id` is the subscription's identifier in MQTT 5.
    fn subscribe(&self, filter: Filter, qos: Qos, id: u32);

    /// Ends a subscription at the broker.
    fn unsubscribe(&self, filter: Filter);
}
