//! The kinds of values that are tables: levels of rooms, and directories.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::kind::{Bad, Kind, Shown};
use super::kinds::{File, Word};
use super::parse;
use super::suggest::did_you_mean;
use super::types::{GrantedDir, LogLevel};

/// Levels of rooms.
pub(super) struct Rooms;
/// Directories by the names that modules see.
pub(super) struct Dirs;

/// The rooms that log: the parts of the program.
pub(super) const ROOMS: [&str; 15] = [
    "artifacts",
    "broker",
    "cli",
    "config",
    "guest",
    "monitor",
    "protocol",
    "pubsub",
    "runtime",
    "sandbox",
    "simulate",
    "supervisor",
    "trust",
    "wamr",
    "wasi",
];

fn room(name: &str) -> Result<String, String> {
    if ROOMS.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint =
        did_you_mean(name, ROOMS).unwrap_or_else(|| format!("; there are {}", ROOMS.join(", ")));
    Err(format!(
        "there is no room \"{}\"{hint}",
        super::error::printable(name)
    ))
}

fn expected<K: Kind>() -> String {
    format!("expected {}", K::noun())
}

impl Kind for Rooms {
    type Value = BTreeMap<String, LogLevel>;
    const TEXT_EXAMPLE: Option<&'static str> = Some("pubsub=debug,guest=warn");

    fn noun() -> String {
        "rooms and their levels".to_owned()
    }

    fn text(text: &str, base: &Path) -> Result<Self::Value, Bad> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| {
                let (name, level) = part.split_once('=').ok_or(Bad::Unexpected)?;
                let name = room(name.trim()).map_err(Bad::Because)?;
                let level = Word::text(level, base).map_err(|_| {
                    Bad::Because(format!("of {name}, {}", expected::<Word<LogLevel>>()))
                })?;
                Ok((name, level))
            })
            .collect()
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Self::Value, Bad> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(Bad::Unexpected);
        };
        table
            .iter()
            .map(|(key, value)| {
                let name = room(key.get_ref()).map_err(|why| inside(key, why))?;
                let level = Word::toml(value, base)
                    .map_err(|_| inside(value, expected::<Word<LogLevel>>()))?;
                Ok((name, level))
            })
            .collect()
    }

    fn show(value: &Self::Value) -> Shown {
        let show = |(name, level): (&String, _)| match Word::show(level) {
            Shown::Value(level) => Some((name.clone(), level)),
            _ => None,
        };
        Shown::Value(toml::Value::Table(value.iter().filter_map(show).collect()))
    }
}

fn inside<T>(place: &Spanned<T>, why: String) -> Bad {
    Bad::Inside {
        at: place.span().start,
        why,
    }
}

/// A name that a module can see a directory by.
fn is_guest_path(path: &str) -> bool {
    !path.is_empty() && path.len() <= 4096 && !path.contains('\0')
}

/// Names that the runtime itself gives to modules.
const TAKEN: [&str; 2] = ["/ch", "/sys"];

fn guest_path(path: &str) -> Result<String, String> {
    if !is_guest_path(path) {
        return Err("expected the path that modules see, for example \"/data\"".to_owned());
    }
    let under = |taken: &&&str| {
        let rest = path.trim_end_matches('/').strip_prefix(**taken);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match TAKEN.iter().find(under) {
        Some(taken) => Err(format!("{taken} is the runtime's own; choose another path")),
        None => Ok(path.to_owned()),
    }
}

/// `HOST[::GUEST][:ro]`, as `arena run --dir` has it.
fn dir(text: &str, base: &Path) -> Result<(String, GrantedDir), Bad> {
    let dir = parse::dir(text).map_err(Bad::Because)?;
    let host = dir.host.to_string_lossy();
    let granted = GrantedDir {
        host: File::text(&host, base)?,
        read_only: dir.read_only,
    };
    Ok((guest_path(&dir.guest).map_err(Bad::Because)?, granted))
}

impl Kind for Dirs {
    type Value = BTreeMap<String, GrantedDir>;
    const TEXT_EXAMPLE: Option<&'static str> = Some("/srv/data::/data:ro");

    fn noun() -> String {
        "directories".to_owned()
    }

    fn text(text: &str, base: &Path) -> Result<Self::Value, Bad> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts.map(|part| dir(part, base)).collect()
    }

    /// Each is one directory, so that a comma may be in its name.
    fn texts(texts: &[String], base: &Path) -> Result<Self::Value, Bad> {
        let given = texts.iter().filter(|text| !text.is_empty());
        given.map(|text| dir(text, base)).collect()
    }

    fn toml(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Self::Value, Bad> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(Bad::Unexpected);
        };
        table
            .iter()
            .map(|(key, value)| {
                let guest = guest_path(key.get_ref()).map_err(|why| inside(key, why))?;
                Ok((guest, granted(value, base)?))
            })
            .collect()
    }

    fn show(value: &Self::Value) -> Shown {
        let dirs = value.iter().map(|(guest, dir)| {
            let host = dir.host.to_string_lossy().into_owned();
            let mut table = toml::Table::new();
            table.insert("host".to_owned(), toml::Value::String(host));
            table.insert("read_only".to_owned(), toml::Value::Boolean(dir.read_only));
            (guest.clone(), toml::Value::Table(table))
        });
        Shown::Value(toml::Value::Table(dirs.collect()))
    }
}

/// `{ host = "…", read_only = true }`, or the path alone.
fn granted(value: &Spanned<DeValue<'_>>, base: &Path) -> Result<GrantedDir, Bad> {
    let host_of = |value: &Spanned<DeValue<'_>>| {
        File::toml(value, base).map_err(|bad| match bad {
            Bad::Because(why) => inside(value, why),
            _ => inside(value, expected::<File>()),
        })
    };
    let table = match value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::String(_) => {
            let host = host_of(value)?;
            return Ok(GrantedDir {
                host,
                read_only: false,
            });
        }
        _ => {
            let why = "expected { host = \"/srv/data\", read_only = true }";
            return Err(inside(value, why.to_owned()));
        }
    };
    let mut host = None;
    let mut read_only = false;
    for (key, value) in table {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("host", _) => host = Some(host_of(value)?),
            ("read_only", DeValue::Boolean(set)) => read_only = *set,
            ("read_only", _) => {
                return Err(inside(
                    value,
                    "read_only: expected true or false".to_owned(),
                ));
            }
            (other, _) => {
                let hint = did_you_mean(other, ["host", "read_only"])
                    .unwrap_or_else(|| "; a directory has host and read_only".to_owned());
                let other = super::error::printable(other);
                return Err(inside(key, format!("there is no key {other}{hint}")));
            }
        }
    }
    match host {
        Some(host) => Ok(GrantedDir { host, read_only }),
        None => Err(inside(
            value,
            "host is missing: the directory on the host".to_owned(),
        )),
    }
}
