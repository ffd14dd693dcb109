//! CPU and memory of the host, the process and each module.
//!
//! A [`Monitor`] reads `/proc` and what modules tell it, and keeps the result
//! as one [`Sample`] that everybody reads: keepalives, `/metrics`, `/status`.
//! A [`Sampler`] makes it take a sample at each interval, on a thread of its
//! own. The [`HttpServer`] serves them, on another.
//!
//! This room does not know the runtime: whoever starts a module registers it
//! with [`Monitor::add`], and each thread of the host that runs it holds a
//! [`ThreadGuard`] of [`ModuleMonitor::enter`].
//!
//! ```
//! use std::sync::Arc;
//! use arena_runtime::monitor::{ModuleCounters, ModuleProbe, Monitor};
//!
//! let monitor = Monitor::new();
//! let module = monitor.add(ModuleProbe {
//!     uuid: uuid::Uuid::new_v4(),
//!     name: "blink".to_owned(),
//!     guest_threads: false,
//!     counters: Arc::new(ModuleCounters::default),
//! });
//! let worker = std::thread::spawn(move || {
//!     let running = module.enter();
//!     // … runs the module …
//!     drop(running);
//!     module.finish()
//! });
//! let finished = worker.join().unwrap();
//! assert!(finished.cpu_nanos > 0);
//! ```
//!
//! # What is exact and what is not
//! CPU time of a host thread is that of its clock, in nanoseconds, from
//! [`ModuleMonitor::enter`] to the guard's drop; nothing of it is lost. Threads
//! that a guest starts (wasi-threads) are found when a sample is taken: what
//! one did after the last sample before its end is not counted.
//!
//! Whatever the system does not tell (a container without sensors, a `/proc`
//! that is restricted) is `None`.

mod cgroup;
mod clock;
mod connection;
mod host;
mod http;
mod metrics;
mod module;
mod page;
mod process;
mod sample;
mod sampler;
mod temperature;
#[cfg(test)]
mod tests;

pub use crate::system::ServerError as HttpError;
pub use http::{Health, HttpServer, StatusSource};
pub use module::{
    CounterSource, CpuMeter, ModuleCounters, ModuleMonitor, ModuleProbe, ThreadGuard,
};
pub use page::{Kind, Number, Page};
pub use sample::{HostSample, ModuleSample, ProcessSample, Sample};
pub use sampler::{Monitor, Sampler};
