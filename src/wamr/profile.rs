//! Profiles: where a module spends its time.

use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wamr_sys as sys;

use super::code_map::CodeMap;
use super::info::ExternType;
use super::module::Module;
use super::stop::StopHandle;

/// Sent to the thread that is profiled.
const SIGNAL: libc::c_int = libc::SIGPROF;

/// Outer frames beyond these are not told apart.
const MAX_FRAMES: u32 = 256;

/// Looks at the wasm call stack of the thread that it is made on, again and
/// again for as long as that thread spends CPU time, until it is finished.
///
/// A thread of its own sends a signal, and the signal's handler looks. It never
/// comes while the module waits in a system call, so that none is interrupted
/// that would not be without. Threads that the module starts are not looked at.
pub struct Profiler<T> {
    module: Module<T>,
    interval: Duration,
    sampler: Option<JoinHandle<Samples>>,
    /// Dropped to end the sampler.
    done: Option<Sender<()>>,
    /// It ends where it began: the sampler must not outlive the thread.
    _not_send: PhantomData<*const ()>,
}

/// What a [`Profiler`] has found.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How often each call stack was found: functions' names, the outermost
    /// first. Empty for the time in which no function of the module was called.
    pub stacks: Vec<(Vec<String>, u64)>,
    /// The CPU time between two samples.
    pub interval: Duration,
    /// Samples that found no room, because the machine was too busy.
    pub lost: u32,
}

/// A profile cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is one profiler in a process at a time.
    #[error("another module is being profiled")]
    Busy,
    /// The system refuses the signal handler or the thread.
    #[error("cannot profile: {0}")]
    System(#[from] io::Error),
}

/// Whether a profiler exists.
static BUSY: AtomicBool = AtomicBool::new(false);

/// A call stack as functions' indices, the innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Stack {
    functions: Vec<u32>,
    /// Whether there were outer frames beside those.
    deeper: bool,
}

#[derive(Debug, Default)]
struct Samples {
    stacks: HashMap<Stack, u64>,
    lost: u32,
}

impl<T: Send + Sync + 'static> Profiler<T> {
    /// Begins to profile the calling thread, which is about to run `module`
    /// and to be stopped by `stop`, with a sample each `interval` of CPU time.
    ///
    /// # Errors
    /// When there is a profiler already, or the system refuses one.
    pub fn start(
        module: &Module<T>,
        stop: &StopHandle,
        interval: Duration,
    ) -> Result<Profiler<T>, ProfileError> {
        if BUSY.swap(true, Ordering::SeqCst) {
            return Err(ProfileError::Busy);
        }
        let mut profiler = Profiler {
            module: module.clone(),
            interval,
            sampler: None,
            done: None,
            _not_send: PhantomData,
        };
        // SAFETY: the signal is a valid one, and BUSY keeps all others off.
        if !unsafe { sys::arena_profile_begin(SIGNAL) } {
            return Err(io::Error::last_os_error().into());
        }
        let sampled = SampledThread::this()?;
        let map = CodeMap::new(import_names(module).len(), &module.code_offsets());
        let (done, ended) = channel();
        let stop = stop.clone();
        let sampler = std::thread::Builder::new()
            .name("profiler".to_owned())
            .spawn(move || sample(&sampled, &stop, &map, interval, &ended))?;
        profiler.sampler = Some(sampler);
        profiler.done = Some(done);
        Ok(profiler)
    }

    /// Ends the profile. To be called before the module is gone, whose
    /// functions it names, and after all calls into it have returned.
    #[must_use]
    pub fn finish(mut self) -> Profile {
        let samples = self.end();
        let imports = import_names(&self.module);
        let name = |index: u32| {
            let import = usize::try_from(index).ok().and_then(|at| imports.get(at));
            import.cloned().unwrap_or_else(|| {
                let frame = self.module.frame(index);
                frame.name.unwrap_or_else(|| format!("function {index}"))
            })
        };
        let mut stacks: Vec<(Vec<String>, u64)> = samples
            .stacks
            .into_iter()
            .map(|(stack, count)| {
                let deeper = stack.deeper.then(|| "(deeper)".to_owned());
                let functions = stack.functions.iter().rev().map(|index| name(*index));
                (deeper.into_iter().chain(functions).collect(), count)
            })
            .collect();
        stacks.sort();
        Profile {
            stacks,
            interval: self.interval,
            lost: samples.lost,
        }
    }
}

impl<T> Profiler<T> {
    fn end(&mut self) -> Samples {
        drop(self.done.take());
        let sampler = self.sampler.take();
        let samples = sampler.and_then(|sampler| sampler.join().ok());
        // SAFETY: on the thread that began, since this value stays on it. The
        // sampler has ended and sends no more signals.
        unsafe { sys::arena_profile_end() };
        samples.unwrap_or_default()
    }
}

impl<T> Drop for Profiler<T> {
    fn drop(&mut self) {
        self.end();
        BUSY.store(false, Ordering::SeqCst);
    }
}

impl<T> std::fmt::Debug for Profiler<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profiler")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// The names of the functions that a module imports, by their indices.
fn import_names<T>(module: &Module<T>) -> Vec<String> {
    let imports = module.info().imports.iter();
    let functions = imports.filter(|import| matches!(import.ty, ExternType::Func(_)));
    functions
        .map(|import| format!("{}.{}", import.module, import.name))
        .collect()
}

/// The thread that is profiled, as the sampler sees it.
struct SampledThread {
    thread: libc::pthread_t,
    clock: libc::clockid_t,
}

// SAFETY: the names of a thread and of its clock, which any thread may use; musl's is a pointer.
unsafe impl Send for SampledThread {}

impl SampledThread {
    fn this() -> io::Result<SampledThread> {
        let mut clock = 0;
        // SAFETY: the calling thread, and a place for its clock.
        let (thread, error) = unsafe {
            let thread = libc::pthread_self();
            (thread, libc::pthread_getcpuclockid(thread, &raw mut clock))
        };
        match error {
            0 => Ok(SampledThread { thread, clock }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// The CPU time that it has spent.
    fn used(&self) -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: a place for the time. The thread is alive, as for `signal`.
        unsafe { libc::clock_gettime(self.clock, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(seconds, nanos)
    }

    fn signal(&self) {
        // SAFETY: the thread is alive: it made the profiler, which stays on it
        // and does not go before the sampler has ended.
        unsafe { libc::pthread_kill(self.thread, SIGNAL) };
    }
}

/// The sampler's life.
fn sample(
    thread: &SampledThread,
    stop: &StopHandle,
    map: &CodeMap,
    interval: Duration,
    ended: &Receiver<()>,
) -> Samples {
    let mut samples = Samples::default();
    let mut next = Instant::now();
    // The CPU time that there are samples for.
    let mut sampled = thread.used();
    loop {
        // Not before the time, also after a moment in which nothing went on.
        next = (next + interval).max(Instant::now());
        let wait = next.saturating_duration_since(Instant::now());
        let end = ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
        samples.take(map);
        if end {
            // SAFETY: always possible.
            samples.lost = unsafe { sys::arena_profile_lost() };
            return samples;
        }
        let used = thread.used();
        let owed = used.saturating_sub(sampled);
        if owed < interval / 2 {
            continue;
        }
        // There is one sample for all that was missed.
        sampled = if owed < interval * 2 {
            sampled + interval
        } else {
            used
        };
        if !stop.is_blocking() {
            thread.signal();
        }
    }
}

impl Samples {
    /// Takes what the signal handler has found.
    fn take(&mut self, map: &CodeMap) {
        let mut functions = [0; MAX_FRAMES as usize];
        let (mut code_offset, mut count, mut deeper) = (0, 0, false);
        // SAFETY: places for what is taken, as long as said. This thread is the
        // only one that takes, since there is one profiler.
        while unsafe {
            sys::arena_profile_take(
                &raw mut code_offset,
                functions.as_mut_ptr(),
                MAX_FRAMES,
                &raw mut count,
                &raw mut deeper,
            )
        } {
            let frames = functions.get(..count as usize).unwrap_or_default();
            let functions = match code_offset {
                u32::MAX => frames.to_vec(),
                offset => map.with_leaf(offset, frames),
            };
            *self.stacks.entry(Stack { functions, deeper }).or_default() += 1;
        }
    }
}
