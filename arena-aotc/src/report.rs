//! The summary on stderr.

use std::path::Path;

use serde::Serialize;

use crate::compiler::Options;

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) input: &'a Path,
    pub(crate) output: &'a Path,
    pub(crate) wasm_bytes: usize,
    pub(crate) aot_bytes: usize,
    pub(crate) seconds: f64,
    /// Of the code: WAMR's version that loads it.
    pub(crate) wamr: &'static str,
    pub(crate) llvm: &'static str,
    #[serde(flatten)]
    pub(crate) options: &'a Options,
}

impl Report<'_> {
    pub(crate) fn print(&self, json: bool) {
        // A path need not be text, and JSON must be: then the plain line has to do.
        match serde_json::to_string(self) {
            Ok(line) if json => eprintln!("{line}"),
            _ => eprintln!("{}", self.line()),
        }
    }

    fn line(&self) -> String {
        format!(
            "{}: {} bytes -> {}: {} bytes for {} ({}), {:.2} s",
            self.input.display(),
            self.wasm_bytes,
            self.output.display(),
            self.aot_bytes,
            self.options.arch,
            self.options.cpu,
            self.seconds
        )
    }
}
