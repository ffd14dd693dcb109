//! Checking a module before WAMR's C code sees it, and taking away what WAMR need not see.

use std::collections::BTreeMap;
use std::ops::Range;

use wasmparser::{
    ExternalKind, KnownCustom, MemoryType, Name, NameSectionReader, Parser, Payload, TypeRef,
    Validator, WasmFeatures,
};

use crate::error::{Error, Result};

/// The id of custom sections.
const CUSTOM: u8 = 0;
/// The id of the list of function names in a name section.
const FUNCTION_NAMES: u8 = 1;
/// Longer names are cut: a trap's message needs no more, and WAMR stops at 64 KiB.
const MAX_NAME: usize = 1024;
/// With more names than this, in bytes, the rest is left out.
const MAX_NAMES: usize = 16 << 20;

/// A valid module.
pub(crate) struct Checked<'a> {
    wasm: &'a [u8],
    /// Whether it imports or has a memory that threads can share.
    pub(crate) shared_memory: bool,
    /// By function index.
    names: BTreeMap<u32, &'a str>,
}

/// Validates the module for exactly what WAMR is built with.
pub(crate) fn check(wasm: &[u8], simd: bool) -> Result<Checked<'_>> {
    refuse_other_formats(wasm)?;
    let shared_memory = has_shared_memory(wasm).map_err(invalid)?;
    Validator::new_with_features(features(simd, shared_memory))
        .validate_all(wasm)
        .map_err(invalid)?;
    Ok(Checked {
        wasm,
        shared_memory,
        names: function_names(wasm).map_err(invalid)?,
    })
}

impl Checked<'_> {
    /// The module without custom sections, but for function names if they are wanted.
    ///
    /// Custom sections hold what no validator has looked at, debug information above all. Names are
    /// written anew, so that WAMR reads only a name section of ours.
    pub(crate) fn strip(&self, names: bool) -> Vec<u8> {
        let mut out = self.wasm[..8].to_vec();
        // Parsing succeeded in `check`, so no payload is lost here.
        for payload in Parser::new(0).parse_all(self.wasm).flatten() {
            if let Some((id, range)) = payload.as_section()
                && id != CUSTOM
            {
                push_section(&mut out, id, slice(self.wasm, range));
            }
        }
        if names && !self.names.is_empty() {
            push_section(&mut out, CUSTOM, &self.name_section());
        }
        out
    }

    fn name_section(&self) -> Vec<u8> {
        let mut list = Vec::new();
        let mut count = 0;
        for (&index, name) in &self.names {
            let name = &name[..name.floor_char_boundary(MAX_NAME)];
            if list.len() + name.len() > MAX_NAMES {
                break;
            }
            push_leb(&mut list, index as usize);
            push_bytes(&mut list, name.as_bytes());
            count += 1;
        }
        let mut counted = Vec::new();
        push_leb(&mut counted, count);
        counted.extend(list);

        let mut section = Vec::new();
        push_bytes(&mut section, b"name");
        section.push(FUNCTION_NAMES);
        push_bytes(&mut section, &counted);
        section
    }
}

fn features(simd: bool, threads: bool) -> WasmFeatures {
    let mut features = WasmFeatures::WASM1
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES;
    features.set(WasmFeatures::SIMD, simd);
    features.set(WasmFeatures::THREADS, threads);
    features
}

/// What people pass by mistake deserves more than "bad magic number".
fn refuse_other_formats(wasm: &[u8]) -> Result<()> {
    let reason = match wasm {
        [] => "it is empty",
        [0, b'a', b'o', b't', ..] => "it is compiled already (an AOT file)",
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => "it is a component, not a core module",
        [0, b'a', b's', b'm', ..] => return Ok(()),
        _ => "it is not WebAssembly",
    };
    Err(Error::Input(reason.into()))
}

fn has_shared_memory(wasm: &[u8]) -> wasmparser::Result<bool> {
    let shared = |memory: MemoryType| memory.shared;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Memory(memory) = import?.ty
                        && shared(memory)
                    {
                        return Ok(true);
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    if shared(memory?) {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

/// The function names of a valid module; where it has none, that of an export. What is wrong with them is no reason to refuse it: names
/// of functions that do not exist, and all that follows a mistake, are left out.
fn function_names(wasm: &[u8]) -> wasmparser::Result<BTreeMap<u32, &str>> {
    let mut functions: u32 = 0;
    let mut names = BTreeMap::new();
    let mut exported = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if matches!(import?.ty, TypeRef::Func(_)) {
                        functions += 1;
                    }
                }
            }
            Payload::FunctionSection(section) => functions += section.count(),
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        exported.entry(export.index).or_insert(export.name);
                    }
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(reader) = section.as_known() {
                    collect(reader, &mut names);
                }
            }
            _ => {}
        }
    }
    names.retain(|&index, _| index < functions);
    for (index, name) in exported {
        names.entry(index).or_insert(name);
    }
    Ok(names)
}

fn collect<'a>(reader: NameSectionReader<'a>, names: &mut BTreeMap<u32, &'a str>) {
    for subsection in reader {
        match subsection {
            Ok(Name::Function(map)) => {
                for naming in map {
                    let Ok(naming) = naming else { return };
                    names.entry(naming.index).or_insert(naming.name);
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// The bytes that the parser found a section in.
fn slice(wasm: &[u8], range: Range<u64>) -> &[u8] {
    let index = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
    wasm.get(index(range.start)..index(range.end))
        .unwrap_or_default()
}

fn push_section(out: &mut Vec<u8>, id: u8, contents: &[u8]) {
    out.push(id);
    push_bytes(out, contents);
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_leb(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Unsigned LEB128.
fn push_leb(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn invalid(error: wasmparser::BinaryReaderError) -> Error {
    Error::Input(format!("invalid module: {error}").replace('\n', " "))
}
