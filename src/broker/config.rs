//! What a broker is made from.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::MqttServerSettings;

use super::error::BrokerError;

/// The certificate of a broker, as files in PEM format. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The broker's certificate, with those between it and its root.
    pub cert: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
    /// What clients' certificates are checked against; without it, they need none.
    pub client_ca: Option<PathBuf>,
}

/// What a broker is made from. Port 0 is any that is free: see
/// [`Broker::addresses`](super::Broker::addresses).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Where to take MQTT over TCP.
    pub listen: Option<SocketAddr>,
    /// Where to take MQTT over TLS.
    pub tls_listen: Option<SocketAddr>,
    /// Where to take MQTT over WebSocket. Any path will do.
    pub ws: Option<SocketAddr>,
    /// Where to take MQTT over WebSocket over TLS.
    pub wss: Option<SocketAddr>,
    /// The certificate for `tls_listen` and `wss`.
    pub tls: Option<TlsFiles>,
    /// Users and the hashes of their passwords; without it and without keys of tokens, everybody is
    /// let in.
    pub password_file: Option<PathBuf>,
    /// The public key of who signs tokens, which count as passwords.
    pub jwt_public_key: Option<PathBuf>,
    /// The secret that tokens are signed with.
    pub jwt_secret_file: Option<PathBuf>,
    /// Whom tokens have to be for; without it, for anybody.
    pub jwt_audience: Option<String>,
    /// Who may read and write which topics; without it, everybody all.
    pub acl_file: Option<PathBuf>,
    /// The largest packet, in bytes.
    pub max_packet: usize,
    /// How many connections there may be.
    pub max_connections: usize,
    /// How long a session is kept whose client is away.
    pub session_expiry: Duration,
    /// How many messages may wait for a client that reads slowly, for each QoS.
    pub queue_messages: usize,
    /// How many bytes of QoS 1 and 2 may wait for a client that is away or far behind.
    pub queue_bytes: usize,
    /// How many retained messages there may be.
    pub retained_messages: usize,
}

impl Default for BrokerConfig {
    /// MQTT over TCP on 127.0.0.1:1883, for everybody on this host.
    fn default() -> BrokerConfig {
        BrokerConfig {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))),
            tls_listen: None,
            ws: None,
            wss: None,
            tls: None,
            password_file: None,
            jwt_public_key: None,
            jwt_secret_file: None,
            jwt_audience: None,
            acl_file: None,
            max_packet: 256 << 20,
            max_connections: 10_000,
            session_expiry: Duration::from_secs(24 * 3600),
            queue_messages: 10_000,
            queue_bytes: 64 << 20,
            retained_messages: 100_000,
        }
    }
}

impl BrokerConfig {
    /// Whether it can listen anywhere, as far as that can be known.
    pub(super) fn check_addresses(&self) -> Result<(), BrokerError> {
        let encrypted = self.tls_listen.or(self.wss);
        match encrypted {
            Some(address) if self.tls.is_none() => Err(BrokerError::NoCertificate(address)),
            None if self.listen.or(self.ws).is_none() => Err(BrokerError::NoAddress),
            _ => Ok(()),
        }
    }
}

impl From<&MqttServerSettings> for BrokerConfig {
    fn from(settings: &MqttServerSettings) -> BrokerConfig {
        let files = settings.tls_cert.clone().zip(settings.tls_key.clone());
        BrokerConfig {
            listen: settings.listen,
            tls_listen: settings.tls_listen,
            ws: settings.ws,
            wss: settings.wss,
            tls: files.map(|(cert, key)| TlsFiles {
                cert,
                key,
                client_ca: settings.tls_client_ca.clone(),
            }),
            password_file: settings.password_file.clone(),
            jwt_public_key: settings.jwt_public_key.clone(),
            jwt_secret_file: settings.jwt_secret_file.clone(),
            jwt_audience: settings.jwt_audience.clone(),
            acl_file: settings.acl.clone(),
            max_packet: settings.max_packet,
            max_connections: settings.max_connections,
            session_expiry: settings.session_expiry,
            queue_messages: settings.queue_messages,
            queue_bytes: settings.queue_bytes,
            retained_messages: settings.retained_messages,
        }
    }
}
