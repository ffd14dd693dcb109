//! Functions' names, for call stacks.

use std::collections::HashMap;

use wasmparser::{BinaryReader, Name, NameSectionReader};

/// Reads the functions' names, by index, from the contents of a name section.
/// A damaged section gives the names before the damage.
pub(super) fn of_section(contents: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for name in NameSectionReader::new(BinaryReader::new(contents, 0)).flatten() {
        if let Name::Function(functions) = name {
            for function in functions.into_iter().flatten() {
                let plain = rustc_demangle::demangle(function.name);
                // Without the hash that tells instances of one function apart.
                names.insert(function.index, format!("{plain:#}"));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_demangles_names() {
        let wasm = wat::parse_str(
            r"(module
                (func $inner)
                (func $_ZN4core9panicking5panic17h0123456789abcdefE))",
        )
        .unwrap();
        let section = wasmparser::Parser::new(0)
            .parse_all(&wasm)
            .find_map(|payload| match payload.unwrap() {
                wasmparser::Payload::CustomSection(section) => Some(section.data()),
                _ => None,
            })
            .unwrap();
        let names = of_section(section);
        assert_eq!(names[&0], "inner");
        assert_eq!(names[&1], "core::panicking::panic");
        for length in 0..section.len() {
            of_section(&section[..length]);
        }
    }
}
