//! Arguments, environment, the end of the process, and random numbers.

use rustix::rand::{GetRandomFlags, getrandom};

use super::call::Call;
use super::error::{Errno, Result};
use crate::wamr::HostError;

pub(crate) fn args_sizes_get(call: &Call<'_>, count: u32, size: u32) -> Result<()> {
    sizes(call, &call.wasi.args, count, size)
}

pub(crate) fn args_get(call: &Call<'_>, pointers: u32, buffer: u32) -> Result<()> {
    strings(call, &call.wasi.args, pointers, buffer)
}

pub(crate) fn environ_sizes_get(call: &Call<'_>, count: u32, size: u32) -> Result<()> {
    sizes(call, &call.wasi.env, count, size)
}

pub(crate) fn environ_get(call: &Call<'_>, pointers: u32, buffer: u32) -> Result<()> {
    strings(call, &call.wasi.env, pointers, buffer)
}

/// Stores the number of strings, and the bytes they take with a NUL each.
fn sizes(call: &Call<'_>, strings: &[String], count: u32, size: u32) -> Result<()> {
    let (number, bytes) = measure(strings)?;
    call.memory.check(size, 4)?;
    call.memory.write_u32(count, number)?;
    Ok(call.memory.write_u32(size, bytes)?)
}

fn measure(strings: &[String]) -> Result<(u32, u32), Errno> {
    let bytes: usize = strings.iter().map(|string| string.len() + 1).sum();
    let number = u32::try_from(strings.len()).map_err(|_| Errno::Overflow)?;
    Ok((number, u32::try_from(bytes).map_err(|_| Errno::Overflow)?))
}

/// Stores the strings one after the other, and a pointer to each.
fn strings(call: &Call<'_>, strings: &[String], pointers: u32, buffer: u32) -> Result<()> {
    let (number, bytes) = measure(strings)?;
    call.memory
        .check(pointers, number.checked_mul(4).ok_or(Errno::Overflow)?)?;
    call.memory.check(buffer, bytes)?;
    let mut table = Vec::with_capacity(strings.len() * 4);
    let mut text = Vec::with_capacity(bytes as usize);
    for string in strings {
        let at = u32::try_from(text.len()).map_err(|_| Errno::Overflow)?;
        table.extend(buffer.wrapping_add(at).to_le_bytes());
        text.extend_from_slice(string.as_bytes());
        text.push(0);
    }
    call.memory.write(pointers, &table)?;
    Ok(call.memory.write(buffer, &text)?)
}

/// The signals of the first drafts. Those whose meaning is to be ignored are; those that would
/// halt the module until it is continued cannot be had.
pub(crate) fn proc_raise(_call: &Call<'_>, signal: u32) -> Result<()> {
    match u8::try_from(signal) {
        // None, SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
        Ok(0 | 16 | 17 | 22 | 27) => Ok(()),
        // SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
        Ok(18..=21) => Err(Errno::NotSup.into()),
        Ok(signal @ 1..=30) => Err(HostError::Raised(signal).into()),
        _ => Err(Errno::Inval.into()),
    }
}

pub(crate) fn sched_yield(call: &Call<'_>) -> Result<()> {
    rustix::thread::sched_yield();
    call.check_stop()
}

pub(crate) fn random_get(call: &Call<'_>, at: u32, length: u32) -> Result<()> {
    call.memory.check(at, length)?;
    let mut chunk = [0; 4096];
    let mut done = 0;
    while done < length {
        call.check_stop()?;
        let wanted = chunk.len().min((length - done) as usize);
        let part = chunk.get_mut(..wanted).unwrap_or_default();
        // Early after the start of the machine this waits.
        let got = call.blocking(|| Ok(getrandom(&mut *part, GetRandomFlags::empty())?))?;
        call.memory
            .write(at + done, part.get(..got).unwrap_or_default())?;
        done += u32::try_from(got).map_err(|_| Errno::Overflow)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_measured_with_their_ends() {
        assert_eq!(measure(&[]), Ok((0, 0)));
        assert_eq!(measure(&["ab".into(), String::new()]), Ok((2, 4)));
    }
}
