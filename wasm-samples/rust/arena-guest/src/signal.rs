//! Signals to the module.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::imports::{self, POLLIN, PollFd};

/// Save your state and exit: the module is about to be stopped, or moved to another runtime. After
/// a grace time (5 seconds by default) it is ended anyway.
pub const SAVE_AND_EXIT: u32 = 3; // SIGQUIT

/// Size of a record of `/sys/signals`; its first four bytes are the number.
const RECORD: usize = 128;

/// The signals that have come.
///
/// ```no_run
/// use arena_guest::{SAVE_AND_EXIT, Signals};
/// use std::time::Duration;
///
/// let mut signals = Signals::open()?;
/// let mut count = 0u64;
/// while signals.wait(Some(Duration::from_secs(1)))? != Some(SAVE_AND_EXIT) {
///     count += 1;
/// }
/// std::fs::write("/data/count", count.to_string())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Signals {
    file: File,
}

impl Signals {
    /// Opens `/sys/signals`.
    ///
    /// # Errors
    /// When the runtime does not have it.
    pub fn open() -> io::Result<Signals> {
        let file = File::open("/sys/signals")?;
        Ok(Signals { file })
    }

    /// Takes the next signal that has come; None if there is none. Never waits.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn take(&mut self) -> io::Result<Option<u32>> {
        let mut record = [0; RECORD];
        let size = self.file.read(&mut record)?;
        let number = record.first_chunk().copied().map(u32::from_le_bytes);
        Ok(number.filter(|_| size == RECORD))
    }

    /// Waits for a signal, at most `timeout`, and takes it; None waits for ever. Costs no
    /// processor time. Returns None if the time is over.
    ///
    /// # Errors
    /// When it cannot be waited for, or read.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Option<u32>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let milliseconds = left.map_or(-1, |left| {
                let rounded = left.as_nanos().div_ceil(1_000_000);
                c_int::try_from(rounded).unwrap_or(c_int::MAX)
            });
            let mut signals = PollFd {
                fd: self.file.as_raw_fd(),
                events: POLLIN,
                revents: 0,
            };
            // SAFETY: there is one element, and it is not kept.
            if unsafe { imports::poll(&raw mut signals, 1, milliseconds) } < 0 {
                return Err(io::Error::last_os_error());
            }
            let signal = self.take()?;
            if signal.is_some() || left.is_some_and(|left| left.is_zero()) {
                return Ok(signal);
            }
        }
    }
}
