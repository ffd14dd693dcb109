//! Publish and subscribe: topics and filters, the router within the process, and the MQTT link.
//!
//! A [`Router`] connects everybody in the process who publishes or subscribes, and the broker.
//!
//! - A message is delivered in this process at once, without a round trip through the broker,
//!   and goes to the broker for everybody else.
//! - Each subscription gets each message that matches it once. Our own messages, which the
//!   broker sends back, are dropped, and so are copies that it sends for several of our
//!   subscriptions.
//! - Of all filters only those that no other covers are subscribed at the broker.
//! - Programs that are many clients at once have a [`Peer`] for each, which is a connection
//!   without a thread, and without a router.
//! - Whoever subscribes must not block. A module has a [`Mailbox`]: bounded, counted, with a
//!   [`Queue`] for each channel. Payloads are shared, not copied.

mod arrivals;
mod broker_url;
mod echo;
mod link;
mod mailbox;
mod message;
mod router;
mod source;
mod topic;
mod trie;
mod upstream;

pub use arrivals::{Seen, Watch};
pub use broker_url::{BrokerUrl, BrokerUrlError, Transport};
pub use link::{
    Backoff, Credentials, Link, LinkConfig, LinkCounters, LinkError, LinkEvent, LinkStatus, Peer,
    PeerError, Protocol, TlsConfig,
};
pub use mailbox::{Mailbox, MailboxLimits, MailboxStats, Overflow, Queue, Wait};
pub use message::{Inbound, Lane, Message, PublishError, Qos, Share, Subscriber, Uplink};
pub use router::{Router, Subscription};
pub use topic::{Filter, MAX_TOPIC, Topic, TopicError};
