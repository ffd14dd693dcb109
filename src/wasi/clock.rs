//! Clocks.

use rustix::time::{ClockId, clock_getres, clock_gettime};

use super::call::Call;
use super::error::{Errno, Result};
use super::types::nanoseconds;

/// The host's clock of that number.
///
/// # Errors
/// `EINVAL` when there is none.
pub(crate) fn host_clock(id: u32) -> Result<ClockId, Errno> {
    match id {
        0 => Ok(ClockId::Realtime),
        1 => Ok(ClockId::Monotonic),
        2 => Ok(ClockId::ProcessCPUTime),
        3 => Ok(ClockId::ThreadCPUTime),
        _ => Err(Errno::Inval),
    }
}

/// A clock's time in nanoseconds.
pub(crate) fn now(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    nanoseconds(time.tv_sec, u64::try_from(time.tv_nsec).unwrap_or(0))
}

pub(crate) fn clock_res_get(call: &Call<'_>, id: u32, at: u32) -> Result<()> {
    let resolution = clock_getres(host_clock(id)?);
    let nanos = u64::try_from(resolution.tv_nsec).unwrap_or(0);
    Ok(call
        .memory
        .write_u64(at, nanoseconds(resolution.tv_sec, nanos))?)
}

/// The precision that a guest asks for is a hint, and every clock is as precise as it can be.
pub(crate) fn clock_time_get(call: &Call<'_>, id: u32, _precision: u64, at: u32) -> Result<()> {
    Ok(call.memory.write_u64(at, now(host_clock(id)?))?)
}
