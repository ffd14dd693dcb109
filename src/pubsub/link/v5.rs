//! MQTT 5: with no local, so that our own messages do not come back, and subscription identifiers.

use bytes::{Bytes, BytesMut};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode,
    Filter as SubscribeFilter, LastWill, Login, Packet, PingReq, PubAckReason, Publish,
    RetainForwardRule, Subscribe, SubscribeProperties, SubscribeReasonCode, Unsubscribe,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rumqttc::v5::{Event, MqttState, Request, StateError};

use super::super::message::{Message, Qos};
use super::super::topic::Filter;
use super::failure::Failure;
use super::outbox::MAX_PACKET;
use super::session::{Hello, Incoming, Session, Welcome, inbound, not_in_tls};

pub(super) struct V5 {
    state: MqttState,
    /// How many messages may be in flight, as we have it, and as the broker says.
    most: u16,
    window: u16,
}

impl V5 {
    /// With so many messages in flight at most.
    pub(super) fn new(window: u16) -> V5 {
        V5 {
            state: MqttState::new(window, false),
            most: window,
            window,
        }
    }
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
    }
}

fn publish(message: &Message) -> Publish {
    Publish {
        dup: false,
        qos: qos(message.qos),
        retain: message.retain,
        topic: Bytes::copy_from_slice(message.topic.as_str().as_bytes()),
        pkid: 0,
        payload: message.payload.clone(),
        properties: None,
    }
}

fn write(packet: &Packet, out: &mut BytesMut) -> Result<(), Failure> {
    packet
        .write(out, None)
        .map(|_| ())
        .map_err(|e| Failure::protocol(&e))
}

fn max_packet() -> Option<u32> {
    u32::try_from(MAX_PACKET).ok()
}

impl Session for V5 {
    fn connect(&self, hello: &Hello, out: &mut BytesMut) -> Result<(), Failure> {
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = max_packet();
        let connect = Connect {
            keep_alive: hello.keep_alive,
            client_id: hello.client_id.clone(),
            clean_start: true,
            properties: Some(properties),
        };
        let will = hello.will.as_ref().map(|will| LastWill {
            topic: Bytes::copy_from_slice(will.topic.as_str().as_bytes()),
            message: will.payload.clone(),
            qos: qos(will.qos),
            retain: will.retain,
            properties: None,
        });
        let login = hello
            .login
            .clone()
            .map(|(username, password)| Login { username, password });
        write(&Packet::Connect(connect, will, login), out)
    }

    fn read(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Incoming>, Failure> {
        not_in_tls(input)?;
        let mut packet = match Packet::read(input, max_packet()) {
            Ok(packet) => packet,
            Err(Error::InsufficientBytes(missing)) => {
                input.reserve(missing);
                return Ok(None);
            }
            Err(error) => return Err(Failure::protocol(&error)),
        };
        if let Packet::ConnAck(answer) = &packet {
            check(answer)?;
        }
        // The library would not send what waits for the identifier of a message that is refused.
        let refused = match &mut packet {
            Packet::PubAck(ack) => {
                refusal(std::mem::replace(&mut ack.reason, PubAckReason::Success))
            }
            _ => None,
        };
        let answer = self.state.handle_incoming_packet(packet).map_err(state)?;
        if let Some(answer) = answer {
            write(&answer, out)?;
        }
        let packet = self.state.events.pop_front();
        self.state.events.clear();
        Ok(Some(match packet {
            Some(Event::Incoming(Packet::Publish(p))) => {
                let ids = p.properties.map_or_else(Vec::new, |properties| {
                    let ids = properties.subscription_identifiers.into_iter();
                    ids.filter_map(|id| u32::try_from(id).ok()).collect()
                });
                std::str::from_utf8(&p.topic)
                    .ok()
                    .and_then(|topic| inbound(topic, p.payload, p.qos as u8, p.retain, p.dup, ids))
                    .map_or(Incoming::Other, Incoming::Message)
            }
            Some(Event::Incoming(Packet::PubAck(ack))) => Incoming::Acknowledged(ack.pkid, refused),
            Some(Event::Incoming(Packet::SubAck(ack))) => {
                let taken =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                Incoming::Subscribed(ack.pkid, ack.return_codes.iter().map(taken).collect())
            }
            Some(Event::Incoming(Packet::ConnAck(answer))) => {
                let welcome = welcome(&answer);
                self.window = welcome.window.unwrap_or(self.most).clamp(1, self.most);
                Incoming::Welcome(welcome)
            }
            Some(Event::Incoming(Packet::PingResp(_))) => Incoming::Pong,
            _ => Incoming::Other,
        }))
    }

    fn has_room(&self) -> bool {
        self.state.inflight() < self.window && self.state.collision.is_none()
    }

    fn packet_size(&self, message: &Message) -> usize {
        // The identifier is not counted before it is there.
        publish(message).size() + 2
    }

    fn publish(&mut self, message: &Message, out: &mut BytesMut) -> Result<Option<u16>, Failure> {
        let request = Request::Publish(publish(message));
        let packet = self.state.handle_outgoing_packet(request).map_err(state)?;
        let event = self.state.events.pop_front();
        if let Some(packet) = packet {
            write(&packet, out)?;
        }
        Ok(match event {
            // A broker that acknowledges out of order: it is sent when its identifier is free.
            Some(Event::Outgoing(Outgoing::Publish(id) | Outgoing::AwaitAck(id))) if id > 0 => {
                Some(id)
            }
            _ => None,
        })
    }

    fn subscribe(
        &mut self,
        request: u16,
        filters: &[(Filter, Qos, u32)],
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let id = filters
            .first()
            .and_then(|(.., id)| usize::try_from(*id).ok());
        let properties = SubscribeProperties {
            id,
            user_properties: Vec::new(),
        };
        let filters = filters.iter().map(|(filter, quality, _)| SubscribeFilter {
            path: filter.to_string(),
            qos: qos(*quality),
            nolocal: true,
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::OnEverySubscribe,
        });
        let mut packet = Subscribe::new_many(filters, Some(properties));
        packet.pkid = request;
        write(&Packet::Subscribe(packet), out)
    }

    fn fit(&self, _: &[(Filter, Qos, u32)]) -> usize {
        // A packet has one subscription identifier.
        1
    }

    fn unsubscribe(
        &mut self,
        request: u16,
        filter: &Filter,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let mut packet = Unsubscribe::new(filter.as_str(), None);
        packet.pkid = request;
        write(&Packet::Unsubscribe(packet), out)
    }

    fn ping(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        write(&Packet::PingReq(PingReq), out)
    }

    fn disconnect(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        let packet = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
        write(&Packet::Disconnect(packet), out)
    }

    fn no_local(&self) -> bool {
        true
    }
}

fn check(answer: &ConnAck) -> Result<(), Failure> {
    let more = answer
        .properties
        .as_ref()
        .and_then(|properties| properties.reason_string.as_deref())
        .map_or_else(String::new, |reason| {
            format!(" ({})", reason.escape_debug())
        });
    Err(match answer.code {
        ConnectReturnCode::Success => return Ok(()),
        ConnectReturnCode::BadUserNamePassword
        | ConnectReturnCode::NotAuthorized
        | ConnectReturnCode::BadAuthenticationMethod => Failure::refused(format!(
            "the broker does not let us in: check user name and password, or the token{more}"
        )),
        ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerUnavailable
        | ConnectReturnCode::ServerBusy => {
            Failure::network(format!("the broker is not available{more}"))
        }
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion => {
            Failure::refused(format!("the broker does not speak MQTT 5{more}"))
        }
        code => Failure::refused(format!("the broker refuses the connection: {code:?}{more}")),
    })
}

/// Why a message is not taken; `None` when it is.
fn refusal(reason: PubAckReason) -> Option<String> {
    Some(match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return None,
        PubAckReason::NotAuthorized => "we may not publish there".to_owned(),
        other => format!("{other:?}"),
    })
}

fn welcome(answer: &ConnAck) -> Welcome {
    answer
        .properties
        .as_ref()
        .map_or_else(Welcome::default, |properties| Welcome {
            window: properties.receive_max,
            max_packet: properties
                .max_packet_size
                .and_then(|size| usize::try_from(size).ok()),
            keep_alive: properties.server_keep_alive,
        })
}

fn state(error: StateError) -> Failure {
    match error {
        StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::ServerShuttingDown,
            ..
        } => Failure::network("the broker is shutting down"),
        StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        } => Failure::refused("another client has connected with our client id"),
        StateError::ServerDisconnect {
            reason_code,
            reason_string,
        } => {
            let more = reason_string.map_or_else(String::new, |reason| {
                format!(" ({})", reason.escape_debug())
            });
            Failure::refused(format!(
                "the broker ended the connection: {reason_code:?}{more}"
            ))
        }
        error => Failure::protocol(&error),
    }
}
