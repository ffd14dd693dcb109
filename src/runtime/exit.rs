//! How a module has ended.

use crate::protocol::{ExitReason, ExitReport, OUT_OF_CPU_TIME};
use crate::wamr::{CallError, Trap, TrapKind};

/// How a module has ended, as its exit report says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) reason: ExitReason,
    /// 0 if it returned, its own status if it exited, 128 and a signal otherwise, as a shell
    /// has it.
    pub(super) code: i32,
    pub(super) message: String,
}

/// 128 and SIGABRT, as for a process that aborts.
const TRAPPED: i32 = 134;
/// 128 and SIGTERM.
const STOPPED: i32 = 143;

impl Exit {
    /// From what a call of `_start` came to.
    pub(super) fn of_call(result: Result<(), CallError>) -> Exit {
        match result {
            Ok(()) => Exit {
                reason: ExitReason::Returned,
                code: 0,
                message: "returned".to_owned(),
            },
            Err(CallError::Trap(trap)) => Exit::of_trap(&trap),
            Err(error) => Exit::trapped(&error.to_string()),
        }
    }

    pub(super) fn of_trap(trap: &Trap) -> Exit {
        match trap.kind() {
            TrapKind::Exit(code) => Exit {
                reason: ExitReason::Exited,
                code,
                message: trap.message().to_owned(),
            },
            TrapKind::Stopped => Exit::stopped(),
            TrapKind::Raised(signal) => Exit {
                code: 128 + i32::from(signal),
                ..Exit::trapped(&with_place(trap))
            },
            _ => Exit::trapped(&with_place(trap)),
        }
    }

    pub(super) fn trapped(message: &str) -> Exit {
        Exit {
            reason: ExitReason::Trapped,
            code: TRAPPED,
            message: printable(message),
        }
    }

    /// Of a module that was told to end and has nothing to say.
    pub(super) fn stopped() -> Exit {
        Exit {
            reason: ExitReason::Stopped,
            code: STOPPED,
            message: "stopped".to_owned(),
        }
    }

    /// Of a module that has used as many milliseconds of CPU time as it may.
    pub(super) fn out_of_cpu_time(millis: u128) -> Exit {
        Exit {
            reason: ExitReason::Stopped,
            code: OUT_OF_CPU_TIME,
            message: format!("its CPU time is used up: {millis} ms (resources.cpu_ms)"),
        }
    }

    /// As it is told to ARTS.
    pub(super) fn to_report(&self) -> ExitReport {
        ExitReport {
            reason: self.reason,
            code: Some(self.code.into()),
            message: self.message.clone(),
        }
    }

    /// Whether the module ended by a fault: by a trap, or with a status that says so.
    pub(super) fn is_crash(&self) -> bool {
        match self.reason {
            ExitReason::Trapped => true,
            ExitReason::Exited => self.code != 0,
            ExitReason::Returned | ExitReason::Stopped => false,
        }
    }
}

/// The message, and the innermost functions.
fn with_place(trap: &Trap) -> String {
    let frames: Vec<_> = trap
        .frames()
        .iter()
        .take(8)
        .map(ToString::to_string)
        .collect();
    if frames.is_empty() {
        trap.message().to_owned()
    } else {
        format!("{} in {}", trap.message(), frames.join(" < "))
    }
}

/// In one line of bounded length and without control characters: names in a trap are the
/// module's, and go into logs and messages.
pub(super) fn printable(text: &str) -> String {
    const MAX: usize = 2_000;
    text.chars()
        .take(MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_and_crashes() {
        let returned = Exit::of_call(Ok(()));
        assert_eq!((returned.reason, returned.code), (ExitReason::Returned, 0));
        assert!(!returned.is_crash());
        let missing = Exit::of_call(Err(CallError::NoFunction("_start\n".to_owned())));
        assert!(missing.is_crash());
        assert!(!missing.message.contains('\n'));
        assert_eq!(printable(&"x".repeat(5_000)).len(), 2_000);
    }
}
