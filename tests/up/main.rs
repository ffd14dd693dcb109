//! `arena up`: the program itself, on ports and in directories of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where its fixture does"
)]

mod client;
mod demo;
mod ends;
mod harness;
mod starts;
