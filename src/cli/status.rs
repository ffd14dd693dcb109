//! Exit statuses, and how a failure is told.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Exit statuses of our own; a module that runs gives its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    /// The output cannot be written.
    CannotWrite = 1,
    /// The command line cannot be used, or the settings, or a file that they name.
    Usage = 2,
    /// A service cannot be started here and now.
    CannotStart = 3,
    /// The supervisor or the broker refuses, or says that something is not well.
    Refused = 4,
    /// The supervisor does not answer, or something else does.
    NoAnswer = 5,
    /// `--timeout` ran out, as `timeout(1)` says it.
    TimedOut = 124,
    /// The file cannot be loaded.
    CannotLoad = 126,
    /// There is no such file.
    NotFound = 127,
    /// Ended by Ctrl-C: 128 and SIGINT.
    Interrupted = 130,
    /// The module trapped: 128 and SIGABRT.
    Trapped = 134,
    /// Ended by SIGTERM: 128 and its number.
    Terminated = 143,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// Why a command fails, in one or two lines, and with which status.
#[derive(Debug)]
pub(super) struct Failure {
    status: Status,
    message: String,
}

impl Failure {
    pub(super) fn new(status: Status, message: impl Into<String>) -> Failure {
        Failure {
            status,
            message: message.into(),
        }
    }

    /// Of what could not be done with a file: "cannot `verb` FILE: `why`".
    pub(super) fn of_file(
        status: Status,
        verb: &str,
        file: &Path,
        why: impl std::fmt::Display,
    ) -> Failure {
        let file = printable(&file.display().to_string());
        Failure::new(status, format!("cannot {verb} {file}: {why}"))
    }

    /// Prints the message; nothing is left to do if that fails.
    pub(super) fn report(&self) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "arena: {}", self.message);
        self.status.into()
    }
}

/// Writes to stdout. A reader that has gone away is not an error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Status::CannotWrite,
            format!("cannot write to stdout: {e}"),
        )),
        _ => Ok(()),
    }
}

/// In one line and without control characters. Names of imports, exports and
/// functions are the module's; they shall not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
