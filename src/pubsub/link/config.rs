//! What a link is made from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::super::broker_url::BrokerUrl;
use super::super::message::Message;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1, which every broker speaks.
    #[default]
    Mqtt311,
    /// MQTT 5, in which our own messages do not come back.
    Mqtt5,
}

/// Who we are.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular, or whoever stands in the broker's URL.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token (JWT) in a file, which is read again at each connect.
    TokenFile {
        /// The user's name. Without it, it is what the token says in `sub`, or else the client id.
        user: Option<String>,
        /// The file. White space around the token is left out.
        path: PathBuf,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Password { user, .. } => f
                .debug_struct("Password")
                .field("user", user)
                .finish_non_exhaustive(),
            Credentials::TokenFile { user, path } => f
                .debug_struct("TokenFile")
                .field("user", user)
                .field("path", path)
                .finish(),
        }
    }
}

/// Certificates, as files in PEM format that are read again at each connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// What the broker's certificate is checked against; the system's roots when it is `None`.
    pub ca: Option<PathBuf>,
    /// Our certificate, with those between it and its root.
    pub cert: Option<PathBuf>,
    /// The key of our certificate.
    pub key: Option<PathBuf>,
}

/// How long to wait before another attempt. Each time twice as long, with as much again at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub min: Duration,
    /// The longest wait, before what is added at random.
    pub max: Duration,
}

/// What a link is made from.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Where the broker is.
    pub broker: BrokerUrl,
    /// The client id; another client with the same one is disconnected by the broker.
    pub client_id: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Certificates.
    pub tls: TlsConfig,
    /// What the broker publishes when we are gone without a word.
    pub will: Option<Message>,
    /// Which MQTT is spoken.
    pub protocol: Protocol,
    /// After how long without a word to ask whether the broker is there; zero for never. It is
    /// taken for gone when it has not answered after the same time again.
    pub keep_alive: Duration,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// The most bytes that wait for the broker or its acknowledgement.
    pub outbox_bytes: usize,
    /// Waits after the broker was lost or not there.
    pub backoff: Backoff,
    /// Waits after the broker did not let us in.
    pub backoff_refused: Backoff,
}

impl LinkConfig {
    /// A link with the defaults: MQTT 3.1.1, no credentials, a keep-alive of 10 s and an outbox
    /// of 64 MiB.
    #[must_use]
    pub fn new(broker: BrokerUrl, client_id: impl Into<String>) -> LinkConfig {
        LinkConfig {
            broker,
            client_id: client_id.into(),
            credentials: Credentials::None,
            tls: TlsConfig::default(),
            will: None,
            protocol: Protocol::default(),
            keep_alive: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            outbox_bytes: 64 << 20,
            // At most 1.4 s with what is added, so that we are back within 2 s of the broker.
            backoff: Backoff {
                min: Duration::from_millis(50),
                max: Duration::from_millis(700),
            },
            backoff_refused: Backoff {
                min: Duration::from_secs(1),
                max: Duration::from_secs(20),
            },
        }
    }
}
