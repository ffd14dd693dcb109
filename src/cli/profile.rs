//! `arena run --profile`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wamr::{Module, Profile, Profiler, StopHandle};

use super::flame_graph;
use super::status::{Failure, Status, printable};

/// Whether a run is profiled.
#[derive(Debug, clap::Args)]
pub(super) struct ProfileArgs {
    /// Find out where the module spends its CPU time, and write a flame graph; the call stacks
    /// themselves go to a file beside it that ends in .folded
    #[arg(long, value_name = "OUT.svg", value_parser = svg)]
    profile: Option<PathBuf>,

    /// How many samples a profile has for each second of CPU time, at the most
    #[arg(long, value_name = "HZ", requires = "profile", default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    profile_rate: u32,
}

/// The name of the picture: another file by mistake would be overwritten.
fn svg(text: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(text);
    if file.extension().is_some_and(|extension| extension == "svg") {
        return Ok(file);
    }
    Err("expected a file whose name ends in .svg".to_owned())
}

impl ProfileArgs {
    /// Opens the files of the profile that is asked for: where one cannot be written, the module
    /// does not run.
    pub(super) fn open(&self) -> Result<Option<ProfileFiles>, Failure> {
        let open = |svg: &PathBuf| {
            Ok(ProfileFiles {
                svg: Output::create(svg.clone())?,
                folded: Output::create(svg.with_extension("folded"))?,
                interval: Duration::from_secs(1) / self.profile_rate.max(1),
            })
        };
        self.profile.as_ref().map(open).transpose()
    }
}

/// Where a profile goes.
pub(super) struct ProfileFiles {
    svg: Output,
    folded: Output,
    interval: Duration,
}

struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    fn create(path: PathBuf) -> Result<Output, Failure> {
        match File::create(&path) {
            Ok(file) => Ok(Output { path, file }),
            Err(error) => Err(cannot_write(&path, &error)),
        }
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::of_file(Status::CannotWrite, "write", path, error)
}

impl ProfileFiles {
    /// Begins to profile the calling thread, which is to run the module.
    pub(super) fn start<T: Send + Sync + 'static>(
        &self,
        module: &Module<T>,
        stop: &StopHandle,
    ) -> Result<Profiler<T>, Failure> {
        Profiler::start(module, stop, self.interval)
            .map_err(|e| Failure::new(Status::CannotLoad, e.to_string()))
    }

    /// Writes what was found about the module in `file`.
    pub(super) fn write(self, file: &Path, profile: Profile) -> Result<(), Failure> {
        let interval = profile.interval;
        if profile.lost > 0 {
            let _ = writeln!(
                io::stderr(),
                "arena: {} samples of the profile are lost: the machine is too busy",
                profile.lost
            );
        }
        let stacks = readable(profile);
        let samples: u64 = stacks.iter().map(|(_, samples)| samples).sum();
        let name = file.file_name().unwrap_or(file.as_os_str());
        let title = format!(
            "{}: {samples} samples, one each {interval:?} of CPU time",
            printable(&name.to_string_lossy())
        );
        self.svg.write(&flame_graph::svg(&title, &stacks))?;
        self.folded.write(&folded(&stacks))
    }
}

/// The stacks with names that a line of a text can have.
fn readable(profile: Profile) -> Vec<(Vec<String>, u64)> {
    let stacks = profile.stacks.into_iter().map(|(stack, samples)| {
        if stack.is_empty() {
            return (vec!["(outside of the module)".to_owned()], samples);
        }
        // As in the type [u8; 4].
        let name = |name: String| printable(&name.replace(';', ":"));
        (stack.into_iter().map(name).collect(), samples)
    });
    stacks.collect()
}

/// One line for each stack, as the tools that draw flame graphs read it.
fn folded(stacks: &[(Vec<String>, u64)]) -> String {
    let lines = stacks.iter();
    lines
        .map(|(stack, samples)| format!("{} {samples}\n", stack.join(";")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_in_lines() {
        let stack = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let profile = Profile {
            stacks: vec![
                (Vec::new(), 2),
                (stack(&["main", "<[u8; 4] as T>::f\n", "a.b"]), 3),
            ],
            interval: Duration::from_millis(1),
            lost: 0,
        };
        assert_eq!(
            folded(&readable(profile)),
            "(outside of the module) 2\nmain;<[u8: 4] as T>::f\u{fffd};a.b 3\n"
        );
    }

    #[test]
    fn only_pictures_are_overwritten() {
        assert!(svg("a/b.svg").is_ok());
        for name in ["", "svg", ".svg", "module.wasm", "a.svg/b"] {
            assert!(svg(name).is_err(), "{name}");
        }
    }
}
