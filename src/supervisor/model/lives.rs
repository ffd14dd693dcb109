//! Modules end, and begin again.

use std::time::Duration;

use uuid::Uuid;

use super::place::LOST;
use super::{EventKind, Key, Model, ModuleState, Now, ReplyTo};
use crate::protocol::ExitReport;
use crate::supervisor::records::{Exit, RestartPolicy};

impl Model {
    /// A runtime tells that a module has ended. `parent` is the runtime, if it says so.
    pub(super) fn exit(&mut self, now: Now, uuid: Uuid, parent: Option<Uuid>, exit: &ExitReport) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let record = &entry.record;
        // It may be one that was moved away from there.
        if parent.is_some() && parent != record.runtime && parent != record.moves_to {
            return;
        }
        let exit = Exit::of_report(exit, now.system);
        match record.state {
            ModuleState::Stopping => self.stopped(now, uuid),
            ModuleState::Starting => {
                // It was quicker than the answer.
                self.started(now, uuid, None);
                self.ended(now, uuid, exit, false);
            }
            ModuleState::Running | ModuleState::Prepared | ModuleState::Moving => {
                self.ended(now, uuid, exit, false);
            }
            ModuleState::Waiting
            | ModuleState::BackOff
            | ModuleState::Exited
            | ModuleState::Lost => {}
        }
    }

    /// A module is not there any more. `delay`: it is not started again at once, though it was not
    /// its own end.
    pub(super) fn ended(&mut self, now: Now, uuid: Uuid, exit: Exit, delay: bool) {
        self.drop_request(uuid);
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let lost = exit.reason == "lost";
        let again = match entry.record.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit.is_failure(),
            RestartPolicy::Never => false,
        };
        let ran = now.instant.saturating_duration_since(entry.job.since);
        if ran > self.config.backoff_max {
            entry.job.backoff = Duration::ZERO;
        }
        entry.job.tried.clear();
        let creator = std::mem::replace(&mut entry.job.creator, ReplyTo::Nobody);
        let runtime = entry.record.runtime;
        let (kind, message) = match (lost, exit.code) {
            (true, _) => (EventKind::ModuleLost, exit.message.clone()),
            (false, Some(code)) => (
                EventKind::Exited,
                format!("{} with {code}: {}", exit.reason, exit.message),
            ),
            (false, None) => (
                EventKind::Exited,
                format!("{}: {}", exit.reason, exit.message),
            ),
        };
        self.event(now, kind, (runtime, Some(uuid)), message);
        // A client that waits for a move or for a start.
        let refusal = super::Refusal::new(super::RefusalKind::Rejected, exit.message.clone());
        self.reply(creator, Err(refusal));
        self.change(uuid, |module| {
            module.exit = Some(exit);
            module.reply = None;
            module.restarts += u64::from(again);
        });
        if !again {
            let state = if lost {
                ModuleState::Lost
            } else {
                ModuleState::Exited
            };
            return self.set_state(now, uuid, state, runtime);
        }
        if lost && !delay {
            return self.place(now, uuid);
        }
        let wait = self.next_backoff(uuid);
        self.set_state(now, uuid, ModuleState::BackOff, runtime);
        let at = now.instant + wait;
        self.timers.set(Key::Module(uuid), Some(at));
    }

    /// How long a module waits now; the next time twice as long.
    pub(super) fn next_backoff(&mut self, uuid: Uuid) -> Duration {
        let (min, max) = (self.config.backoff_min, self.config.backoff_max);
        let Some(job) = self.job(uuid) else {
            return min;
        };
        let wait = job.backoff.clamp(min, max.max(min));
        job.backoff = (wait * 2).min(max);
        wait
    }

    /// The runtime of a module is lost.
    pub(super) fn runtime_is_lost(&mut self, now: Now, uuid: Uuid) {
        match self.state(uuid) {
            Some(ModuleState::Starting) => {
                self.rejected(now, uuid, LOST.to_owned());
            }
            // Should it come back with it, it is told to delete it.
            Some(ModuleState::Stopping) => self.stopped(now, uuid),
            // The other runtime may have it by now.
            Some(ModuleState::Moving) => {}
            Some(ModuleState::Running | ModuleState::Prepared) => {
                let exit = Exit::lost("its runtime is lost", now.system);
                self.ended(now, uuid, exit, false);
            }
            _ => {}
        }
    }
}
