//! Teaches: computation and memory in Rust. Counts the primes up to a limit (1000000 if none is
//! given) with the sieve of Eratosthenes. Up to 1000000 there are 78498.
//!
//!     time arena run wasm-samples/build/primes-rust.wasm 10000000

use std::process::ExitCode;

const DEFAULT_LIMIT: u32 = 1_000_000;
const LARGEST_LIMIT: u32 = 100_000_000; // the sieve takes one byte for each number

fn count_primes(limit: usize) -> usize {
    let mut is_prime = vec![true; limit + 1];
    let mut count = 0;
    for n in 2..=limit {
        if is_prime[n] {
            count += 1;
            // n * n would not fit for a large n: usize has 32 bits in WebAssembly.
            let first = n.checked_mul(n).unwrap_or(limit + 1);
            for multiple in (first..=limit).step_by(n) {
                is_prime[multiple] = false;
            }
        }
    }
    count
}

fn main() -> ExitCode {
    let limit = match std::env::args().nth(1) {
        None => Some(DEFAULT_LIMIT),
        Some(text) => text.parse().ok().filter(|&limit| limit <= LARGEST_LIMIT),
    };
    let Some(limit) = limit else {
        eprintln!("primes-rust: the limit must be a number from 0 to {LARGEST_LIMIT}");
        return ExitCode::from(2);
    };
    println!("primes up to {limit}: {}", count_primes(limit as usize));
    ExitCode::SUCCESS
}
