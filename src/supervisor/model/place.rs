//! A module gets a runtime.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::json;
use uuid::Uuid;

use super::{
    Body, EventKind, Key, Model, ModuleState, Now, Refusal, RefusalKind, ReplyTo, RuntimeEntry, To,
};
use super::{WAITING, WAITING_MOST, create, effects::Stored};
use crate::protocol::{CreateModule, ObjectId};
use crate::supervisor::records::{RuntimeState, Wish};
use crate::supervisor::schedule::{Candidate, fits, has_memory, has_place, offers};

impl Model {
    /// Asks a runtime to start a module: one that was not asked in vain already.
    pub(super) fn place(&mut self, now: Now, uuid: Uuid) {
        self.drop_request(uuid);
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let (record, tried) = (std::sync::Arc::clone(&entry.record), &entry.job.tried);
        if tried.len() >= self.config.attempts {
            return self.not_placed(now, uuid, String::new());
        }
        let tried: Vec<_> = tried.iter().map(|(runtime, _)| *runtime).collect();
        match self.choose(&record.wish, &tried) {
            Ok(runtime) => {
                let memory = record.wish.memory.unwrap_or_default();
                if let Some(entry) = self.runtimes.get_mut(&runtime) {
                    entry.placed.modules = entry.placed.modules.saturating_add(1);
                    entry.placed.memory = entry.placed.memory.saturating_add(memory);
                }
                if let Some(job) = self.job(uuid) {
                    job.again = false;
                    job.unsure = false;
                }
                self.set_state(now, uuid, ModuleState::Starting, Some(runtime));
                let message = format!("on {}", self.called(runtime));
                let about = (Some(runtime), Some(uuid));
                self.event(now, EventKind::Placed, about, message);
                self.send_create(now, uuid, runtime);
            }
            Err(why) => self.not_placed(now, uuid, why),
        }
    }

    /// The scheduler's choice, or why there is none.
    fn choose(&mut self, wish: &Wish, tried: &[Uuid]) -> Result<Uuid, String> {
        // A create looks at all runtimes once, and at no module.
        let mut candidates = Vec::new();
        let mut silent = Vec::new();
        let entries: &mut dyn Iterator<Item = &RuntimeEntry> = match wish.parent {
            Some(parent) => &mut self.runtimes.get(&parent).into_iter(),
            None => &mut self.runtimes.values(),
        };
        let mut offered = vec![None; self.classes.len()];
        for entry in entries {
            let (runtime, placed) = (&*entry.record, entry.placed);
            if entry.leaving {
                continue;
            }
            let is_offered = || offers(wish, runtime).is_ok();
            let is_of_the_kind = match offered.get_mut(entry.class) {
                Some(known) => *known.get_or_insert_with(is_offered),
                None => is_offered(),
            };
            let fits = is_of_the_kind
                && has_place(runtime).is_ok()
                && has_memory(wish, runtime, placed).is_ok();
            if fits && !tried.contains(&runtime.uuid) {
                // Of one that does not answer, the next module had better not be asked first.
                let list = if entry.unanswered == 0 {
                    &mut candidates
                } else {
                    &mut silent
                };
                list.push(Candidate { runtime, placed });
            }
        }
        if candidates.is_empty() {
            candidates = silent;
        }
        let chosen = self.scheduler.choose(wish, &candidates);
        match chosen.and_then(|at| candidates.get(at)) {
            Some(candidate) => Ok(candidate.runtime.uuid),
            None => Err(self.why_none(wish, tried)),
        }
    }

    /// What is in the way, for each runtime or for as many as share a reason.
    fn why_none(&self, wish: &Wish, tried: &[Uuid]) -> String {
        let mut reasons: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for entry in self.runtimes.values() {
            let record = &entry.record;
            let other = wish.parent.is_some_and(|parent| parent != record.uuid);
            if other || tried.contains(&record.uuid) {
                continue;
            }
            // Those that are lost are told of only where one of them is asked for.
            if record.state == RuntimeState::Lost && wish.parent.is_none() {
                continue;
            }
            if let Err(misfit) = fits(wish, record, entry.placed) {
                let list = reasons.entry(misfit.to_string()).or_default();
                list.push(record.uuid);
            }
        }
        if reasons.is_empty() && tried.is_empty() {
            return match wish.parent {
                Some(parent) => format!("there is no runtime {parent}"),
                None => "there is no runtime".to_owned(),
            };
        }
        let reasons = reasons
            .into_iter()
            .map(|(why, list)| match list.as_slice() {
                [one] => format!("{} {why}", self.called(*one)),
                many => format!("each of {} runtimes {why}", many.len()),
            });
        reasons.collect::<Vec<_>>().join("; ")
    }

    /// Sends the create of a module to its runtime.
    pub(super) fn send_create(&mut self, now: Now, uuid: Uuid, runtime: Uuid) {
        self.drop_request(uuid);
        let online = self.online;
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let id = ObjectId::random();
        entry.job.request = Some(id.clone());
        entry.job.unsure = !online;
        let record = &entry.record;
        let mut message = CreateModule::new(uuid);
        message.original = create::fields(record);
        let parent = json!({ "uuid": runtime.to_string() });
        message.original.insert("parent".to_owned(), parent);
        // A memory is for the first start. After that the module begins anew.
        let with_memory = !record.ran;
        let mut stored = None;
        if record.inline > 0 {
            match &entry.job.inline {
                Some(inline) => {
                    message.wasm.clone_from(&inline.wasm);
                    message.memory = inline.memory.clone().filter(|_| with_memory);
                }
                None => stored = Some(Stored { with_memory }),
            }
        }
        self.requests.insert(id.clone(), uuid);
        let body = Body::Create {
            object_id: id,
            create: Box::new(message),
            stored,
        };
        self.send(To::Runtime(runtime), body);
        self.await_answer(now, uuid);
    }

    /// A runtime has refused a module, or not answered: the next one is asked.
    pub(super) fn rejected(&mut self, now: Now, uuid: Uuid, why: String) {
        let Some(entry) = self.modules.get(&uuid) else {
            return;
        };
        let Some(runtime) = entry.record.runtime else {
            return;
        };
        let about = (Some(runtime), Some(uuid));
        self.event(now, EventKind::Rejected, about, why.clone());
        if let Some(job) = self.job(uuid) {
            job.tried.push((runtime, why));
        }
        self.place(now, uuid);
    }

    /// No runtime takes a module. Whoever has just asked for it is told so; one that has run
    /// before waits.
    fn not_placed(&mut self, now: Now, uuid: Uuid, why: String) {
        let Some(entry) = self.modules.get_mut(&uuid) else {
            return;
        };
        let tried = std::mem::take(&mut entry.job.tried);
        let (ran, revived) = (entry.record.ran, entry.job.revived);
        let reply = std::mem::replace(&mut entry.job.creator, ReplyTo::Nobody);
        let kind = match tried.as_slice() {
            [] => RefusalKind::NoRuntime,
            [.., (_, last)] if last.starts_with(NO_ANSWER) => RefusalKind::NoAnswer,
            _ => RefusalKind::Rejected,
        };
        let asked = !tried.is_empty();
        let answered = |why: &str| !why.starts_with(NO_ANSWER) && why != LOST;
        let all_answered = tried.iter().all(|(_, why)| answered(why));
        let mut reasons: Vec<_> = tried
            .into_iter()
            .map(|(runtime, why)| format!("{}: {why}", self.called(runtime)))
            .collect();
        let attempts = reasons.clone();
        if !why.is_empty() {
            reasons.push(why);
        }
        let why = format!("no runtime takes the module: {}", reasons.join("; "));
        let about = (None, Some(uuid));
        if !ran {
            self.event(now, EventKind::Refused, about, why.clone());
            self.forget(uuid);
            if revived || !all_answered {
                // Should one of them have it all the same, it is to go.
                self.remember_deleted(uuid);
            }
            let mut refusal = Refusal::new(kind, why);
            refusal.attempts = attempts;
            return self.reply(reply, Err(refusal));
        }
        if asked {
            // They are not asked again at once.
            let delay = self.next_backoff(uuid);
            self.set_state(now, uuid, ModuleState::BackOff, None);
            let at = now.instant + delay;
            self.timers.set(Key::Module(uuid), Some(at));
        } else if self.state(uuid) != Some(ModuleState::Waiting) {
            self.set_state(now, uuid, ModuleState::Waiting, None);
            self.timers.set(Key::Waiting, Some(now.instant + WAITING));
        } else {
            return;
        }
        self.event(now, EventKind::Waiting, about, why);
    }

    /// Tries to place modules that wait.
    pub(super) fn place_waiting(&mut self, now: Now) {
        let from = self.waited.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.waiting.range((from, Bound::Unbounded));
        let next: Vec<_> = next.take(WAITING_MOST).copied().collect();
        self.waited = next.last().copied().filter(|_| next.len() == WAITING_MOST);
        for uuid in next {
            self.place(now, uuid);
        }
        if !self.waiting.is_empty() {
            // The rest at once, and all of them again later.
            let later = if self.waited.is_some() {
                WAITING / 100
            } else {
                WAITING
            };
            self.timers.set(Key::Waiting, Some(now.instant + later));
        }
    }
}

/// What is said of a runtime that has not answered.
pub(super) const NO_ANSWER: &str = "no answer";
/// And of one that is gone.
pub(super) const LOST: &str = "the runtime is lost";
