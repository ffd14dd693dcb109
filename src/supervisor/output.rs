//! What modules write: the last lines of each, and live subscriptions.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use uuid::Uuid;

use super::live::{Readers, Subscription};

/// A line that a module has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it came.
    pub at: SystemTime,
    /// Its text.
    pub text: Arc<str>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputLimits {
    /// Lines of each module.
    pub(crate) lines: usize,
    /// Bytes of each module.
    pub(crate) bytes: usize,
    /// Bytes of all modules.
    pub(crate) total: usize,
}

/// How far behind a reader may be.
const BEHIND: usize = 1024;
/// The longest line; of a longer one the beginning is kept.
const LONGEST: usize = 16 * 1024;
/// What a line takes beside its text.
const OVERHEAD: usize = 96;

/// The lines of all modules.
pub(crate) struct Output {
    limits: OutputLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    modules: HashMap<Uuid, Lines>,
    /// Whose each line is, oldest first. Lines that are gone are still in it, until they come to
    /// the front or there are too many.
    order: VecDeque<(Uuid, u64)>,
    lines: usize,
    bytes: usize,
    next: u64,
    /// Lines of modules that are not known.
    strangers: u64,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<(u64, Line)>,
    bytes: usize,
    readers: Readers<Line>,
}

fn cost(line: &Line) -> usize {
    line.text.len() + OVERHEAD
}

impl State {
    fn drop_first(&mut self, module: Uuid) {
        if let Some(lines) = self.modules.get_mut(&module)
            && let Some((_, line)) = lines.lines.pop_front()
        {
            lines.bytes -= cost(&line);
            self.bytes -= cost(&line);
            self.lines -= 1;
        }
    }

    /// Drops the oldest line of all.
    fn drop_oldest(&mut self) -> bool {
        while let Some((module, number)) = self.order.pop_front() {
            let first = self.modules.get(&module).and_then(|m| m.lines.front());
            if first.is_some_and(|(first, _)| *first == number) {
                self.drop_first(module);
                return true;
            }
        }
        false
    }
}

impl Output {
    pub(crate) fn new(limits: OutputLimits) -> Output {
        Output {
            limits,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to keep a module's lines. Those of modules that are not known are not kept:
    /// anybody can publish on their topics.
    pub(crate) fn open(&self, module: Uuid) {
        self.state().modules.entry(module).or_default();
    }

    /// Forgets a module.
    pub(crate) fn close(&self, module: Uuid) {
        let mut state = self.state();
        if let Some(lines) = state.modules.remove(&module) {
            state.bytes -= lines.bytes;
            state.lines -= lines.lines.len();
        }
    }

    /// A module has written a line.
    pub(crate) fn push(&self, module: Uuid, text: &[u8]) {
        let text = text.get(..LONGEST).unwrap_or(text);
        let line = Line {
            at: SystemTime::now(),
            text: String::from_utf8_lossy(text).into(),
        };
        let mut state = self.state();
        let number = state.next;
        let Some(lines) = state.modules.get_mut(&module) else {
            state.strangers += 1;
            return;
        };
        lines.readers.send(&line);
        let size = cost(&line);
        lines.bytes += size;
        lines.lines.push_back((number, line));
        let over = |lines: &Lines| {
            lines.lines.len() > self.limits.lines || lines.bytes > self.limits.bytes
        };
        state.next += 1;
        state.lines += 1;
        state.bytes += size;
        state.order.push_back((module, number));
        while state.modules.get(&module).is_some_and(over) {
            state.drop_first(module);
        }
        while state.bytes > self.limits.total && state.drop_oldest() {}
        // Twice as many as there are: at most half of the pushes pay for it.
        if state.order.len() > 2 * state.lines + 64 {
            let State { order, modules, .. } = &mut *state;
            order.retain(|(module, number)| {
                let first = modules.get(module).and_then(|m| m.lines.front());
                first.is_some_and(|(first, _)| first <= number)
            });
        }
    }

    /// The last `tail` lines of a module, and what comes from then on, without a gap between the
    /// two. `None` for a module that is not known.
    pub(crate) fn read(
        &self,
        module: Uuid,
        tail: usize,
    ) -> Option<(Vec<Line>, Subscription<Line>)> {
        let mut state = self.state();
        let lines = state.modules.get_mut(&module)?;
        let from = lines.lines.len().saturating_sub(tail);
        let last = lines.lines.range(from..).map(|(_, line)| line.clone());
        Some((last.collect(), lines.readers.subscribe(BEHIND)))
    }

    /// Bytes that are kept, and lines that were not since nobody knows their modules.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let state = self.state();
        (state.bytes, state.strangers)
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::live::Live;

    fn output(lines: usize, bytes: usize, total: usize) -> Output {
        Output::new(OutputLimits {
            lines,
            bytes,
            total,
        })
    }

    fn texts(output: &Output, module: Uuid) -> Vec<String> {
        let (lines, _) = output.read(module, usize::MAX).unwrap();
        lines.iter().map(|line| line.text.to_string()).collect()
    }

    #[test]
    fn the_last_lines_of_each() {
        let output = output(3, 10_000, 100_000);
        let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
        output.open(a);
        output.open(b);
        for number in 0..5 {
            output.push(a, number.to_string().as_bytes());
        }
        output.push(b, b"\xff");
        output.push(Uuid::new_v4(), b"of a stranger");
        assert_eq!(texts(&output, a), ["2", "3", "4"]);
        assert_eq!(texts(&output, b), ["\u{fffd}"]);
        assert_eq!(output.counts().1, 1);
        let (last, live) = output.read(a, 1).unwrap();
        assert_eq!(&*last[0].text, "4");
        output.push(a, b"5");
        assert!(matches!(live.try_next(), Some(Live::Item(line)) if &*line.text == "5"));
        output.close(a);
        assert_eq!(live.try_next(), Some(Live::Ended));
        assert!(output.read(a, 1).is_none());
        output.close(b);
        assert_eq!(output.counts().0, 0);
    }

    #[test]
    fn bounded_in_all() {
        let output = output(1000, 4000, 10_000);
        let modules: Vec<_> = (0..20).map(|_| Uuid::new_v4()).collect();
        for module in &modules {
            output.open(*module);
        }
        for round in 0..2000 {
            let module = modules[round * 7 % modules.len()];
            output.push(module, &vec![b'x'; round * 131 % 20_000]);
            let state = output.state();
            let real: usize = state.modules.values().map(|m| m.bytes).sum();
            assert_eq!(state.bytes, real);
            let count: usize = state.modules.values().map(|m| m.lines.len()).sum();
            assert_eq!(state.lines, count);
            assert!(state.bytes <= 10_000);
            assert!(state.order.len() <= 2 * state.lines + 65);
        }
    }
}
