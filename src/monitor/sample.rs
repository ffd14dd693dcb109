//! What a sample consists of.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// The state of host, process and modules at one moment.
///
/// Percentages are of one core, so that two busy cores are 200; they are over
/// the time since the sample before. As JSON, times are RFC 3339 in UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// When it was taken.
    #[serde(serialize_with = "rfc3339")]
    pub at: SystemTime,
    /// The machine.
    pub host: HostSample,
    /// This process.
    pub process: ProcessSample,
    /// The registered modules, in the order of their registration.
    pub modules: Vec<ModuleSample>,
}

/// The machine, within the limits that the process's control group sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HostSample {
    /// CPU time that was not idle (time stolen by a hypervisor counts), of all
    /// cores; `None` in the first sample.
    pub cpu_percent: Option<f64>,
    /// Cores of the machine.
    pub cores: usize,
    /// Cores' worth of time that this process may use: what its affinity and
    /// its control group leave of them.
    pub cores_usable: f64,
    /// Bytes of memory, or of the control group's limit if that is less.
    pub memory_total: Option<u64>,
    /// Bytes that can be had without swapping, or that the control group's
    /// limit leaves, if that is less.
    pub memory_available: Option<u64>,
    /// Threads that run or want to, over the last minute.
    pub load1: Option<f64>,
    /// The same over five minutes.
    pub load5: Option<f64>,
    /// The same over fifteen minutes.
    pub load15: Option<f64>,
    /// The CPU's temperature in degrees Celsius; that of the hottest sensor
    /// where none is known to be the CPU's.
    pub temperature: Option<f64>,
    /// Seconds since the machine was started.
    pub uptime_seconds: Option<f64>,
}

/// This process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessSample {
    /// CPU time of all its threads, also of those that have ended.
    pub cpu_nanos: u64,
    /// The same as a share; `None` in the first sample.
    pub cpu_percent: Option<f64>,
    /// Bytes of resident memory.
    pub memory: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// How many it may open; `None` if there is no limit.
    pub max_fds: Option<u64>,
    /// When it was started.
    #[serde(serialize_with = "maybe_rfc3339")]
    pub started: Option<SystemTime>,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleSample {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// CPU time of its threads since it was registered, also of those that
    /// have ended. It never decreases.
    pub cpu_nanos: u64,
    /// The same as a share, over the time since the last sample or since it
    /// was registered.
    pub cpu_percent: f64,
    /// Threads that run it now.
    pub threads: usize,
    /// What it tells of itself.
    #[serde(flatten)]
    pub counters: super::ModuleCounters,
}

impl Sample {
    /// The module `uuid`, if it is among them.
    #[must_use]
    pub fn module(&self, uuid: &Uuid) -> Option<&ModuleSample> {
        self.modules.iter().find(|module| module.uuid == *uuid)
    }
}

/// How many percent of `elapsed` are `used`; 0 of no time.
pub(super) fn percent(used: Duration, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    used.as_secs_f64() / elapsed.as_secs_f64() * 100.0
}

pub(super) fn maybe_rfc3339<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    // humantime cannot write times before 1970 or after 9999, which a clock
    // that was never set may show.
    let writable = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .is_ok_and(|since| since < Duration::from_secs(253_402_300_800));
    if writable {
        serializer.collect_str(&humantime::format_rfc3339_millis(*time))
    } else {
        serializer.serialize_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_of_one_core() {
        let second = Duration::from_secs(1);
        assert_eq!(percent(second * 3 / 2, second), 150.0);
        assert_eq!(percent(second, Duration::ZERO), 0.0);
    }

    #[test]
    fn times_no_calendar_has_are_null() {
        #[derive(Serialize)]
        struct Times {
            #[serde(serialize_with = "rfc3339")]
            a: SystemTime,
            #[serde(serialize_with = "maybe_rfc3339")]
            b: Option<SystemTime>,
            #[serde(serialize_with = "maybe_rfc3339")]
            c: Option<SystemTime>,
        }
        let epoch = SystemTime::UNIX_EPOCH;
        let times = Times {
            a: epoch + Duration::from_millis(1_500),
            b: Some(epoch - Duration::from_secs(1)),
            c: Some(epoch + Duration::from_secs(253_402_300_800)),
        };
        assert_eq!(
            serde_json::to_string(&times).unwrap(),
            r#"{"a":"1970-01-01T00:00:01.500Z","b":null,"c":null}"#
        );
    }
}
