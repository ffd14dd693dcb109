//! Why there is no connection.

use std::error::Error;
use std::io;

/// How soon another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The broker or the way to it is gone; it may be back at any time.
    Network,
    /// The broker, or we, do not accept the other. Somebody has to change something.
    Refused,
}

/// Why there is no connection, in words that can follow "cannot connect to …: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) why: String,
}

impl Failure {
    pub(super) fn network(why: impl Into<String>) -> Failure {
        Failure {
            kind: FailureKind::Network,
            why: why.into(),
        }
    }

    pub(super) fn refused(why: impl Into<String>) -> Failure {
        Failure {
            kind: FailureKind::Refused,
            why: why.into(),
        }
    }

    /// What was received is no MQTT.
    pub(super) fn protocol(error: &impl std::fmt::Display) -> Failure {
        Failure::refused(format!(
            "the broker does not speak MQTT as expected: {error}"
        ))
    }

    /// Of a transport's error. A TLS error may be anywhere below it.
    pub(super) fn io(error: &io::Error) -> Failure {
        if let Some(tls) = tls_error(error) {
            return Failure::refused(tls_text(tls));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Failure::network("connection refused; is a broker running there?")
            }
            io::ErrorKind::UnexpectedEof => Failure::network("the broker closed the connection"),
            _ => Failure::network(error.to_string()),
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let mut source: Option<&(dyn Error + 'static)> = error.get_ref().map(|e| e as _);
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        source = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|e| e as _),
            None => error.source(),
        };
    }
    None
}

fn tls_text(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!("the broker's certificate is not valid: {why}")
        }
        rustls::Error::AlertReceived(alert) => format!(
            "the broker refuses the TLS connection ({alert:?}); does it ask for another client certificate?"
        ),
        rustls::Error::InvalidMessage(_) => {
            "the broker does not answer in TLS; is this the right port?".to_owned()
        }
        error => format!("TLS: {error}"),
    }
}
