//! From the settings of the broker to a link.

use std::io;

use uuid::Uuid;

use crate::config::{BrokerSettings, MqttVersion};
use crate::pubsub::{
    BrokerUrl, BrokerUrlError, Credentials, LinkConfig, Message, Protocol, TlsConfig,
};

/// Why the settings make no link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address is none.
    #[error(transparent)]
    Url(#[from] BrokerUrlError),
    /// The password's file cannot be read.
    #[error("broker.password_file: {0}")]
    Password(#[from] io::Error),
}

/// The link of the runtime. Without a client id in the settings, it is made of the uuid.
pub(super) fn link_config(
    settings: &BrokerSettings,
    uuid: Uuid,
    will: Message,
) -> Result<LinkConfig, BrokerError> {
    let client_id = settings.client_id.clone();
    let mut config = link(
        settings,
        client_id.unwrap_or_else(|| format!("arena-{uuid}")),
    )?;
    config.will = Some(will);
    Ok(config)
}

/// A link as the settings say, but for the client id.
///
/// # Errors
/// When the address is none, or the password's file cannot be read.
pub fn link(
    settings: &BrokerSettings,
    client_id: impl Into<String>,
) -> Result<LinkConfig, BrokerError> {
    let url: BrokerUrl = settings.url.as_str().parse()?;
    let mut config = LinkConfig::new(url, client_id);
    if let Some(credentials) = credentials(settings)? {
        config.credentials = credentials;
    }
    config.tls = TlsConfig {
        ca: settings.ca.clone(),
        cert: settings.cert.clone(),
        key: settings.key.clone(),
    };
    config.protocol = match settings.mqtt_version {
        MqttVersion::V3 => Protocol::Mqtt311,
        MqttVersion::V5 => Protocol::Mqtt5,
    };
    config.keep_alive = settings.keep_alive;
    config.connect_timeout = settings.connect_timeout;
    config.outbox_bytes = settings.outbox;
    Ok(config)
}

/// `None` when the settings have none: the address may have some.
fn credentials(settings: &BrokerSettings) -> Result<Option<Credentials>, BrokerError> {
    if let Some(path) = &settings.token_file {
        return Ok(Some(Credentials::TokenFile {
            user: settings.user.clone(),
            path: path.clone(),
        }));
    }
    let password = settings.password()?;
    let password = password.map_or_else(String::new, |password| password.expose().to_owned());
    Ok(settings
        .user
        .clone()
        .map(|user| Credentials::Password { user, password }))
}
