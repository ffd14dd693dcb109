//! The protocol, without the network: packets in and out of buffers.
//!
//! rumqttc has packets, their encoding, and the state of a connection (identifiers, what is not
//! acknowledged, the answers to what arrives) for MQTT 3.1.1 and for MQTT 5, apart from each
//! other. A [`Session`] is either of them.

use bytes::{Bytes, BytesMut};

use super::super::message::{Inbound, Message, Qos};
use super::super::topic::{Filter, Topic};
use super::config::Protocol;
use super::failure::Failure;
use super::v4::V4;
use super::v5::V5;

/// How many messages may be in flight, unless the broker says less.
pub(super) const WINDOW: u16 = 256;

/// Payloads up to that length are copied. Larger ones share the buffer that they were read into,
/// and keep it.
const COPIED_PAYLOAD: usize = 16 * 1024;

/// What we say of ourselves when we connect.
pub(super) struct Hello {
    pub(super) client_id: String,
    /// In seconds.
    pub(super) keep_alive: u16,
    pub(super) login: Option<(String, String)>,
    pub(super) will: Option<Message>,
}

/// What the broker says.
pub(super) enum Incoming {
    /// We are connected.
    Welcome(Welcome),
    /// A message. The acknowledgement, if it wants one, is written already.
    Message(Inbound),
    /// The message that was sent under this identifier is acknowledged; or refused, and why.
    Acknowledged(u16, Option<String>),
    /// The answer to a request to subscribe: for each filter whether it is subscribed.
    Subscribed(u16, Vec<bool>),
    /// The answer to a ping.
    Pong,
    /// Something that nobody waits for.
    Other,
}

/// What the broker says when we connect.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Welcome {
    /// How many messages may be in flight.
    pub(super) window: Option<u16>,
    /// The largest packet that it takes.
    pub(super) max_packet: Option<usize>,
    /// The keep-alive that it wants, in seconds.
    pub(super) keep_alive: Option<u16>,
}

/// One connection's protocol. Packets are appended to `out`.
pub(super) trait Session: Send {
    fn connect(&self, hello: &Hello, out: &mut BytesMut) -> Result<(), Failure>;

    /// Takes one packet from `input`, where there is a whole one; its answer goes to `out`.
    fn read(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Incoming>, Failure>;

    /// Whether a message of quality 1 can be sent now.
    fn has_room(&self) -> bool;

    /// The size of the packet for a message.
    fn packet_size(&self, message: &Message) -> usize;

    /// Sends a message; with quality 1, under the identifier that is returned.
    fn publish(&mut self, message: &Message, out: &mut BytesMut) -> Result<Option<u16>, Failure>;

    /// Subscribes to filters that fit in one packet: see [`Session::fit`].
    fn subscribe(
        &mut self,
        request: u16,
        filters: &[(Filter, Qos, u32)],
        out: &mut BytesMut,
    ) -> Result<(), Failure>;

    /// How many of these subscriptions one packet can ask for. At least one.
    fn fit(&self, filters: &[(Filter, Qos, u32)]) -> usize;

    fn unsubscribe(
        &mut self,
        request: u16,
        filter: &Filter,
        out: &mut BytesMut,
    ) -> Result<(), Failure>;

    fn ping(&mut self, out: &mut BytesMut) -> Result<(), Failure>;

    /// Says that we go, so that there is no will.
    fn disconnect(&mut self, out: &mut BytesMut) -> Result<(), Failure>;

    /// Whether our own messages do not come back.
    fn no_local(&self) -> bool;
}

/// Fails when the broker answers in TLS: with an alert, since it has not understood our hello. MQTT has no
/// packet that begins so and comes from a broker.
pub(super) fn not_in_tls(input: &[u8]) -> Result<(), Failure> {
    const ALERT: [u8; 2] = [0x15, 0x03];
    if input.starts_with(&ALERT) {
        return Err(Failure::refused(
            "it speaks TLS at this port, and we do not: take mqtts:// or wss://, or its port without TLS",
        ));
    }
    Ok(())
}

/// A session of this protocol, with so many messages in flight at most.
pub(super) fn of(protocol: Protocol, window: u16) -> Box<dyn Session> {
    match protocol {
        Protocol::Mqtt311 => Box::new(V4::new(window)),
        Protocol::Mqtt5 => Box::new(V5::new(window)),
    }
}

/// A message as it came, if its topic is one.
pub(super) fn inbound(
    topic: &str,
    payload: Bytes,
    quality: u8,
    retain: bool,
    dup: bool,
    subscription_ids: Vec<u32>,
) -> Option<Inbound> {
    let payload = if payload.len() <= COPIED_PAYLOAD {
        Bytes::copy_from_slice(&payload)
    } else {
        payload
    };
    let qos = if quality == 0 {
        Qos::AtMostOnce
    } else {
        Qos::AtLeastOnce
    };
    Some(Inbound {
        message: Message {
            topic: Topic::new(topic).ok()?,
            payload,
            qos,
            retain,
        },
        subscription_ids,
        dup,
    })
}
