//! The settings that hold, as text.

use std::fmt::Write as _;

use super::error::printable;
use super::kind::Shown;
use super::load::{Effective, Origin};
use super::table::Setting;
use super::tree::{SECTIONS, SETTINGS};

/// The column of the notes, where it is not passed.
const NOTES: usize = 40;

/// A file that says what holds, and in comments where that comes from.
/// Passwords are left out.
#[must_use]
pub fn to_toml(effective: &Effective) -> String {
    let mut text = match &effective.file {
        Some(file) => format!("# With {}\n", printable(&file.to_string_lossy())),
        None => "# Without a file\n".to_owned(),
    };
    for section in SECTIONS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n[{}]", section.name);
        for (setting, origin) in with_origins(effective) {
            if setting.section == section.name {
                line(
                    &mut text,
                    setting.name,
                    &(setting.show)(&effective.settings),
                    setting,
                    origin,
                );
            }
        }
    }
    for (setting, origin) in with_origins(effective) {
        if let ("", Shown::Value(toml::Value::Table(table))) =
            (setting.section, (setting.show)(&effective.settings))
        {
            let _ = writeln!(text, "\n[{}]", setting.name);
            for (key, value) in table {
                line(
                    &mut text,
                    &toml_key(&key),
                    &Shown::Value(value),
                    setting,
                    origin,
                );
            }
        }
    }
    text
}

/// A key, in quotes where it needs them.
fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        // As a key it must be in one line.
        serde_json::Value::String(key.to_owned()).to_string()
    }
}

fn with_origins(effective: &Effective) -> impl Iterator<Item = (&'static Setting, &Origin)> {
    SETTINGS.iter().zip(effective.origins())
}

fn line(text: &mut String, name: &str, shown: &Shown, setting: &Setting, origin: &Origin) {
    let note = match (shown, setting.default_text) {
        (Shown::Unset, Some(text)) if *origin == Origin::Default => text.to_owned(),
        _ => origin.to_string(),
    };
    let _ = match shown {
        Shown::Value(value) => writeln!(text, "{:<NOTES$} # {note}", format!("{name} = {value}")),
        Shown::Unset => writeln!(text, "{:<NOTES$} # not set ({note})", format!("# {name} =")),
        Shown::Hidden(about) => {
            writeln!(text, "{:<NOTES$} # {note}", format!("# {name} = ({about})"))
        }
    };
}

/// One object: the file, and for each setting its value, as a file would have
/// it, and where that comes from. Hidden values are null, with `"hidden": true`.
#[must_use]
pub fn to_json(effective: &Effective) -> serde_json::Value {
    let settings = with_origins(effective).map(|(setting, origin)| {
        let value = match (setting.show)(&effective.settings) {
            Shown::Value(value) => serde_json::json!({
                "value": value,
                "origin": origin.to_string(),
            }),
            Shown::Unset => serde_json::json!({ "value": null, "origin": origin.to_string() }),
            Shown::Hidden(_) => serde_json::json!({
                "value": null,
                "hidden": true,
                "origin": origin.to_string(),
            }),
        };
        (setting.key(), value)
    });
    serde_json::json!({
        "file": effective.file.as_ref().map(|file| file.to_string_lossy()),
        "settings": settings.collect::<serde_json::Map<_, _>>(),
        "warnings": effective.warnings,
    })
}
