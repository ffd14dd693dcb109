//! The CPU's temperature.

use std::path::{Path, PathBuf};

use super::host::text;

/// The sensors to read: those of the CPU, or else all that there are.
#[derive(Debug, Default)]
pub(super) struct Sensors {
    files: Vec<PathBuf>,
}

/// Names that sensors of CPUs have, or parts of them.
const CPU_NAMES: [&str; 8] = [
    "cpu",
    "soc",
    "x86_pkg",
    "coretemp",
    "k10temp",
    "zenpower",
    "via_cputemp",
    "core",
];

impl Sensors {
    /// Looks for sensors. They are looked for once: others, of disks for
    /// example, are not woken for every sample.
    pub(super) fn find(sys: &Path) -> Sensors {
        let mut all = Vec::new();
        for zone in entries(&sys.join("class/thermal"), "thermal_zone") {
            all.push((is_cpu(&zone.join("type")), zone.join("temp")));
        }
        for chip in entries(&sys.join("class/hwmon"), "hwmon") {
            let is_cpu = is_cpu(&chip.join("name"));
            let inputs = entries(&chip, "temp").into_iter();
            let inputs = inputs.filter(|file| file.to_string_lossy().ends_with("_input"));
            all.extend(inputs.map(|file| (is_cpu, file)));
        }
        all.retain(|(_, file)| celsius(file).is_some());
        if all.iter().any(|(is_cpu, _)| *is_cpu) {
            all.retain(|(is_cpu, _)| *is_cpu);
        }
        Sensors {
            files: all.into_iter().map(|(_, file)| file).collect(),
        }
    }

    /// The hottest of them, in degrees Celsius.
    pub(super) fn read(&self) -> Option<f64> {
        let readings = self.files.iter().filter_map(|file| celsius(file));
        readings.reduce(f64::max)
    }
}

/// What is in a directory with a name that begins with `prefix`, sorted.
fn entries(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let matches = entry.file_name().to_str()?.starts_with(prefix);
            matches.then(|| entry.path())
        })
        .collect();
    paths.sort();
    paths
}

fn is_cpu(name: &Path) -> bool {
    text(name).is_some_and(|name| {
        let name = name.to_lowercase();
        CPU_NAMES.iter().any(|cpu| name.contains(cpu))
    })
}

/// A reading; `None` if it cannot be had, or is what no sensor measures.
fn celsius(file: &Path) -> Option<f64> {
    let thousandths: i32 = text(file)?.parse().ok()?;
    let celsius = f64::from(thousandths) / 1000.0;
    (-60.0..=200.0).contains(&celsius).then_some(celsius)
}

#[cfg(test)]
mod tests {
    use super::super::host::files;
    use super::*;

    fn read(of: &[(&str, &str)]) -> Option<f64> {
        let dir = tempfile::tempdir().unwrap();
        files(dir.path(), of);
        Sensors::find(dir.path()).read()
    }

    #[test]
    fn the_cpus_goes_before_hotter_ones() {
        assert_eq!(
            read(&[
                ("class/thermal/thermal_zone0/type", "acpitz\n"),
                ("class/thermal/thermal_zone0/temp", "90000\n"),
                ("class/thermal/thermal_zone1/type", "cpu-thermal\n"),
                ("class/thermal/thermal_zone1/temp", "48312\n"),
                ("class/hwmon/hwmon0/name", "nvme\n"),
                ("class/hwmon/hwmon0/temp1_input", "70000\n"),
                ("class/hwmon/hwmon1/name", "k10temp\n"),
                ("class/hwmon/hwmon1/temp1_input", "51500\n"),
                ("class/hwmon/hwmon1/temp1_max", "99000\n"),
            ]),
            Some(51.5)
        );
    }

    #[test]
    fn without_one_of_the_cpu_it_is_the_hottest() {
        assert_eq!(
            read(&[
                ("class/thermal/thermal_zone0/temp", "-5000"),
                ("class/hwmon/hwmon0/temp1_input", "30000"),
                ("class/hwmon/hwmon0/temp2_input", "31000"),
            ]),
            Some(31.0)
        );
    }

    #[test]
    fn nonsense_is_no_temperature() {
        assert_eq!(read(&[]), None);
        assert_eq!(
            read(&[
                ("class/thermal/thermal_zone0/type", "cpu"),
                ("class/thermal/thermal_zone0/temp", "-273200"),
                ("class/thermal/thermal_zone1/temp", "warm"),
                ("class/thermal/thermal_zone2/temp/is_a_directory", ""),
                ("class/hwmon/hwmon0/temp1_input", "99999999999"),
            ]),
            None
        );
    }
}
