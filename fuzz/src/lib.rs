//! What the fuzz targets share: host functions to import, and a way to run
//! whatever a module exports within tiny limits.

use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use arena_runtime::wamr::{
    Caller, Engine, ExternType, HostError, Imports, Instance, InstanceConfig, Limits, Module,
    StopHandle, Val, ValType,
};

/// The engine, which lives as long as the process.
pub static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().expect("a first engine"));

/// The host functions that modules may import, from `"host"`.
pub static IMPORTS: LazyLock<Imports<()>> = LazyLock::new(|| {
    let mut imports = Imports::new();
    imports
        .func("host", "none", |_: &Caller<'_, ()>| {})
        .func("host", "fail", |_: &Caller<'_, ()>, kind: i32| {
            match kind & 3 {
                0 => Ok(()),
                1 => Err(HostError::Exit(kind)),
                2 => Err(HostError::Raised(6)),
                _ => Err(HostError::Trap("no".to_owned())),
            }
        })
        .func(
            "host",
            "mix",
            |_: &Caller<'_, ()>, a: i32, b: i64, c: f32, d: f64| {
                f64::from(a) + f64::from(c) + d * b as f64
            },
        )
        .func(
            "host",
            "memory",
            |caller: &Caller<'_, ()>, at: u32, length: u32| {
                let bytes = caller.memory().read_vec(at, length)?;
                caller.memory().write(at ^ 1, &bytes)?;
                Ok::<u32, HostError>(bytes.iter().map(|b| u32::from(*b)).sum())
            },
        );
    imports
});

/// The same as a module that imports all of them, for wasm-smith to choose from.
pub const IMPORTS_TEXT: &str = r#"(module
    (import "host" "none" (func))
    (import "host" "fail" (func (param i32)))
    (import "host" "mix" (func (param i32 i64 f32 f64) (result f64)))
    (import "host" "memory" (func (param i32 i32) (result i32))))"#;

/// How long a module may run.
const PATIENCE: Duration = Duration::from_millis(20);

/// Stops what is sent to it, at its time.
static STOPPER: LazyLock<Mutex<Sender<(Instant, StopHandle)>>> = LazyLock::new(|| {
    let (sender, handles) = channel::<(Instant, StopHandle)>();
    std::thread::spawn(move || {
        for (at, handle) in handles {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            handle.stop();
        }
    });
    Mutex::new(sender)
});

/// Instantiates `module`, calls its exported functions with arguments made of
/// `input`, and reads what can be read of it.
pub fn exercise(module: &Module<()>, input: &mut Unstructured<'_>) {
    let stop = StopHandle::new();
    let sent = STOPPER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((Instant::now() + PATIENCE, stop.clone()));
    sent.expect("the stopper lives as long as the process");
    let config = InstanceConfig {
        limits: Limits {
            memory: Some(1024 * 1024),
            stack: 64 * 1024,
        },
        stop,
    };
    let Ok(instance) = Instance::new(module, (), config) else {
        return;
    };
    for export in module.info().exports.iter().take(32) {
        match &export.ty {
            ExternType::Func(ty) => {
                let args: Vec<Val> = ty.params.iter().map(|ty| value(*ty, input)).collect();
                if let Ok(results) = instance.call(&export.name, &args) {
                    let types: Vec<ValType> = results.iter().map(Val::ty).collect();
                    assert_eq!(types, ty.results, "results of {:?}", export.name);
                }
            }
            ExternType::Global { ty, .. } => {
                if let Some(value) = instance.global(&export.name) {
                    assert_eq!(value.ty(), *ty, "global {:?}", export.name);
                }
            }
            _ => {}
        }
    }
    let memory = instance.memory();
    assert!(memory.size() <= 1024 * 1024, "{} bytes", memory.size());
    if let Ok(last) = u32::try_from(memory.size()) {
        assert!(memory.read_u8(last).is_err());
        assert_eq!(memory.read_u32(last.wrapping_sub(4)).is_ok(), last > 0);
    }
}

fn value(ty: ValType, input: &mut Unstructured<'_>) -> Val {
    // Input that has ended gives zeros.
    let mut number = || input.arbitrary::<u64>().unwrap_or_default();
    let bits = number();
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits.cast_signed()),
        ValType::F32 => Val::F32(f32::from_bits(bits as u32)),
        ValType::F64 => Val::F64(f64::from_bits(bits)),
        ValType::V128 => Val::V128(u128::from(bits) << 64 | u128::from(number())),
        ValType::FuncRef => Val::FuncRef((bits & 1 == 1).then_some((bits >> 1) as u32)),
        ValType::ExternRef => Val::ExternRef((bits & 1 == 1).then_some(bits)),
    }
}
