//! Ending a module from another thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use wamr_sys as sys;

use super::engine::lock;
use super::memory::Memory;

/// Ends a module wherever it is: in a loop, in a system call, in a host
/// function that waits, or before it has begun.
///
/// A handle is made before its instance and given to it in
/// [`InstanceConfig`](super::InstanceConfig), or taken from an instance with
/// [`Instance::stop_handle`](super::Instance::stop_handle). Clones share one
/// stop. It may be used on any thread and outlive the instance, of which it
/// then knows nothing more. A stop is final: the instance does not run again.
///
/// A host function is not interrupted: it has to wait by
/// [`Caller::blocking`](super::Caller::blocking), [`StopHandle::wait`] or a
/// waker of [`StopHandle::on_stop`], or return soon.
#[derive(Clone, Default)]
pub struct StopHandle {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    state: Mutex<State>,
    /// Signalled at the stop.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The execution environments that are alive, of all instances that were
    /// given the handle. One is taken out before it is destroyed, so whoever
    /// holds the lock may use all of them.
    envs: Vec<Arc<Env>>,
    wakers: Vec<(u64, Waker)>,
    next_waker: u64,
}

type Waker = Box<dyn Fn() + Send>;

/// An execution environment, and who runs in it.
pub(super) struct Env {
    handle: sys::wasm_exec_env_t,
    /// How many calls are on the thread's stack, all of one thread.
    running: AtomicU32,
    /// That thread's `pthread_t`; written before `running` is more than 0.
    thread: AtomicU64,
}

// SAFETY: the pointer is used under the lock of `State` only, and only for
// calls that may come from any thread.
unsafe impl Send for Env {}
// SAFETY: as above; the rest is atomic.
unsafe impl Sync for Env {}

/// The wake signal may come just before a system call or just after AOT code
/// has called the host, so it is repeated.
const WAKE_INTERVAL: Duration = Duration::from_millis(1);

impl StopHandle {
    /// A handle for an instance to be.
    #[must_use]
    pub fn new() -> StopHandle {
        StopHandle::default()
    }

    /// Ends the instance's module. Returns at once; the call that runs it
    /// returns [`TrapKind::Stopped`](super::TrapKind::Stopped) soon after.
    pub fn stop(&self) {
        {
            let state = lock(&self.shared.state);
            self.shared.stopped.store(true, Ordering::SeqCst);
            for (_, wake) in &state.wakers {
                wake();
            }
            self.shared.changed.notify_all();
            if !state.signal() {
                return;
            }
        }
        let shared = Arc::clone(&self.shared);
        let repeat = move || shared.signal_until_returned();
        if let Err(_no_thread) = std::thread::Builder::new()
            .name("arena-stop".to_owned())
            .stack_size(64 * 1024)
            .spawn(repeat)
        {
            self.shared.signal_until_returned();
        }
    }

    /// Whether [`StopHandle::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::SeqCst)
    }

    /// The linear memory of what the handle stops, in bytes, for those who watch a module from
    /// another thread. 0 while there is no instance.
    #[must_use]
    pub fn linear_memory(&self) -> u64 {
        let state = lock(&self.shared.state);
        let sizes = state.envs.iter().map(|env| {
            // SAFETY: environments in the list are alive, since the lock is held, and so are
            // their instances, which outlive them.
            let instance = unsafe { sys::wasm_runtime_get_module_inst(env.handle) };
            Memory::of(instance).size()
        });
        // The start function has an environment of its own, in the same instance.
        sizes.max().unwrap_or(0)
    }

    /// Whether what the handle stops waits in a system call.
    pub(super) fn is_blocking(&self) -> bool {
        let state = lock(&self.shared.state);
        // SAFETY: environments in the list are alive, since the lock is held.
        let blocking = |env: &Arc<Env>| unsafe { sys::arena_is_blocking(env.handle) };
        state.envs.iter().any(blocking)
    }

    /// Waits for the stop, at most for `timeout`, and returns whether it came.
    /// A host function that has to wait can do so here.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = lock(&self.shared.state);
        while !self.is_stopped() {
            let left = deadline.map_or(timeout, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state = match self.shared.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// Calls `wake` at the stop, or at once if it was before, until the guard
    /// is dropped: for host functions that wait on something of their own.
    /// `wake` runs on the stopping thread, and must not use this handle.
    #[must_use = "the waker is removed when the guard is dropped"]
    pub fn on_stop(&self, wake: impl Fn() + Send + 'static) -> WakerGuard {
        let mut state = lock(&self.shared.state);
        if self.is_stopped() {
            wake();
        }
        let id = state.next_waker;
        state.next_waker += 1;
        state.wakers.push((id, Box::new(wake)));
        WakerGuard {
            shared: Arc::clone(&self.shared),
            id,
        }
    }

    /// Makes an environment stoppable; stops it at once if the stop was
    /// before. `runs` says that the calling thread is about to run in it, and
    /// stays there until it is detached.
    pub(super) fn attach(&self, handle: sys::wasm_exec_env_t, runs: bool) -> Arc<Env> {
        let env = Arc::new(Env {
            handle,
            running: AtomicU32::new(runs.into()),
            thread: AtomicU64::new(this_thread()),
        });
        let mut state = lock(&self.shared.state);
        state.envs.push(Arc::clone(&env));
        if self.is_stopped() {
            state.signal();
        }
        env
    }

    /// Forgets an environment, which is about to be destroyed.
    pub(super) fn detach(&self, handle: sys::wasm_exec_env_t) {
        lock(&self.shared.state)
            .envs
            .retain(|env| env.handle != handle);
    }

    /// Runs `clear` unless the module is stopped, with stops held off: a
    /// stop's exception must not be cleared.
    pub(super) fn unless_stopped(&self, clear: impl FnOnce()) {
        let _state = lock(&self.shared.state);
        if !self.is_stopped() {
            clear();
        }
    }

    /// Marks the beginning of a call into `env` on this thread; `None` if it is
    /// stopped.
    pub(super) fn enter<'a>(&'a self, env: &'a Env) -> Option<Running<'a>> {
        env.thread.store(this_thread(), Ordering::SeqCst);
        // Before the look at `stopped`, which `stop` sets before it looks
        // here: one of the two sees the other.
        env.running.fetch_add(1, Ordering::SeqCst);
        let running = Running {
            shared: &self.shared,
            env,
        };
        (!self.is_stopped()).then_some(running)
    }

    /// Ends the threads that the module has started, and returns when none is
    /// left.
    pub(super) fn end_threads(&self, env: sys::wasm_exec_env_t) {
        // SAFETY: `env` is alive until it is detached, which is the caller's
        // next step, and does not run.
        while unsafe { sys::arena_stop(env, 0) } > 0 {
            std::thread::sleep(WAKE_INTERVAL);
        }
    }
}

/// A call into an instance. Its thread does not leave the call while it is
/// being signalled.
pub(super) struct Running<'a> {
    shared: &'a Shared,
    env: &'a Env,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.env.running.fetch_sub(1, Ordering::SeqCst);
        if self.shared.stopped.load(Ordering::SeqCst) {
            drop(lock(&self.shared.state));
        }
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "glibc names threads by numbers, musl by pointers"
)]
fn this_thread() -> u64 {
    // SAFETY: always possible.
    unsafe { libc::pthread_self() as u64 }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("stopped", &self.is_stopped())
            .finish()
    }
}

impl Shared {
    fn signal_until_returned(&self) {
        loop {
            std::thread::sleep(WAKE_INTERVAL);
            if !lock(&self.state).signal() {
                return;
            }
        }
    }
}

impl State {
    /// Tells the instances' threads to end; returns whether one may have to be
    /// told again.
    fn signal(&self) -> bool {
        let mut any = false;
        for env in &self.envs {
            let runs = env.running.load(Ordering::SeqCst) > 0;
            let thread = if runs {
                env.thread.load(Ordering::SeqCst)
            } else {
                0
            };
            // SAFETY: environments in the list are alive, since the caller
            // holds its lock; and a call that runs cannot return before it
            // has had that lock, see `Running`, so its thread is alive.
            unsafe { sys::arena_stop(env.handle, thread) };
            any |= runs;
        }
        any
    }
}

/// Keeps a waker of [`StopHandle::on_stop`] registered.
pub struct WakerGuard {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for WakerGuard {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.shared.state);
            let found = state.wakers.iter().position(|(id, _)| *id == self.id);
            found.map(|at| state.wakers.swap_remove(at))
        };
        // The waker's captures may do anything when dropped, so without lock.
        drop(waker);
    }
}

impl fmt::Debug for WakerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakerGuard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn waits_for_the_stop_or_the_timeout() {
        let handle = StopHandle::new();
        assert!(!handle.wait(Duration::from_millis(5)));
        let other = handle.clone();
        let stopper = std::thread::spawn(move || other.stop());
        assert!(handle.wait(Duration::from_secs(60)));
        stopper.join().unwrap();
        assert!(handle.wait(Duration::MAX));
    }

    #[test]
    fn wakers_are_called_until_their_guard_is_dropped() {
        let handle = StopHandle::new();
        let calls = Arc::new(AtomicU32::new(0));
        let count = |calls: &Arc<AtomicU32>| {
            let calls = Arc::clone(calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        let kept = handle.on_stop(count(&calls));
        drop(handle.on_stop(count(&calls)));
        handle.stop();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let late = handle.on_stop(count(&calls));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        drop((kept, late));
    }
}
