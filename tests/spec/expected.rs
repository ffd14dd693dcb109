//! The list of expected failures, `expected_failures.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::child::{Ended, Run};
use crate::script::Outcome;

const LIST: &str = include_str!("expected_failures.txt");

/// What one line of the list says.
pub(crate) struct Entry {
    /// The mode, or "both".
    mode: &'static str,
    pub(crate) script: &'static str,
    /// The lines, from first to last, on which directives fail.
    ranges: Vec<(usize, usize)>,
}

/// The whole list.
pub(crate) fn entries() -> Vec<Entry> {
    let mut reason = false;
    let mut entries = Vec::new();
    for (number, line) in LIST.lines().enumerate() {
        let wrong =
            |what: &str| -> ! { panic!("expected_failures.txt:{}: {what}: {line}", number + 1) };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => {}
            ["==", _, ..] => reason = true,
            _ if !reason => wrong("no reason comes before this"),
            [mode @ ("interpreter" | "aot" | "both"), script, lines @ ..] if !lines.is_empty() => {
                let ranges = lines
                    .iter()
                    .map(|word| range(word).unwrap_or_else(|| wrong("not a range of lines")));
                entries.push(Entry {
                    mode,
                    script,
                    ranges: ranges.collect(),
                });
            }
            _ => wrong("not an entry"),
        }
    }
    entries
}

fn range(word: &str) -> Option<(usize, usize)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// How a file's run differs from what is expected of it; empty if it does not.
pub(crate) fn differences(file: &str, mode: &str, run: &Run) -> String {
    let mut ranges: Vec<(usize, usize)> = entries()
        .into_iter()
        .filter(|entry| entry.script == file && (entry.mode == mode || entry.mode == "both"))
        .flat_map(|entry| entry.ranges)
        .collect();
    let mut text = String::new();
    let mut failures = BTreeMap::<usize, &str>::new();
    if let Ended::Badly { line, how } = &run.ended {
        failures.insert(*line, how);
    }
    let mut others = BTreeSet::new();
    for (line, outcome) in &run.directives {
        match outcome {
            Outcome::Failed(message) => {
                failures.insert(*line, message);
            }
            _ => {
                others.insert(*line);
            }
        }
    }
    for (line, message) in &failures {
        if !ranges
            .iter()
            .any(|(first, last)| (first..=last).contains(&line))
        {
            let _ = writeln!(text, "{file}:{line}: {message}");
        }
    }
    ranges.retain(|(first, last)| {
        let good = others
            .range(first..=last)
            .any(|line| !failures.contains_key(line));
        good || !failures.contains_key(first) || !failures.contains_key(last)
    });
    for (first, last) in ranges {
        let _ = writeln!(
            text,
            "{file}:{first}-{last}: listed, and does not fail, or not all of it, in mode {mode}"
        );
    }
    text
}
