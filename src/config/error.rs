//! What is wrong with settings, in words.

use std::path::PathBuf;

use super::kind::Bad;
use super::suggest;
use super::table::Setting;
use super::tree::{SECTIONS, SETTINGS};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {why}", printable(&path.to_string_lossy()))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Names that do not exist, and values that cannot be; each with its place.
    #[error("{}", problems.join("\n"))]
    Wrong {
        /// At least one, each in one line.
        problems: Vec<String>,
    },
}

/// In one line, without control characters, and not too long.
pub(super) fn printable(text: &str) -> String {
    const LONG: usize = 100;
    let mut line: String = text
        .chars()
        .take(LONG)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if line.len() < text.len() && text.chars().nth(LONG).is_some() {
        line.push('…');
    }
    line
}

/// Where a value was found that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// In the file, as TOML.
    Toml,
    /// As plain text, in a variable or a flag.
    Plain,
}

/// Says that the setting cannot be what was `given`.
pub(super) fn wrong(setting: &Setting, bad: Bad, given: &str, written: Written) -> String {
    let key = setting.key();
    match bad {
        Bad::Because(why) | Bad::Inside { why, .. } => format!("{key}: {why}"),
        Bad::Unexpected => {
            let is = match setting.secret {
                true => format!("{key} cannot be that"),
                false => format!("{key} is {}", printable(given)),
            };
            format!(
                "{is}; expected {}{}",
                setting.values(),
                example(setting, written)
            )
        }
    }
}

fn example(setting: &Setting, written: Written) -> String {
    // All possible words are there already.
    if (setting.noun)().starts_with('"') {
        return String::new();
    }
    let example = match (written, setting.text_example) {
        (Written::Plain, Some(text)) => Some(text.to_owned()),
        (Written::Plain, None) => setting
            .example()
            .map(|toml| toml.trim_matches('"').to_owned()),
        (Written::Toml, _) => setting.example(),
    };
    example.map_or_else(String::new, |example| format!(", for example {example}"))
}

/// Says that there is no setting `key`, and which one may be meant.
pub(super) fn unknown(key: &str) -> String {
    let hint = similar(key).map_or_else(
        || "; see arena config --doc".to_owned(),
        |key| format!("; did you mean {key}?"),
    );
    format!("there is no setting {}{hint}", printable(key))
}

/// Says that there is no such section, or no such setting outside of one.
pub(super) fn unknown_section(name: &str, is_table: bool) -> String {
    if !is_table {
        return unknown(name);
    }
    let names = SECTIONS.iter().map(|section| section.name);
    let tops = SETTINGS
        .iter()
        .filter(|s| s.section.is_empty())
        .map(|s| s.name);
    let hint = match suggest::closest(name, names.chain(tops)) {
        Some(name) => format!("; did you mean [{name}]?"),
        None => "; see arena config --doc".to_owned(),
    };
    format!("there is no section [{}]{hint}", printable(name))
}

/// The key that is most like this one: more likely in the section that was
/// named, but somewhere else if it has the same name there.
fn similar(key: &str) -> Option<String> {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let names = |here: bool| {
        SETTINGS
            .iter()
            .filter(move |setting| (setting.section == section) == here)
    };
    let in_section = suggest::closest(name, names(true).map(|setting| setting.name));
    let exact = names(false).find(|setting| setting.name == name);
    let found = match (in_section, exact) {
        (Some(name), _) => names(true).find(|setting| setting.name == name),
        (None, Some(exact)) => Some(exact),
        (None, None) => {
            let keys: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
            let close = suggest::closest(key, keys.iter().map(String::as_str))?.to_owned();
            return Some(close);
        }
    };
    found.map(Setting::key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_get_a_hint() {
        for (key, hint) in [
            ("broker.urll", "did you mean broker.url?"),
            ("runtime.url", "did you mean broker.url?"),
            ("realm", "did you mean runtime.realm?"),
            ("runtme.realm", "did you mean runtime.realm?"),
            ("limits.stacksize", "did you mean limits.stack_size?"),
            ("nonsense.at_all", "see arena config --doc"),
        ] {
            let text = unknown(key);
            assert!(text.ends_with(hint), "{text}");
        }
        assert!(unknown_section("brokr", true).ends_with("did you mean [broker]?"));
        assert!(unknown_section("dir", true).ends_with("did you mean [dirs]?"));
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable("a\nb\u{1b}c"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(printable(&"ä".repeat(200)).chars().count(), 101);
        assert_eq!(printable(&"ä".repeat(100)).chars().count(), 100);
    }
}
