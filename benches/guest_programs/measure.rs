//! The runs themselves.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Fallible;
use crate::engines::Engine;
use crate::programs::Program;

/// By which part of its usual size a program is made smaller.
pub(crate) struct Sizes {
    compiled: u32,
    interpreted: u32,
}

impl Sizes {
    pub(crate) fn of(quick: bool) -> Self {
        match quick {
            true => Self {
                compiled: 8,
                interpreted: 40,
            },
            false => Self {
                compiled: 1,
                interpreted: 10,
            },
        }
    }
}

/// One round of an engine: its CPU time, and that of native code beside it, of the same size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) native: f64,
}

/// By program and engine.
pub(crate) type Samples = BTreeMap<(String, String), Vec<Sample>>;

pub(crate) struct Outcome {
    pub(crate) samples: Samples,
    /// Each result that is not that of native code, and each run that failed.
    pub(crate) wrong: Vec<String>,
}

/// Runs each program in each engine, in turns. The first engine is native code.
pub(crate) fn all(
    programs: &[Program],
    engines: &[Engine],
    sizes: &Sizes,
    rounds: u32,
) -> Fallible<Outcome> {
    let (native, others) = engines.split_first().ok_or("there is no engine to run")?;
    let mut outcome = Outcome {
        samples: Samples::new(),
        wrong: Vec::new(),
    };
    let mut usual = BTreeMap::new();
    for program in programs {
        usual.insert(program.name.as_str(), usual_size(native, program)?);
    }
    for round in 1..=rounds {
        for program in programs {
            eprintln!("round {round} of {rounds}: {}", program.name);
            let usual = usual[program.name.as_str()];
            for (interprets, part) in [(false, sizes.compiled), (true, sizes.interpreted)] {
                let size = (usual / part).max(1);
                let engines: Vec<&Engine> = others
                    .iter()
                    .filter(|engine| engine.interprets() == interprets)
                    .collect();
                if interprets && engines.is_empty() {
                    continue;
                }
                turn(program, native, &engines, size, &mut outcome)?;
            }
        }
    }
    Ok(outcome)
}

/// A program once in each of these engines.
fn turn(
    program: &Program,
    native: &Engine,
    others: &[&Engine],
    size: u32,
    outcome: &mut Outcome,
) -> Fallible<()> {
    let command = |engine: &Engine| engine.command(program, size);
    let run_native = || -> Fallible<Run> {
        let mut command = command(native).ok_or("there is no native program")?;
        Ok(run(&mut command)?)
    };
    // Twice, before and after the others.
    let before = run_native()?;
    let mut runs = Vec::new();
    for engine in others {
        if let Some(mut command) = command(engine) {
            runs.push((*engine, run(&mut command)));
        }
    }
    let after = run_native()?;
    let seconds = (before.seconds + after.seconds) / 2.0;
    let mut keep = |engine: &Engine, sample| {
        let key = (program.name.clone(), engine.name.clone());
        outcome.samples.entry(key).or_default().push(sample);
    };
    if others.iter().all(|engine| !engine.interprets()) {
        for run in [&before, &after] {
            keep(
                native,
                Sample {
                    seconds: run.seconds,
                    native: seconds,
                },
            );
        }
    }
    for (engine, run) in runs {
        match run {
            Ok(run) if run.said == before.said => keep(
                engine,
                Sample {
                    seconds: run.seconds,
                    native: seconds,
                },
            ),
            Ok(run) => outcome.wrong.push(format!(
                "{} in {}: {:?} instead of {:?}",
                program.name, engine.name, run.said, before.said
            )),
            Err(error) => outcome
                .wrong
                .push(format!("{} in {}: {error}", program.name, engine.name)),
        }
    }
    Ok(())
}

/// The size that a program has if it is not told one: it prints it.
fn usual_size(native: &Engine, program: &Program) -> Fallible<u32> {
    let mut command = native
        .command(program, 1)
        .ok_or_else(|| format!("there is no native {}", program.name))?;
    let mut without_size = Command::new(command.get_program());
    let said = run(&mut without_size)?.said;
    // And that the argument is what counts.
    let small = run(&mut command)?.said;
    match (said.split(' ').nth(1), small.split(' ').nth(1)) {
        (Some(size), Some("1")) => Ok(size.parse()?),
        _ => Err(format!("{} says {said:?}, which is not its size", program.name).into()),
    }
}

struct Run {
    seconds: f64,
    said: String,
}

fn run(command: &mut Command) -> Result<Run, std::io::Error> {
    let before = of_children()?;
    let output = command.output()?;
    let after = of_children()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(std::io::Error::other(format!("{}: {said}", output.status)));
    }
    Ok(Run {
        seconds: (after - before).as_secs_f64(),
        said: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    })
}

/// The CPU time of all processes that were started here and have ended; there is one at a time.
fn of_children() -> Result<Duration, std::io::Error> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let duration = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let microseconds = u64::try_from(time.tv_usec()).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(microseconds)
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}
