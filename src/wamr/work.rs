//! How long WAMR's loader will take for a function.
//!
//! It is quick but for what makes it walk over the operands that are on the stack at that point:
//! setting a local, entering and leaving blocks, branches and calls. A small file can have
//! millions of those over thousands of operands, and keep the loader, which nothing interrupts,
//! busy for minutes. Compilers make code that keeps a handful of operands.

use wasmparser::{
    BinaryReader, BinaryReaderError, FuncValidator, FunctionBody, WasmModuleResources,
};

/// The operands that the loader may walk over, in all functions of a module: seconds of work.
/// The largest modules in use stay below a hundredth of it.
pub(super) const MAX_WORK: u64 = 1 << 30;

/// Validates a function as [`FuncValidator::validate`] does, and adds the loader's work for it.
pub(super) fn validate<R: WasmModuleResources>(
    validator: &mut FuncValidator<R>,
    body: &FunctionBody<'_>,
    work: &mut u64,
) -> Result<(), BinaryReaderError> {
    let mut reader = body.get_binary_reader_for_operators()?;
    reader.set_features(*validator.features());
    validator.read_locals(&mut body.get_binary_reader())?;
    while !reader.eof() {
        let height = u64::from(validator.operand_stack_height());
        *work = work.saturating_add(walks(reader.clone()).saturating_mul(height));
        let mut visitor = validator.visitor(reader.original_position());
        reader.visit_operator(&mut visitor)??;
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))
}

/// How often the operator that comes next makes the loader walk over the operands.
fn walks(mut reader: BinaryReader<'_>) -> u64 {
    match reader.read_u8() {
        // block, loop, if, else, end; br, br_if; return, call, call_indirect;
        // local.set, local.tee.
        Ok(0x02..=0x05 | 0x0b..=0x0d | 0x0f..=0x11 | 0x21 | 0x22) => 1,
        // br_table, once for each target.
        Ok(0x0e) => reader
            .read_var_u32()
            .map_or(1, |targets| u64::from(targets) + 1),
        _ => 0,
    }
}
