//! What the node does with a module between its create and its end.

use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};
use uuid::Uuid;

use crate::protocol::{DeleteModule, ExitReason, FaultCrash, ModuleEngine, ObjectId, Response};
use crate::pubsub::{Qos, Topic};
use crate::wamr::ModuleKind;

use super::event::Event;
use super::exit::{Exit, printable};
use super::job::{self, Snapshot};
use super::node::Node;
use super::reply::{self, ReplyTo};
use super::table::{Entry, State};
use super::worker::{self, Report};

impl Node {
    /// Begins a worker for a module that is in the table.
    pub(super) fn load(&mut self, uuid: Uuid) {
        let generation = self.next_generation;
        self.next_generation += 1;
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        let spawned = job::of(&entry.create, entry.lane, &self.shared).and_then(|job| {
            let events = self.sender.clone();
            let report = move |report| {
                // The node is gone only when the process ends.
                let _ = events.send(Event::Worker(uuid, generation, report));
            };
            worker::spawn(Arc::clone(&self.shared), job, report)
                .map_err(|e| format!("the system has no room for another module: {e}"))
        });
        match spawned {
            Ok(worker) => {
                entry.generation = generation;
                entry.state = State::Loading {
                    until: Instant::now() + self.shared.settings.limits.load_timeout,
                };
                entry.stdin = Topic::new(&self.shared.topics.stdin(uuid))
                    .ok()
                    .map(|topic| {
                        let stdin = worker.stdin();
                        self.shared
                            .router
                            .subscribe(topic.into(), Qos::AtMostOnce, stdin)
                    });
                entry.worker = Some(worker);
            }
            Err(why) => self.refused(uuid, &why),
        }
    }

    /// A worker has something to say.
    pub(super) fn on_worker(&mut self, uuid: Uuid, generation: u64, report: Report) {
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        if entry.generation != generation {
            return;
        }
        match report {
            Report::Ready(granted, kind) => {
                entry.granted = granted;
                entry.engine = Some(match kind {
                    ModuleKind::Wasm => ModuleEngine::Interpreter,
                    ModuleKind::Aot => ModuleEngine::Aot,
                });
                entry.state = State::Prepared;
                if entry.waits {
                    self.made(uuid);
                } else {
                    self.start_module(uuid);
                }
            }
            Report::Refused(why) => self.refused(uuid, &why),
            Report::Ended(exit, memory) => self.ended(uuid, exit, memory),
        }
    }

    /// Lets a prepared module run.
    pub(super) fn start_module(&mut self, uuid: Uuid) {
        if let Some(entry) = self.table.get_mut(uuid) {
            entry.state = State::Running;
            entry.waits = false;
            entry.started = Instant::now();
            if let Some(cpu) = &mut entry.cpu {
                cpu.begin(entry.started);
            }
            // A module that crashes begins anew: the memory is for its first start here.
            let memory = entry.memory.take();
            if let Some(worker) = &mut entry.worker {
                worker.start(memory);
            }
            info!(module = %uuid, name = printable(&entry.create.name), "the module runs");
        }
        self.made(uuid);
    }

    /// Tells whoever asked for the module that it is there.
    fn made(&mut self, uuid: Uuid) {
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        if let Some(reply) = entry.create_reply.take() {
            let details = reply::details(entry, self.shared.uuid);
            self.accept(&reply, details.into());
        }
    }

    /// The module cannot be run here.
    pub(super) fn refused(&mut self, uuid: Uuid, why: &str) {
        let Some(entry) = self.table.remove(uuid) else {
            return;
        };
        warn!(module = %uuid, why, "the module cannot be run");
        match &entry.create_reply {
            Some(reply) => self.refuse(reply, why),
            // At a later start: its file is gone, for example.
            None => self.report_exit(&entry, &Exit::trapped(why)),
        }
        self.answer_deletes(&entry, None);
    }

    /// Ends a module: it is asked to, and after the grace time it is made to.
    pub(super) fn end(&mut self, uuid: Uuid) {
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        match entry.state {
            State::Running => {
                let moves = entry.move_to.is_some();
                let asked = entry
                    .worker
                    .as_ref()
                    .is_some_and(|worker| worker.ask_to_end(moves));
                let grace = self.shared.settings.runtime.grace_time;
                if asked && !grace.is_zero() {
                    entry.state = State::Stopping {
                        until: Some(Instant::now() + grace),
                    };
                } else {
                    self.make_end(uuid);
                }
            }
            // It has not run, so there is nothing that it could save.
            State::Loading { .. } | State::Prepared | State::BackOff { .. } => {
                let Some(entry) = self.table.remove(uuid) else {
                    return;
                };
                if let Some(worker) = &entry.worker {
                    worker.stop();
                }
                if let Some(reply) = &entry.create_reply {
                    self.refuse(reply, "the module was deleted before it was loaded");
                }
                self.hand_over(&entry, None);
                self.answer_deletes(&entry, None);
                if entry.report_exit && entry.create_reply.is_none() {
                    self.report_exit(&entry, &Exit::stopped());
                }
            }
            State::Stopping { .. } => {}
        }
    }

    /// Ends a module at once, wherever it is.
    fn make_end(&mut self, uuid: Uuid) {
        if let Some(entry) = self.table.get_mut(uuid) {
            entry.state = State::Stopping { until: None };
            if let Some(worker) = &entry.worker {
                worker.stop();
            }
        }
    }

    /// The time has come for something that a module's state waits for.
    pub(super) fn on_due(&mut self, uuid: Uuid, now: Instant) {
        self.look_at_cpu_time(uuid, now);
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        if entry.state.deadline().is_none_or(|until| until > now) {
            return;
        }
        match entry.state {
            State::Loading { .. } => {
                if let Some(worker) = &entry.worker {
                    worker.stop();
                }
                let limit = humantime::format_duration(self.shared.settings.limits.load_timeout);
                self.refused(
                    uuid,
                    &format!("the module takes longer than {limit} to load"),
                );
            }
            State::Stopping { .. } => {
                warn!(module = %uuid, "the module does not end by itself: it is made to");
                self.make_end(uuid);
            }
            State::BackOff { .. } => self.load(uuid),
            State::Prepared | State::Running => {}
        }
    }

    /// Ends a module that has used up its CPU time, as a time-out would.
    fn look_at_cpu_time(&mut self, uuid: Uuid, now: Instant) {
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        if entry.cpu_deadline().is_none_or(|at| at > now) {
            return;
        }
        let (Some(cpu), Some(worker)) = (&mut entry.cpu, &entry.worker) else {
            return;
        };
        let (used, processors) = worker.cpu_time();
        if cpu.look(now, used, processors) {
            let cpu_ms = cpu.millis();
            warn!(module = %uuid, %cpu_ms, "the module has used up its CPU time, and is ended");
            self.make_end(uuid);
        }
    }

    fn ended(&mut self, uuid: Uuid, exit: Exit, memory: Option<Snapshot>) {
        let Some(entry) = self.table.get_mut(uuid) else {
            return;
        };
        let exit = with_cpu_time(entry, exit);
        let asked_to = matches!(entry.state, State::Stopping { .. });
        info!(module = %uuid, code = exit.code, "the module has ended: {}", exit.message);
        let restarts = entry.create.fault_crash == FaultCrash::Restart;
        if !asked_to && exit.is_crash() && restarts && !self.stopping {
            let now = Instant::now();
            let delay = entry.restarts.after_crash(entry.started, now);
            warn!(module = %uuid, ?delay, "the module has crashed and is started again");
            entry.worker = None;
            entry.stdin = None;
            entry.state = State::BackOff { until: now + delay };
            return;
        }
        let Some(entry) = self.table.remove(uuid) else {
            return;
        };
        self.hand_over(&entry, memory);
        self.answer_deletes(&entry, Some(&exit));
        if entry.report_exit {
            self.report_exit(&entry, &exit);
        }
    }

    /// Sends a module that moves on its way, with the memory that it has left.
    fn hand_over(&mut self, entry: &Entry, memory: Option<Snapshot>) {
        let Some(to) = entry.move_to else {
            return;
        };
        let memory = memory.or_else(|| entry.memory.clone());
        let create = entry.create.moved_to(to, memory);
        info!(module = %entry.uuid, %to, "the module moves");
        let message = create.to_message(&ObjectId::random());
        self.publish(&self.shared.topics.control(to), message, Qos::AtLeastOnce);
    }

    fn answer_deletes(&mut self, entry: &Entry, exit: Option<&Exit>) {
        for reply in &entry.delete_replies {
            self.accept(reply, reply::deleted(entry.uuid, exit));
        }
    }

    /// Tells ARTS of a module that has ended without being asked to, after its output.
    fn report_exit(&self, entry: &Entry, exit: &Exit) {
        let report = DeleteModule {
            parent: Some(self.shared.uuid),
            exit: Some(exit.to_report()),
            ..DeleteModule::new(entry.uuid)
        };
        let message = report.to_message(&ObjectId::random());
        let topic = self.shared.topics.control_any();
        self.publish_after(entry.lane, &topic, message, Qos::AtLeastOnce);
    }

    /// All modules are to end, and nothing new begins.
    pub(super) fn shut_down(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.tell_stopping();
        info!(modules = self.table.len(), "the runtime ends its modules");
        for uuid in self.table.uuids() {
            self.end(uuid);
        }
    }

    pub(super) fn accept(&self, reply: &ReplyTo, details: serde_json::Value) {
        let message = Response::ok(&reply.object_id, details);
        self.publish(reply.topic.as_str(), message, Qos::AtLeastOnce);
    }

    pub(super) fn refuse(&self, reply: &ReplyTo, why: &str) {
        let message = Response::error(&reply.object_id, &printable(why));
        self.publish(reply.topic.as_str(), message, Qos::AtLeastOnce);
    }
}

/// Counts what a module has used that has ended. One that was ended for that has that for a reason, and
/// so has one that has crashed and has nothing left for another start.
fn with_cpu_time(entry: &mut Entry, exit: Exit) -> Exit {
    let (Some(cpu), Some(worker)) = (&mut entry.cpu, &entry.worker) else {
        return exit;
    };
    let ended = exit.reason == ExitReason::Stopped && cpu.is_used_up();
    let used_up = cpu.end(worker.cpu_time().0);
    let restarts = entry.create.fault_crash == FaultCrash::Restart && exit.is_crash();
    if ended || (used_up && restarts) {
        return Exit::out_of_cpu_time(cpu.millis());
    }
    exit
}
