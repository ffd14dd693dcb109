//! What must hold between settings, and what of the files that they name is
//! worth a word.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::printable;
use super::exposed::exposed;
use super::load::{Merge, Origin};

/// Settings that exclude or need each other.
pub(super) fn together(merge: &mut Merge) {
    let broker = &merge.settings.broker;
    let mut problems = Vec::new();
    let name = |key: &str| format!("{key} ({})", merge.origin(key));

    let secrets = [
        (broker.url.has_password(), "broker.url"),
        (broker.password.is_some(), "broker.password"),
        (broker.password_file.is_some(), "broker.password_file"),
        (broker.token_file.is_some(), "broker.token_file"),
    ];
    let given: Vec<&str> = secrets
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, key)| *key)
        .collect();
    if let [first, second, ..] = given.as_slice() {
        let (first, second) = (name(first), name(second));
        problems.push(format!(
            "{first} and {second} both give a password; keep one of them"
        ));
    } else if let [key @ ("broker.password" | "broker.password_file")] = given.as_slice()
        && broker.user.is_none()
    {
        problems.push(format!("{} needs broker.user too", name(key)));
    }
    match (&broker.cert, &broker.key) {
        (Some(_), None) => problems.push(format!("{} needs broker.key too", name("broker.cert"))),
        (None, Some(_)) => problems.push(format!("{} needs broker.cert too", name("broker.key"))),
        _ => {}
    }
    let server = &merge.settings.mqtt_server;
    let encrypted = [
        ("mqtt_server.tls_listen", server.tls_listen),
        ("mqtt_server.wss", server.wss),
    ];
    for (key, _) in encrypted.iter().filter(|(_, address)| address.is_some()) {
        if server.tls_cert.is_none() {
            problems.push(format!("{} needs mqtt_server.tls_cert too", name(key)));
        }
    }
    for (one, other) in [("cert", "key"), ("key", "cert"), ("client_ca", "cert")] {
        let given = |which: &str| match which {
            "cert" => server.tls_cert.is_some(),
            "key" => server.tls_key.is_some(),
            _ => server.tls_client_ca.is_some(),
        };
        if given(one) && !given(other) {
            let one = name(&format!("mqtt_server.tls_{one}"));
            problems.push(format!("{one} needs mqtt_server.tls_{other} too"));
        }
    }
    let security = &merge.settings.security;
    if security.require_signed_modules
        && security.trusted_keys.is_empty()
        && security.trusted_files.is_empty()
    {
        problems.push(format!(
            "{} needs security.trusted_keys or security.trusted_files too",
            name("security.require_signed_modules")
        ));
    }
    let restart = &merge.settings.restart;
    if restart.backoff_min > restart.backoff_max {
        let (min, max) = (name("restart.backoff_min"), name("restart.backoff_max"));
        problems.push(format!("{min} is longer than {max}"));
    }
    merge.problems.extend(problems);
}

/// Files that others can read, directories that are not there, and settings
/// without effect.
pub(super) fn files(merge: &mut Merge, file: Option<&Path>) {
    let broker = &merge.settings.broker;
    let server = &merge.settings.mqtt_server;
    let mut warnings = Vec::new();
    for file in merge.settings.files() {
        if file.secret && others_can_read(&file.path) {
            warnings.push(readable(&file.path, file.key));
        }
        // Of those that are trusted there is an error where they are used.
        if file.key != "security.trusted_keys"
            && let Some(why) = exposed(&file.path)
        {
            warnings.push(format!("{}: {why}", file.key));
        }
    }
    for key in ["broker.password", "broker.url"] {
        let secret = key == "broker.password" || broker.url.has_password();
        if let (true, Some(file), Origin::File { .. }) = (secret, file, merge.origin(key))
            && others_can_read(file)
        {
            warnings.push(readable(file, key));
        }
    }
    if !broker.url.is_encrypted() {
        for (key, path) in [("broker.ca", &broker.ca), ("broker.cert", &broker.cert)] {
            if path.is_some() {
                warnings.push(format!(
                    "{key} has no effect: {} is not encrypted",
                    broker.url
                ));
            }
        }
    }
    if server.jwt_audience.is_some()
        && server.jwt_public_key.is_none()
        && server.jwt_secret_file.is_none()
    {
        warnings
            .push("mqtt_server.jwt_audience has no effect: no key of tokens is named".to_owned());
    }
    for (guest, dir) in &merge.settings.dirs {
        if !dir.host.is_dir() {
            let host = printable(&dir.host.to_string_lossy());
            warnings.push(format!(
                "dirs: {host} for {} is no directory",
                printable(guest)
            ));
        }
    }
    merge.warnings.extend(warnings);
}

fn others_can_read(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

fn readable(path: &Path, key: &str) -> String {
    let path = printable(&path.to_string_lossy());
    format!("everybody on this host can read {path} ({key}): chmod o-r it")
}
