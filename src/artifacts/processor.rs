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

/// Architectures and processors that code is made for on another machine, in the compiler's words.
pub const PORTABLE: [(&str, &str); 6] = [
    ("x86_64", "baseline"),
    ("x86_64", "x86-64-v3"),
    ("aarch64", "baseline"),
    ("aarch64", "rpi3"),
    ("aarch64", "rpi4"),
    ("aarch64", "rpi5"),
];

/// A name by which a compiler on another machine knows the processor, or the oldest that it can be.
pub(super) fn name() -> &'static str {
    let name = name_in(identity());
    // An emulator may show the processor of the machine that it runs on.
    if PORTABLE.contains(&(std::env::consts::ARCH, name)) {
        name
    } else {
        "baseline"
    }
}

fn name_in(identity: &str) -> &'static str {
    let of = |field: &str| {
        let values = identity.lines().filter_map(|line| line.split_once('='));
        values.into_iter().find(|(name, _)| *name == field)
    };
    let part = of("CPU part").map(|(_, part)| part);
    let flags: Vec<&str> = of("flags").map_or(Vec::new(), |(_, flags)| flags.split(' ').collect());
    match part {
        Some("0xd03") => "rpi3",
        Some("0xd08") => "rpi4",
        Some("0xd0b") => "rpi5",
        _ if X86_64_V3.iter().all(|flag| flags.contains(flag)) => "x86-64-v3",
        _ => "baseline",
    }
}

/// What x86-64-v3 has beyond v2, in the kernel's words.
const X86_64_V3: [&str; 9] = [
    "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave",
];

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
    fn names_that_compilers_know() {
        let v3 = format!("vendor_id=A\nflags=fpu {} more\n", X86_64_V3.join(" "));
        assert_eq!(name_in(&v3), "x86-64-v3");
        assert_eq!(name_in("flags=fpu avx avx2\n"), "baseline");
        assert_eq!(name_in("Features=fp asimd\nCPU part=0xd08\n"), "rpi4");
        assert_eq!(name_in("Features=fp asimd\nCPU part=0xd0b\n"), "rpi5");
        assert_eq!(name_in("Features=fp asimd\nCPU part=0xfff\n"), "baseline");
        assert_eq!(name_in(""), "baseline");
    }

    #[test]
    fn this_machine_has_one() {
        assert!(!identity().is_empty());
        assert_eq!(identity(), of_text(&first_processor()));
    }
}
