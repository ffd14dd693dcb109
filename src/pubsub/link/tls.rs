//! TLS: which certificates are accepted and shown.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::TlsConfig;
use super::failure::Failure;

/// Encrypts a connection. Files are read anew each time: certificates are renewed.
pub(super) async fn encrypt(
    tcp: TcpStream,
    host: &str,
    config: &TlsConfig,
) -> Result<TlsStream<TcpStream>, Failure> {
    let client = client(config, roots(config.ca.as_deref())?)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::refused(format!("{host} is no name that a certificate can have")))?;
    TlsConnector::from(Arc::new(client))
        .connect(name, tcp)
        .await
        .map_err(|e| Failure::io(&e))
}

impl TlsConfig {
    /// Reads the files, as each connection does.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn check(&self) -> Result<(), String> {
        // The system's certificates are no file that is named here.
        let roots = match &self.ca {
            Some(ca) => roots(Some(ca)).map_err(|failure| failure.why)?,
            None => RootCertStore::empty(),
        };
        client(self, roots).map(drop).map_err(|failure| failure.why)
    }
}

fn client(config: &TlsConfig, roots: RootCertStore) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::refused(format!("TLS: {e}")))?
        .with_root_certificates(roots);
    match (&config.cert, &config.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| unreadable("the key of our certificate", key, &e))?;
            builder.with_client_auth_cert(chain, secret).map_err(|e| {
                Failure::refused(format!(
                    "the certificate {} and the key {} do not fit: {e}",
                    cert.display(),
                    key.display()
                ))
            })
        }
        (Some(_), None) => Err(Failure::refused(
            "there is a client certificate, but no key for it",
        )),
        (None, Some(_)) => Err(Failure::refused(
            "there is a key, but no client certificate for it",
        )),
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        // Some of the system's certificates may be old or odd; the others do.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found
                .errors
                .first()
                .map_or_else(String::new, |error| format!(": {error}"));
            return Err(Failure::refused(format!(
                "this system has no root certificates{why}; name the broker's CA certificate"
            )));
        }
        return Ok(roots);
    };
    for certificate in certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|e| Failure::refused(format!("{}: {e}", ca.display())))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(Failure::refused(format!(
            "there is no certificate in {}",
            file.display()
        ))),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable("the certificate", file, &error)),
    }
}

fn unreadable(what: &str, file: &Path, error: &rustls::pki_types::pem::Error) -> Failure {
    Failure::refused(format!("cannot read {what} {}: {error}", file.display()))
}
