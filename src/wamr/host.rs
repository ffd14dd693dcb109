//! Host functions: what modules import, written as safe Rust.

use std::any::Any;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use wamr_sys as sys;

use super::engine::lock;
use super::host_calls::HostCalls;
use super::memory::{Memory, OutOfBounds};
use super::memory_base::MemoryBase;
use super::stop::StopHandle;
use super::value::{FuncType, WasmTy};

/// A set of host functions over an instance's context `T`.
///
/// It is given to [`Module::load`](super::Module::load), which resolves the
/// module's imports from it and keeps what it needs; the set itself may be
/// used for any number of modules. Functions may be called on several threads
/// at the same time, by several instances or by the threads of one.
pub struct Imports<T> {
    functions: HashMap<(String, String), Arc<HostFunc>>,
    _context: PhantomData<fn(&T)>,
}

pub(super) struct HostFunc {
    pub(super) name: CString,
    pub(super) ty: FuncType,
    call: Box<RawCall>,
}

/// Takes the arguments' bits and leaves the result's in the first place.
type RawCall = dyn Fn(&CallContext<'_>, &mut [u64]) -> Result<(), HostError> + Send + Sync;

/// Why a host function ends the module that calls it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The module ends with this status (WASI `proc_exit`).
    #[error("the module exits with status {0}")]
    Exit(i32),
    /// The module raises a signal (WASI `proc_raise`).
    #[error("the module raises signal {0}")]
    Raised(u8),
    /// The module is stopped from outside.
    #[error("stopped")]
    Stopped,
    /// The module passed a range that is not within its memory.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// The function cannot do what it was called for.
    #[error("{0}")]
    Trap(String),
    /// The function panicked, which is a fault of the host.
    #[error("the host function panicked: {0}")]
    Panic(String),
}

impl<T: Send + Sync + 'static> Imports<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Imports<T> {
        Imports {
            functions: HashMap::new(),
            _context: PhantomData,
        }
    }

    /// Adds a function, or replaces the one of that name.
    ///
    /// `function` is an `Fn(&Caller<'_, T>, …) -> R` with up to 12 parameters
    /// of `i32`, `u32`, `i64`, `u64`, `f32` or `f64`; `R` is one of these,
    /// `()`, or a `Result` of either with [`HostError`]. An error or a panic
    /// ends the module with a trap.
    ///
    /// ```
    /// # use arena_runtime::wamr::{Caller, Imports};
    /// let mut imports = Imports::<()>::new();
    /// imports.func("env", "add", |_: &Caller<'_, ()>, a: i32, b: i32| a.wrapping_add(b));
    /// ```
    pub fn func<P, R>(
        &mut self,
        module: &str,
        name: &str,
        function: impl IntoHostFunc<T, P, R>,
    ) -> &mut Self {
        // A name with a NUL cannot be imported through WAMR, so it is left out.
        if let Ok(c_name) = CString::new(name) {
            let function = Arc::new(HostFunc {
                name: c_name,
                ty: function.ty(),
                call: function.into_raw(),
            });
            self.functions
                .insert((module.to_owned(), name.to_owned()), function);
        }
        self
    }

    /// Has all calls of the functions that the set has now counted in `calls`.
    /// Functions of which nobody counts the calls cost nothing for it.
    pub fn count_calls(&mut self, calls: &HostCalls) -> &mut Self {
        for ((module, name), function) in &mut self.functions {
            let counter = calls.counter(module, name);
            let counted = Arc::clone(function);
            *function = Arc::new(HostFunc {
                name: counted.name.clone(),
                ty: counted.ty.clone(),
                call: Box::new(move |context, args| {
                    counter.count(|| (counted.call)(context, args))
                }),
            });
        }
        self
    }

    /// The type of the function `module`.`name`, if the set has it.
    #[must_use]
    pub fn get(&self, module: &str, name: &str) -> Option<&FuncType> {
        self.find(module, name).map(|function| &function.ty)
    }

    pub(super) fn find(&self, module: &str, name: &str) -> Option<&Arc<HostFunc>> {
        self.functions.get(&(module.to_owned(), name.to_owned()))
    }

    /// All functions with the names of their modules.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<HostFunc>)> {
        self.functions
            .iter()
            .map(|((module, _), function)| (module.as_str(), function))
    }
}

impl<T: Send + Sync + 'static> Default for Imports<T> {
    fn default() -> Self {
        Imports::new()
    }
}

impl<T> std::fmt::Debug for Imports<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<_> = self.functions.keys().collect();
        names.sort();
        f.debug_tuple("Imports").field(&names).finish()
    }
}

/// What host functions need of an instance. Its address is the instance's
/// custom data in WAMR, also for the instances of the module's own threads.
pub(super) struct HostState {
    /// The context, a `T`.
    pub(super) data: Box<dyn Any + Send + Sync>,
    pub(super) stop: StopHandle,
    /// The first error of a host function in the current call.
    pub(super) error: Mutex<Option<HostError>>,
}

/// One call of a host function. Public only for the sealed traits below.
pub struct CallContext<'a> {
    env: sys::wasm_exec_env_t,
    instance: sys::wasm_module_inst_t,
    state: &'a HostState,
}

/// The calling instance, as a host function sees it.
pub struct Caller<'a, T> {
    context: &'a CallContext<'a>,
    data: &'a T,
}

impl<'a, T> Caller<'a, T> {
    /// The instance's context. Threads of the instance share it.
    #[must_use]
    pub fn data(&self) -> &'a T {
        self.data
    }

    /// The instance's linear memory.
    #[must_use]
    pub fn memory(&self) -> Memory<'a> {
        Memory::of(self.context.instance)
    }

    /// Whether the module is to end: a function that takes long should return.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        // SAFETY: the environment is alive while it calls a host function.
        unsafe { sys::arena_is_stopping(self.context.env) }
    }

    /// The handle that stops the instance: for functions that wait.
    #[must_use]
    pub fn stop_handle(&self) -> &'a StopHandle {
        &self.context.state.stop
    }

    /// Makes a system call that may block, so that a stop interrupts it: it
    /// then fails with `EINTR`. `call` must not hold locks and must leave
    /// nothing half done when it is interrupted.
    ///
    /// # Errors
    /// [`HostError::Stopped`] when the module is to stop; the call's own
    /// result otherwise.
    pub fn blocking<R>(
        &self,
        mut call: impl FnMut() -> io::Result<R>,
    ) -> Result<io::Result<R>, HostError> {
        let env = self.context.env;
        // SAFETY: the environment is alive while it calls a host function, and
        // this thread is the one that runs in it.
        if !unsafe { sys::arena_begin_blocking(env) } {
            return Err(HostError::Stopped);
        }
        // Also when `call` panics.
        let blocking = Blocking(env);
        let result = call();
        drop(blocking);
        if self.is_stopping() {
            return Err(HostError::Stopped);
        }
        Ok(result)
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("data", self.data)
            .finish_non_exhaustive()
    }
}

/// A system call that a stop has to interrupt.
struct Blocking(sys::wasm_exec_env_t);

impl Drop for Blocking {
    fn drop(&mut self) {
        // SAFETY: as for the arena_begin_blocking that was before this value.
        unsafe { sys::arena_end_blocking(self.0) };
    }
}

/// The one native function that WAMR knows: it finds the host function in the
/// import's attachment.
///
/// # Safety
/// To be called by WAMR only, for an import whose attachment is a `HostFunc`
/// that the module keeps alive, in an instance whose custom data is its
/// `HostState`, with room for the parameters and at least one value in `args`.
pub(super) unsafe extern "C" fn trampoline(env: sys::wasm_exec_env_t, args: *mut u64) {
    let _base = MemoryBase::keep();
    // SAFETY: the attachment and the custom data are as this function's
    // contract says; both outlive the call, since the module and the instance
    // cannot be dropped while the instance runs. WAMR's buffer for the
    // arguments has a place for each parameter and never less than one.
    let (instance, function, context, args) = unsafe {
        let instance = sys::wasm_runtime_get_module_inst(env);
        let function = &*sys::wasm_runtime_get_function_attachment(env).cast::<HostFunc>();
        let state = &*sys::wasm_runtime_get_custom_data(instance).cast::<HostState>();
        let context = CallContext {
            env,
            instance,
            state,
        };
        let args = std::slice::from_raw_parts_mut(args, function.ty.params.len().max(1));
        (instance, function, context, args)
    };
    // A panic must not unwind into C. What the closure could leave in a broken
    // state is its own context, and the module ends here.
    let result = catch_unwind(AssertUnwindSafe(|| (function.call)(&context, args)))
        .unwrap_or_else(|panic| Err(HostError::Panic(panic_message(panic.as_ref()))));
    if let Err(error) = result {
        // SAFETY: the instance is alive.
        let ending = unsafe { !sys::wasm_runtime_get_exception(instance).is_null() };
        if ending && error == HostError::Stopped {
            // A stop, or the end of another of the module's threads, has
            // already said why.
            return;
        }
        lock(&context.state.error).get_or_insert(error);
        // SAFETY: the instance is alive, and the text is copied.
        unsafe { sys::wasm_runtime_set_exception(instance, HOST_EXCEPTION.as_ptr()) };
    }
}

/// The exception that stands for the error in `HostState`.
pub(super) const HOST_EXCEPTION: &CStr = c"host function";

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}

mod sealed {
    pub trait Sealed<P, R> {}
}

/// A closure or function that can be a host function: see [`Imports::func`].
pub trait IntoHostFunc<T, P, R>: sealed::Sealed<P, R> {
    /// The function's WebAssembly type.
    #[doc(hidden)]
    fn ty(&self) -> FuncType;
    #[doc(hidden)]
    fn into_raw(self) -> Box<RawCall>;
}

/// What a host function may return.
pub trait HostResult {
    #[doc(hidden)]
    fn types() -> Vec<super::ValType>;
    #[doc(hidden)]
    fn into_bits(self) -> Result<u64, HostError>;
}

impl HostResult for () {
    fn types() -> Vec<super::ValType> {
        Vec::new()
    }
    fn into_bits(self) -> Result<u64, HostError> {
        Ok(0)
    }
}

macro_rules! host_results {
    ($($value:ty)*) => {$(
        impl HostResult for $value {
            fn types() -> Vec<super::ValType> {
                vec![<$value as WasmTy>::TYPE]
            }
            fn into_bits(self) -> Result<u64, HostError> {
                Ok(self.to_bits64())
            }
        }
    )*};
}

host_results! { i32 u32 i64 u64 f32 f64 }

impl<V: HostResult, E: Into<HostError>> HostResult for Result<V, E> {
    fn types() -> Vec<super::ValType> {
        V::types()
    }
    fn into_bits(self) -> Result<u64, HostError> {
        self.map_err(Into::into)?.into_bits()
    }
}

macro_rules! host_functions {
    ($($param:ident)*) => {
        impl<T, F, R, $($param),*> sealed::Sealed<(T, $($param,)*), R> for F
        where
            F: Fn(&Caller<'_, T>, $($param),*) -> R,
        {
        }

        impl<T, F, R, $($param),*> IntoHostFunc<T, (T, $($param,)*), R> for F
        where
            T: Send + Sync + 'static,
            F: Fn(&Caller<'_, T>, $($param),*) -> R + Send + Sync + 'static,
            R: HostResult,
            $($param: WasmTy,)*
        {
            fn ty(&self) -> FuncType {
                FuncType { params: vec![$($param::TYPE),*], results: R::types() }
            }

            fn into_raw(self) -> Box<RawCall> {
                Box::new(move |context, args| {
                    let Some(data) = context.state.data.downcast_ref::<T>() else {
                        return Err(HostError::Trap("the instance has another context".to_owned()));
                    };
                    let caller = Caller { context, data };
                    #[allow(unused_mut, unused_variables, reason = "without parameters")]
                    let mut bits = args.iter().copied();
                    let result = self(&caller, $($param::from_bits64(bits.next().unwrap_or_default())),*)
                        .into_bits()?;
                    if let Some(first) = args.first_mut() {
                        *first = result;
                    }
                    Ok(())
                })
            }
        }
    };
}

host_functions! {}
host_functions! { A }
host_functions! { A B }
host_functions! { A B C }
host_functions! { A B C D }
host_functions! { A B C D E }
host_functions! { A B C D E G }
host_functions! { A B C D E G H }
host_functions! { A B C D E G H I }
host_functions! { A B C D E G H I J }
host_functions! { A B C D E G H I J K }
host_functions! { A B C D E G H I J K L }
host_functions! { A B C D E G H I J K L M }
