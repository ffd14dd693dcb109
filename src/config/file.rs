//! The settings in a TOML file.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{self, ConfigError, Written};
use super::kind::Bad;
use super::load::{Merge, Origin};
use super::places;
use super::surroundings::Surroundings;
use super::table::{self, Setting};
use super::tree::{SECTIONS, SETTINGS};

/// No file of settings is larger.
const MAX_SIZE: u64 = 1 << 20;

/// The file to read: the one that was named, else one that is where such files are.
pub(super) fn choose(named: Option<&Path>, around: &Surroundings) -> Option<PathBuf> {
    named
        .or_else(|| around.variable("ARENA_CONFIG").map(Path::new))
        .map(|path| around.dir.join(path))
        .or_else(|| places::config_files(around).find(|path| path.try_exists().unwrap_or(true)))
}

/// Reads a file, and puts its values over what is there.
pub(super) fn apply(path: &Path, merge: &mut Merge) -> Result<(), ConfigError> {
    let unreadable = |why: String| ConfigError::Read {
        path: path.to_owned(),
        why,
    };
    let text = read(path).map_err(|e| {
        unreadable(match e.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
            io::ErrorKind::FileTooLarge => "it is larger than 1 MiB".to_owned(),
            _ => e.to_string(),
        })
    })?;
    apply_text(path, &text, merge);
    Ok(())
}

/// Puts the values of a file with this text over what is there.
pub(super) fn apply_text(path: &Path, text: &str, merge: &mut Merge) {
    let source = Source { path, text };
    match DeTable::parse(text) {
        Ok(root) => source.root(root.get_ref(), merge),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            source.problem(at, error::printable(error.message()), merge);
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_SIZE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SIZE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// The first line of a file, without its end.
pub(super) fn first_line(path: &Path) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(File::open(path)?.take(65_536)).read_line(&mut line)?;
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its first line is empty",
        ));
    }
    Ok(text.to_owned())
}

/// A file that is being read.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn root(&self, root: &DeTable<'_>, merge: &mut Merge) {
        let mut entries: Vec<_> = root.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name: &str = key.get_ref();
            let at = key.span().start;
            let is_section = SECTIONS.iter().any(|section| section.name == name);
            match (value.get_ref(), table::find(name)) {
                (DeValue::Table(table), _) if is_section => self.section(name, table, merge),
                (_, Some(index)) => self.value(index, value, merge),
                (_, None) if is_section => {
                    let text = format!("{name} is a section: [{name}], and its settings below it");
                    self.problem(at, text, merge);
                }
                (value, None) => {
                    let text = error::unknown_section(name, value.is_table());
                    self.problem(at, text, merge);
                }
            }
        }
    }

    fn section(&self, section: &str, table: &DeTable<'_>, merge: &mut Merge) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = format!("{section}.{}", key.get_ref());
            match table::find(&name) {
                Some(index) => self.value(index, value, merge),
                None => self.problem(key.span().start, error::unknown(&name), merge),
            }
        }
    }

    fn value(&self, index: usize, value: &Spanned<DeValue<'_>>, merge: &mut Merge) {
        let Some(setting) = SETTINGS.get(index) else {
            return;
        };
        let base = self.path.parent().unwrap_or(Path::new(""));
        match (setting.set_toml)(&mut merge.settings, value, base) {
            Ok(()) => {
                let origin = Origin::File {
                    path: self.path.to_owned(),
                    line: self.line(value.span().start),
                };
                merge.set(index, origin);
            }
            Err(bad) => self.wrong(setting, bad, value, merge),
        }
    }

    fn wrong(&self, setting: &Setting, bad: Bad, value: &Spanned<DeValue<'_>>, merge: &mut Merge) {
        let at = match bad {
            Bad::Inside { at, .. } => at,
            _ => value.span().start,
        };
        let given = match value.get_ref() {
            DeValue::Table(_) => "a table",
            DeValue::Array(_) => "an array",
            _ => self.text.get(value.span()).unwrap_or_default(),
        };
        let text = error::wrong(setting, bad, given, Written::Toml);
        self.problem(at, text, merge);
    }

    fn problem(&self, at: usize, text: String, merge: &mut Merge) {
        let path = error::printable(&self.path.to_string_lossy());
        merge
            .problems
            .push(format!("{path}:{}: {text}", self.line(at)));
    }

    /// The line of an offset, from 1 on.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }
}
