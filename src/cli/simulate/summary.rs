//! What a simulation has seen, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::status::printable;
use crate::simulate::{Moves, Report, Requests, Times};

/// What was seen until the end began.
pub(super) struct Summary {
    pub(super) seed: u64,
    pub(super) runtimes: usize,
    pub(super) modules: usize,
    pub(super) report: Report,
}

/// What the end has removed.
pub(super) struct Removed {
    pub(super) modules: u64,
    /// Requests that were not answered.
    pub(super) left: u64,
    pub(super) time: Duration,
}

impl Summary {
    pub(super) fn to_text(&self, removed: &Removed) -> String {
        let report = &self.report;
        let mut text = String::new();
        let mut line = |head: &str, rest: String| {
            let _ = writeln!(text, "{head:<10} {rest}");
        };
        line(
            "time",
            format!("{}; seed {}", seconds(report.time), self.seed),
        );
        let registered = match report.registered_in {
            Some(time) => format!("registered in {}", seconds(time)),
            None => "not all registered".to_owned(),
        };
        line(
            "runtimes",
            format!(
                "{}, {registered}; {} alive, {} lost, {} silent, {} told to stop",
                self.runtimes,
                report.alive,
                report.will.runtimes,
                report.silence.runtimes,
                report.stopped
            ),
        );
        let placed = match report.placed_in {
            Some(time) => format!("all of them after {}", seconds(time)),
            None => "never all of them".to_owned(),
        };
        line(
            "modules",
            format!(
                "{} of {}, {placed}; {} ended, {} crashed",
                report.placed, self.modules, report.ended, report.crashed
            ),
        );
        for (head, requests) in [("creates", &report.creates), ("deletes", &report.deletes)] {
            if requests.asked > 0 {
                requests_lines(head, requests, &mut line);
            }
        }
        for (how, moves) in [
            ("the last will", &report.will),
            ("silence", &report.silence),
        ] {
            if moves.runtimes > 0 {
                line("moved", moves_text(how, moves));
            }
        }
        let messages = report.received + report.sent;
        line(
            "messages",
            format!(
                "{} received, {} sent, {:.0}/s",
                report.received,
                report.sent,
                per_second(messages, report.time)
            ),
        );
        if let Some(why) = &report.last_failure {
            let why = printable(why);
            line(
                "broker",
                format!("{} connections failed, the last: {why}", report.failures),
            );
        }
        line(
            "end",
            format!(
                "{} modules deleted in {}",
                removed.modules,
                seconds(removed.time)
            ),
        );
        text
    }

    pub(super) fn to_json(&self, removed: &Removed) -> String {
        let report = &self.report;
        let value = json!({
            "seed": self.seed,
            "seconds": report.time.as_secs_f64(),
            "runtimes": {
                "wanted": self.runtimes,
                "alive": report.alive,
                "registrations": report.registrations,
                "registered_in_seconds": report.registered_in.map(|time| time.as_secs_f64()),
                "stopped": report.stopped,
                "lost": moves_json(&report.will),
                "silent": moves_json(&report.silence),
            },
            "modules": {
                "wanted": self.modules,
                "placed": report.placed,
                "placed_in_seconds": report.placed_in.map(|time| time.as_secs_f64()),
                "on_runtimes": report.modules,
                "ended": report.ended,
                "crashed": report.crashed,
            },
            "creates": requests_json(&report.creates),
            "deletes": requests_json(&report.deletes),
            "answers_of_runtimes": { "accepted": report.accepted, "rejected": report.rejected },
            "messages": {
                "received": report.received,
                "sent": report.sent,
                "per_second": per_second(report.received + report.sent, report.time),
            },
            "connections": { "failures": report.failures, "last_failure": report.last_failure },
            "removed": { "modules": removed.modules, "unanswered": removed.left, "seconds": removed.time.as_secs_f64() },
        });
        format!("{value:#}\n")
    }
}

fn requests_lines(head: &str, requests: &Requests, line: &mut impl FnMut(&str, String)) {
    line(
        head,
        format!(
            "{} asked, {} granted, {} refused, {} unanswered",
            requests.asked, requests.granted, requests.refused, requests.unanswered
        ),
    );
    let times = &requests.times;
    if times.count() > 0 {
        line(
            "",
            format!(
                "answered in {} to {}, median {}, 99 % {}",
                millis(times.min()),
                millis(times.max()),
                millis(times.percentile(50)),
                millis(times.percentile(99))
            ),
        );
    }
    if let Some(why) = &requests.last_refusal {
        line("", format!("last refusal: {}", printable(why)));
    }
}

fn moves_text(how: &str, moves: &Moves) -> String {
    let mut text = format!(
        "{} modules of {} runtimes after {how}",
        moves.modules, moves.runtimes
    );
    if moves.times.count() > 0 {
        let _ = write!(
            text,
            "; all of a runtime's after a median of {}, at most {}",
            millis(moves.times.percentile(50)),
            millis(moves.times.max())
        );
    }
    if moves.open > 0 {
        let _ = write!(text, "; {} not yet", moves.open);
    }
    text
}

fn requests_json(requests: &Requests) -> Value {
    json!({
        "asked": requests.asked,
        "granted": requests.granted,
        "refused": requests.refused,
        "unanswered": requests.unanswered,
        "answered_in_ms": times_json(&requests.times),
        "last_refusal": requests.last_refusal,
    })
}

fn moves_json(moves: &Moves) -> Value {
    json!({
        "runtimes": moves.runtimes,
        "modules_moved": moves.modules,
        "modules_open": moves.open,
        "all_moved_in_ms": times_json(&moves.times),
    })
}

fn times_json(times: &Times) -> Value {
    let millis = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
    json!({
        "count": times.count(),
        "min": millis(times.min()),
        "median": millis(times.percentile(50)),
        "p99": millis(times.percentile(99)),
        "max": millis(times.max()),
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn millis(time: Option<Duration>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.2} ms", time.as_secs_f64() * 1e3),
    )
}

fn per_second(count: u64, time: Duration) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    (f64::from(count) / time.as_secs_f64().max(0.001)).round()
}
