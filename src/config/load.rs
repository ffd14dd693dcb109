//! Puts the sources of settings together.

use std::fmt;
use std::path::{Path, PathBuf};

use super::check;
use super::environment;
use super::error::{self, ConfigError, Written};
use super::file;
use super::places;
use super::surroundings::Surroundings;
use super::table;
use super::tree::{SETTINGS, Settings};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => {
                write!(f, "{}:{line}", error::printable(&path.to_string_lossy()))
            }
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// What flags say, not yet looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagValues {
    /// The file to read.
    pub config: Option<PathBuf>,
    values: Vec<FlagValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FlagValue {
    flag: String,
    key: String,
    texts: Vec<String>,
}

impl FlagValues {
    /// Both together. What both set is as it is here.
    #[must_use]
    pub fn over(self, mut base: FlagValues) -> FlagValues {
        // Of two the later one counts.
        base.values.extend(self.values);
        base.config = self.config.or(base.config);
        base
    }

    /// Notes that `flag` gives this text to the setting `key`. Of several for
    /// one setting the last one counts, except that a list takes them all.
    pub fn add(&mut self, flag: &str, key: &str, text: &str) {
        let same = self
            .values
            .iter_mut()
            .find(|value| value.flag == flag && value.key == key);
        match same {
            Some(value) => value.texts.push(text.to_owned()),
            None => self.values.push(FlagValue {
                flag: flag.to_owned(),
                key: key.to_owned(),
                texts: vec![text.to_owned()],
            }),
        }
    }
}

/// The settings that hold, and where each comes from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The values.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What should be looked at, each in one line.
    pub warnings: Vec<String>,
    origins: Vec<Origin>,
}

impl Effective {
    /// Where the value of a setting comes from; none if there is no such setting.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(table::find(key)?)
    }

    pub(super) fn origins(&self) -> &[Origin] {
        &self.origins
    }
}

/// What has come together so far.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) settings: Settings,
    pub(super) origins: Vec<Origin>,
    /// Each with its place.
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Merge {
    pub(super) fn new(around: &Surroundings) -> Merge {
        Merge {
            settings: Settings::defaults(around),
            origins: vec![Origin::Default; SETTINGS.len()],
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes where a value is from.
    pub(super) fn set(&mut self, index: usize, origin: Origin) {
        if let Some(of) = self.origins.get_mut(index) {
            *of = origin;
        }
    }

    pub(super) fn origin(&self, key: &str) -> &Origin {
        let found = table::find(key).and_then(|index| self.origins.get(index));
        found.unwrap_or(&Origin::Default)
    }

    fn flags(&mut self, flags: &FlagValues, base: &Path) {
        for FlagValue { flag, key, texts } in &flags.values {
            let index = table::find(key);
            let Some((index, setting)) = index.and_then(|i| Some((i, SETTINGS.get(i)?))) else {
                self.problems
                    .push(format!("{flag}: {}", error::unknown(key)));
                continue;
            };
            match (setting.set_texts)(&mut self.settings, texts, base) {
                Ok(()) => self.set(index, Origin::Flag(flag.clone())),
                Err(bad) => {
                    let given = format!("\"{}\"", texts.join(","));
                    let text = error::wrong(setting, bad, &given, Written::Plain);
                    self.problems.push(format!("{flag}: {text}"));
                }
            }
        }
    }

    fn finish(mut self, file: Option<PathBuf>) -> Result<Effective, ConfigError> {
        if *self.origin("runtime.app_dir") == Origin::Default {
            self.settings.runtime.app_dir = places::app_dir(&self.settings.runtime.state_dir);
        }
        if self.problems.is_empty() {
            check::together(&mut self);
        }
        if !self.problems.is_empty() {
            return Err(ConfigError::Wrong {
                problems: self.problems,
            });
        }
        check::files(&mut self, file.as_deref());
        Ok(Effective {
            settings: self.settings,
            file,
            warnings: self.warnings,
            origins: self.origins,
        })
    }
}

/// The settings from all sources: defaults, the file, the environment, flags.
///
/// The file is the one that the flags name, else the one in `ARENA_CONFIG`,
/// else `arena/arena.toml` in the user's directory of settings, else
/// `/etc/arena/arena.toml`. The last two need not be there.
///
/// # Errors
/// The file cannot be read, or something in one of the sources is wrong: all
/// of it is named.
pub fn load(flags: &FlagValues, around: &Surroundings) -> Result<Effective, ConfigError> {
    let mut merge = Merge::new(around);
    let file = file::choose(flags.config.as_deref(), around);
    if let Some(file) = &file {
        file::apply(file, &mut merge)?;
    }
    environment::apply(around, &mut merge);
    merge.flags(flags, &around.dir);
    merge.finish(file)
}

/// The settings from one file, without environment and flags: to check it.
///
/// # Errors
/// As of [`load`].
pub fn load_file(path: &Path, around: &Surroundings) -> Result<Effective, ConfigError> {
    let mut merge = Merge::new(around);
    let path = around.dir.join(path);
    file::apply(&path, &mut merge)?;
    merge.finish(Some(path))
}
