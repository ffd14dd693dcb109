//! What a module imports, exports and brings along.

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use super::features;
use super::load_error::LoadError;
use super::value::{FuncType, ValType};

/// Size of a page of linear memory in bytes.
pub const PAGE_SIZE: u64 = 64 * 1024;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// A WebAssembly binary: portable, and checked before it is loaded.
    Wasm,
    /// WAMR's ahead-of-time compiled form: native code, to be trusted.
    Aot,
}

impl ModuleKind {
    /// The kind of the file that begins with `bytes`.
    ///
    /// # Errors
    /// When it is neither; the error says what it seems to be instead.
    pub fn of(bytes: &[u8]) -> Result<ModuleKind, LoadError> {
        match bytes {
            [] => Err(LoadError::Empty),
            [b'\0', b'a', b's', b'm', version @ ..] => match version {
                [1, 0, 0, 0, ..] => Ok(ModuleKind::Wasm),
                [_, 0, 1, 0, ..] => Err(LoadError::Component),
                [] | [_] | [_, _] | [_, _, _] => Err(LoadError::CutOff),
                _ => Err(LoadError::Version),
            },
            [b'\0', b'a', b'o', b't', ..] => Ok(ModuleKind::Aot),
            _ => Err(LoadError::NotAModule),
        }
    }
}

/// What a module is made of, without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleInfo {
    /// What the module wants from outside, in its order.
    pub imports: Vec<Import>,
    /// What the module offers, in its order.
    pub exports: Vec<Export>,
    /// The linear memories, imported ones first.
    pub memories: Vec<MemoryType>,
    /// The custom sections' names and sizes in bytes, in the file's order.
    pub custom_sections: Vec<CustomSection>,
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name of the module that it is wanted from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub ty: ExternType,
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it is.
    pub ty: ExternType,
    /// Its index among the module's things of its kind, imports first.
    pub index: u32,
}

/// The type of an import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A linear memory.
    Memory(MemoryType),
    /// A table of references.
    Table,
    /// A global variable.
    Global {
        /// The value's type.
        ty: ValType,
        /// Whether it may be assigned to.
        mutable: bool,
    },
    /// An exception's tag.
    Tag,
}

impl std::fmt::Display for ExternType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExternType::Func(ty) => write!(f, "function {ty}"),
            ExternType::Memory(ty) => write!(f, "memory of {ty}"),
            ExternType::Table => f.write_str("table"),
            ExternType::Global { ty, mutable: true } => write!(f, "global mut {ty}"),
            ExternType::Global { ty, .. } => write!(f, "global {ty}"),
            ExternType::Tag => f.write_str("tag"),
        }
    }
}

/// The limits of a linear memory, in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// Pages at the start.
    pub initial: u64,
    /// Pages that it may grow to, if the module says so.
    pub maximum: Option<u64>,
    /// Whether guest threads share it.
    pub shared: bool,
}

impl std::fmt::Display for MemoryType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pages", self.initial)?;
        if let Some(maximum) = self.maximum {
            write!(f, ", at most {maximum}")?;
        }
        if self.shared {
            f.write_str(", shared")?;
        }
        Ok(())
    }
}

/// A custom section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// The size of its contents in bytes.
    pub size: usize,
}

impl ModuleInfo {
    /// Reads a WebAssembly binary after checking all of it.
    ///
    /// # Errors
    /// When it is not a valid module with the proposals that are switched on.
    pub fn of_wasm(wasm: &[u8]) -> Result<ModuleInfo, LoadError> {
        match ModuleKind::of(wasm)? {
            ModuleKind::Wasm => {}
            ModuleKind::Aot => return Err(LoadError::UntrustedAot),
        }
        features::validate(wasm)?;
        let mut reader = Reader::default();
        let info = reader.read(wasm).map_err(|e| LoadError::Invalid {
            offset: e.offset(),
            message: e.message().to_owned(),
        })?;
        reader.check_limits()?;
        Ok(info)
    }

    /// The type of the exported function `name`.
    #[must_use]
    pub fn exported_func(&self, name: &str) -> Option<&FuncType> {
        self.exports.iter().find_map(|export| match &export.ty {
            ExternType::Func(ty) if export.name == name => Some(ty),
            _ => None,
        })
    }

    /// Pages that the memories begin with, together.
    #[must_use]
    pub fn initial_pages(&self) -> u64 {
        self.memories
            .iter()
            .fold(0, |sum, memory| sum.saturating_add(memory.initial))
    }
}

/// WAMR's loader compares each type with each other.
const MAX_TYPES: usize = 20_000;

/// Entries that the tables may begin with, together: as many as a table may
/// have in browsers.
const MAX_TABLE_ENTRIES: u64 = 10_000_000;

/// Collects the index spaces of a module that is known to be valid.
#[derive(Default)]
struct Reader {
    table_entries: u64,
    types: Vec<FuncType>,
    functions: Vec<u32>,
    memories: Vec<MemoryType>,
    globals: Vec<ExternType>,
}

impl Reader {
    fn read(&mut self, wasm: &[u8]) -> wasmparser::Result<ModuleInfo> {
        let mut info = ModuleInfo {
            imports: Vec::new(),
            exports: Vec::new(),
            memories: Vec::new(),
            custom_sections: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        self.types.push(func_type(&ty?));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        info.imports.push(Import {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                            ty: self.import(import.ty),
                        });
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        self.functions.push(ty?);
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        let entries = table?.ty.initial;
                        self.table_entries = self.table_entries.saturating_add(entries);
                    }
                }
                Payload::MemorySection(section) => {
                    for ty in section {
                        self.memories.push(memory_type(ty?));
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        self.globals.push(global_type(global?.ty));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        info.exports.push(Export {
                            name: export.name.to_owned(),
                            ty: self.export(export.kind, export.index),
                            index: export.index,
                        });
                    }
                }
                Payload::CustomSection(section) => info.custom_sections.push(CustomSection {
                    name: section.name().to_owned(),
                    size: section.data().len(),
                }),
                _ => {}
            }
        }
        info.memories.clone_from(&self.memories);
        Ok(info)
    }

    /// Refuses what is valid, and too much for WAMR.
    fn check_limits(&self) -> Result<(), LoadError> {
        if self.types.len() > MAX_TYPES {
            return Err(LoadError::TooManyTypes {
                count: self.types.len(),
                limit: MAX_TYPES,
            });
        }
        if self.table_entries > MAX_TABLE_ENTRIES {
            return Err(LoadError::TablesTooLarge {
                entries: self.table_entries,
                limit: MAX_TABLE_ENTRIES,
            });
        }
        Ok(())
    }

    fn import(&mut self, ty: TypeRef) -> ExternType {
        match ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(index);
                ExternType::Func(self.func_type_at(index))
            }
            TypeRef::Memory(ty) => {
                let ty = memory_type(ty);
                self.memories.push(ty);
                ExternType::Memory(ty)
            }
            TypeRef::Global(ty) => {
                let ty = global_type(ty);
                self.globals.push(ty.clone());
                ty
            }
            TypeRef::Table(_) => ExternType::Table,
            TypeRef::Tag(_) => ExternType::Tag,
        }
    }

    fn export(&self, kind: ExternalKind, index: u32) -> ExternType {
        let at = index as usize;
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let ty = self.functions.get(at).copied().unwrap_or(u32::MAX);
                ExternType::Func(self.func_type_at(ty))
            }
            ExternalKind::Memory => self
                .memories
                .get(at)
                .copied()
                .map_or(ExternType::Tag, ExternType::Memory),
            ExternalKind::Global => self.globals.get(at).cloned().unwrap_or(ExternType::Tag),
            ExternalKind::Table => ExternType::Table,
            ExternalKind::Tag => ExternType::Tag,
        }
    }

    fn func_type_at(&self, index: u32) -> FuncType {
        self.types.get(index as usize).cloned().unwrap_or_default()
    }
}

fn func_type(ty: &wasmparser::FuncType) -> FuncType {
    let types = |types: &[wasmparser::ValType]| {
        types
            .iter()
            .filter_map(|ty| ValType::from_parser(*ty))
            .collect()
    };
    FuncType {
        params: types(ty.params()),
        results: types(ty.results()),
    }
}

fn memory_type(ty: wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        initial: ty.initial,
        maximum: ty.maximum,
        shared: ty.shared,
    }
}

fn global_type(ty: wasmparser::GlobalType) -> ExternType {
    match ValType::from_parser(ty.content_type) {
        Some(value) => ExternType::Global {
            ty: value,
            mutable: ty.mutable,
        },
        None => ExternType::Tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_a_module_is_made_of() {
        let wasm = wat::parse_str(
            r#"(module
                (import "env" "ch_open" (func (param i32 i32 i32) (result i32)))
                (memory (export "memory") 2 9)
                (global (export "g") (mut i64) (i64.const 1))
                (func (export "f") (param f32) (result f64) (f64.const 0))
                (table (export "t") 1 funcref)
                (@custom "arena" "abc"))"#,
        )
        .unwrap();
        let info = ModuleInfo::of_wasm(&wasm).unwrap();
        assert_eq!(
            info.imports[0].ty.to_string(),
            "function (i32, i32, i32) -> i32"
        );
        let exports: Vec<String> = info
            .exports
            .iter()
            .map(|e| format!("{}: {}", e.name, e.ty))
            .collect();
        assert_eq!(
            exports,
            [
                "memory: memory of 2 pages, at most 9",
                "g: global mut i64",
                "f: function (f32) -> f64",
                "t: table"
            ]
        );
        assert_eq!(info.initial_pages(), 2);
        assert_eq!(info.custom_sections[0].name, "arena");
        assert_eq!(info.custom_sections[0].size, 3);
    }

    #[test]
    fn says_what_a_file_is_instead_of_a_module() {
        let kind = |bytes: &[u8]| ModuleKind::of(bytes).unwrap_err().to_string();
        assert_eq!(kind(b""), "the file is empty");
        assert!(kind(b"\0asm\x0d\0\x01\0").contains("component"));
        assert!(kind(b"\0asm\x02\0\0\0").contains("version"));
        assert!(kind(b"\0asm\x01\0").contains("cut off"));
        assert!(kind(b"\x7fELF").contains("not a WebAssembly module"));
    }
}
