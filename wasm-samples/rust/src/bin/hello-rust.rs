//! Teaches: the smallest guest in Rust. It prints one line and ends.
//!
//!     arena run wasm-samples/build/hello-rust.wasm

fn main() {
    println!("Hello from Rust in WebAssembly!");
}
