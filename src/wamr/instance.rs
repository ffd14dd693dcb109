//! Instances: modules with a memory, ready to be called.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex};

use wamr_sys as sys;

use super::engine::{ThreadEnv, lock, on_thread};
use super::host::HostState;
use super::info::PAGE_SIZE;
use super::instantiate::{InstanceConfig, InstantiateError, check_initial_memory, instantiate};
use super::memory::Memory;
use super::module::Module;
use super::stop::{Env, StopHandle};
use super::trap::{MAX_FRAMES, Stack, Trap, TrapKind, trap_of};
use super::value::{FuncType, Val, ValType};

/// A module with its own memory, globals and tables, over a context `T` that
/// its host functions see.
///
/// It keeps its [`Module`] alive. It may be moved to another thread, and runs
/// on whichever thread calls it, on one at a time; a [`StopHandle`] ends it
/// from any other. Dropping it ends the threads that the module has started.
pub struct Instance<T> {
    handle: NonNull<sys::WASMModuleInstanceCommon>,
    env: NonNull<sys::WASMExecEnv>,
    /// What stops `env`.
    stoppable: Arc<Env>,
    /// Boxed: WAMR holds its address as the instance's custom data.
    state: Box<HostState>,
    module: Module<T>,
    /// One call at a time: `&Instance` stays on its thread.
    _not_sync: PhantomData<Cell<()>>,
}

// SAFETY: WAMR binds an instance to a thread only for the length of a call,
// and the context is Send.
unsafe impl<T: Send> Send for Instance<T> {}

/// Why a call does not return results.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The module does not export a function of that name.
    #[error("the module does not export a function \"{0}\"")]
    NoFunction(String),
    /// The function has another type.
    #[error("the function \"{name}\" is {actual}, not {wanted}")]
    Type {
        /// The function's name.
        name: String,
        /// The type that it has.
        actual: FuncType,
        /// The type that the caller gives it.
        wanted: String,
    },
    /// An argument refers to a function that the module does not have.
    #[error(
        "the function \"{name}\" is given a reference to function {index}, which does not exist"
    )]
    FuncRef {
        /// The name of the function that is called.
        name: String,
        /// The index that is given.
        index: u32,
    },
    /// The function ran and did not return.
    #[error(transparent)]
    Trap(#[from] Trap),
}

impl<T: Send + Sync + 'static> Instance<T> {
    /// Makes an instance of `module` and runs its start function; of a WASI
    /// reactor also `_initialize`.
    ///
    /// # Errors
    /// When it begins with more memory than its limit, when what runs traps or
    /// is stopped, or when the system refuses memory.
    pub fn new(
        module: &Module<T>,
        data: T,
        config: InstanceConfig,
    ) -> Result<Instance<T>, InstantiateError> {
        let InstanceConfig { limits, stop } = config;
        check_initial_memory(module, &limits)?;
        let _thread =
            ThreadEnv::enter(module.engine()).map_err(|e| InstantiateError::Wamr(e.to_string()))?;
        let state = Box::new(HostState {
            data: Box::new(data),
            stop,
            error: Mutex::new(None),
        });
        if state.stop.is_stopped() {
            return Err(Trap::stopped().into());
        }
        let handle = instantiate(module, &state, &limits)?;
        // SAFETY: the instance was just made.
        let env = unsafe { sys::wasm_runtime_get_exec_env_singleton(handle.as_ptr()) };
        let Some(env) = NonNull::new(env) else {
            // SAFETY: nothing else refers to the instance yet.
            unsafe { sys::wasm_runtime_deinstantiate(handle.as_ptr()) };
            return Err(InstantiateError::Wamr(
                "the system refuses memory for the stack".to_owned(),
            ));
        };
        let stoppable = state.stop.attach(env.as_ptr(), false);
        let instance = Instance {
            handle,
            env,
            stoppable,
            state,
            module: module.clone(),
            _not_sync: PhantomData,
        };
        instance.initialize()?;
        Ok(instance)
    }

    /// The context.
    #[must_use]
    pub fn data(&self) -> &T {
        // The box was made from a T in `new`; it cannot hold anything else.
        match self.state.data.downcast_ref::<T>() {
            Some(data) => data,
            None => unreachable!("an instance's context has its type"),
        }
    }

    /// A reactor is initialised once, before anything else of it is called.
    fn initialize(&self) -> Result<(), Trap> {
        let info = self.module.info();
        let is_plain = |name| {
            info.exported_func(name)
                .is_some_and(|ty| *ty == FuncType::default())
        };
        if is_plain("_initialize") && !is_plain("_start") {
            // It was just looked up, so all that can fail is what it does.
            if let Err(CallError::Trap(trap)) = self.call("_initialize", &[]) {
                return Err(trap);
            }
        }
        Ok(())
    }
}

impl<T> Instance<T> {
    /// The module that this is an instance of.
    #[must_use]
    pub fn module(&self) -> &Module<T> {
        &self.module
    }

    /// A handle that ends the instance from any thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.state.stop.clone()
    }

    /// The linear memory.
    #[must_use]
    pub fn memory(&self) -> Memory<'_> {
        Memory::of(self.handle.as_ptr())
    }

    /// Makes the linear memory at least `bytes` long, rounded up to pages. Returns whether it
    /// is: the module's own maximum and [`Limits`](super::Limits) hold, as for `memory.grow`.
    #[must_use]
    pub fn grow_memory(&self, bytes: u64) -> bool {
        let missing = bytes.saturating_sub(self.memory().size());
        let Ok(pages) = u32::try_from(missing.div_ceil(PAGE_SIZE)) else {
            return false;
        };
        // SAFETY: the instance is alive and does not run: it is not Sync, and a call borrows it
        // on this thread.
        pages == 0
            || unsafe { sys::wasm_runtime_enlarge_memory(self.handle.as_ptr(), u64::from(pages)) }
    }

    /// Calls the exported function `name`.
    ///
    /// # Errors
    /// When there is none, when the arguments' types are not its parameters',
    /// or when it does not return.
    pub fn call(&self, name: &str, args: &[Val]) -> Result<Vec<Val>, CallError> {
        let (function, ty) = self.lookup(name)?;
        if !args.iter().map(Val::ty).eq(ty.params.iter().copied()) {
            let given: Vec<ValType> = args.iter().map(Val::ty).collect();
            return Err(CallError::Type {
                name: name.to_owned(),
                actual: ty.clone(),
                wanted: FuncType {
                    params: given,
                    results: ty.results.clone(),
                }
                .to_string(),
            });
        }
        for arg in args {
            if let Val::FuncRef(Some(index)) = *arg {
                self.check_function(name, index)?;
            }
        }
        let results: usize = ty.results.iter().map(|ty| ty.cells()).sum();
        let mut cells = Vec::new();
        for arg in args {
            arg.push_cells(&mut cells);
        }
        let given = cells.len();
        cells.resize(given.max(results), 0);
        self.invoke(function, given, &mut cells)?;
        let mut rest = cells.as_slice();
        let values = ty.results.iter().map(|ty| {
            let value = Val::from_cells(*ty, rest);
            rest = rest.get(ty.cells()..).unwrap_or_default();
            value
        });
        Ok(values.collect())
    }

    /// AOT code trusts references to functions.
    fn check_function(&self, name: &str, index: u32) -> Result<(), CallError> {
        // SAFETY: the module is loaded.
        let count = unsafe { sys::arena_function_count(self.module.handle()) };
        if index < count {
            return Ok(());
        }
        Err(CallError::FuncRef {
            name: name.to_owned(),
            index,
        })
    }

    /// Runs a WASI command to its end: calls `_start`. Returns the status
    /// that it exits with, 0 if it just returns.
    ///
    /// # Errors
    /// When there is no `_start`, or when it traps or is stopped.
    pub fn start(&self) -> Result<i32, CallError> {
        match self.call("_start", &[]) {
            Ok(_) => Ok(0),
            Err(CallError::Trap(trap)) => match trap.kind() {
                TrapKind::Exit(status) => Ok(status),
                _ => Err(trap.into()),
            },
            Err(error) => Err(error),
        }
    }

    /// The value of the exported global `name`; `None` if there is none, or if
    /// it is a reference to a value of the host.
    #[must_use]
    pub fn global(&self, name: &str) -> Option<Val> {
        let name = CString::new(name).ok()?;
        let mut global = sys::wasm_global_inst_t::default();
        // SAFETY: the instance is alive, and the name is a C string; what the
        // function fills in points to the global's value, in cells.
        unsafe {
            if !sys::wasm_runtime_get_export_global_inst(
                self.handle.as_ptr(),
                name.as_ptr(),
                &raw mut global,
            ) {
                return None;
            }
            let ty = ValType::from_kind(global.kind).filter(|ty| *ty != ValType::ExternRef)?;
            let mut cells = [0u32; 4];
            ptr::copy_nonoverlapping(
                global.global_data.cast::<u8>(),
                cells.as_mut_ptr().cast::<u8>(),
                ty.cells() * size_of::<u32>(),
            );
            Some(Val::from_cells(ty, &cells))
        }
    }

    /// The exported function `name` and its type.
    pub(super) fn lookup(&self, name: &str) -> Result<(NonNull<c_void>, &FuncType), CallError> {
        let none = || CallError::NoFunction(name.to_owned());
        let ty = self.module.info().exported_func(name).ok_or_else(none)?;
        let c_name = CString::new(name).map_err(|_| none())?;
        // SAFETY: the instance is alive, and the name is a C string.
        let function =
            unsafe { sys::wasm_runtime_lookup_function(self.handle.as_ptr(), c_name.as_ptr()) };
        let function = NonNull::new(function).ok_or_else(none)?;
        // The buffers of a call are as long as `ty` says, so WAMR has to mean
        // the same function.
        // SAFETY: the function was just looked up in the instance, alive.
        let counts = unsafe {
            let (function, instance) = (function.as_ptr(), self.handle.as_ptr());
            (
                sys::wasm_func_get_param_count(function, instance) as usize,
                sys::wasm_func_get_result_count(function, instance) as usize,
            )
        };
        if counts != (ty.params.len(), ty.results.len()) {
            return Err(none());
        }
        Ok((function.cast(), ty))
    }

    /// Calls a function with `given` cells of arguments; there is room in
    /// `cells` for those and for its results, which replace them.
    pub(super) fn invoke(
        &self,
        function: NonNull<c_void>,
        given: usize,
        cells: &mut [u32],
    ) -> Result<(), Trap> {
        let _thread = ThreadEnv::enter(self.module.engine())
            .map_err(|e| Trap::new(TrapKind::OutOfMemory, e.to_string(), Stack::default()))?;
        let _running = self
            .state
            .stop
            .enter(&self.stoppable)
            .ok_or_else(Trap::stopped)?;
        let given = u32::try_from(given).unwrap_or(u32::MAX);
        let env = self.env.as_ptr();
        // SAFETY: the function is one of this instance's, the cells have room
        // for parameters and results, the thread is set up, and no other
        // thread runs this instance, which is not Sync.
        let returned = on_thread(env, || unsafe {
            sys::arena_call(env, function.as_ptr().cast(), given, cells.as_mut_ptr())
        });
        if returned {
            return Ok(());
        }
        let trap = self.take_trap();
        self.state.stop.unless_stopped(|| {
            // SAFETY: the instance is alive.
            unsafe { sys::wasm_runtime_clear_exception(self.handle.as_ptr()) };
        });
        Err(trap)
    }

    fn take_trap(&self) -> Trap {
        let instance = self.handle.as_ptr();
        // SAFETY: the instance is alive; the text is a C string of its, and
        // does not change while there is one.
        let text = unsafe {
            let text = sys::wasm_runtime_get_exception(instance);
            if text.is_null() {
                String::new()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            }
        };
        let error = lock(&self.state.error).take();
        trap_of(&text, error, || self.stack())
    }

    fn stack(&self) -> Stack {
        let mut indices = [0; MAX_FRAMES];
        // SAFETY: the instance is alive, and the array is as long as said.
        let count = unsafe {
            let capacity = u32::try_from(MAX_FRAMES).unwrap_or(0);
            sys::arena_trap_frames(self.handle.as_ptr(), indices.as_mut_ptr(), capacity)
        };
        let count = count as usize;
        Stack {
            frames: indices
                .iter()
                .take(count)
                .map(|index| self.module.frame(*index))
                .collect(),
            omitted: count.saturating_sub(MAX_FRAMES),
        }
    }
}

impl<T> Drop for Instance<T> {
    fn drop(&mut self) {
        let env = self.env.as_ptr();
        self.state.stop.end_threads(env);
        self.state.stop.detach(env);
        // SAFETY: the instance is alive, does not run, and cannot be reached
        // any more: the stop handle has forgotten its environment, which WAMR
        // destroys along with it.
        unsafe { sys::wasm_runtime_deinstantiate(self.handle.as_ptr()) };
    }
}

impl<T> std::fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}
