//! WAMR's life in the process, and in each thread.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use wamr_sys as sys;

use super::alt_stack::AltStack;
use super::memory_base;

/// Sent to a thread of a module that is stopped, to end a system call or AOT
/// code. Ignored by default, so one that arrives late does no harm.
const WAKE_SIGNAL: libc::c_int = libc::SIGURG;

/// WAMR, initialised for the process.
///
/// All engines in a process are handles of one: the first [`Engine::new`]
/// initialises WAMR, and it is torn down when the last engine, module and
/// instance are gone. Cloning is cheap; engines may be used on any thread.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    /// Held while a module is loaded: WAMR resolves imports from one list for
    /// the process, which is not protected.
    loading: Mutex<()>,
}

/// The engine of the process, and whether WAMR is initialised: it still is for
/// a moment after the last handle is gone.
static LIFE: Mutex<Life> = Mutex::new(Life {
    engine: Weak::new(),
    initialised: false,
});

struct Life {
    engine: Weak<Inner>,
    initialised: bool,
}

/// WAMR cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The system refuses what it needs.
    #[error("WAMR cannot be initialised: the system refuses memory or a signal handler")]
    Refused,
    /// The interpreter is compiled for a later processor.
    #[error("this processor is too old: x86-64-v2 (SSE4.2, since about 2009) is needed")]
    Processor,
}

impl Engine {
    /// Initialises WAMR, or joins the engine that the process has.
    ///
    /// # Errors
    /// When the processor is too old, or the system refuses memory or a signal
    /// handler.
    pub fn new() -> Result<Engine, EngineError> {
        #[cfg(target_arch = "x86_64")]
        if !(std::arch::is_x86_feature_detected!("sse4.2")
            && std::arch::is_x86_feature_detected!("popcnt"))
        {
            return Err(EngineError::Processor);
        }
        loop {
            let mut life = lock(&LIFE);
            if let Some(inner) = life.engine.upgrade() {
                return Ok(Engine { inner });
            }
            if life.initialised {
                // The last handle is being dropped on another thread.
                drop(life);
                std::thread::yield_now();
                continue;
            }
            memory_base::choose();
            // SAFETY: WAMR is not initialised, and LIFE is locked, so no other
            // thread initialises or destroys it meanwhile. The signal number
            // is a valid one.
            if !unsafe { sys::arena_wamr_init(WAKE_SIGNAL) } {
                return Err(EngineError::Refused);
            }
            // Initialisation has set this thread up too; `ThreadEnv` does that
            // for all threads in the same way.
            // SAFETY: WAMR is initialised and no module runs on this thread.
            unsafe { sys::wasm_runtime_destroy_thread_env() };
            let inner = Arc::new(Inner {
                loading: Mutex::new(()),
            });
            life.engine = Arc::downgrade(&inner);
            life.initialised = true;
            return Ok(Engine { inner });
        }
    }

    /// The version of WAMR, for example `2.4.3`.
    #[must_use]
    pub fn wamr_version() -> String {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three valid places to write to; the function needs no
        // initialised WAMR.
        unsafe { sys::wasm_runtime_get_version(&raw mut major, &raw mut minor, &raw mut patch) };
        format!("{major}.{minor}.{patch}")
    }

    /// Sets the calling thread up to run modules until the guard is dropped.
    ///
    /// Instances do this themselves for each call; a thread that makes many
    /// calls saves a few microseconds for each by holding a guard.
    ///
    /// # Errors
    /// When the system refuses memory for the thread's signal stack.
    pub fn enter_thread(&self) -> Result<ThreadEnv, EngineError> {
        ThreadEnv::enter(self)
    }

    pub(super) fn lock_loading(&self) -> MutexGuard<'_, ()> {
        lock(&self.inner.loading)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut life = lock(&LIFE);
        // SAFETY: WAMR is initialised, and this was the last handle: modules,
        // instances and thread guards each hold one, so none is left.
        unsafe { sys::wasm_runtime_destroy() };
        life.initialised = false;
    }
}

/// A lock whose holder panicked is as good as before: what these locks protect
/// is consistent between any two statements.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The calling thread's WAMR environment: fault handling and a signal stack.
///
/// Guards nest; the environment is given back when the thread's last guard is
/// dropped. A guard stays on its thread.
#[derive(Debug)]
pub struct ThreadEnv {
    _engine: Engine,
    _not_send: PhantomData<*const ()>,
}

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread { guards: 0, stack: None, wake_blocked: false }) };
}

struct Thread {
    guards: usize,
    /// Where faults in modules are handled, while there are guards.
    stack: Option<AltStack>,
    /// Whether the wake signal was blocked before the first guard.
    wake_blocked: bool,
}

/// Blocks or unblocks the wake signal for the calling thread; returns whether
/// it was blocked.
fn block_wake_signal(block: bool) -> bool {
    let how = if block {
        libc::SIG_BLOCK
    } else {
        libc::SIG_UNBLOCK
    };
    // SAFETY: signal sets on the stack, the first one initialised by
    // sigemptyset, the second one filled in; and the thread's own mask.
    unsafe {
        let mut wake = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut wake);
        libc::sigaddset(&raw mut wake, WAKE_SIGNAL);
        libc::pthread_sigmask(how, &raw const wake, &raw mut before);
        libc::sigismember(&raw const before, WAKE_SIGNAL) == 1
    }
}

impl ThreadEnv {
    pub(super) fn enter(engine: &Engine) -> Result<ThreadEnv, EngineError> {
        THREAD.with_borrow_mut(|thread| {
            if thread.guards == 0 {
                let stack = AltStack::install().map_err(|_| EngineError::Refused)?;
                let wake_blocked = block_wake_signal(false);
                // SAFETY: WAMR is initialised, since `engine` is alive.
                if !unsafe { sys::wasm_runtime_init_thread_env() } {
                    return Err(EngineError::Refused);
                }
                // WAMR has just blocked it.
                block_wake_signal(false);
                thread.stack = Some(stack);
                thread.wake_blocked = wake_blocked;
            }
            thread.guards += 1;
            Ok(ThreadEnv {
                _engine: engine.clone(),
                _not_send: PhantomData,
            })
        })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // At the thread's end, with a guard that was leaked: Rust's own signal
        // stack is gone already, so there is nothing to go back to.
        std::mem::forget(self.stack.take());
    }
}

impl Drop for ThreadEnv {
    fn drop(&mut self) {
        // Without effect in a thread's last moments, see above.
        let _ = THREAD.try_with(|thread| {
            let mut thread = thread.borrow_mut();
            thread.guards -= 1;
            if thread.guards == 0 {
                // SAFETY: WAMR is initialised, since this guard's engine is
                // still alive, and no module runs on this thread: a call holds
                // a guard of its own.
                unsafe { sys::wasm_runtime_destroy_thread_env() };
                thread.stack = None;
                if thread.wake_blocked {
                    block_wake_signal(true);
                }
            }
        });
    }
}

/// Runs `call`, which enters `env`, with WAMR's idea of what runs on this
/// thread set aside: a host function of one instance may call another one.
pub(super) fn on_thread<R>(env: sys::wasm_exec_env_t, call: impl FnOnce() -> R) -> R {
    // SAFETY: only the thread's own variable is exchanged; what was in it is
    // alive, since it is put back before the call that set it returns.
    let outer = unsafe { sys::arena_swap_thread_exec_env(std::ptr::null_mut()) };
    if outer == env {
        // A call from within this instance itself, which WAMR knows how to do.
        // SAFETY: as above.
        unsafe { sys::arena_swap_thread_exec_env(outer) };
    }
    let result = call();
    // SAFETY: as above.
    unsafe { sys::arena_swap_thread_exec_env(outer) };
    result
}
