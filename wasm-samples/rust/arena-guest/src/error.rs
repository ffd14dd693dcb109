//! What can fail.

use std::fmt;

use crate::Mode;

/// Why something failed. The runtime's functions only say that it did, and its log why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The channel cannot be opened: no such channel, another mode, a topic that modules may not
    /// use, or too many open channels.
    Open {
        /// The path that was asked for.
        path: String,
        /// What it was to be opened for.
        mode: Mode,
    },
    /// A message was refused: the channel is not for writing, or the link to the broker has too
    /// much to send already. In that case modules of the same runtime have got it all the same.
    Write {
        /// The channel's path.
        path: String,
        /// The size of the message.
        bytes: usize,
    },
    /// The channel is not for reading.
    Read {
        /// The channel's path.
        path: String,
    },
    /// One of the channels cannot be waited for.
    Poll,
    /// The runtime did not tell a uuid.
    Uuid,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Open { path, mode } => {
                write!(f, "cannot open channel {path:?} to {mode}")
            }
            Error::Write { path, bytes } => {
                write!(
                    f,
                    "a message of {bytes} bytes to channel {path:?} was refused"
                )
            }
            Error::Read { path } => write!(f, "cannot read from channel {path:?}"),
            Error::Poll => write!(f, "cannot wait for these channels"),
            Error::Uuid => write!(f, "the runtime tells no uuid"),
        }
    }
}

impl std::error::Error for Error {}
