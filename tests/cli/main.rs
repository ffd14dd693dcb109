//! The program `arena`, as a person or a script uses it.
//!
//! Each test runs the program itself, in an empty directory of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

mod aot;
mod bad_input;
mod cached;
mod channels;
mod compiled;
mod general;
mod harness;
mod inspect;
mod invoke;
mod limits;
mod old_processor;
mod profile;
#[path = "../support/program.rs"]
mod program;
mod run;
mod signed;
mod stats;
mod stop;
mod traps;
