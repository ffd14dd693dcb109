//! Figures as people read them.

/// As in `128.0 KiB`. Not by the crate `bytesize`, which takes a logarithm for
/// it: for that one function each process would load the maths library.
pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(unit) = bytes
        .checked_ilog2()
        .map_or(0, |log| log / 10)
        .checked_sub(1)
    else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10) >> (10 * (unit + 1));
    let name = units.get(unit as usize).unwrap_or(&"");
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (65_536, "64.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_572_864, "1.5 MiB"),
            (4 << 30, "4.0 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
