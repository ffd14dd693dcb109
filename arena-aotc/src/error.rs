//! What can go wrong, and the exit status that says so.

use std::process::ExitCode;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Each message is one line, without a newline, and says what to do where that is not plain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The options do not make sense, alone or together.
    #[error("{0}")]
    Usage(String),
    /// The input cannot be read, is not a valid module, or is one that cannot be compiled.
    #[error("{0}")]
    Input(String),
    /// The module is not to blame.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Input(_) => 1,
            // The status that clap uses as well.
            Self::Usage(_) => 2,
            // The status that shim/target.cpp uses as well.
            Self::Internal(_) => 3,
        })
    }
}
