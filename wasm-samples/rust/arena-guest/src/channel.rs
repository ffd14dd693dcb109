//! Channels: open, read, write, wait.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, imports};

/// What a channel is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Getting messages.
    Read,
    /// Publishing messages.
    Write,
    /// Both. What the module publishes comes back to it, as it does over MQTT.
    ReadWrite,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Read => "read",
            Mode::Write => "write",
            Mode::ReadWrite => "read and write",
        })
    }
}

/// How often each descriptor was opened: the runtime gives the same one for the same path, and
/// forgets it with the first close.
static OPEN: Mutex<BTreeMap<c_int, usize>> = Mutex::new(BTreeMap::new());

/// An open channel, closed when it is dropped. Two of the same path share their messages: each
/// message is read once.
#[derive(Debug)]
pub struct Channel {
    fd: c_int,
    path: String,
}

impl Channel {
    /// The largest message that [`read`](Channel::read) gives in one piece.
    pub const MAX_MESSAGE: usize = 64 * 1024;

    /// Opens a channel, and subscribes to its topic if it is to be read.
    ///
    /// `path` is the path of a declared channel, or such a path and more (`light/status` for the
    /// channel `light`), or else a topic, if the node allows that. A topic to be read may have the
    /// wildcards `+` and `#`.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open(path: &str, mode: Mode) -> Result<Channel, Error> {
        let refused = || Error::Open {
            path: path.to_owned(),
            mode,
        };
        let c_path = CString::new(path).map_err(|_| refused())?;
        let flags = match mode {
            Mode::Read => 0,
            Mode::Write => 1,
            Mode::ReadWrite => 2,
        };
        // Held over the call, so that no other thread closes the descriptor in between.
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: `c_path` ends with a NUL and lives until the call returns.
        let fd = unsafe { imports::ch_open(c_path.as_ptr(), flags, 0) };
        if fd < 0 {
            return Err(refused());
        }
        *open.entry(fd).or_default() += 1;
        Ok(Channel {
            fd,
            path: path.to_owned(),
        })
    }

    /// The path that it was opened with.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Publishes one message. Never waits.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, message: &[u8]) -> Result<(), Error> {
        // SAFETY: the slice is readable for its length, and not kept.
        let written = unsafe { imports::ch_write_msg(self.fd, message.as_ptr(), message.len()) };
        if usize::try_from(written) == Ok(message.len()) {
            Ok(())
        } else {
            Err(Error::Write {
                path: self.path.clone(),
                bytes: message.len(),
            })
        }
    }

    /// Takes the next message; None if there is none, or an empty one. Never waits.
    ///
    /// A message that is larger than [`MAX_MESSAGE`](Channel::MAX_MESSAGE) comes in several parts:
    /// for such, use [`read_part`](Channel::read_part) with a buffer that is large enough.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        let mut message = vec![0; Channel::MAX_MESSAGE];
        let size = self.read_part(&mut message)?;
        message.truncate(size);
        message.shrink_to_fit();
        Ok((size > 0).then_some(message))
    }

    /// Takes the next message into `buffer`, without allocating. Returns the number of bytes; 0 if
    /// there is no message, or an empty one. What does not fit is kept for the next calls, so a
    /// full buffer may hold only a part. Never waits.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read_part(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: the slice is writable for its length, and not kept.
        let size = unsafe { imports::ch_read_msg(self.fd, buffer.as_mut_ptr(), buffer.len()) };
        usize::try_from(size).map_err(|_| Error::Read {
            path: self.path.clone(),
        })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get(&self.fd).map_or(0, |count| count - 1);
        if left > 0 {
            open.insert(self.fd, left);
            return;
        }
        open.remove(&self.fd);
        // SAFETY: takes no pointer. The last channel with this descriptor is gone.
        unsafe { imports::ch_close(self.fd) };
    }
}

/// Waits until one of the channels has a message, at most `timeout`; None waits for ever. Costs no
/// processor time. Returns how many channels have a message (try to read each), 0 if the time is
/// over. A wait has whole milliseconds, and at least one.
///
/// # Errors
/// [`Error::Poll`].
pub fn poll(channels: &[&Channel], timeout: Option<Duration>) -> Result<usize, Error> {
    let mut fds: Vec<c_int> = channels.iter().map(|channel| channel.fd).collect();
    let count = c_int::try_from(fds.len()).map_err(|_| Error::Poll)?;
    // No deadline for a time that no clock can tell: it is as good as for ever.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let milliseconds = left.map_or(0, milliseconds);
        // SAFETY: `fds` has `count` elements, and is not kept.
        let ready = unsafe { imports::ch_poll(fds.as_mut_ptr(), count, milliseconds) };
        let ready = usize::try_from(ready).map_err(|_| Error::Poll)?;
        // A time that is longer than a call can say takes several.
        if ready > 0 || milliseconds < c_int::MAX {
            return Ok(ready);
        }
    }
}

/// Rounded up, so that a wait is not too short. 0 would be for ever.
fn milliseconds(time: Duration) -> c_int {
    let rounded = time.as_nanos().div_ceil(1_000_000).max(1);
    c_int::try_from(rounded).unwrap_or(c_int::MAX)
}
