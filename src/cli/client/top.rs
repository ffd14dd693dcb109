//! `arena top`.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::cli::parse;
use crate::cli::status::{Failure, Status, print};

use super::figures::{bytes, list, of, percent, short, text};
use super::ps::{has_ended, restarts};
use super::server::{Client, ServerArgs};
use crate::cli::table::table;

/// Watch runtimes and modules: CPU, memory, messages.
///
/// Where the output is no terminal, it is shown once. Ends with q or Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena top\n  \
    arena top --interval 5s\n  \
    arena top | cat")]
pub(in crate::cli) struct Args {
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::duration)]
    interval: Duration,

    #[command(flatten)]
    server: ServerArgs,
}

/// Looking more often costs more than what is looked at.
const SHORTEST: Duration = Duration::from_millis(100);

pub(in crate::cli) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let client = args.server.client()?;
    let mut rates = Rates::default();
    let first = picture(&client, &mut rates)?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        print(&first)?;
        return Ok(ExitCode::SUCCESS);
    }
    let failure =
        |e: io::Error| Failure::new(Status::CannotWrite, format!("cannot use the terminal: {e}"));
    let screen = Screen::open().map_err(failure)?;
    let interval = args.interval.max(SHORTEST);
    let mut shown = first;
    loop {
        screen.show(&shown).map_err(failure)?;
        if quits(interval).map_err(failure)? {
            return Ok(ExitCode::SUCCESS);
        }
        shown = picture(&client, &mut rates)?;
    }
}

/// The terminal, as it was when this is dropped.
struct Screen;

impl Screen {
    fn open() -> io::Result<Screen> {
        enable_raw_mode()?;
        // From here on there is something to undo.
        let screen = Screen;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// As much of it as there is room for.
    fn show(&self, text: &str) -> io::Result<()> {
        let (columns, rows) = size()?;
        let mut all = String::from("\x1b[H");
        for line in text.lines().take(usize::from(rows)) {
            let line: String = line.chars().take(usize::from(columns)).collect();
            all += &line;
            // Clears the rest of the line.
            all += "\x1b[K\r\n";
        }
        let all = all.trim_end_matches("\r\n");
        let mut stdout = io::stdout().lock();
        stdout.write_all(all.as_bytes())?;
        // And the lines below.
        stdout.write_all(b"\x1b[J")?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to do if the terminal is gone.
        let _ = execute!(io::stdout(), MoveTo(0, 0), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Waits for that time, or for the key that ends it.
fn quits(within: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let stdin = io::stdin();
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut wanted, Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            // The window has another size.
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let mut keys = [0; 64];
        // Not by the standard library, which keeps what it has read for later.
        let count = rustix::io::read(&stdin, &mut keys)?;
        let keys = keys.get(..count).unwrap_or_default();
        // In raw mode Ctrl-C is a key.
        if keys.is_empty() || keys.iter().any(|key| matches!(key, b'q' | 3 | 4)) {
            return Ok(true);
        }
    }
}

/// What came of the counters of messages since the last look.
#[derive(Default)]
struct Rates {
    at: Option<Instant>,
    seen: HashMap<String, (u64, u64)>,
}

impl Rates {
    /// Messages in and out a second, for each module.
    fn update(&mut self, modules: &[&Value]) -> Vec<(String, String)> {
        let now = Instant::now();
        let since = self.at.replace(now).map(|at| now.duration_since(at));
        let before = std::mem::take(&mut self.seen);
        modules
            .iter()
            .map(|module| {
                let count = |key: &str| module["usage"][key].as_u64().unwrap_or_default();
                let counts = (count("messages_in"), count("messages_out"));
                let uuid = text(&module["uuid"]);
                let rates = before
                    .get(&uuid)
                    .zip(since)
                    .map_or(("-".to_owned(), "-".to_owned()), |(last, since)| {
                        (rate(last.0, counts.0, since), rate(last.1, counts.1, since))
                    });
                self.seen.insert(uuid, counts);
                rates
            })
            .collect()
    }
}

fn rate(before: u64, now: u64, since: Duration) -> String {
    let count = u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
    format!("{:.1}", f64::from(count) / since.as_secs_f64().max(0.001))
}

fn picture(client: &Client, rates: &mut Rates) -> Result<String, Failure> {
    let runtimes = client.get(&["api", "v1", "runtimes"], &[])?;
    let modules = client.get(&["api", "v1", "modules"], &[])?;
    let rows = list(&runtimes, "runtimes").iter().map(|runtime| {
        let load = &runtime["load"];
        [
            text(&runtime["name"]),
            short(&runtime["uuid"]),
            text(&runtime["state"]),
            of(&runtime["nmodules"], &runtime["max_nmodules"]),
            percent(&load["cpu_percent"]),
            bytes(&load["memory"]),
            percent(&load["host_cpu_percent"]),
            bytes(&load["memory_available"]),
        ]
    });
    let head = [
        "RUNTIME",
        "UUID",
        "STATE",
        "MODULES",
        "CPU",
        "MEMORY",
        "HOST CPU",
        "HOST FREE",
    ];
    let mut picture = table(head, rows) + "\n";
    let mut modules: Vec<&Value> = list(&modules, "modules")
        .iter()
        .filter(|module| !has_ended(module))
        .collect();
    let cpu = |module: &Value| module["usage"]["cpu_percent"].as_f64().unwrap_or_default();
    modules.sort_by(|a, b| cpu(b).total_cmp(&cpu(a)));
    let rates = rates.update(&modules);
    let rows = modules.iter().zip(rates).map(|(module, (read, written))| {
        [
            text(&module["name"]),
            short(&module["uuid"]),
            text(&module["state"]),
            text(&module["runtime"]["name"]),
            percent(&module["usage"]["cpu_percent"]),
            bytes(&module["usage"]["memory"]),
            read,
            written,
            restarts(module),
        ]
    });
    let head = [
        "MODULE", "UUID", "STATE", "RUNTIME", "CPU", "MEMORY", "IN/s", "OUT/s", "RESTARTS",
    ];
    picture += &table(head, rows);
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_need_two_looks() {
        let mut rates = Rates::default();
        let module = json!({"uuid": "a", "usage": {"messages_in": 5, "messages_out": 0}});
        assert_eq!(rates.update(&[&module]), [("-".to_owned(), "-".to_owned())]);
        let module = json!({"uuid": "a", "usage": {"messages_in": 2, "messages_out": 0}});
        // A counter that has begun anew.
        assert_eq!(
            rates.update(&[&module]),
            [("0.0".to_owned(), "0.0".to_owned())]
        );
        assert_eq!(rate(10, 30, Duration::from_secs(2)), "10.0");
    }
}
