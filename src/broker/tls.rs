//! TLS: the broker's certificate, and whose certificates it asks for.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::config::TlsFiles;
use super::error::BrokerError;
use super::watched::Watched;

/// The acceptor of new connections, made anew when the files change: certificates are renewed.
pub(super) fn acceptor(files: &TlsFiles) -> Result<Watched<TlsAcceptor>, BrokerError> {
    let mut watched = vec![files.cert.clone(), files.key.clone()];
    watched.extend(files.client_ca.clone());
    let files = files.clone();
    Watched::new(watched, move || {
        server(&files).map(|config| TlsAcceptor::from(Arc::new(config)))
    })
}

fn server(files: &TlsFiles) -> Result<ServerConfig, BrokerError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| BrokerError::Start(format!("TLS: {e}")))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(ca)? {
                roots
                    .add(certificate)
                    .map_err(|e| BrokerError::file(ca, e))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| BrokerError::file(ca, e))?)
        }
    };
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|e| BrokerError::file(&files.key, e))?;
    builder
        .with_single_cert(certificates(&files.cert)?, key)
        .map_err(|e| {
            let key = files.key.display();
            BrokerError::file(&files.cert, format!("it does not fit the key {key}: {e}"))
        })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match certificates {
        Ok(none) if none.is_empty() => {
            Err(BrokerError::file(file, "there is no certificate in it"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(BrokerError::file(file, error)),
    }
}
