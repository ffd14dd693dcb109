//! The files that settings name for what is in them.

use std::path::PathBuf;

use super::tree::Settings;

/// A file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The setting's key.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Whether others must not read it.
    pub secret: bool,
}

impl Settings {
    /// The keys, certificates, passwords and rules that the settings name, wherever they are used.
    #[must_use]
    pub fn files(&self) -> Vec<NamedFile> {
        let (broker, server, supervisor) = (&self.broker, &self.mqtt_server, &self.supervisor);
        let named = [
            ("broker.ca", &broker.ca, false),
            ("broker.cert", &broker.cert, false),
            ("broker.key", &broker.key, true),
            ("broker.password_file", &broker.password_file, true),
            ("broker.token_file", &broker.token_file, true),
            ("mqtt_server.tls_cert", &server.tls_cert, false),
            ("mqtt_server.tls_key", &server.tls_key, true),
            ("mqtt_server.tls_client_ca", &server.tls_client_ca, false),
            ("mqtt_server.password_file", &server.password_file, true),
            ("mqtt_server.jwt_secret_file", &server.jwt_secret_file, true),
            ("mqtt_server.jwt_public_key", &server.jwt_public_key, false),
            ("mqtt_server.acl", &server.acl, false),
            (
                "supervisor.jwt_secret_file",
                &supervisor.jwt_secret_file,
                true,
            ),
            (
                "supervisor.jwt_public_key",
                &supervisor.jwt_public_key,
                false,
            ),
        ];
        let named = named.into_iter().filter_map(|(key, path, secret)| {
            let path = path.clone()?;
            Some(NamedFile { key, path, secret })
        });
        let trusted = self.security.trusted_keys.iter().map(|path| NamedFile {
            key: "security.trusted_keys",
            path: path.clone(),
            secret: false,
        });
        named.chain(trusted).collect()
    }
}
