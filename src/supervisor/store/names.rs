//! Names of files in the store.

use std::fmt;

/// A user, and what the file is called there, such as `kitchen/light.wasm`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName {
    user: String,
    file: String,
}

/// Why a name cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be a name in the store: its parts are letters, digits, \"-\", \"_\" and \".\", \
     do not begin with a \".\", and there are 200 characters at most"
)]
pub struct NameError(String);

/// The longest user, and the longest filename, so that both are names of files everywhere.
const LONGEST: usize = 200;

fn is_part(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && !text.starts_with('.') && text.chars().all(plain)
}

impl FileName {
    /// A name, if it can be one. `file` may have several parts, separated by `/`.
    ///
    /// # Errors
    /// When it cannot.
    pub fn new(user: &str, file: &str) -> Result<FileName, NameError> {
        let whole = format!("{user}/{file}");
        let flat = flat(file);
        let good = is_part(user)
            && user.len() <= LONGEST
            && file.split('/').all(is_part)
            && flat.len() <= LONGEST;
        if !good {
            return Err(NameError(whole.chars().take(300).collect()));
        }
        Ok(FileName {
            user: user.to_owned(),
            file: file.to_owned(),
        })
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What the file is called there.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// As a name of one file: no part can have a `%`.
    pub(super) fn flat(&self) -> String {
        flat(&self.file)
    }

    pub(super) fn from_flat(user: &str, flat: &str) -> Option<FileName> {
        FileName::new(user, &flat.replace("%2F", "/")).ok()
    }
}

fn flat(file: &str) -> String {
    file.replace('/', "%2F")
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.file)
    }
}
