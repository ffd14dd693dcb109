//! Values and types that cross the border between host and guest.

use std::fmt;

use wamr_sys as sys;

/// The type of a WebAssembly value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// A 32-bit float.
    F32,
    /// A 64-bit float.
    F64,
    /// A 128-bit vector.
    V128,
    /// A reference to a function.
    FuncRef,
    /// A reference to a value of the host.
    ExternRef,
}

impl ValType {
    /// How many 32-bit cells a value takes in WAMR's argument array. A host
    /// reference is passed as a pointer.
    pub(super) fn cells(self) -> usize {
        match self {
            ValType::I32 | ValType::F32 | ValType::FuncRef => 1,
            ValType::I64 | ValType::F64 | ValType::ExternRef => 2,
            ValType::V128 => 4,
        }
    }

    /// From the numbers of WAMR's `wasm_valkind_enum`.
    pub(super) fn from_kind(kind: sys::wasm_valkind_t) -> Option<ValType> {
        Some(match u32::from(kind) {
            sys::WASM_I32 => ValType::I32,
            sys::WASM_I64 => ValType::I64,
            sys::WASM_F32 => ValType::F32,
            sys::WASM_F64 => ValType::F64,
            sys::WASM_V128 => ValType::V128,
            sys::WASM_FUNCREF => ValType::FuncRef,
            sys::WASM_EXTERNREF => ValType::ExternRef,
            _ => return None,
        })
    }

    pub(super) fn from_parser(ty: wasmparser::ValType) -> Option<ValType> {
        use wasmparser::ValType as P;
        Some(match ty {
            P::I32 => ValType::I32,
            P::I64 => ValType::I64,
            P::F32 => ValType::F32,
            P::F64 => ValType::F64,
            P::V128 => ValType::V128,
            P::Ref(ty) if ty.is_func_ref() => ValType::FuncRef,
            P::Ref(ty) if ty.is_extern_ref() => ValType::ExternRef,
            P::Ref(_) => return None,
        })
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::FuncRef => "funcref",
            ValType::ExternRef => "externref",
        })
    }
}

/// The type of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FuncType {
    /// The parameters' types.
    pub params: Vec<ValType>,
    /// The results' types.
    pub results: Vec<ValType>,
}

impl fmt::Display for FuncType {
    /// As in `(i32, i64) -> f32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[ValType]| {
            let names: Vec<String> = types.iter().map(ValType::to_string).collect();
            names.join(", ")
        };
        write!(f, "({}) -> ", list(&self.params))?;
        match self.results.as_slice() {
            [one] => write!(f, "{one}"),
            many => write!(f, "({})", list(many)),
        }
    }
}

/// A WebAssembly value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Val {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// A 32-bit float.
    F32(f32),
    /// A 64-bit float.
    F64(f64),
    /// A 128-bit vector, lane 0 in the lowest bits.
    V128(u128),
    /// The index of a function of the instance, or null.
    FuncRef(Option<u32>),
    /// A number that stands for a value of the host, or null. `u64::MAX` and
    /// 0 cannot be passed.
    ExternRef(Option<u64>),
}

impl Val {
    /// The value's type.
    #[must_use]
    pub fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FuncRef,
            Val::ExternRef(_) => ValType::ExternRef,
        }
    }

    /// Appends the value's cells, the lowest bits first.
    pub(super) fn push_cells(&self, cells: &mut Vec<u32>) {
        let bits: u128 = match *self {
            Val::I32(v) => v.cast_unsigned().into(),
            Val::I64(v) => v.cast_unsigned().into(),
            Val::F32(v) => v.to_bits().into(),
            Val::F64(v) => v.to_bits().into(),
            Val::V128(v) => v,
            Val::FuncRef(v) => v.unwrap_or(NULL_FUNC).into(),
            Val::ExternRef(v) => v.unwrap_or(NULL_EXTERN).into(),
        };
        cells.extend((0..self.ty().cells()).map(|i| low_u32(bits >> (32 * i))));
    }

    /// Reads a value of type `ty` from its cells.
    pub(super) fn from_cells(ty: ValType, cells: &[u32]) -> Val {
        let bits = cells
            .iter()
            .take(ty.cells())
            .rev()
            .fold(0u128, |bits, cell| bits << 32 | u128::from(*cell));
        match ty {
            ValType::I32 => Val::I32(low_u32(bits).cast_signed()),
            ValType::I64 => Val::I64(low_u64(bits).cast_signed()),
            ValType::F32 => Val::F32(f32::from_bits(low_u32(bits))),
            ValType::F64 => Val::F64(f64::from_bits(low_u64(bits))),
            ValType::V128 => Val::V128(bits),
            ValType::FuncRef => Val::FuncRef(match low_u32(bits) {
                NULL_FUNC => None,
                index => Some(index),
            }),
            // WAMR takes null as all ones and gives it back as 0.
            ValType::ExternRef => Val::ExternRef(match low_u64(bits) {
                0 | NULL_EXTERN => None,
                value => Some(value),
            }),
        }
    }
}

impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Val::I32(v) => write!(f, "{v}"),
            Val::I64(v) => write!(f, "{v}"),
            Val::F32(v) => write!(f, "{v}"),
            Val::F64(v) => write!(f, "{v}"),
            Val::V128(v) => write!(f, "{v:#034x}"),
            Val::FuncRef(Some(v)) => write!(f, "func {v}"),
            Val::ExternRef(Some(v)) => write!(f, "extern {v}"),
            Val::FuncRef(None) | Val::ExternRef(None) => write!(f, "null"),
        }
    }
}

const NULL_FUNC: u32 = u32::MAX;
const NULL_EXTERN: u64 = u64::MAX;

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn low_u32(bits: u128) -> u32 {
    bits as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn low_u64(bits: u128) -> u64 {
    bits as u64
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is a WebAssembly value: `i32`, `u32`, `i64`, `u64`, `f32`
/// and `f64`.
pub trait WasmTy: sealed::Sealed + Copy {
    /// The WebAssembly type.
    const TYPE: ValType;
    /// The value's bits, in the low end.
    fn to_bits64(self) -> u64;
    /// The value whose bits are in the low end.
    fn from_bits64(bits: u64) -> Self;
}

macro_rules! wasm_ty {
    ($($rust:ty, $wasm:ident, $value:ident => $to:expr, $bits:ident => $from:expr;)*) => {$(
        impl sealed::Sealed for $rust {}
        impl WasmTy for $rust {
            const TYPE: ValType = ValType::$wasm;
            fn to_bits64(self) -> u64 {
                let $value = self;
                $to
            }
            fn from_bits64($bits: u64) -> Self {
                $from
            }
        }
    )*};
}

wasm_ty! {
    i32, I32, v => v.cast_unsigned().into(), b => low_u32(b.into()).cast_signed();
    u32, I32, v => v.into(), b => low_u32(b.into());
    i64, I64, v => v.cast_unsigned(), b => b.cast_signed();
    u64, I64, v => v, b => b;
    f32, F32, v => v.to_bits().into(), b => f32::from_bits(low_u32(b.into()));
    f64, F64, v => v.to_bits(), b => f64::from_bits(b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_val() -> impl Strategy<Value = Val> {
        prop_oneof![
            any::<i32>().prop_map(Val::I32),
            any::<i64>().prop_map(Val::I64),
            (-1e30f32..1e30).prop_map(Val::F32),
            (-1e300f64..1e300).prop_map(Val::F64),
            any::<u128>().prop_map(Val::V128),
            proptest::option::of(0..u32::MAX).prop_map(Val::FuncRef),
            proptest::option::of(1..u64::MAX).prop_map(Val::ExternRef),
        ]
    }

    proptest! {
        #[test]
        fn values_survive_their_cells(val in any_val()) {
            let mut cells = Vec::new();
            val.push_cells(&mut cells);
            prop_assert_eq!(cells.len(), val.ty().cells());
            prop_assert_eq!(Val::from_cells(val.ty(), &cells), val);
        }

        #[test]
        fn integers_survive_their_bits(a: i32, b: i64) {
            prop_assert_eq!(i32::from_bits64(a.to_bits64()), a);
            prop_assert_eq!(i64::from_bits64(b.to_bits64()), b);
        }
    }

    #[test]
    fn types_print_as_in_the_text_format() {
        let ty = FuncType {
            params: vec![ValType::I32, ValType::I64],
            results: vec![ValType::F32],
        };
        assert_eq!(ty.to_string(), "(i32, i64) -> f32");
        assert_eq!(FuncType::default().to_string(), "() -> ()");
    }
}
