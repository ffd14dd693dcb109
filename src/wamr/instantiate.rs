//! How instances are made.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use wamr_sys as sys;

use super::engine::{lock, on_thread};
use super::error_buffer::ErrorBuffer;
use super::host::HostState;
use super::info::PAGE_SIZE;
use super::module::Module;
use super::stop::StopHandle;
use super::trap::{Stack, Trap, TrapKind, trap_of};

/// How an instance is made.
#[derive(Clone, Debug, Default)]
pub struct InstanceConfig {
    /// What it may take.
    pub limits: Limits,
    /// The handle that is to stop it, also while it is being made.
    pub stop: StopHandle,
}

/// What an instance may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most that all of its linear memory may be, in bytes, rounded down
    /// to pages of 64 KiB, but at least one; what the module says itself if
    /// `None`. A module that begins with more is refused.
    pub memory: Option<u64>,
    /// The interpreter's operand stack in bytes, at least 16 KiB. It takes
    /// memory only as far as it is used. AOT code uses the thread's stack
    /// instead.
    pub stack: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: None,
            stack: 1024 * 1024,
        }
    }
}

const MIN_STACK: u32 = 16 * 1024;

/// Why an instance is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstantiateError {
    /// The module begins with more memory than it may have.
    #[error("the module begins with {initial} bytes of memory, and may have {limit}")]
    Memory {
        /// Bytes that it begins with.
        initial: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// The module's start function, or a data or element segment, trapped.
    #[error("the module traps while it is instantiated: {0}")]
    Trap(#[from] Trap),
    /// WAMR does not instantiate the module.
    #[error("WAMR does not instantiate the module: {0}")]
    Wamr(String),
}

/// Refuses a module that begins with more memory than it may have: WAMR only
/// limits growth.
pub(super) fn check_initial_memory<T>(
    module: &Module<T>,
    limits: &Limits,
) -> Result<(), InstantiateError> {
    let initial = module.info().initial_pages().saturating_mul(PAGE_SIZE);
    match limits.memory {
        Some(limit) if initial > limit => Err(InstantiateError::Memory { initial, limit }),
        _ => Ok(()),
    }
}

/// What WAMR takes to make an instance.
struct Args(NonNull<sys::InstantiationArgs2>);

impl Args {
    fn new(state: &HostState, limits: &Limits) -> Option<Args> {
        let mut args = ptr::null_mut();
        // SAFETY: a valid place for the pointer; what is made is owned by the
        // value that is returned. The state's address is only kept.
        unsafe {
            if !sys::wasm_runtime_instantiation_args_create(&raw mut args) {
                return None;
            }
            let args = Args(NonNull::new(args)?);
            let raw = args.0.as_ptr();
            sys::wasm_runtime_instantiation_args_set_default_stack_size(
                raw,
                limits.stack.max(MIN_STACK),
            );
            sys::wasm_runtime_instantiation_args_set_host_managed_heap_size(raw, 0);
            if let Some(bytes) = limits.memory {
                // WAMR takes 0 for no limit.
                let pages = u32::try_from(bytes / PAGE_SIZE).unwrap_or(u32::MAX).max(1);
                sys::wasm_runtime_instantiation_args_set_max_memory_pages(raw, pages);
            }
            let data: *const HostState = state;
            sys::wasm_runtime_instantiation_args_set_custom_data(raw, data.cast_mut().cast());
            Some(args)
        }
    }
}

impl Drop for Args {
    fn drop(&mut self) {
        // SAFETY: made by wasm_runtime_instantiation_args_create.
        unsafe { sys::wasm_runtime_instantiation_args_destroy(self.0.as_ptr()) };
    }
}

/// Called for the environment in which the start function runs.
///
/// # Safety
/// `stop` is a `StopHandle`.
unsafe extern "C" fn attach_start(stop: *mut c_void, env: sys::wasm_exec_env_t, created: bool) {
    // SAFETY: as the caller says.
    let stop = unsafe { &*stop.cast_const().cast::<StopHandle>() };
    if created {
        stop.attach(env, true);
    } else {
        stop.detach(env);
    }
}

/// Makes an instance, whose start function can be stopped meanwhile.
pub(super) fn instantiate<T>(
    module: &Module<T>,
    state: &HostState,
    limits: &Limits,
) -> Result<NonNull<sys::WASMModuleInstanceCommon>, InstantiateError> {
    let args = Args::new(state, limits)
        .ok_or_else(|| InstantiateError::Wamr("the system refuses memory".to_owned()))?;
    let mut error = ErrorBuffer::new();
    let stop: *const StopHandle = &raw const state.stop;
    // A host function that the start function calls may instantiate another
    // module, so what was there is put back.
    let mut hook: sys::arena_exec_env_hook = Some(attach_start);
    let mut context = stop.cast_mut().cast();
    let handle = on_thread(ptr::null_mut(), || {
        // SAFETY: the module is loaded; the arguments and the error buffer are
        // valid. The hook is this thread's own and is taken away before the
        // stop handle could be gone.
        unsafe {
            sys::arena_swap_exec_env_hook(&raw mut hook, &raw mut context);
            let handle = sys::wasm_runtime_instantiate_ex2(
                module.handle(),
                args.0.as_ptr(),
                error.as_mut_ptr(),
                error.size(),
            );
            sys::arena_swap_exec_env_hook(&raw mut hook, &raw mut context);
            handle
        }
    });
    NonNull::new(handle).ok_or_else(|| {
        let text = error.text();
        let host = lock(&state.error).take();
        let ended_by_host = host.is_some() || state.stop.is_stopped();
        let trap = trap_of(&text, host, Stack::default);
        // WAMR calls it no exception when a segment does not fit.
        let segment = matches!(
            trap.kind(),
            TrapKind::MemoryOutOfBounds | TrapKind::TableOutOfBounds
        );
        if segment || ended_by_host || text.starts_with("Exception: ") {
            InstantiateError::Trap(trap)
        } else {
            InstantiateError::Wamr(text)
        }
    })
}
