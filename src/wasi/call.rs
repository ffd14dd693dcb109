//! One call of a WASI function: the state, the guest's memory, and how to wait.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::config::Wasi;
use super::error::{Errno, Fail, Result};
use super::object::File;
use crate::wamr::{Caller, HostError, Memory};

/// What every WASI function gets, whatever the context of the instance is.
pub(crate) struct Call<'a> {
    pub(crate) wasi: &'a Wasi,
    pub(crate) memory: Memory<'a>,
    caller: &'a dyn Interrupt,
}

/// How the engine ends a wait.
trait Interrupt {
    fn is_stopping(&self) -> bool;
    fn run(&self, call: &mut dyn FnMut() -> io::Result<()>) -> Result<io::Result<()>, HostError>;
}

impl<T> Interrupt for Caller<'_, T> {
    fn is_stopping(&self) -> bool {
        Caller::is_stopping(self)
    }

    fn run(&self, call: &mut dyn FnMut() -> io::Result<()>) -> Result<io::Result<()>, HostError> {
        self.blocking(call)
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new<T: AsRef<Wasi>>(caller: &'a Caller<'a, T>) -> Self {
        Self {
            wasi: caller.data().as_ref(),
            memory: caller.memory(),
            caller,
        }
    }

    /// For what takes long without waiting.
    ///
    /// # Errors
    /// When the module is to stop.
    pub(crate) fn check_stop(&self) -> Result<()> {
        if self.caller.is_stopping() {
            Err(HostError::Stopped.into())
        } else {
            Ok(())
        }
    }

    /// Makes a system call that may block, again after any signal that is not a stop.
    ///
    /// # Errors
    /// The call's own, or when the module is to stop.
    pub(crate) fn blocking<R>(&self, mut call: impl FnMut() -> io::Result<R>) -> Result<R> {
        let mut returned = None;
        loop {
            let done = self.caller.run(&mut || {
                returned = Some(call()?);
                Ok(())
            })?;
            match done {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
                Ok(()) => {
                    if let Some(returned) = returned {
                        return Ok(returned);
                    }
                }
            }
        }
    }

    /// Transfers data from or to a file. Waits if the file is one that has to be waited for
    /// and the guest has not set it to non-blocking. What the host has set does not matter
    /// for that: another process may have changed a stream that it shares with this one.
    ///
    /// # Errors
    /// The transfer's own, `EAGAIN`, or when the module is to stop.
    pub(crate) fn transfer<R>(
        &self,
        file: &File,
        ready: PollFlags,
        mut transfer: impl FnMut() -> io::Result<R>,
    ) -> Result<R> {
        if !file.can_block() {
            return Ok(retrying(transfer)?);
        }
        if file.is_nonblocking_for_guest_only() && !is_ready(file, ready)? {
            return Err(Errno::Again.into());
        }
        loop {
            match self.blocking(&mut transfer) {
                Err(Fail::Errno(Errno::Again)) if !file.is_nonblocking() => {
                    self.blocking(|| {
                        poll(&mut [PollFd::from_borrowed_fd(file.as_fd(), ready)], None)
                            .map_err(io::Error::from)
                    })?;
                }
                done => return done,
            }
        }
    }
}

/// Whether the file can be read or written without waiting, or has an error to tell.
fn is_ready(file: &File, ready: PollFlags) -> io::Result<bool> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let count = retrying(|| {
        poll(
            &mut [PollFd::from_borrowed_fd(file.as_fd(), ready)],
            Some(&now),
        )
        .map_err(Into::into)
    })?;
    Ok(count > 0)
}

/// Makes a system call again when a signal has interrupted it.
fn retrying<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
