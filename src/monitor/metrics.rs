//! A sample as metrics. `docs/operations.md` lists them.

use std::time::{Duration, SystemTime};

use super::page::{Kind, Number, Page};
use super::sample::{HostSample, ModuleSample, ProcessSample, Sample};

/// Adds a sample's metrics to a page.
pub(super) fn write(page: &mut Page, sample: &Sample) {
    host(page, &sample.host);
    process(page, &sample.process);
    modules(page, &sample.modules);
    page.single(
        "arena_sample_timestamp_seconds",
        Kind::Gauge,
        "When these figures were taken.",
        seconds(sample.at),
    );
}

fn host(page: &mut Page, host: &HostSample) {
    use Kind::Gauge;
    page.single(
        "arena_host_cpu_usage_cores",
        Gauge,
        "Cores of the machine that were busy, over the last interval.",
        host.cpu_percent.map(|percent| percent / 100.0),
    );
    page.single(
        "arena_host_cores",
        Gauge,
        "Cores of the machine.",
        Some(host.cores),
    );
    page.single(
        "arena_host_usable_cores",
        Gauge,
        "Cores' worth of CPU time that affinity and control group leave to the runtime.",
        Some(host.cores_usable),
    );
    page.single(
        "arena_host_memory_bytes",
        Gauge,
        "Memory of the machine, or of the control group.",
        host.memory_total,
    );
    page.single(
        "arena_host_memory_available_bytes",
        Gauge,
        "Memory that can be had without swapping.",
        host.memory_available,
    );
    for (name, help, load) in [
        (
            "arena_host_load1",
            "Load average over 1 minute.",
            host.load1,
        ),
        (
            "arena_host_load5",
            "Load average over 5 minutes.",
            host.load5,
        ),
        (
            "arena_host_load15",
            "Load average over 15 minutes.",
            host.load15,
        ),
    ] {
        page.single(name, Gauge, help, load);
    }
    page.single(
        "arena_host_temperature_celsius",
        Gauge,
        "Temperature of the CPU, or of the hottest sensor.",
        host.temperature,
    );
    page.single(
        "arena_host_uptime_seconds",
        Gauge,
        "Time since the machine was started.",
        host.uptime_seconds,
    );
}

fn process(page: &mut Page, process: &ProcessSample) {
    use Kind::{Counter, Gauge};
    page.single(
        "arena_process_cpu_seconds_total",
        Counter,
        "CPU time of the runtime, modules included.",
        Some(nanos(process.cpu_nanos)),
    );
    page.single(
        "arena_process_resident_memory_bytes",
        Gauge,
        "Resident memory of the runtime, modules included.",
        process.memory,
    );
    page.single(
        "arena_process_threads",
        Gauge,
        "Threads of the runtime.",
        process.threads,
    );
    page.single(
        "arena_process_open_fds",
        Gauge,
        "Open file descriptors.",
        process.open_fds,
    );
    page.single(
        "arena_process_max_fds",
        Gauge,
        "File descriptors that may be open.",
        process.max_fds,
    );
    page.single(
        "arena_process_start_time_seconds",
        Gauge,
        "When the runtime was started.",
        process.started.and_then(seconds),
    );
}

fn modules(page: &mut Page, modules: &[ModuleSample]) {
    use Kind::{Counter, Gauge};
    type Of = fn(&ModuleSample) -> Option<Number>;
    let families: [(&str, Kind, &str, Of); 12] = [
        (
            "arena_module_cpu_seconds_total",
            Counter,
            "CPU time of the module.",
            |m| Some(nanos(m.cpu_nanos).into()),
        ),
        (
            "arena_module_cpu_usage_cores",
            Gauge,
            "Cores that the module kept busy, over the last interval.",
            |m| Some((m.cpu_percent / 100.0).into()),
        ),
        (
            "arena_module_memory_bytes",
            Gauge,
            "Linear memory of the module.",
            |m| Some(m.counters.memory.into()),
        ),
        (
            "arena_module_stack_bytes",
            Gauge,
            "Stack that the module's worker thread has.",
            |m| Some(m.counters.stack.into()),
        ),
        (
            "arena_module_threads",
            Gauge,
            "Threads that run the module.",
            |m| Some(m.threads.into()),
        ),
        (
            "arena_module_received_messages_total",
            Counter,
            "Messages that the module got.",
            |m| Some(m.counters.messages_in.into()),
        ),
        (
            "arena_module_received_bytes_total",
            Counter,
            "Bytes of the messages that the module got.",
            |m| Some(m.counters.bytes_in.into()),
        ),
        (
            "arena_module_published_messages_total",
            Counter,
            "Messages that the module published.",
            |m| Some(m.counters.messages_out.into()),
        ),
        (
            "arena_module_published_bytes_total",
            Counter,
            "Bytes of the messages that the module published.",
            |m| Some(m.counters.bytes_out.into()),
        ),
        (
            "arena_module_dropped_messages_total",
            Counter,
            "Messages for the module that its mailbox had no room for.",
            |m| Some(m.counters.messages_dropped.into()),
        ),
        (
            "arena_module_dropped_bytes_total",
            Counter,
            "Bytes of the messages that the module's mailbox had no room for.",
            |m| Some(m.counters.bytes_dropped.into()),
        ),
        (
            "arena_module_last_activity_timestamp_seconds",
            Gauge,
            "When the module last did something on a channel.",
            |m| m.counters.last_activity.and_then(seconds).map(Number::from),
        ),
    ];
    for (name, kind, help, of) in families {
        let values = modules.iter().filter_map(|module| {
            let labels = [
                ("uuid", module.uuid.to_string()),
                ("name", module.name.clone()),
            ];
            Some((labels, of(module)?))
        });
        page.family(name, kind, help, values);
    }
    page.single(
        "arena_modules",
        Gauge,
        "Modules that run.",
        Some(modules.len()),
    );
}

fn nanos(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// Seconds since 1970; `None` before that.
fn seconds(time: SystemTime) -> Option<f64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs_f64())
}
