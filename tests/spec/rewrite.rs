//! Modules of the scripts, changed so that WAMR can run them: without what a
//! host cannot provide through it, or with what it does not load left out.
//!
//! The scripts import globals, a table and a memory from a module `spectest`.
//! WAMR links host functions only, so a module that wants these gets its own:
//! each such import is replaced by a definition of the thing that `spectest`
//! would have exported. What is not seen then is sharing, that one module
//! writes into the table or memory of `spectest` and another reads it there.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    ConstExpr, Encode, ExportSection, GlobalSection, GlobalType, ImportSection, Instruction,
    MemorySection, MemoryType, Module, RefType, SectionId, TableSection, TableType, ValType,
};
use wasmparser::{Imports, Operator, Parser, Payload, TypeRef};

type Result<T> = std::result::Result<T, Error<Infallible>>;

/// What replaces an import.
#[derive(Clone)]
enum Thing {
    Global(ValType, Instruction<'static>),
    Table(TableType),
    Memory(MemoryType),
}

/// The module with its own globals, table and memory in place of those of
/// `spectest`. What imports none, or cannot be read, is returned as it is.
pub(crate) fn own_spectest(wasm: &[u8]) -> Vec<u8> {
    let Some(mut rewriter) = Rewriter::of(wasm) else {
        return wasm.to_vec();
    };
    let mut module = Module::new();
    match rewriter.parse_core_module(&mut module, Parser::new(0), wasm) {
        Ok(()) => module.finish(),
        Err(_) => wasm.to_vec(),
    }
}

/// The module without the exports whose names contain NUL; `None` if there are
/// no such exports.
pub(crate) fn without_nul_names(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut rewriter = NulNames { found: false };
    let mut module = Module::new();
    rewriter
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .ok()?;
    rewriter.found.then(|| module.finish())
}

struct NulNames {
    found: bool,
}

impl Reencode for NulNames {
    type Error = Infallible;

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<()> {
        if export.name.contains('\0') {
            self.found = true;
            return Ok(());
        }
        utils::parse_export(self, exports, export)
    }
}

/// What `spectest` has of this name, if it has the type that is wanted.
fn thing(name: &str, wanted: TypeRef) -> Option<Thing> {
    let thing = match name {
        "global_i32" => Thing::Global(ValType::I32, Instruction::I32Const(666)),
        "global_i64" => Thing::Global(ValType::I64, Instruction::I64Const(666)),
        "global_f32" => Thing::Global(ValType::F32, Instruction::F32Const(666.6.into())),
        "global_f64" => Thing::Global(ValType::F64, Instruction::F64Const(666.6.into())),
        "table" => Thing::Table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 10,
            maximum: Some(20),
            shared: false,
        }),
        "memory" | "shared_memory" => Thing::Memory(MemoryType {
            minimum: 1,
            maximum: Some(2),
            memory64: false,
            shared: name == "shared_memory",
            page_size_log2: None,
        }),
        _ => return None,
    };
    let within = |minimum: u64, maximum: Option<u64>, wanted: (u64, Option<u64>)| {
        minimum >= wanted.0 && wanted.1.is_none_or(|max| maximum.is_some_and(|m| m <= max))
    };
    let fits = match (&thing, wanted) {
        (Thing::Global(ty, _), TypeRef::Global(wanted)) => {
            !wanted.mutable
                && ValType::try_from(wanted.content_type).is_ok_and(|wanted| wanted == *ty)
        }
        (Thing::Table(table), TypeRef::Table(wanted)) => {
            wanted.element_type.is_func_ref()
                && within(
                    table.minimum,
                    table.maximum,
                    (wanted.initial, wanted.maximum),
                )
        }
        (Thing::Memory(memory), TypeRef::Memory(wanted)) => {
            wanted.shared == memory.shared
                && within(
                    memory.minimum,
                    memory.maximum,
                    (wanted.initial, wanted.maximum),
                )
        }
        _ => false,
    };
    fits.then_some(thing)
}

/// The imports of one kind, in their order: what replaces each, if anything.
#[derive(Default)]
struct Kind {
    imports: Vec<Option<Thing>>,
    defined: bool,
}

impl Kind {
    /// The index that what has `index` gets: what remains imported comes
    /// first, then what is now defined, then the rest, which keeps its place.
    fn index(&self, index: u32) -> u32 {
        let before = |end: usize, replaced: bool| {
            let imports = self.imports.iter().take(end);
            imports.filter(|thing| thing.is_some() == replaced).count()
        };
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let index = match self.imports.get(at) {
            None => at,
            Some(None) => before(at, false),
            Some(Some(_)) => before(usize::MAX, false) + before(at, true),
        };
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// What is to be defined, the first time that it is asked for.
    fn take(&mut self) -> Vec<Thing> {
        if std::mem::replace(&mut self.defined, true) {
            return Vec::new();
        }
        self.imports.iter().flatten().cloned().collect()
    }
}

#[derive(Default)]
struct Rewriter {
    globals: Kind,
    tables: Kind,
    memories: Kind,
}

impl Rewriter {
    fn of(wasm: &[u8]) -> Option<Rewriter> {
        let mut rewriter = Rewriter::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::ImportSection(section) = payload.ok()? else {
                continue;
            };
            for import in section.into_imports() {
                let import = import.ok()?;
                let things = match import.ty {
                    TypeRef::Global(_) => &mut rewriter.globals.imports,
                    TypeRef::Table(_) => &mut rewriter.tables.imports,
                    TypeRef::Memory(_) => &mut rewriter.memories.imports,
                    _ => continue,
                };
                let ours = import.module == "spectest";
                things.push(if ours {
                    thing(import.name, import.ty)
                } else {
                    None
                });
            }
        }
        [&rewriter.globals, &rewriter.tables, &rewriter.memories]
            .iter()
            .any(|kind| kind.imports.iter().any(Option::is_some))
            .then_some(rewriter)
    }

    fn define_tables(&mut self, section: &mut TableSection) {
        for thing in self.tables.take() {
            if let Thing::Table(ty) = thing {
                section.table(ty);
            }
        }
    }

    fn define_memories(&mut self, section: &mut MemorySection) {
        for thing in self.memories.take() {
            if let Thing::Memory(ty) = thing {
                section.memory(ty);
            }
        }
    }

    fn define_globals(&mut self, section: &mut GlobalSection) {
        for thing in self.globals.take() {
            if let Thing::Global(val_type, value) = thing {
                let ty = GlobalType {
                    val_type,
                    mutable: false,
                    shared: false,
                };
                section.global(ty, &constant(&value));
            }
        }
    }
}

fn constant(value: &Instruction<'_>) -> ConstExpr {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    ConstExpr::raw(bytes)
}

/// Where a section comes in a module.
fn rank(section: SectionId) -> usize {
    const ORDER: [SectionId; 6] = [
        SectionId::Type,
        SectionId::Import,
        SectionId::Function,
        SectionId::Table,
        SectionId::Memory,
        SectionId::Global,
    ];
    ORDER
        .iter()
        .position(|id| *id == section)
        .unwrap_or(ORDER.len())
}

impl Reencode for Rewriter {
    type Error = Infallible;

    fn global_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.globals.index(index))
    }

    fn table_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.tables.index(index))
    }

    fn memory_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.memories.index(index))
    }

    fn parse_imports(&mut self, section: &mut ImportSection, imports: Imports<'_>) -> Result<()> {
        match &imports {
            Imports::Single(_, import)
                if import.module == "spectest" && thing(import.name, import.ty).is_some() =>
            {
                Ok(())
            }
            _ => utils::parse_imports(self, section, imports),
        }
    }

    fn parse_table_section(
        &mut self,
        section: &mut TableSection,
        reader: wasmparser::TableSectionReader<'_>,
    ) -> Result<()> {
        self.define_tables(section);
        utils::parse_table_section(self, section, reader)
    }

    fn parse_memory_section(
        &mut self,
        section: &mut MemorySection,
        reader: wasmparser::MemorySectionReader<'_>,
    ) -> Result<()> {
        self.define_memories(section);
        utils::parse_memory_section(self, section, reader)
    }

    fn parse_global_section(
        &mut self,
        section: &mut GlobalSection,
        reader: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<()> {
        self.define_globals(section);
        utils::parse_global_section(self, section, reader)
    }

    /// Adds those sections that the module does not have itself.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<()> {
        let next = before.map_or(usize::MAX, rank);
        if next > rank(SectionId::Table) {
            let mut section = TableSection::new();
            self.define_tables(&mut section);
            if !section.is_empty() {
                module.section(&section);
            }
        }
        if next > rank(SectionId::Memory) {
            let mut section = MemorySection::new();
            self.define_memories(&mut section);
            if !section.is_empty() {
                module.section(&section);
            }
        }
        if next > rank(SectionId::Global) {
            let mut section = GlobalSection::new();
            self.define_globals(&mut section);
            if !section.is_empty() {
                module.section(&section);
            }
        }
        Ok(())
    }

    /// Constant expressions may use imported globals only, so those that are
    /// imported no longer are replaced by their values.
    fn const_expr(&mut self, expr: wasmparser::ConstExpr<'_>) -> Result<ConstExpr> {
        let mut operators = expr.get_operators_reader();
        let mut bytes = Vec::new();
        while !operators.is_end_then_eof() {
            let operator = operators.read()?;
            let replaced = match operator {
                Operator::GlobalGet { global_index } => {
                    let at = usize::try_from(global_index).unwrap_or(usize::MAX);
                    self.globals.imports.get(at).cloned().flatten()
                }
                _ => None,
            };
            match replaced {
                Some(Thing::Global(_, value)) => value.encode(&mut bytes),
                _ => self.instruction(operator)?.encode(&mut bytes),
            }
        }
        Ok(ConstExpr::raw(bytes))
    }
}
