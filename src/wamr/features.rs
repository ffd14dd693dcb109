//! The WebAssembly proposals that are switched on, and the check of a module
//! against them.

use std::collections::HashSet;

use wasmparser::{FuncValidatorAllocations, FunctionBody, Operator, Parser, ValidPayload};
use wasmparser::{Validator, WasmFeatures};

use super::load_error::LoadError;
use super::work;

/// Whether WAMR's interpreter is the classic one.
pub const CLASSIC_INTERPRETER: bool = cfg!(feature = "classic-interp");

/// Proposals by name, in the order in which they joined the standard.
const PROPOSALS: &[(&str, WasmFeatures, bool)] = &[
    ("mutable-globals", WasmFeatures::MUTABLE_GLOBAL, true),
    (
        "nontrapping-fptoint",
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        true,
    ),
    ("sign-ext", WasmFeatures::SIGN_EXTENSION, true),
    ("multivalue", WasmFeatures::MULTI_VALUE, true),
    (
        "bulk-memory",
        WasmFeatures::BULK_MEMORY.union(WasmFeatures::BULK_MEMORY_OPT),
        true,
    ),
    (
        "reference-types",
        WasmFeatures::REFERENCE_TYPES.union(WasmFeatures::CALL_INDIRECT_OVERLONG),
        true,
    ),
    (
        "simd128",
        WasmFeatures::SIMD,
        // The classic interpreter has no vector instructions.
        cfg!(feature = "simd") && !CLASSIC_INTERPRETER,
    ),
    (
        "threads",
        WasmFeatures::THREADS,
        cfg!(feature = "wasi-threads"),
    ),
    // Known, so that a module that needs one is told its name.
    ("tail-call", WasmFeatures::TAIL_CALL, false),
    ("extended-const", WasmFeatures::EXTENDED_CONST, false),
    ("multi-memory", WasmFeatures::MULTI_MEMORY, false),
    ("memory64", WasmFeatures::MEMORY64, false),
    ("relaxed-simd", WasmFeatures::RELAXED_SIMD, false),
    ("exception-handling", WasmFeatures::EXCEPTIONS, false),
    (
        "gc",
        WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES),
        false,
    ),
];

/// What every module may use.
const BASE: WasmFeatures = WasmFeatures::FLOATS.union(WasmFeatures::GC_TYPES);

/// The names of the proposals that modules may use.
#[must_use]
pub fn enabled() -> Vec<&'static str> {
    PROPOSALS
        .iter()
        .filter(|(_, _, on)| *on)
        .map(|(name, _, _)| *name)
        .collect()
}

fn enabled_features() -> WasmFeatures {
    PROPOSALS
        .iter()
        .filter(|(_, _, on)| *on)
        .fold(BASE, |all, (_, feature, _)| all.union(*feature))
}

/// The names of the proposals without which the module is not valid, whether
/// they are switched on or not; `None` if it is not valid with all of them.
#[must_use]
pub fn needed(wasm: &[u8]) -> Option<Vec<&'static str>> {
    let valid = |features| {
        Validator::new_with_features(features)
            .validate_all(wasm)
            .is_ok()
    };
    let all = PROPOSALS
        .iter()
        .fold(BASE, |all, (_, feature, _)| all.union(*feature));
    valid(all).then(|| {
        PROPOSALS
            .iter()
            .filter(|(_, feature, _)| !valid(all.difference(*feature)))
            .map(|(name, _, _)| *name)
            .collect()
    })
}

/// Checks that a module is valid with exactly the proposals that are switched
/// on, and within what WAMR's loader can take.
pub(super) fn validate(wasm: &[u8]) -> Result<(), LoadError> {
    let mut validator = Validator::new_with_features(enabled_features());
    let mut allocations = FuncValidatorAllocations::default();
    let mut work = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| invalid(wasm, &e))?;
        match validator.payload(&payload).map_err(|e| invalid(wasm, &e))? {
            ValidPayload::Func(function, body) => {
                let index = function.index;
                let mut validator = function.into_validator(allocations);
                work::validate(&mut validator, &body, &mut work).map_err(|e| invalid(wasm, &e))?;
                if work > work::MAX_WORK {
                    return Err(LoadError::TooMuchWork { function: index });
                }
                allocations = validator.into_allocations();
                check_constants(&body).map_err(|e| match e {
                    Constants::TooMany(cells) => LoadError::TooManyConstants {
                        function: index,
                        cells,
                    },
                    Constants::Unreadable(e) => invalid(wasm, &e),
                })?;
            }
            ValidPayload::Ok | ValidPayload::Parser(_) | ValidPayload::End(_) => {}
        }
    }
    Ok(())
}

fn invalid(wasm: &[u8], error: &wasmparser::BinaryReaderError) -> LoadError {
    let missing = needed(wasm)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| !enabled().contains(name))
        .collect::<Vec<_>>();
    if missing.is_empty() {
        LoadError::Invalid {
            offset: error.offset(),
            message: error.message().to_owned(),
        }
    } else {
        LoadError::FeatureOff {
            features: missing.join(", "),
        }
    }
}

/// The fast interpreter keeps a function's different constants in one table of
/// 32-bit cells, and WAMR's loader writes past its end when there are more
/// than 32,768 (CVE-2026-54912). Half of that is far more than compilers make.
const MAX_CONSTANT_CELLS: usize = 16 * 1024;

enum Constants {
    TooMany(usize),
    Unreadable(wasmparser::BinaryReaderError),
}

fn check_constants(body: &FunctionBody<'_>) -> Result<(), Constants> {
    // A constant takes at least one byte for each of its cells.
    if body.as_bytes().len() < MAX_CONSTANT_CELLS {
        return Ok(());
    }
    let mut constants = HashSet::new();
    let mut cells = 0;
    for operator in body.get_operators_reader().map_err(Constants::Unreadable)? {
        let (bits, size): (u128, usize) = match operator.map_err(Constants::Unreadable)? {
            Operator::I32Const { value } => (value.cast_unsigned().into(), 1),
            Operator::F32Const { value } => (value.bits().into(), 1),
            Operator::I64Const { value } => (value.cast_unsigned().into(), 2),
            Operator::F64Const { value } => (value.bits().into(), 2),
            Operator::V128Const { value } => (u128::from_le_bytes(*value.bytes()), 4),
            _ => continue,
        };
        if constants.insert((bits, size)) {
            cells += size;
        }
    }
    if cells > MAX_CONSTANT_CELLS {
        return Err(Constants::TooMany(cells));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn names_the_proposals_that_a_module_needs() {
        let module = wasm("(module (func (param i32) (result i32) local.get 0 i32.extend8_s))");
        assert_eq!(needed(&module), Some(vec!["sign-ext"]));
        assert_eq!(needed(&wasm("(module)")), Some(vec![]));
        assert_eq!(needed(b"\0asm\x01\0\0\0\xff"), None);
    }

    #[test]
    fn names_the_proposal_that_is_switched_off() {
        let module = wasm("(module (func $f return_call $f))");
        let error = validate(&module).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the module needs tail-call, which this runtime does not have"
        );
    }

    #[test]
    fn refuses_what_keeps_the_loader_busy() {
        let function = |operands: usize, sets: usize| {
            let push = "i32.const 1 ".repeat(operands);
            let set = "i32.const 1 local.set 0 ".repeat(sets);
            let pop = "drop ".repeat(operands);
            wasm(&format!("(module (func (local i32) {push}{set}{pop}))"))
        };
        assert!(validate(&function(100, 20_000)).is_ok());
        assert!(matches!(
            validate(&function(20_000, 60_000)),
            Err(LoadError::TooMuchWork { function: 0 })
        ));
        let targets = "0 ".repeat(60_000);
        let table = |operands: usize| {
            let push = "i32.const 1 ".repeat(operands);
            wasm(&format!(
                "(module (func {push} i32.const 0 br_table {targets}))"
            ))
        };
        assert!(validate(&table(100)).is_ok());
        assert!(matches!(
            validate(&table(20_000)),
            Err(LoadError::TooMuchWork { function: 0 })
        ));
    }

    #[test]
    fn refuses_what_overflows_the_loaders_constant_table() {
        let function = |constants: u64| {
            let body: String = (0..constants)
                .map(|i| format!("i64.const {} drop ", i + (1 << 40)))
                .collect();
            wasm(&format!("(module (func {body}))"))
        };
        assert!(validate(&function(8_000)).is_ok());
        assert!(matches!(
            validate(&function(17_000)),
            Err(LoadError::TooManyConstants {
                function: 0,
                cells: 34_000
            })
        ));
    }
}
