//! How long a compilation will take.

use std::time::Duration;

use wasmparser::{Parser, Payload};

/// Starting the compiler, and LLVM in it.
const START: Duration = Duration::from_millis(80);
/// For each byte of the module's code, as the modules in `wasm-samples` take it on a processor of
/// about 3 GHz.
const PER_BYTE: Duration = Duration::from_micros(52);

/// A guess at the CPU time that a module takes to compile, from the size of its code: what else a
/// file has, debug information for example, is skipped. Of a file that is no module it means nothing.
#[must_use]
pub fn compile_time(wasm: &[u8]) -> Duration {
    let code = Parser::new(0)
        .parse_all(wasm)
        .map_while(Result::ok)
        .find_map(|payload| match payload {
            Payload::CodeSectionStart { size, .. } => Some(size),
            _ => None,
        });
    START + PER_BYTE * code.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_counts() {
        let small = wat::parse_str("(module (func))").unwrap();
        let body = "(drop (i32.const 1))".repeat(10_000);
        let large = wat::parse_str(format!("(module (func {body}))")).unwrap();
        assert!(compile_time(&small) < Duration::from_millis(90));
        assert!(compile_time(&large) > Duration::from_millis(900));
        assert_eq!(compile_time(b"nothing"), START);
        let data = format!(
            "(module (memory 9) (data (i32.const 0) \"{}\"))",
            "a".repeat(100_000)
        );
        let data = wat::parse_str(data).unwrap();
        assert_eq!(compile_time(&data), START);
    }
}
