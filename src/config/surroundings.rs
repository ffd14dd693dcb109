//! What the settings find around them: the environment and the host.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The environment, the working directory and the host's name. The default is
/// an empty environment.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment.
    pub variables: BTreeMap<OsString, OsString>,
    /// What relative paths of variables and flags are relative to.
    pub dir: PathBuf,
    /// The host's name; empty if it has none.
    pub host: String,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Surroundings {
        Surroundings {
            variables: std::env::vars_os().collect(),
            // A directory that was removed: paths stay relative to nothing.
            dir: std::env::current_dir().unwrap_or_default(),
            host: std::fs::read_to_string("/proc/sys/kernel/hostname")
                .map(|name| name.trim().to_owned())
                .unwrap_or_default(),
        }
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// An absolute path in a variable. The XDG specification wants others ignored.
    pub(super) fn path(&self, name: &str) -> Option<&Path> {
        self.variable(name)
            .map(Path::new)
            .filter(|path| path.is_absolute())
    }

    /// A directory that systemd made for the service: the first of the list.
    pub(super) fn systemd_dir(&self, name: &str) -> Option<PathBuf> {
        let list = self.variable(name)?;
        std::env::split_paths(list)
            .next()
            .filter(|path| path.is_absolute())
    }

    /// The user's directory of a kind, by `variable` or in the home.
    pub(super) fn user_dir(&self, variable: &str, in_home: &str) -> Option<PathBuf> {
        self.path(variable)
            .map(Path::to_owned)
            .or_else(|| Some(self.path("HOME")?.join(in_home)))
    }
}
