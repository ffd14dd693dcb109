//! Why there is no broker.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a broker cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", taken(error))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// There is no address to listen on.
    #[error(
        "the broker has no address to listen on: set mqtt_server.listen, tls_listen, ws or wss"
    )]
    NoAddress,
    /// TLS is to be spoken, and there is no certificate.
    #[error("a broker that listens for TLS on {0} needs mqtt_server.tls_cert and tls_key")]
    NoCertificate(SocketAddr),
    /// A file cannot be used.
    #[error("{}: {why}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why, with the line where there is one.
        why: String,
    },
    /// The system refuses a thread or what it needs, or the engine does not start.
    #[error("cannot start the broker: {0}")]
    Start(String),
}

impl BrokerError {
    /// Whether what it is made from cannot be, so that another attempt comes to the same.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        match self {
            BrokerError::NoAddress | BrokerError::NoCertificate(_) | BrokerError::File { .. } => {
                true
            }
            BrokerError::Bind { .. } | BrokerError::Start(_) => false,
        }
    }

    pub(super) fn file(file: impl Into<PathBuf>, why: impl ToString) -> BrokerError {
        BrokerError::File {
            file: file.into(),
            why: why.to_string(),
        }
    }
}

fn taken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there already".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this host does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "that port is for programs with more rights; take one from 1024 on".to_owned()
        }
        _ => error.to_string(),
    }
}
