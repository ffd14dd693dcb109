//! The programs, by their sources.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Fallible;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Rust,
}

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) source: PathBuf,
    /// Whether its source has vectors in it, so that without SIMD each becomes many instructions.
    pub(crate) vectors: bool,
}

/// Those of `wasm-samples/bench`, in the order of their names; all of them, or those named.
pub(crate) fn find(root: &Path, only: &[String]) -> Fallible<Vec<Program>> {
    let bench = root.join("wasm-samples/bench");
    let mut programs = Vec::new();
    for (folder, extension, language) in [
        ("c", "c", Language::C),
        ("rust/src/bin", "rs", Language::Rust),
    ] {
        for entry in fs::read_dir(bench.join(folder))? {
            let source = entry?.path();
            if source.extension().is_none_or(|found| found != extension) {
                continue;
            }
            let Some(name) = source.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            programs.push(Program {
                name: name.to_owned(),
                language,
                vectors: fs::read_to_string(&source)?.contains("vector_size("),
                source,
            });
        }
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(unknown) = only
        .iter()
        .find(|name| programs.iter().all(|program| program.name != **name))
    {
        let names: Vec<&str> = programs.iter().map(|p| p.name.as_str()).collect();
        return Err(format!("there is no program {unknown}, only {}", names.join(", ")).into());
    }
    if !only.is_empty() {
        programs.retain(|program| only.contains(&program.name));
    }
    Ok(programs)
}
