//! Whether a thread still goes round.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Somebody asks, and the thread shows that it has noticed. Whoever asks has to wake the thread if
/// it may be waiting.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    asked: AtomicBool,
}

impl Pulse {
    /// Asks; whether the question before this one was noticed.
    pub(crate) fn ask(&self) -> bool {
        !self.asked.swap(true, Ordering::Relaxed)
    }

    /// The thread goes round.
    pub(crate) fn beat(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }
}

/// The same where a task answers, which shows that its thread goes on.
#[derive(Debug, Default)]
pub(crate) struct TaskPulse {
    pulse: Pulse,
    wake: Notify,
}

impl TaskPulse {
    /// Asks, and wakes the task; whether the question before this one was noticed.
    pub(crate) fn ask(&self) -> bool {
        let beats = self.pulse.ask();
        self.wake.notify_one();
        beats
    }

    /// Waits for a question.
    pub(crate) async fn asked(&self) {
        self.wake.notified().await;
    }

    /// Answers it.
    pub(crate) fn beat(&self) {
        self.pulse.beat();
    }

    /// Answers, for ever.
    pub(crate) async fn answer(&self) {
        loop {
            self.asked().await;
            self.beat();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_go_round_is_noticed() {
        let pulse = Pulse::default();
        assert!(pulse.ask(), "nobody was asked before");
        assert!(!pulse.ask());
        assert!(!pulse.ask());
        pulse.beat();
        assert!(pulse.ask());
        assert!(!pulse.ask());
    }
}
