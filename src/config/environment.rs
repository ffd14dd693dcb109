//! The settings in `ARENA_*` variables.

use std::collections::BTreeMap;

use super::error::{self, Written};
use super::load::{Merge, Origin};
use super::suggest;
use super::surroundings::Surroundings;
use super::tree::{SECTIONS, SETTINGS};

/// Variables that are no settings.
const OTHERS: [&str; 3] = ["ARENA_CONFIG", "ARENA_SERVER", "ARENA_TOKEN"];

/// Puts the values of variables over what is there. An empty one counts as not set.
pub(super) fn apply(around: &Surroundings, merge: &mut Merge) {
    let known = known();
    let mut seen: BTreeMap<usize, &str> = BTreeMap::new();
    for (name, value) in &around.variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("ARENA_")) else {
            continue;
        };
        if value.is_empty() || OTHERS.contains(&name) {
            continue;
        }
        let Some(index) = known.get(name).copied() else {
            unknown(name, &known, merge);
            continue;
        };
        let Some(value) = value.to_str() else {
            merge.problems.push(format!("{name}: it is not UTF-8"));
            continue;
        };
        if let Some(other) = seen.insert(index, name) {
            merge.problems.push(format!(
                "{other} and {name} are the same setting; set one of them"
            ));
            continue;
        }
        let Some(setting) = SETTINGS.get(index) else {
            continue;
        };
        match (setting.set_text)(&mut merge.settings, value, &around.dir) {
            Ok(()) => merge.set(index, Origin::Variable(name.to_owned())),
            Err(bad) => {
                let text = error::wrong(setting, bad, &format!("\"{value}\""), Written::Plain);
                merge.problems.push(format!("{name}: {text}"));
            }
        }
    }
}

/// The names of variables, and which setting each is.
fn known() -> BTreeMap<String, usize> {
    let mut known = BTreeMap::new();
    for (index, setting) in SETTINGS.iter().enumerate() {
        known.insert(setting.variable(), index);
        if let Some(alias) = setting.alias {
            known.insert(alias.to_owned(), index);
        }
    }
    known
}

/// A name that begins as ours do is an error. Any other may be another program's,
/// but is worth a word if it looks like one of ours.
fn unknown(name: &str, known: &BTreeMap<String, usize>, merge: &mut Merge) {
    let ours = SECTIONS.iter().any(|section| {
        let rest = name.strip_prefix("ARENA_").unwrap_or_default();
        let rest = rest.strip_prefix(&section.name.to_uppercase());
        rest.is_some_and(|rest| rest.starts_with('_'))
    });
    let names = known.keys().map(String::as_str);
    let printed = error::printable(name);
    if ours {
        let hint = suggest::did_you_mean(name, names)
            .unwrap_or_else(|| "; see arena config --doc".to_owned());
        merge
            .problems
            .push(format!("{printed}: there is no such setting{hint}"));
    } else if let Some(close) = names
        .chain(OTHERS)
        .find(|known| strsim::damerau_levenshtein(name, known) <= 2)
    {
        merge
            .warnings
            .push(format!("{printed} is no setting; did you mean {close}?"));
    }
}
