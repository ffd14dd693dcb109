//! The engine: WAMR (wasm-micro-runtime) behind safe types.
//!
//! ```
//! use arena_runtime::wamr::{Caller, Engine, Imports, Instance, InstanceConfig, Module};
//!
//! let engine = Engine::new()?;
//! let mut imports = Imports::<u32>::new();
//! imports.func("host", "base", |caller: &Caller<'_, u32>| *caller.data());
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (import "host" "base" (func $base (result i32)))
//!         (func (export "plus") (param i32) (result i32)
//!             (i32.add (call $base) (local.get 0))))"#,
//! )?;
//! let module = Module::load(&engine, &wasm, &imports)?;
//! let instance = Instance::new(&module, 40, InstanceConfig::default())?;
//! let plus = instance.func::<i32, i32>("plus")?;
//! assert_eq!(plus.call(2)?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who owns whom
//! An [`Instance`] keeps its [`Module`] alive, a module its [`Engine`] and the
//! host functions that it imports. All may be dropped in any order; WAMR is
//! torn down when the last is gone. A [`StopHandle`] keeps nothing alive, and
//! may outlive what it stops.
//!
//! # Which thread
//! Engines and modules are shared freely. An instance may move between threads
//! and runs on the one that calls it, on one at a time. Threads need no
//! preparation; one that makes many calls may hold a [`ThreadEnv`].
//!
//! # What is trusted
//! WebAssembly binaries are not: they are checked completely before WAMR sees
//! them, and confined afterwards. AOT files are native code, which nothing
//! confines: [`Module::load_aot`] is `unsafe` for that reason, and
//! [`Module::load_trusted_aot`] takes the word of whoever starts the program.
//!
//! This is the one room of this crate with `unsafe` code.
#![allow(unsafe_code)]

mod alt_stack;
mod aot;
mod code_map;
mod engine;
mod error_buffer;
mod features;
mod free_memory;
mod func;
mod host;
mod host_calls;
mod info;
mod instance;
mod instantiate;
mod load_error;
mod loaded;
mod memory;
mod memory_base;
mod module;
mod names;
mod natives;
mod profile;
mod stop;
mod trap;
mod value;
mod work;

pub use aot::{AotHeader, AotTrust};
pub use engine::{Engine, EngineError, ThreadEnv};
pub use features::{CLASSIC_INTERPRETER, enabled as enabled_features, needed as needed_features};
pub use free_memory::{release_free_memory, release_unused_code};
pub use func::{TypedFunc, WasmTuple};
pub use host::{Caller, HostError, HostResult, Imports, IntoHostFunc};
pub use host_calls::{HostCall, HostCalls};
pub use info::{
    CustomSection, Export, ExternType, Import, MemoryType, ModuleInfo, ModuleKind, PAGE_SIZE,
};
pub use instance::{CallError, Instance};
pub use instantiate::{InstanceConfig, InstantiateError, Limits};
pub use load_error::LoadError;
pub use memory::{Memory, OutOfBounds};
pub use module::Module;
pub use natives::provides;
pub use profile::{Profile, ProfileError, Profiler};
pub use stop::{StopHandle, WakerGuard};
pub use trap::{Frame, Trap, TrapKind};
pub use value::{FuncType, Val, ValType, WasmTy};
