//! Users and the hashes of their passwords: a file with a line `name:hash` for each, where the
//! hash is that of Argon2 in its usual form (`$argon2id$v=19$…`).

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use mqtt5::broker::PasswordAuthProvider as Argon2;

use super::error::BrokerError;

/// Why a password cannot be set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The name cannot stand in the file.
    #[error("a user's name has 1 to 255 bytes, no control characters, no colon, no # at its begin")]
    Name,
    /// There is no password.
    #[error("the password is empty")]
    Empty,
    /// It cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    /// The file holds something else, or cannot be read.
    #[error(transparent)]
    File(#[from] BrokerError),
    /// The file cannot be written.
    #[error("the file cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// What is compared for users that do not exist, so that they cost as much as others.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGtub3dzIGl0$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The users of a file.
#[derive(Debug, Default)]
pub(super) struct Users(HashMap<String, String>);

impl Users {
    pub(super) fn read(file: &Path) -> Result<Users, BrokerError> {
        let text = fs::read_to_string(file).map_err(|e| BrokerError::file(file, e))?;
        Users::parse(&text).map_err(|why| BrokerError::file(file, why))
    }

    fn parse(text: &str) -> Result<Users, String> {
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':') else {
                return Err(format!("line {number}: expected NAME:HASH"));
            };
            if !is_name(name) {
                return Err(format!("line {number}: {}", PasswordError::Name));
            }
            if !is_hash(hash) {
                return Err(format!(
                    "line {number}: this is no hash of Argon2; arena broker passwd makes one"
                ));
            }
            if users.insert(name.to_owned(), hash.to_owned()).is_some() {
                return Err(format!("line {number}: {name} is there already"));
            }
        }
        Ok(Users(users))
    }

    /// The hash of the user's password, or one that no password has.
    pub(super) fn hash(&self, user: &str) -> &str {
        self.0.get(user).map_or(NOBODY, String::as_str)
    }
}

/// Whether the password is the one of the hash. This takes some 20 ms and 19 MiB.
pub(super) fn is_password(password: &[u8], hash: &str) -> bool {
    std::str::from_utf8(password).is_ok_and(|text| Argon2::verify_password(text, hash))
        && hash != NOBODY
}

fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with('#')
        && name.trim() == name
        && !name.contains(|c: char| c == ':' || c.is_control())
}

/// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`
fn is_hash(text: &str) -> bool {
    let parts: Vec<&str> = text.split('$').collect();
    matches!(parts.as_slice(), ["", "argon2id" | "argon2i" | "argon2d", version, costs, salt, hash]
        if version.starts_with("v=") && costs.starts_with("m=") && !salt.is_empty() && !hash.is_empty())
}

/// The hash of a password, as the file of passwords has it.
///
/// # Errors
/// The password is empty, or the system has no random numbers.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    Argon2::hash_password(password).map_err(|e| PasswordError::Hash(e.to_string()))
}

/// Sets the password of a user in a file, which is made if it is not there, and replaced in one
/// step: a broker that reads it sees the one or the other.
///
/// # Errors
/// The name cannot be one, the password is empty, or the file is something else or cannot be
/// written.
pub fn set_password(file: &Path, user: &str, password: &str) -> Result<(), PasswordError> {
    if !is_name(user) {
        return Err(PasswordError::Name);
    }
    let hash = hash_password(password)?;
    let (text, mode) = match fs::metadata(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => (String::new(), 0o600),
        Err(e) => return Err(BrokerError::file(file, e).into()),
        Ok(data) => {
            // Nothing else is overwritten by mistake.
            Users::read(file)?;
            (fs::read_to_string(file)?, data.mode() & 0o777)
        }
    };
    let own = |line: &str| {
        line.trim()
            .split_once(':')
            .is_some_and(|(name, _)| name == user)
    };
    let mut lines: Vec<&str> = text.lines().filter(|line| !own(line)).collect();
    let new = format!("{user}:{hash}");
    lines.push(&new);
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut replacement = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
    replacement.write_all((lines.join("\n") + "\n").as_bytes())?;
    let permissions = fs::Permissions::from_mode(mode);
    replacement.as_file().set_permissions(permissions)?;
    replacement.as_file().sync_all()?;
    replacement.persist(file).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_set_and_changed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        set_password(&file, "ada", "first").unwrap();
        fs::write(
            &file,
            fs::read_to_string(&file).unwrap() + "\n# a comment\n",
        )
        .unwrap();
        set_password(&file, "bob", "other").unwrap();
        set_password(&file, "ada", "second").unwrap();
        let users = Users::read(&file).unwrap();
        assert!(is_password(b"second", users.hash("ada")));
        assert!(!is_password(b"first", users.hash("ada")));
        assert!(!is_password(b"", users.hash("ada")));
        assert!(!is_password(b"\xff", users.hash("ada")));
        assert!(is_password(b"other", users.hash("bob")));
        assert!(!is_password(b"other", users.hash("eve")));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("# a comment"), "{text}");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_of_passwords_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("letter");
        fs::write(&file, "Dear Ada,\n").unwrap();
        let error = set_password(&file, "ada", "secret").unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "Dear Ada,\n");
        for name in ["", "a:b", "#a", " a", "a\n"] {
            let error = set_password(&file, name, "secret").unwrap_err();
            assert!(matches!(error, PasswordError::Name), "{name:?}: {error}");
        }
    }

    #[test]
    fn lines_that_cannot_be() {
        for (text, why) in [
            ("ada", "expected NAME:HASH"),
            ("ada:secret", "no hash"),
            (":$argon2id$v=19$m=1,t=1,p=1$a$b", "name"),
            ("\n\nada:$7$old$", "line 3"),
        ] {
            let error = Users::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let twice = "ada:$argon2id$v=19$m=1,t=1,p=1$a$b\n".repeat(2);
        assert!(Users::parse(&twice).unwrap_err().contains("line 2"));
    }
}
