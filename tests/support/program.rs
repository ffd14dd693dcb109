//! The program that is tested, which may be another machine's (`scripts/test --arch`):
//! `ARENA_BIN` names another one than that of this build, `ARENA_TEST_RUNNER` the command in front
//! of it, an emulator as a rule, and `ARENA_TEST_ARCH` its architecture.
#![allow(dead_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// `arena`, without arguments.
pub(crate) fn arena() -> Command {
    command(arena_path())
}

pub(crate) fn arena_path() -> OsString {
    env::var_os("ARENA_BIN").unwrap_or(env!("CARGO_BIN_EXE_arena").into())
}

/// A command that runs this program of the same machine.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let words = words(program);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// What such a command begins with.
pub(crate) fn words(program: impl AsRef<OsStr>) -> Vec<OsString> {
    let runner = env::var("ARENA_TEST_RUNNER").unwrap_or_default();
    let runner = runner.split_whitespace().map(OsString::from);
    runner.chain([program.as_ref().to_owned()]).collect()
}

/// What its code is made for.
pub(crate) fn arch() -> String {
    env::var("ARENA_TEST_ARCH").unwrap_or(env::consts::ARCH.to_owned())
}

/// Whether it is run by something else, which the system then takes for the program.
pub(crate) fn is_emulated() -> bool {
    env::var_os("ARENA_TEST_RUNNER").is_some()
}
