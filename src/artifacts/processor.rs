//! Which processor this is.

use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;

/// What tells processors apart whose code may differ, in the kernel's words: model and features.
const TELLING: [&str; 9] = [
    "vendor_id",
    "cpu family",
    "model",
    "flags",
    "Features",
    "CPU implementer",
    "CPU architecture",
    "CPU variant",
    "CPU part",
];

/// What this machine's processor is and has. Code for `native` made on a machine with another
/// answer may not run here.
pub(super) fn identity() -> &'static str {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    IDENTITY.get_or_init(|| of_text(&first_processor()))
}

/// The kernel makes the text as it is read, one processor after the other: of a machine with many
/// only the first is of interest.
fn first_processor() -> String {
    let mut text = [0; 8192];
    let read = File::open("/proc/cpuinfo").and_then(|mut file| file.read(&mut text));
    let read = text.get(..read.unwrap_or(0)).unwrap_or_default();
    String::from_utf8_lossy(read).into_owned()
}

fn of_text(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines = first.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        TELLING
            .contains(&name)
            .then(|| format!("{name}={}\n", value.trim()))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_start_to_start_is_left_out() {
        let text = "processor\t: 0\nvendor_id\t: A\nmodel\t\t: 7\nmodel name\t: Fast one\n\
                    cpu MHz\t\t: 1234.5\nflags\t\t: fpu avx\n\nprocessor\t: 1\nmodel\t: 8\n";
        assert_eq!(of_text(text), "vendor_id=A\nmodel=7\nflags=fpu avx\n");
        let arm = "processor : 0\nBogoMIPS : 108.00\nFeatures : fp asimd\nCPU part : 0xd08\n";
        assert_eq!(of_text(arm), "Features=fp asimd\nCPU part=0xd08\n");
        assert_eq!(of_text(""), "");
    }

    #[test]
    fn this_machine_has_one() {
        assert!(!identity().is_empty());
        assert_eq!(identity(), of_text(&first_processor()));
    }
}
