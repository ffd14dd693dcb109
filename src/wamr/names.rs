//! Functions' names, for call stacks.

use std::collections::HashMap;
use std::fmt::{self, Write};

use wasmparser::{BinaryReader, Name, NameSectionReader};

/// A longer name is shown as it is in the module, and cut off there.
const MAX_NAME: usize = 1024;

/// A name as people know it: demangled, without the hash that tells instances
/// of one Rust function apart. A few bytes of a mangled name can stand for a
/// megabyte, so the length is bounded.
pub(super) fn plain(name: &str) -> String {
    let mut text = Bounded(String::new());
    if write!(text, "{:#}", rustc_demangle::demangle(name)).is_ok() {
        return text.0;
    }
    name.chars().take(MAX_NAME).collect()
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len() + part.len() > MAX_NAME {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

/// Reads the functions' names, by index, from the contents of a name section.
/// A damaged section gives the names before the damage.
pub(super) fn of_section(contents: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for name in NameSectionReader::new(BinaryReader::new(contents, 0)).flatten() {
        if let Name::Function(functions) = name {
            for function in functions.into_iter().flatten() {
                names.insert(function.index, function.name.to_owned());
            }
        }
    }
    names
}

/// The sections of AOT files that names are in: WAMR's `aot_runtime.h`.
const AOT_SECTION_CUSTOM: u32 = 100;
const AOT_CUSTOM_NAME: u32 = 3;
/// The part of a name section about functions.
const FUNCTIONS: u32 = 1;

/// The section of an AOT file that names its functions.
pub(super) fn aot_section(aot: &[u8]) -> Option<&[u8]> {
    let mut file = AotReader { bytes: aot, at: 8 };
    loop {
        let kind = file.u32()?;
        let size = file.u32()? as usize;
        let begin = file.at;
        let end = begin.checked_add(size)?;
        if kind == AOT_SECTION_CUSTOM && file.u32()? == AOT_CUSTOM_NAME {
            return aot.get(begin..end);
        }
        file.at = end;
    }
}

/// Reads the functions' names, by index, from what [`aot_section`] has found.
pub(super) fn of_aot_section(section: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    let mut reader = AotReader {
        bytes: section,
        at: 0,
    };
    // A damaged section gives the names before the damage.
    let _ = reader.functions(&mut names);
    names
}

/// Reads what WAMR's compiler writes: numbers at multiples of their size.
struct AotReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl AotReader<'_> {
    fn functions(&mut self, names: &mut HashMap<u32, String>) -> Option<()> {
        self.u32()?;
        // The section's own name, with its length before it.
        let length = self.u32()? as usize;
        self.at = self.at.checked_add(length)?;
        loop {
            let kind = self.u32()?;
            let size = self.u32()? as usize;
            if kind != FUNCTIONS {
                self.at = self.at.checked_add(size)?;
                continue;
            }
            for _ in 0..self.u32()? {
                let index = self.u32()?;
                let length = usize::from(u16::from_le_bytes(self.take(2)?.try_into().ok()?));
                let name = self.take(length)?;
                let name = name.split(|b| *b == 0).next().unwrap_or_default();
                names.insert(index, String::from_utf8_lossy(name).into_owned());
            }
            return Some(());
        }
    }

    fn u32(&mut self) -> Option<u32> {
        self.at = self.at.checked_next_multiple_of(4)?;
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }
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
        assert_eq!(plain(&names[&1]), "core::panicking::panic");
        for length in 0..section.len() {
            of_section(&section[..length]);
        }
    }

    #[test]
    fn a_name_that_stands_for_a_megabyte_is_shown_as_it_is() {
        // Each tuple has the one before it twice.
        let mut name = "_RMC0TpE".to_owned();
        for _ in 0..20 {
            name = format!("_RMC0T{0}{0}E", &name[5..]);
            if name.len() > 2_000 {
                break;
            }
        }
        assert!(plain(&name).len() <= MAX_NAME);
        assert_eq!(plain("main"), "main");
        assert_eq!(plain(&"x".repeat(5_000)).len(), MAX_NAME);
    }

    #[test]
    fn reads_names_of_aot_files_and_survives_their_damage() {
        let mut file = b"\0aot\x06\0\0\0".to_vec();
        // A section to pass over, and then the one with a name.
        file.extend([7, 0, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0]);
        let mut section = vec![3, 0, 0, 0, 4, 0, 0, 0];
        section.extend(b"name");
        section.extend([1, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0]);
        section.extend([4, 0, 0, 0, 3, 0, b'f', b'g', 0, 0, 0, 0]);
        section.extend([9, 0, 0, 0, 2, 0, b'h', 0]);
        file.extend([100, 0, 0, 0]);
        file.extend(u32::try_from(section.len()).unwrap().to_le_bytes());
        file.extend(&section);
        let names = of_aot_section(aot_section(&file).unwrap());
        assert_eq!(names.len(), 2);
        assert_eq!(names[&4], "fg");
        assert_eq!(names[&9], "h");
        for length in 0..file.len() {
            assert!(aot_section(&file[..length]).is_none());
        }
        for length in 0..section.len() {
            of_aot_section(&section[..length]);
        }
    }
}
