//! The functions that modules import from `env`.

use std::io;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::pubsub::MAX_TOPIC;
use crate::wamr::{Caller, HostError, Imports, Memory};
use crate::wasi::Access;

use super::state::{Guest, Shared};

/// The result of everything that fails.
const FAILED: i32 = -1;

/// Adds `ch_*`, `runtime_get_uuid`, `module_get_uuid` and `period_*` to a set of imports.
///
/// `T` is the instances' context, which has a [`Guest`] in it.
pub fn add_to_imports<T: AsRef<Guest> + Send + Sync + 'static>(imports: &mut Imports<T>) {
    const MODULE: &str = "env";
    imports
        .func(
            MODULE,
            "ch_open",
            |caller: &Caller<'_, T>, path: u32, flags: i32, _mode: i32| {
                ch_open(shared(caller), caller.memory(), path, flags).unwrap_or(FAILED)
            },
        )
        .func(MODULE, "ch_close", |caller: &Caller<'_, T>, fd: i32| {
            if shared(caller).channels.close_descriptor(fd) {
                0
            } else {
                FAILED
            }
        })
        .func(
            MODULE,
            "ch_write_msg",
            |caller: &Caller<'_, T>, fd: i32, at: u32, size: u32| {
                ch_write_msg(shared(caller), caller.memory(), fd, at, size).unwrap_or(FAILED)
            },
        )
        .func(
            MODULE,
            "ch_read_msg",
            |caller: &Caller<'_, T>, fd: i32, at: u32, size: u32| {
                ch_read_msg(shared(caller), caller.memory(), fd, at, size).unwrap_or(FAILED)
            },
        )
        .func(MODULE, "ch_poll", ch_poll::<T>)
        .func(
            MODULE,
            "runtime_get_uuid",
            |caller: &Caller<'_, T>, at: u32| {
                put_uuid(caller.memory(), at, &shared(caller).runtime_uuid)
            },
        )
        .func(
            MODULE,
            "module_get_uuid",
            |caller: &Caller<'_, T>, at: u32| put_uuid(caller.memory(), at, &shared(caller).uuid),
        )
        .func(MODULE, "period_start", |caller: &Caller<'_, T>| {
            shared(caller).periods.start();
        })
        .func(MODULE, "period_end", |caller: &Caller<'_, T>| {
            shared(caller).periods.end();
        })
        .func(MODULE, "period_yield", |caller: &Caller<'_, T>| {
            shared(caller).periods.end();
            // Under SCHED_DEADLINE this gives back the rest of the period.
            rustix::thread::sched_yield();
        })
        .func(
            MODULE,
            "period_set_flags",
            |caller: &Caller<'_, T>, flags: i32| shared(caller).periods.set_flags(flags),
        );
}

fn shared<'a, T: AsRef<Guest>>(caller: &Caller<'a, T>) -> &'a Shared {
    &caller.data().as_ref().shared
}

fn ch_open(shared: &Shared, memory: Memory<'_>, path: u32, flags: i32) -> Option<i32> {
    let access = access(flags)?;
    let path = read_path(memory, path)?;
    shared.open_descriptor(&path, access).ok()
}

/// What a channel is to be opened for: 0, 1 or 2. Beside these, the flags of wasi-libc's
/// `fcntl.h`, which guests pass by their names.
fn access(flags: i32) -> Option<Access> {
    const O_RDONLY: i32 = 0x0400_0000;
    const O_WRONLY: i32 = 0x1000_0000;
    const O_RDWR: i32 = O_RDONLY | O_WRONLY;
    match flags {
        0 | O_RDONLY => Some(Access::READ),
        1 | O_WRONLY => Some(Access::WRITE),
        2 | O_RDWR => Some(Access::READ_WRITE),
        _ => None,
    }
}

/// The text up to the NUL; None if it is not all within memory, is no UTF-8, or is longer than
/// any path that could be opened.
fn read_path(memory: Memory<'_>, at: u32) -> Option<String> {
    const STEP: u64 = 256;
    let mut text = Vec::new();
    let mut at = u64::from(at);
    while text.len() <= MAX_TOPIC {
        let step = memory.size().checked_sub(at)?.min(STEP);
        let bytes = memory
            .read_vec(u32::try_from(at).ok()?, u32::try_from(step).ok()?)
            .ok()?;
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            text.extend(bytes.into_iter().take(end));
            return String::from_utf8(text).ok();
        }
        if step < STEP {
            return None;
        }
        text.extend(bytes);
        at += step;
    }
    None
}

fn ch_write_msg(shared: &Shared, memory: Memory<'_>, fd: i32, at: u32, size: u32) -> Option<i32> {
    let written = i32::try_from(size).ok()?;
    let descriptor = shared.channels.get(fd)?;
    if !descriptor.access.write {
        return None;
    }
    let payload = memory.read_vec(at, size).ok()?;
    shared.publish(&descriptor.channel, payload.into()).ok()?;
    Some(written)
}

fn ch_read_msg(shared: &Shared, memory: Memory<'_>, fd: i32, at: u32, size: u32) -> Option<i32> {
    let room = i32::try_from(size).ok()?;
    let queue = shared.channels.get(fd)?.queue?;
    // Before anything is taken.
    memory.check(at, size).ok()?;
    if room == 0 {
        return Some(0);
    }
    let Some(part) = queue.read(usize::try_from(room).ok()?) else {
        return Some(0);
    };
    shared.active();
    memory.write(at, &part).ok()?;
    i32::try_from(part.len()).ok()
}

/// Waits until one of the channels has a message. The result, or the end of the module.
fn ch_poll<T: AsRef<Guest>>(
    caller: &Caller<'_, T>,
    at: u32,
    count: i32,
    timeout: i32,
) -> Result<i32, HostError> {
    let shared = shared(caller);
    let Some(fds) = read_descriptors(shared, caller.memory(), at, count) else {
        return Ok(FAILED);
    };
    shared.periods.wait_begins();
    let deadline = u64::try_from(timeout)
        .ok()
        .filter(|timeout| *timeout > 0)
        .and_then(|timeout| Instant::now().checked_add(Duration::from_millis(timeout)));
    let mut queues = Vec::with_capacity(fds.len());
    let ready = loop {
        let seen = shared.mailbox.seen();
        // Each time: another thread may have closed one.
        if !shared.channels.queues(&fds, &mut queues) {
            break FAILED;
        }
        let ready = queues.iter().filter(|queue| !queue.is_empty()).count();
        if ready > 0 {
            break i32::try_from(ready).unwrap_or(i32::MAX);
        }
        match caller.blocking(|| shared.mailbox.sleep(seen, deadline))? {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => break 0,
            // Something has come, or a signal that is no stop.
            _ => {}
        }
    };
    shared.periods.wait_ends();
    Ok(ready)
}

/// No more than can be open.
fn read_descriptors(shared: &Shared, memory: Memory<'_>, at: u32, count: i32) -> Option<Vec<i32>> {
    let count = u32::try_from(count).ok()?;
    if count == 0 || count as usize > shared.max_channels {
        return None;
    }
    let bytes = memory.read_vec(at, count.checked_mul(4)?).ok()?;
    let (fds, _) = bytes.as_chunks::<4>();
    Some(fds.iter().map(|fd| i32::from_le_bytes(*fd)).collect())
}

fn put_uuid(memory: Memory<'_>, at: u32, uuid: &Uuid) -> i32 {
    let text = format!("{uuid}\0");
    match memory.write(at, text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        assert_eq!(access(0), Some(Access::READ));
        assert_eq!(access(1), Some(Access::WRITE));
        assert_eq!(access(2), Some(Access::READ_WRITE));
        assert_eq!(access(0x1400_0000), Some(Access::READ_WRITE));
        for none in [-1, 3, 0o100, 0x1000_0001, i32::MIN, i32::MAX] {
            assert_eq!(access(none), None);
        }
    }
}
