//! How a call into a module ends when it does not return.

use std::fmt;

use super::host::{HOST_EXCEPTION, HostError};

/// A call into a module that did not return: a WebAssembly trap, an error of a
/// host function, a stop from outside, or the module's own exit.
///
/// `Display` prints the message; [`Trap::frames`] is the wasm call stack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Trap {
    kind: TrapKind,
    message: String,
    stack: Stack,
}

/// A wasm call stack, or the inner part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) frames: Vec<Frame>,
    /// How many outer frames there were beside those.
    pub(super) omitted: usize,
}

/// Why a call did not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrapKind {
    /// The `unreachable` instruction: an abort or a panic, as a rule.
    Unreachable,
    /// An access outside of linear memory.
    MemoryOutOfBounds,
    /// An access outside of a table.
    TableOutOfBounds,
    /// A division or remainder of integers by zero.
    IntegerDivideByZero,
    /// The smallest integer divided by -1, or a float too large to convert.
    IntegerOverflow,
    /// A float that is not a number converted to an integer.
    InvalidConversionToInteger,
    /// An indirect call of a table element that does not exist.
    UndefinedElement,
    /// An indirect call of a table element that is null.
    UninitializedElement,
    /// An indirect call of a function of another type.
    IndirectCallTypeMismatch,
    /// The operand stack, the native stack or the guest's own stack is full.
    StackOverflow,
    /// An atomic access whose address is not a multiple of its size.
    UnalignedAtomic,
    /// The system refuses memory.
    OutOfMemory,
    /// A host function failed or panicked.
    HostFunction,
    /// The module raised a signal (WASI `proc_raise`).
    Raised(u8),
    /// The module ended itself with this status (WASI `proc_exit`).
    Exit(i32),
    /// Ended by a [`StopHandle`](super::StopHandle).
    Stopped,
    /// Another end that WAMR has a message for.
    Other,
}

/// A function on the wasm call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's index in the module, imports first.
    pub func_index: u32,
    /// Its name from the name section, demangled, or that of an export.
    pub name: Option<String>,
}

/// More frames than this are of one recursion, and are not kept.
pub(super) const MAX_FRAMES: usize = 64;

impl Trap {
    pub(super) fn new(kind: TrapKind, message: impl Into<String>, stack: Stack) -> Trap {
        Trap {
            kind,
            message: message.into(),
            stack,
        }
    }

    /// From the text of a WAMR exception.
    pub(super) fn from_exception(text: &str, stack: Stack) -> Trap {
        let message = text.strip_prefix("Exception: ").unwrap_or(text);
        Trap::new(kind_of(message), message, stack)
    }

    pub(super) fn stopped() -> Trap {
        Trap::new(TrapKind::Stopped, "stopped", Stack::default())
    }

    /// Why the call did not return.
    #[must_use]
    pub fn kind(&self) -> TrapKind {
        self.kind
    }

    /// What happened, in words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The wasm call stack, innermost first; at most 64 frames. Empty for AOT
    /// code that was compiled without frames.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.stack.frames
    }

    /// How many outer frames there were beyond [`Trap::frames`].
    #[must_use]
    pub fn omitted_frames(&self) -> usize {
        self.stack.omitted
    }
}

impl fmt::Display for Frame {
    /// As in `main (function 7)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (function {})", self.func_index),
            None => write!(f, "function {}", self.func_index),
        }
    }
}

/// WAMR's messages (`wasm_runtime_common.c`, `exception_msgs`) by kind.
fn kind_of(message: &str) -> TrapKind {
    const KINDS: &[(&str, TrapKind)] = &[
        ("unreachable", TrapKind::Unreachable),
        ("out of bounds memory access", TrapKind::MemoryOutOfBounds),
        ("out of bounds table access", TrapKind::TableOutOfBounds),
        ("integer divide by zero", TrapKind::IntegerDivideByZero),
        ("integer overflow", TrapKind::IntegerOverflow),
        (
            "invalid conversion to integer",
            TrapKind::InvalidConversionToInteger,
        ),
        ("undefined element", TrapKind::UndefinedElement),
        ("uninitialized element", TrapKind::UninitializedElement),
        (
            "indirect call type mismatch",
            TrapKind::IndirectCallTypeMismatch,
        ),
        ("wasm operand stack overflow", TrapKind::StackOverflow),
        ("native stack overflow", TrapKind::StackOverflow),
        ("wasm auxiliary stack overflow", TrapKind::StackOverflow),
        ("wasm auxiliary stack underflow", TrapKind::StackOverflow),
        ("unaligned atomic", TrapKind::UnalignedAtomic),
        ("allocate memory failed", TrapKind::OutOfMemory),
        ("terminated by user", TrapKind::Stopped),
    ];
    KINDS
        .iter()
        .find(|(text, _)| message == *text)
        .map_or(TrapKind::Other, |(_, kind)| *kind)
}

/// The trap for an exception of WAMR and, perhaps, the error that caused it.
pub(super) fn trap_of(text: &str, error: Option<HostError>, stack: impl Fn() -> Stack) -> Trap {
    let message = text.strip_prefix("Exception: ").unwrap_or(text);
    if HOST_EXCEPTION.to_str() != Ok(message) {
        let trap = Trap::from_exception(text, stack());
        return if trap.kind() == TrapKind::Stopped {
            Trap::stopped()
        } else {
            trap
        };
    }
    match error {
        Some(HostError::Exit(status)) => Trap::new(
            TrapKind::Exit(status),
            format!("exited with status {status}"),
            Stack::default(),
        ),
        Some(HostError::Raised(signal)) => Trap::new(
            TrapKind::Raised(signal),
            format!("raised signal {signal}"),
            stack(),
        ),
        Some(HostError::Stopped) => Trap::stopped(),
        Some(HostError::OutOfBounds(range)) => {
            Trap::new(TrapKind::MemoryOutOfBounds, range.to_string(), stack())
        }
        Some(error) => Trap::new(TrapKind::HostFunction, error.to_string(), stack()),
        None => Trap::new(TrapKind::HostFunction, "a host function failed", stack()),
    }
}
