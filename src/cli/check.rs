//! What is wrong with settings and with the files that they name, found without starting anything;
//! and how it is told at a start.

use std::fs::File;
use std::io;

use crate::broker::{Broker, BrokerConfig};
use crate::config::{Effective, NamedFile, Origin, Settings};
use crate::runtime;
use crate::supervisor::HttpConfig;
use crate::trust::Trust;

use super::status::{Failure, Status, printable};

/// What a look at the files has found, each in one line.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What no start would go well with.
    pub(super) problems: Vec<String>,
    /// What could not be looked at.
    pub(super) unseen: Vec<String>,
}

/// Looks at all that runtime, supervisor and broker would look at when they start.
pub(super) fn look(effective: &Effective) -> Found {
    let settings = &effective.settings;
    let files = settings.files();
    let mut found = Found::default();
    let mut left_out: Vec<&str> = Vec::new();
    for file in &files {
        let Err(error) = File::open(&file.path) else {
            continue;
        };
        // What uses it would say the same again.
        left_out.push(section(file.key));
        let path = printable(&file.path.to_string_lossy());
        if error.kind() == io::ErrorKind::PermissionDenied {
            let why = "this user cannot read it, and it was not looked at";
            found.unseen.push(format!("{}: {path}: {why}", file.key));
        } else {
            let key = match effective.origin(file.key) {
                None | Some(Origin::Default) => file.key.to_owned(),
                Some(origin) => format!("{} ({origin})", file.key),
            };
            found.problems.push(format!("{key}: {path}: {error}"));
        }
    }
    let mut add = |section: &str, look: &dyn Fn() -> Result<(), String>| {
        if !left_out.contains(&section)
            && let Err(why) = look()
        {
            found.problems.push(named(&files, &why));
        }
    };
    add("security", &|| {
        let trust = Trust::new(&settings.security);
        trust.map(drop).map_err(|e| e.to_string())
    });
    add("broker", &|| link(settings));
    add("mqtt_server", &|| {
        let config = BrokerConfig::from(&settings.mqtt_server);
        Broker::check(&config).map_err(|e| e.to_string())
    });
    add("supervisor", &|| {
        let http = HttpConfig::new(settings);
        http.map(drop).map_err(|e| e.to_string())
    });
    found
}

fn section(key: &'static str) -> &'static str {
    key.split('.').next().unwrap_or_default()
}

fn link(settings: &Settings) -> Result<(), String> {
    let link = runtime::link(&settings.broker, "arena").map_err(|e| e.to_string())?;
    if link.broker.transport().is_secure() {
        link.tls.check()?;
    }
    Ok(())
}

/// The same with the setting of the file that it speaks of, unless it says so itself.
fn named(files: &[NamedFile], why: &str) -> String {
    let of = files
        .iter()
        .find(|file| why.contains(&*file.path.to_string_lossy()));
    let text = match of {
        Some(file) if !why.contains(file.key) => format!("{}: {why}", file.key),
        _ => why.to_owned(),
    };
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Why a service does not start. What its settings are to blame for is not to be tried again: the
/// service manager knows the status.
pub(super) fn cannot_start(files: &[NamedFile], of_settings: bool, why: &str) -> Failure {
    let status = if of_settings {
        Status::Usage
    } else {
        Status::CannotStart
    };
    Failure::new(status, named(files, why))
}
