//! Teaches: reading standard input in Rust. Prints lines, words and bytes, as `wc` does.
//!
//!     echo "one two three" | arena run wasm-samples/build/word-count.wasm

use std::io::{self, BufRead};

fn main() -> io::Result<()> {
    let (mut lines, mut words, mut bytes) = (0u64, 0u64, 0u64);
    let mut input = io::stdin().lock();
    let mut line = Vec::new(); // bytes, not String: the input need not be UTF-8
    while input.read_until(b'\n', &mut line)? > 0 {
        lines += u64::from(line.ends_with(b"\n"));
        words += line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .count() as u64;
        bytes += line.len() as u64;
        line.clear();
    }
    println!("{lines} lines, {words} words, {bytes} bytes");
    Ok(())
}
