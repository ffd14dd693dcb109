//! The lists of buffers (`iovec`, `ciovec`) that guests pass.

use super::call::Call;
use super::error::{Errno, Result};
use super::types::number32;

/// At most this many buffers take part in one transfer, as in Linux. A guest that passes more
/// gets a short transfer.
pub(crate) const MAX_RANGES: usize = 1024;

/// The size of one element in bytes.
const SIZE: u32 = 8;

/// The buffers that are not empty, as addresses and lengths within memory.
///
/// The list is copied before it is checked: another thread of the guest may change it.
///
/// # Errors
/// `EFAULT` when the list or a buffer is not within memory.
pub(crate) fn read_ranges(call: &Call<'_>, list: u32, count: u32) -> Result<Vec<(u32, u32)>> {
    call.memory
        .check(list, count.checked_mul(SIZE).ok_or(Errno::Fault)?)?;
    let mut ranges = Vec::new();
    let mut done = 0;
    // A list may begin with any number of empty buffers, which must not look like the end of
    // a file.
    while done < count && ranges.len() < MAX_RANGES {
        call.check_stop()?;
        let step = (count - done).min(1024);
        let bytes = call.memory.read_vec(list + done * SIZE, step * SIZE)?;
        add_ranges(&bytes, &mut ranges);
        done += step;
    }
    for &(at, len) in &ranges {
        call.memory.check(at, len)?;
    }
    Ok(ranges)
}

/// Adds the buffers of a piece of the list, up to the limit.
fn add_ranges(bytes: &[u8], ranges: &mut Vec<(u32, u32)>) {
    let elements = bytes
        .chunks_exact(8)
        .map(|e| (number32(e, 0), number32(e, 4)));
    let room = MAX_RANGES.saturating_sub(ranges.len());
    ranges.extend(elements.filter(|&(_, len)| len > 0).take(room));
}

/// The sum of the lengths.
pub(crate) fn total(ranges: &[(u32, u32)]) -> usize {
    ranges
        .iter()
        .fold(0, |sum, &(_, len)| sum.saturating_add(len as usize))
}

/// Copies what the buffers hold, up to `limit` bytes.
pub(crate) fn gather(call: &Call<'_>, ranges: &[(u32, u32)], limit: usize) -> Result<Vec<u8>> {
    let mut data = vec![0; total(ranges).min(limit)];
    let mut rest = data.as_mut_slice();
    for &(at, len) in ranges {
        let (part, after) = rest.split_at_mut(rest.len().min(len as usize));
        call.memory.read(at, part)?;
        rest = after;
    }
    Ok(data)
}

/// Puts data into the buffers, one after the other.
pub(crate) fn scatter(call: &Call<'_>, ranges: &[(u32, u32)], mut data: &[u8]) -> Result<()> {
    for &(at, len) in ranges {
        let (part, after) = data.split_at(data.len().min(len as usize));
        call.memory.write(at, part)?;
        data = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_buffers_are_left_out() {
        let mut list = Vec::new();
        for number in [7u32, 0, 16, 5, 0, 0, 32, 1] {
            list.extend(number.to_le_bytes());
        }
        let mut ranges = Vec::new();
        add_ranges(&list, &mut ranges);
        assert_eq!(ranges, [(16, 5), (32, 1)]);
        assert_eq!(total(&ranges), 6);
    }

    #[test]
    fn no_more_than_the_system_takes() {
        let mut ranges = Vec::new();
        add_ranges(&[1; 8 * 2000], &mut ranges);
        assert_eq!(ranges.len(), MAX_RANGES);
        add_ranges(&[1; 8], &mut ranges);
        assert_eq!(ranges.len(), MAX_RANGES);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let mut ranges = Vec::new();
            add_ranges(&bytes, &mut ranges);
            prop_assert!(ranges.len() <= MAX_RANGES.min(bytes.len() / 8));
            prop_assert!(ranges.iter().all(|&(_, len)| len > 0));
            prop_assert!(total(&ranges) >= ranges.len());
        }
    }
}
