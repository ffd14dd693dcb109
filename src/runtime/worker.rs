//! One module on its thread: from the file to the exit.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{io, thread};

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::debug;

use crate::config::{self, MailboxOverflow};
use crate::guest::{Guest, GuestConfig, GuestError, UndeclaredTopics};
use crate::monitor::{CpuMeter, ModuleCounters, ModuleMonitor, ModuleProbe};
use crate::pubsub::{MailboxLimits, Overflow, Qos};
use crate::wamr::{Instance, InstanceConfig, InstantiateError, ModuleKind, PAGE_SIZE, StopHandle};
use crate::wasi::{Wasi, WasiConfig};

use super::context::Context;
use super::exit::Exit;
use super::groups::Member;
use super::job::{Job, Snapshot};
use super::loader::{Loaded, LoaderError};
use super::output::Output;
use super::scheduling::{self, Granted};
use super::shared::Shared;
use super::stdin::Stdin;

/// What the node hears of a worker. Each ends with one `Refused` or `Ended`.
#[derive(Debug)]
pub(super) enum Report {
    /// The module can be run: with what it was granted, and by what executes it.
    Ready(Granted, ModuleKind),
    /// It cannot, and why.
    Refused(String),
    /// It has run and ended, and left this memory behind, if that was asked for.
    Ended(Exit, Option<Snapshot>),
}

/// The node's hold on a worker. Dropping it ends a worker that has not begun to run.
#[derive(Debug)]
pub(super) struct Handle {
    control: Arc<Control>,
    /// Empty once the module was told to start.
    start: Option<Sender<Option<Snapshot>>>,
    stdin: Arc<Stdin>,
}

/// What both sides use.
#[derive(Debug, Default)]
struct Control {
    stop: StopHandle,
    /// There as soon as the module is prepared.
    guest: OnceLock<Guest>,
    keep_memory: AtomicBool,
    /// There as soon as the module runs.
    meter: OnceLock<CpuMeter>,
}

impl Control {
    /// What the monitor asks for, on its thread.
    fn counters(&self, stack: u64) -> ModuleCounters {
        let mut counters = ModuleCounters {
            memory: self.stop.linear_memory(),
            stack,
            ..ModuleCounters::default()
        };
        if let Some(guest) = self.guest.get() {
            let stats = guest.stats();
            counters.messages_in = stats.messages_in;
            counters.bytes_in = stats.bytes_in;
            counters.messages_out = stats.messages_out;
            counters.bytes_out = stats.bytes_out;
            counters.messages_dropped = stats.messages_dropped;
            counters.bytes_dropped = stats.bytes_dropped;
            counters.last_activity = stats.last_activity;
        }
        counters
    }
}

impl Handle {
    /// Lets the module run, with this memory if there is one.
    pub(super) fn start(&mut self, memory: Option<Snapshot>) {
        if let Some(start) = self.start.take() {
            // The worker is gone only after a report.
            let _ = start.send(memory);
        }
    }

    /// Asks the module to save its state and end (signal 3). Its memory is reported afterwards
    /// if `keep_memory`. Returns false if it is not running, and so cannot hear it.
    pub(super) fn ask_to_end(&self, keep_memory: bool) -> bool {
        self.control
            .keep_memory
            .fetch_or(keep_memory, Ordering::SeqCst);
        match self.control.guest.get() {
            Some(guest) => {
                guest.raise(3);
                true
            }
            None => false,
        }
    }

    /// Takes lines for the module's standard input.
    pub(super) fn stdin(&self) -> Arc<Stdin> {
        Arc::clone(&self.stdin)
    }

    /// The CPU time that the module has used since it runs, and on how many processors at a time it
    /// can use more.
    pub(super) fn cpu_time(&self) -> (Duration, u32) {
        let Some(meter) = self.control.meter.get() else {
            return (Duration::ZERO, 1);
        };
        let many = meter.guest_threads().then(thread::available_parallelism);
        let many = many.and_then(Result::ok).map(NonZeroUsize::get);
        let processors = many.and_then(|many| u32::try_from(many).ok());
        (meter.used(), processors.unwrap_or(1))
    }

    /// Ends the module wherever it is.
    pub(super) fn stop(&self) {
        self.control.stop.stop();
    }
}

/// Stack for host functions, beside what the module has.
const HOST_STACK: usize = 256 * 1024;

/// Begins a worker. It prepares the module, reports, and waits for [`Handle::start`].
///
/// # Errors
/// When the system has no thread or descriptors left.
pub(super) fn spawn(
    shared: Arc<Shared>,
    job: Job,
    report: impl Fn(Report) + Send + 'static,
) -> io::Result<Handle> {
    let control = Arc::new(Control::default());
    let (start, started) = bounded(1);
    let stdin = Stdin::new(job.uuid, shared.settings.limits.stdin_bytes, &shared.feeder)?;
    let handle = Handle {
        control: Arc::clone(&control),
        start: Some(start),
        stdin: Arc::clone(&stdin),
    };
    let stack = job.limits.stack as usize + HOST_STACK;
    let worker = Worker {
        shared,
        job,
        control,
        started,
        stdin,
    };
    thread::Builder::new()
        .name(worker.thread_name())
        .stack_size(stack)
        .spawn(move || report(worker.run(&report)))?;
    Ok(handle)
}

struct Worker {
    shared: Arc<Shared>,
    job: Job,
    control: Arc<Control>,
    started: Receiver<Option<Snapshot>>,
    stdin: Arc<Stdin>,
}

/// What is ready to be instantiated.
struct Prepared {
    loaded: Arc<Loaded>,
    guest: Guest,
    granted: Granted,
    /// The thread's place in a control group, until the module has ended.
    _member: Option<Member>,
}

impl Worker {
    /// The kernel shows 15 bytes of it, and a module's own threads inherit it.
    fn thread_name(&self) -> String {
        let uuid = self.job.uuid.simple().to_string();
        format!("m-{}", uuid.get(..13).unwrap_or_default())
    }

    fn run(self, report: &impl Fn(Report)) -> Report {
        // A panic is a fault of ours. The module is over, and its neighbours know nothing of it.
        match catch_unwind(AssertUnwindSafe(|| self.prepare())) {
            Ok(Ok(prepared)) => {
                let kind = prepared.loaded.module.kind();
                report(Report::Ready(prepared.granted.clone(), kind));
                let (exit, memory) = catch_unwind(AssertUnwindSafe(|| self.execute(&prepared)))
                    .unwrap_or_else(|_| (Exit::trapped(OUR_FAULT), None));
                Report::Ended(exit, memory)
            }
            Ok(Err(why)) => Report::Refused(why),
            Err(_) => Report::Refused(OUR_FAULT.to_owned()),
        }
    }

    /// Finds, loads and checks the module, as far as can be done without running it.
    fn prepare(&self) -> Result<Prepared, String> {
        let source = &self.job.source;
        let file = self.shared.files.read(source).map_err(|e| e.to_string())?;
        let loader = &self.shared.loader;
        let loaded = loader
            .load(&self.job.argv0, &file.bytes, file.signature.as_deref())
            .map_err(|error| match error {
                LoaderError::Distrust(why) => {
                    format!("the module \"{}\" may not run here: {why}", self.job.name)
                }
                error => error.to_string(),
            })?;
        drop(file);
        let info = loaded.module.info();
        match info.exported_func("_start") {
            Some(ty) if ty.params.is_empty() && ty.results.is_empty() => {}
            _ => return Err("the module has no function _start: it is no program".to_owned()),
        }
        let initial = info.initial_pages().saturating_mul(PAGE_SIZE);
        if let Some(limit) = self.job.limits.memory
            && initial > limit
        {
            return Err(InstantiateError::Memory { initial, limit }.to_string());
        }
        let guest = self.guest().map_err(|e| e.to_string())?;
        // From now on the module hears of a signal, if only when it runs.
        let _ = self.control.guest.set(guest.clone());
        let mut granted = scheduling::apply(&self.job.scheduling);
        // What the scheduler does not give can at least be bounded.
        let share = (self.job.scheduling.deadline).filter(|_| granted.policy == Some("normal"));
        let groups = self.shared.groups.as_ref();
        let member = groups.and_then(|groups| {
            let share = share.map(|(period, runtime)| (runtime, period));
            groups.enter(self.job.uuid, share)
        });
        granted.bounded = share.is_some() && member.is_some();
        Ok(Prepared {
            loaded,
            guest,
            granted,
            _member: member,
        })
    }

    /// Waits for the start and runs the module to its end.
    fn execute(&self, prepared: &Prepared) -> (Exit, Option<Snapshot>) {
        let Ok(memory) = self.started.recv() else {
            return (Exit::stopped(), None);
        };
        let watched = self.watch(&prepared.loaded);
        let time = watched.enter();
        let _ = self.control.meter.set(watched.meter());
        let output = Output::new(&self.shared, self.job.uuid, self.job.lane);
        let ended = self.run_module(prepared, memory, output.as_ref());
        // Nothing comes for it any more, also while others still have it for its figures.
        prepared.guest.close();
        if let Some(output) = output {
            output.finish();
        }
        drop(time);
        let last = watched.finish();
        debug!(module = %self.job.uuid, cpu_ms = last.cpu_nanos / 1_000_000, "the module's thread ends");
        ended.unwrap_or_else(|exit| (exit, None))
    }

    fn watch(&self, loaded: &Loaded) -> ModuleMonitor {
        let control = Arc::clone(&self.control);
        let stack = u64::from(self.job.limits.stack);
        self.shared.monitor.add(ModuleProbe {
            uuid: self.job.uuid,
            name: self.job.name.clone(),
            guest_threads: has_threads(loaded),
            counters: Arc::new(move || control.counters(stack)),
        })
    }

    fn run_module(
        &self,
        prepared: &Prepared,
        memory: Option<Snapshot>,
        output: Option<&Output>,
    ) -> Result<(Exit, Option<Snapshot>), Exit> {
        let guest = prepared.guest.clone();
        let wasi = self.wasi(&guest, memory.is_some(), output)?;
        let config = InstanceConfig {
            limits: self.job.limits.clone(),
            stop: self.control.stop.clone(),
        };
        let instance = Instance::new(&prepared.loaded.module, Context::new(wasi, guest), config)
            .map_err(|e| match e {
                InstantiateError::Trap(trap) => Exit::of_trap(&trap),
                error => Exit::trapped(&error.to_string()),
            })?;
        if let Some(memory) = memory {
            restore(&instance, &memory)?;
        }
        let exit = Exit::of_call(instance.call("_start", &[]).map(|_| ()));
        let keep = self.control.keep_memory.load(Ordering::SeqCst);
        let memory = keep.then(|| save(&instance)).flatten();
        Ok((exit, memory))
    }

    fn guest(&self) -> Result<Guest, GuestError> {
        let settings = &self.shared.settings;
        let limits = &settings.limits;
        let config = GuestConfig {
            uuid: self.job.uuid,
            runtime_uuid: self.shared.uuid,
            realm: settings.runtime.realm.clone(),
            channels: self.job.channels.clone(),
            undeclared: match settings.runtime.undeclared_topics {
                config::UndeclaredTopics::Realm => UndeclaredTopics::Realm,
                config::UndeclaredTopics::Declared => UndeclaredTopics::Declared,
            },
            mailbox: MailboxLimits {
                messages: limits.mailbox_messages,
                bytes: limits.mailbox_bytes,
                overflow: match limits.mailbox_overflow {
                    MailboxOverflow::DropOldest => Overflow::DropOldest,
                    MailboxOverflow::DropNewest => Overflow::DropNewest,
                },
            },
            default_qos: match settings.broker.qos {
                0 => Qos::AtMostOnce,
                _ => Qos::AtLeastOnce,
            },
            max_channels: limits.channels,
            max_message: limits.message_size,
            lane: Some(self.job.lane),
        };
        Guest::new(config, &self.shared.router)
    }

    fn wasi(
        &self,
        guest: &Guest,
        from_memory: bool,
        output: Option<&Output>,
    ) -> Result<Wasi, Exit> {
        let mut config = WasiConfig::new();
        config.arg(&*self.job.argv0).args(&self.job.args);
        for (name, value) in &self.job.env {
            config.env(name, value);
        }
        if from_memory {
            // Guests of the ARENA's library open their channels again then, and go on.
            config.env("CWLIB_JTEL", "1");
        }
        guest.add_to_wasi(&mut config);
        for (path, granted) in &self.shared.settings.dirs {
            config.preopen(&granted.host, path, granted.read_only);
        }
        config.stdin(self.stdin.stream()).terminal_streams(true);
        if let Some([stdout, stderr]) = output.map(Output::streams) {
            config.stdout(stdout).stderr(stderr);
        }
        Wasi::new(config).map_err(|e| Exit::trapped(&e.to_string()))
    }
}

/// What is told of a panic in the runtime's own code.
const OUR_FAULT: &str = "a fault in the runtime itself has ended the module";

fn has_threads(loaded: &Loaded) -> bool {
    let imports = &loaded.module.info().imports;
    imports.iter().any(|import| import.module == "wasi")
}

/// Gives an instance the memory that it had somewhere else.
fn restore(instance: &Instance<Context>, memory: &Snapshot) -> Result<(), Exit> {
    if !instance.grow_memory(memory.len() as u64) {
        let why = format!(
            "the module cannot have the {} bytes of memory it comes with",
            memory.len()
        );
        return Err(Exit::trapped(&why));
    }
    instance
        .memory()
        .write(0, memory)
        .map_err(|e| Exit::trapped(&e.to_string()))
}

/// All of an instance's memory.
fn save(instance: &Instance<Context>) -> Option<Snapshot> {
    let memory = instance.memory();
    let mut bytes = vec![0; usize::try_from(memory.size()).ok()?];
    memory.read(0, &mut bytes).ok()?;
    Some(bytes.into())
}
