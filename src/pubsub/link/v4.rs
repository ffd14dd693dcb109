//! MQTT 3.1.1.

use bytes::BytesMut;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, Disconnect, LastWill, Login, Packet, PingReq, Publish, Subscribe,
    SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};
use rumqttc::{Event, MqttState, Outgoing, Request};

use super::super::message::{Message, Qos};
use super::super::topic::Filter;
use super::failure::Failure;
use super::outbox::MAX_PACKET;
use super::session::{Hello, Incoming, Session, Welcome, inbound, not_in_tls};

/// So many bytes of filters go in one packet, which brokers take that limit packets.
const MAX_FILTERS: usize = 8 * 1024;

pub(super) struct V4 {
    state: MqttState,
    window: u16,
}

impl V4 {
    /// With so many messages in flight at most.
    pub(super) fn new(window: u16) -> V4 {
        V4 {
            state: MqttState::new(window, false),
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
        topic: message.topic.as_str().to_owned(),
        pkid: 0,
        payload: message.payload.clone(),
    }
}

fn write(packet: &Packet, out: &mut BytesMut) -> Result<(), Failure> {
    packet
        .write(out, MAX_PACKET + 5)
        .map(|_| ())
        .map_err(|e| Failure::protocol(&e))
}

impl Session for V4 {
    fn connect(&self, hello: &Hello, out: &mut BytesMut) -> Result<(), Failure> {
        let mut connect = Connect::new(hello.client_id.clone());
        connect.keep_alive = hello.keep_alive;
        connect.login = hello.login.clone().map(|(user, password)| Login {
            username: user,
            password,
        });
        connect.last_will = hello.will.as_ref().map(|will| LastWill {
            topic: will.topic.as_str().to_owned(),
            message: will.payload.clone(),
            qos: qos(will.qos),
            retain: will.retain,
        });
        write(&Packet::Connect(connect), out)
    }

    fn read(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Incoming>, Failure> {
        not_in_tls(input)?;
        let packet = match Packet::read(input, MAX_PACKET) {
            Ok(Packet::ConnAck(answer)) => return welcome(answer.code).map(Some),
            Ok(packet) => packet,
            Err(Error::InsufficientBytes(missing)) => {
                input.reserve(missing);
                return Ok(None);
            }
            Err(error) => return Err(Failure::protocol(&error)),
        };
        let answer = self
            .state
            .handle_incoming_packet(packet)
            .map_err(|e| Failure::protocol(&e))?;
        if let Some(answer) = answer {
            write(&answer, out)?;
        }
        let packet = self.state.events.pop_front();
        self.state.events.clear();
        Ok(Some(match packet {
            Some(Event::Incoming(Packet::Publish(p))) => inbound(
                &p.topic,
                p.payload,
                p.qos as u8,
                p.retain,
                p.dup,
                Vec::new(),
            )
            .map_or(Incoming::Other, Incoming::Message),
            Some(Event::Incoming(Packet::PubAck(ack))) => Incoming::Acknowledged(ack.pkid, None),
            Some(Event::Incoming(Packet::SubAck(ack))) => {
                let taken = |code: &SubscribeReasonCode| *code != SubscribeReasonCode::Failure;
                Incoming::Subscribed(ack.pkid, ack.return_codes.iter().map(taken).collect())
            }
            Some(Event::Incoming(Packet::PingResp)) => Incoming::Pong,
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
        let packet = self
            .state
            .handle_outgoing_packet(request)
            .map_err(|e| Failure::protocol(&e))?;
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
        let filters = filters
            .iter()
            .map(|(filter, quality, _)| SubscribeFilter::new(filter.to_string(), qos(*quality)));
        let mut packet = Subscribe::new_many(filters);
        packet.pkid = request;
        write(&Packet::Subscribe(packet), out)
    }

    fn fit(&self, filters: &[(Filter, Qos, u32)]) -> usize {
        let mut bytes = 0;
        let fitting = filters.iter().take_while(|(filter, ..)| {
            bytes += filter.as_str().len() + 3;
            bytes <= MAX_FILTERS
        });
        fitting.count().max(1)
    }

    fn unsubscribe(
        &mut self,
        request: u16,
        filter: &Filter,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let mut packet = Unsubscribe::new(filter.as_str());
        packet.pkid = request;
        write(&Packet::Unsubscribe(packet), out)
    }

    fn ping(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        PingReq
            .write(out)
            .map(|_| ())
            .map_err(|e| Failure::protocol(&e))
    }

    fn disconnect(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        Disconnect
            .write(out)
            .map(|_| ())
            .map_err(|e| Failure::protocol(&e))
    }

    fn no_local(&self) -> bool {
        false
    }
}

fn welcome(code: ConnectReturnCode) -> Result<Incoming, Failure> {
    Err(Failure::refused(match code {
        ConnectReturnCode::Success => return Ok(Incoming::Welcome(Welcome::default())),
        ConnectReturnCode::RefusedProtocolVersion => {
            "the broker does not speak MQTT 3.1.1; try MQTT 5"
        }
        ConnectReturnCode::BadClientId => "the broker does not accept the client id",
        ConnectReturnCode::ServiceUnavailable => {
            return Err(Failure::network("the broker is not available"));
        }
        ConnectReturnCode::BadUserNamePassword => {
            "the broker does not accept the user name and password, or the token"
        }
        ConnectReturnCode::NotAuthorized => {
            "the broker does not let us in: check user name and password, or the token"
        }
    }))
}
