//! How a module's thread is scheduled: its period, its processors.
//!
//! `period` and `runtime` ask for the deadline scheduler (`sched(7)`, `SCHED_DEADLINE`): so many
//! nanoseconds of processor time in each period. That takes a privilege (`CAP_SYS_NICE`) and an
//! admission test; what the kernel allows instead is tried in order, and the answer to the
//! create says what it came to.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use thread_priority::{
    DeadlineFlags, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// What a module asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Period and processor time in it, nanoseconds.
    pub(super) deadline: Option<(u64, u64)>,
    /// The numbers of the processors that it may run on; empty for all.
    pub(super) affinity: Vec<usize>,
}

/// What it got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Granted {
    /// `deadline`, `round-robin` or `normal`; `None` when nothing was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<&'static str>,
    /// The processors that it runs on, when it asked for some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) affinity: Vec<usize>,
    /// Its control group gives it no more than the processor time that it asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) bounded: bool,
    /// Why it is not what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// The lowest realtime priority: above all normal threads, below all others of its kind.
const ROUND_ROBIN_PRIORITY: u8 = 1;

/// Schedules the calling thread, as far as the kernel allows.
pub(super) fn apply(wanted: &Wanted) -> Granted {
    let mut granted = Granted::default();
    let mut notes = Vec::new();
    if !wanted.affinity.is_empty() {
        // The deadline scheduler wants a thread that may run anywhere.
        match set_affinity(&wanted.affinity) {
            Ok(()) => granted.affinity.clone_from(&wanted.affinity),
            Err(why) => notes.push(why),
        }
    }
    if let Some((period, runtime)) = wanted.deadline {
        let (policy, why) = set_deadline(period, runtime);
        granted.policy = Some(policy);
        notes.extend(why);
    }
    granted.note = (!notes.is_empty()).then(|| notes.join("; "));
    granted
}

fn set_affinity(processors: &[usize]) -> Result<(), String> {
    let listed = |e: nix::errno::Errno| {
        let list: Vec<_> = processors.iter().map(ToString::to_string).collect();
        format!(
            "cannot run on processors {} only: {}",
            list.join(","),
            e.desc()
        )
    };
    let mut set = CpuSet::new();
    for processor in processors {
        set.set(*processor).map_err(listed)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(listed)
}

/// Whether the kernel gives a thread of this process the deadline scheduler. It is tried, on a
/// thread that ends at once.
pub(super) fn has_deadline() -> bool {
    const PERIOD: u64 = 1_000_000_000;
    const RUNTIME: u64 = 100_000;
    std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(|| set_deadline(PERIOD, RUNTIME).0 == "deadline")
        .ok()
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default()
}

/// The policy that the thread has got, and why not the one that was asked for.
fn set_deadline(period: u64, runtime: u64) -> (&'static str, Option<String>) {
    use RealtimeThreadSchedulePolicy::{Deadline, RoundRobin};
    if runtime == 0 || runtime > period {
        let why = format!("a runtime of {runtime} ns does not fit a period of {period} ns");
        return ("normal", Some(why));
    }
    let nanos = std::time::Duration::from_nanos;
    let deadline = ThreadPriority::Deadline {
        runtime: nanos(runtime),
        deadline: nanos(period),
        period: nanos(period),
        // Threads that the module starts are normal ones: the kernel refuses to make deadline
        // threads from one.
        flags: DeadlineFlags::RESET_ON_FORK,
    };
    let thread = thread_native_id();
    let set = |priority, policy| {
        set_thread_priority_and_policy(thread, priority, ThreadSchedulePolicy::Realtime(policy))
    };
    let Err(refused) = set(deadline, Deadline) else {
        return ("deadline", None);
    };
    let why = |refused| format!("the kernel refuses the deadline scheduler: {refused:?}");
    let lowest = ThreadPriorityValue::try_from(ROUND_ROBIN_PRIORITY);
    let round_robin = lowest
        .ok()
        .is_some_and(|lowest| set(ThreadPriority::Crossplatform(lowest), RoundRobin).is_ok());
    let policy = if round_robin { "round-robin" } else { "normal" };
    (policy, Some(why(refused)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, since it is that which changes.
    fn granted(wanted: Wanted) -> Granted {
        std::thread::spawn(move || apply(&wanted)).join().unwrap()
    }

    #[test]
    fn nothing_wanted_nothing_said() {
        assert_eq!(granted(Wanted::default()), Granted::default());
    }

    #[test]
    fn the_answer_says_what_it_came_to() {
        let wanted = Wanted {
            deadline: Some((100_000_000, 10_000_000)),
            affinity: Vec::new(),
        };
        let granted = granted(wanted);
        // What the kernel allows depends on where this runs.
        match granted.policy {
            Some("deadline") => assert_eq!(granted.note, None),
            Some("round-robin" | "normal") => assert!(granted.note.is_some()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_deadline_that_cannot_be_kept() {
        for deadline in [(0, 0), (100, 200), (u64::MAX, 0)] {
            let granted = granted(Wanted {
                deadline: Some(deadline),
                affinity: Vec::new(),
            });
            assert_eq!(granted.policy, Some("normal"));
            assert!(granted.note.is_some());
        }
    }

    #[test]
    fn processors() {
        let first = granted(Wanted {
            deadline: None,
            affinity: vec![0],
        });
        assert_eq!(first.affinity, [0]);
        assert_eq!(first.note, None);
        for none in [1_000, 5_000_000_000] {
            let nowhere = granted(Wanted {
                deadline: None,
                affinity: vec![none],
            });
            assert!(nowhere.affinity.is_empty());
            assert!(nowhere.note.unwrap().contains("cannot run on processors"));
        }
    }
}
