//! Why a module does not get what it asks for: told once, and counted.

use std::sync::atomic::{AtomicU32, Ordering};

use tracing::warn;
use uuid::Uuid;

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no channel has this path, and the node allows no other topics")]
    Undeclared,
    #[error("no channel has this path, and as a topic it is not one of the realm's")]
    OutsideRealm,
    #[error("it is, or may be, a control topic or one of the broker's own")]
    Control,
    #[error("it is not a topic")]
    NoTopic,
    #[error("with wildcards it can only be read")]
    Wildcard,
    #[error("the channel is not declared for that")]
    Mode,
    #[error("too many channels are open")]
    TooMany,
    #[error("the message is longer than allowed")]
    TooLong,
    #[error("the broker is behind, and what waits for it is full")]
    Full,
}

/// Which refusals a module has been told of in the log.
#[derive(Debug, Default)]
pub(super) struct Told(AtomicU32);

/// As much of a text of the module's is logged.
const MAX_LOGGED: usize = 200;

impl Told {
    /// Logs the refusal, the first time that it happens.
    pub(super) fn tell(&self, module: &Uuid, what: &str, refusal: Refusal) {
        let bit = 1 << (refusal as u32);
        if self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            let what: String = what.chars().take(MAX_LOGGED).collect();
            // Debug makes it printable, whatever the module has put into it.
            warn!(%module, channel = ?what, "refused: {refusal} (told once)");
        }
    }
}
