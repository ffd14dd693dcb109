//! Modules end, and runtimes die, fall silent, come back and leave.

use std::time::Instant;

use uuid::Uuid;

use crate::protocol::{DeleteModule, ExitReason, ExitReport, ObjectId};

use super::crew::{Crew, Due, Order, State};
use super::moves::How;

impl Crew {
    /// A module ends by itself.
    pub(super) fn end(&mut self, now: Instant, at: usize, module: Uuid, reason: ExitReason) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        if !member.runtime.delete(module) {
            return;
        }
        let runtime = member.runtime.uuid();
        let mut figures = self.shared.figures();
        let report = &mut figures.report;
        report.modules = report.modules.saturating_sub(1);
        let crashed = reason == ExitReason::Trapped;
        if crashed {
            report.crashed += 1;
        } else {
            report.ended += 1;
        }
        figures.moving.forget(now, module);
        drop(figures);
        let mut delete = DeleteModule::new(module);
        delete.parent = Some(runtime);
        delete.exit = Some(ExitReport {
            reason,
            code: (!crashed).then_some(0),
            message: if crashed { "simulated" } else { "" }.to_owned(),
        });
        let payload = delete.to_message(&ObjectId::random());
        let topic = self.shared.control.clone();
        self.send(&topic, payload);
    }

    pub(super) fn on_order(&mut self, now: Instant, order: Order) {
        match order {
            Order::Lose(at) => self.lose(now, at),
            Order::FallSilent(at) => self.fall_silent(now, at),
            Order::Wake(at) => self.wake(now, at),
            Order::Crash(at) => {
                let number = self.rng.usize(..);
                let member = self.members.get(at);
                let alive = member.filter(|m| matches!(m.state, State::Registered(_)));
                if let Some(module) = alive.and_then(|member| member.runtime.module(number)) {
                    self.end(now, at, module, ExitReason::Trapped);
                }
            }
            Order::Leave => {
                for at in 0..self.members.len() {
                    if self.members.get(at).is_some_and(|m| m.state != State::Gone) {
                        self.say_farewell(at);
                    }
                    self.set(at, State::Gone);
                }
            }
        }
    }

    fn lose(&mut self, now: Instant, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        if !matches!(member.state, State::Registered(_)) {
            return;
        }
        let modules: Vec<_> = member.runtime.modules().collect();
        member.runtime.clear();
        member.life += 1;
        member.spell += 1;
        let mut figures = self.shared.figures();
        let report = &mut figures.report;
        let count = u64::try_from(modules.len()).unwrap_or_default();
        report.modules = report.modules.saturating_sub(count);
        figures.moving.lost(now, How::Will, modules.into_iter());
        drop(figures);
        self.set(at, State::Gone);
        if !self.has_will {
            // Nobody else would say it: the connection stays.
            self.say_farewell(at);
        }
        let away = self.shared.config.fleet.away;
        if !away.is_zero() {
            self.agenda.add(now + away, (at, Due::Return));
        }
    }

    fn fall_silent(&mut self, now: Instant, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let State::Registered(interval) = member.state else {
            return;
        };
        member.spell += 1;
        let life = member.life;
        let modules: Vec<_> = member.runtime.modules().collect();
        let mut figures = self.shared.figures();
        figures.moving.lost(now, How::Silence, modules.into_iter());
        drop(figures);
        self.set(at, State::Silent(interval));
        let away = self.shared.config.fleet.away;
        if !away.is_zero() {
            self.agenda.add(now + away, (at, Due::Wake { life }));
        }
    }

    /// A silent runtime goes on where it was.
    pub(super) fn wake(&mut self, now: Instant, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let State::Silent(interval) = member.state else {
            return;
        };
        let unread = std::mem::take(&mut member.unread);
        let modules: Vec<_> = member.runtime.modules().collect();
        // Perhaps nobody has noticed.
        let mut figures = self.shared.figures();
        for module in modules {
            figures.moving.forget(now, module);
        }
        drop(figures);
        self.set(at, State::Registered(interval));
        for message in unread {
            self.on_request(now, at, &message);
        }
        self.keepalive(now, at);
    }

    /// A runtime is told to end. It does not come back.
    pub(super) fn stop(&mut self, now: Instant, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        let modules: Vec<_> = member.runtime.modules().collect();
        member.runtime.clear();
        member.life += 1;
        let mut figures = self.shared.figures();
        let report = &mut figures.report;
        report.stopped += 1;
        let count = u64::try_from(modules.len()).unwrap_or_default();
        report.modules = report.modules.saturating_sub(count);
        for module in modules {
            figures.moving.forget(now, module);
        }
        drop(figures);
        self.say_farewell(at);
        self.stopped = true;
        self.set(at, State::Gone);
    }
}
