//! What came of it, for people and programs.

use std::fmt;

use serde_json::{Value, json};

use crate::config::SandboxLevel;

/// What holds for the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What was asked for.
    pub level: SandboxLevel,
    /// The version of Landlock that holds; 0 is none.
    pub landlock: u32,
    /// How many system calls are left; `None` is all.
    pub calls: Option<usize>,
    /// Whether the process can start programs: the ones that it needs.
    pub programs: bool,
    /// The TCP ports that it can connect to, from version 4 of Landlock on.
    pub connect: Vec<u16>,
    /// What does not hold here, and why.
    pub missing: Vec<String>,
}

impl Held {
    /// The level as the settings have it.
    fn word(&self) -> &'static str {
        match self.level {
            SandboxLevel::Strict => "strict",
            SandboxLevel::Default => "default",
            SandboxLevel::Off => "off",
        }
    }

    /// Whether TCP is limited to some ports.
    fn limits_tcp(&self) -> bool {
        self.landlock >= super::files::TCP
    }

    /// For the status.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "level": self.word(),
            "landlock": self.landlock,
            "connect": self.limits_tcp().then_some(&self.connect),
            "system_calls": self.calls,
            "programs": self.programs,
            "no_new_privileges": true,
            "missing": self.missing,
        })
    }
}

/// In one line.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.word())?;
        if self.landlock > 0 {
            write!(f, "only its own files (Landlock {})", self.landlock)?;
        } else {
            f.write_str("all files")?;
        }
        if self.limits_tcp() {
            let ports: Vec<_> = self.connect.iter().map(ToString::to_string).collect();
            write!(f, ", TCP to port {} only", ports.join(", "))?;
        }
        match (self.calls, self.level) {
            (Some(calls), SandboxLevel::Strict) => {
                write!(f, ", {calls} system calls, any other one ends it")?;
            }
            (Some(calls), _) => write!(f, ", {calls} system calls")?,
            (None, _) => f.write_str(", all system calls")?,
        }
        f.write_str(if self.programs {
            ", no program but the compiler"
        } else {
            ", no other program"
        })?;
        f.write_str(", no new privileges")?;
        if !self.missing.is_empty() {
            write!(f, "; not here: {}", self.missing.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_holds() {
        let mut held = Held {
            level: SandboxLevel::Default,
            landlock: 7,
            calls: Some(150),
            programs: true,
            connect: vec![1883, 80],
            missing: Vec::new(),
        };
        assert_eq!(
            held.to_string(),
            "default: only its own files (Landlock 7), TCP to port 1883, 80 only, \
             150 system calls, no program but the compiler, no new privileges"
        );
        held.landlock = 0;
        held.calls = None;
        held.programs = false;
        held.missing = vec!["no Landlock".to_owned(), "no seccomp".to_owned()];
        assert_eq!(
            held.to_string(),
            "default: all files, all system calls, no other program, no new privileges; \
             not here: no Landlock; no seccomp"
        );
        assert_eq!(held.to_json()["connect"], Value::Null);
    }
}
