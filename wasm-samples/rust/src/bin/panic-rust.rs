//! Teaches: what a Rust panic looks like from outside: its message on stderr, then the trap
//! "unreachable", with the way to it through the module's functions.
//!
//!     arena run wasm-samples/build/panic-rust.wasm

fn main() {
    println!("about to panic");
    let readings: Vec<u32> = std::env::args().skip(1).map(|_| 0).collect();
    let index = readings.len() + 1;
    println!("not reached: {}", readings[index]);
}
