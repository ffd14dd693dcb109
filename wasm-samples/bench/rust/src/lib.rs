//! What the benchmark programs have in common, as `bench.h` has it for those in C: their argument,
//! numbers that look random, and the one line that they print. Nothing here measures.

use std::process::exit;

/// How much to do: the first argument is a number, or "quick", or missing for the default. The time
/// a program takes grows in proportion to it.
pub fn size(usual: u32, quick: u32) -> u32 {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        None => usual,
        Some("quick") => quick,
        Some(text) => match text.parse() {
            Ok(size @ 1..=1_000_000_000) => size,
            _ => {
                eprintln!("the size is a number from 1 on, or \"quick\", not {text}");
                exit(2)
            }
        },
    }
}

/// A sequence of numbers that is the same everywhere.
pub struct Random(u32);

impl Random {
    /// `seed` is not 0.
    pub fn new(seed: u32) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// From 0 up to, but not, `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }
}

/// A checksum that `value` has gone into, too.
pub fn mix(sum: u64, value: u64) -> u64 {
    let sum = (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    sum ^ (sum >> 29)
}

pub fn report(name: &str, size: u32, sum: u64) {
    println!("{name} {size} {sum:016x}");
}
