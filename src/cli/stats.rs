//! `arena run --stats`.

use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use procfs::FromRead as _;
use serde_json::json;

use crate::wamr::{CLASSIC_INTERPRETER, HostCall, HostCalls, ModuleKind};

use super::figures;
use super::table::table;

/// Whether a run is measured.
#[derive(Debug, clap::Args)]
pub(super) struct StatsArgs {
    /// Tell on stderr, when the module has ended, what it took: times, memory, and how often it
    /// called which function of the host
    #[arg(long, value_enum, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
        default_missing_value = "text")]
    stats: Option<StatsFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StatsFormat {
    /// For people
    Text,
    /// For scripts, in one line; times in microseconds, sizes in bytes
    Json,
}

impl StatsArgs {
    /// Begins to measure a run.
    pub(super) fn begin(&self) -> Stats {
        let now = Instant::now();
        Stats {
            format: self.stats,
            begin: now,
            phase: now,
            phases: [None; 3],
            engine: None,
            memory: None,
            calls: self.stats.map(|_| HostCalls::new()),
            instructions: self.stats.and_then(|_| counter()),
        }
    }
}

/// What a run takes.
pub(super) struct Stats {
    format: Option<StatsFormat>,
    begin: Instant,
    /// When the last phase has ended.
    phase: Instant,
    /// How long loading, instantiating and running took.
    phases: [Option<Duration>; 3],
    engine: Option<ModuleKind>,
    memory: Option<u64>,
    calls: Option<HostCalls>,
    /// Counts on this thread, and those that are started from it.
    instructions: Option<perf_event::Counter>,
}

const PHASES: [&str; 3] = ["load", "instantiate", "run"];

impl Stats {
    /// Where calls of host functions are to be counted, if they are.
    pub(super) fn host_calls(&self) -> Option<&HostCalls> {
        self.calls.as_ref()
    }

    /// The module is loaded, as code for this engine.
    pub(super) fn loaded(&mut self, kind: ModuleKind) {
        self.engine = Some(kind);
        self.end_phase(0);
    }

    /// What comes now is of the module.
    pub(super) fn begin_module(&mut self) {
        self.phase = Instant::now();
        if let Some(counter) = &mut self.instructions {
            // One that does not count has counted nothing.
            let _ = counter.enable();
        }
    }

    /// There is an instance, or there will be none.
    pub(super) fn instantiated(&mut self) {
        self.end_phase(1);
    }

    /// The module has ended, with so much linear memory: it never shrinks.
    pub(super) fn ran(&mut self, memory: u64) {
        self.memory = Some(memory);
        self.end_phase(2);
    }

    fn end_phase(&mut self, phase: usize) {
        let now = Instant::now();
        if let Some(taken) = self.phases.get_mut(phase) {
            *taken = Some(now - self.phase);
        }
        self.phase = now;
    }

    /// Whether a module was loaded, so that there is something to tell.
    pub(super) fn is_loaded(&self) -> bool {
        self.engine.is_some()
    }

    /// Tells what the run took.
    pub(super) fn print(&mut self) {
        let Some(format) = self.format else { return };
        let instructions = self.instructions.as_mut().and_then(counted);
        let figures = Figures::of(self, instructions);
        let text = match format {
            StatsFormat::Text => figures.text(),
            StatsFormat::Json => figures.json(),
        };
        // Nobody is left to be told that it fails.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// What is told.
struct Figures<'a> {
    stats: &'a Stats,
    wall: Duration,
    /// In the process, by itself and in the kernel.
    cpu: Option<(Duration, Duration)>,
    resident: Option<u64>,
    instructions: Option<u64>,
    calls: Vec<HostCall>,
}

impl Figures<'_> {
    fn of(stats: &Stats, instructions: Option<u64>) -> Figures<'_> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        Figures {
            stats,
            wall: stats.begin.elapsed(),
            cpu: usage.map(|usage| (duration(usage.user_time()), duration(usage.system_time()))),
            resident: peak_resident(),
            instructions,
            calls: stats
                .calls
                .as_ref()
                .map(HostCalls::calls)
                .unwrap_or_default(),
        }
    }

    fn engine(&self) -> Option<&'static str> {
        Some(match self.stats.engine? {
            ModuleKind::Aot => "aot",
            ModuleKind::Wasm if CLASSIC_INTERPRETER => "classic interpreter",
            ModuleKind::Wasm => "fast interpreter",
        })
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: Option<String>| {
            let value = value.unwrap_or_else(|| "-".to_owned());
            lines.push(format!("{:<18}{value}\n", format!("{name}:")));
        };
        line("engine", self.engine().map(str::to_owned));
        line("wall time", Some(time(self.wall)));
        for (name, taken) in PHASES.iter().zip(self.stats.phases) {
            line(&format!("  {name}"), taken.map(time));
        }
        let cpu = self.cpu.map(|(user, system)| {
            let all = time(user + system);
            format!("{all} (user {}, system {})", time(user), time(system))
        });
        line("CPU time", cpu);
        let instructions = self.instructions.map(|count| count.to_string());
        line(
            "instructions",
            instructions.or_else(|| Some("not counted here".to_owned())),
        );
        line("linear memory", self.stats.memory.map(figures::size));
        line("resident memory", self.resident.map(figures::size));
        let count: u64 = self.calls.iter().map(|call| call.count).sum();
        line("host calls", Some(count.to_string()));
        let rows = self.calls.iter().map(|call| {
            [
                format!("  {}.{}", call.module, call.name),
                call.count.to_string(),
                time(call.time),
            ]
        });
        let calls = match count {
            0 => String::new(),
            _ => table(["  FUNCTION", "CALLS", "TIME"], rows),
        };
        lines.concat() + &calls
    }

    fn json(&self) -> String {
        let [load, instantiate, run] = self.stats.phases.map(|taken| taken.map(micros));
        let calls: Vec<_> = self
            .calls
            .iter()
            .map(|call| {
                json!({
                    "module": call.module,
                    "name": call.name,
                    "count": call.count,
                    "time_us": micros(call.time),
                })
            })
            .collect();
        let stats = json!({
            "engine": self.engine(),
            "wall_us": micros(self.wall),
            "load_us": load,
            "instantiate_us": instantiate,
            "run_us": run,
            "user_us": self.cpu.map(|(user, _)| micros(user)),
            "system_us": self.cpu.map(|(_, system)| micros(system)),
            "instructions": self.instructions,
            "peak_linear_memory": self.stats.memory,
            "peak_resident_memory": self.resident,
            "host_calls": calls,
        });
        format!("{stats}\n")
    }
}

/// Counts instructions, if the machine has a counter and the kernel lets us use it.
fn counter() -> Option<perf_event::Counter> {
    let mut builder = perf_event::Builder::new();
    builder.inherit(true);
    builder.build().ok()
}

/// What the counter says, if it counted all the time: there are more counters than the processor
/// has places for.
fn counted(counter: &mut perf_event::Counter) -> Option<u64> {
    let count = counter.read_count_and_time().ok()?;
    (count.count > 0 && count.time_running == count.time_enabled).then_some(count.count)
}

/// The most memory that the process ever had. Not by `getrusage`, in whose figure is also what
/// the process was before it became this program.
fn peak_resident() -> Option<u64> {
    let status = procfs::process::Status::from_file("/proc/self/status").ok()?;
    Some(status.vmhwm? * 1024)
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// As in `1.234 s` or `12.345 ms`.
fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{:03} ms", micros / 1_000, micros % 1_000),
        _ => format!("{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::time;
    use std::time::Duration;

    #[test]
    fn times_for_people() {
        for (micros, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_050, "1.050 ms"),
            (999_999, "999.999 ms"),
            (61_002_500, "61.002 s"),
        ] {
            assert_eq!(time(Duration::from_micros(micros)), text);
        }
    }
}
