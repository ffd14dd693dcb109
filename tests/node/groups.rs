//! Bounds by control groups, in a group that the test makes. Skipped where it cannot make one with
//! the controllers, which takes version 2 and, as a rule, root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::runtime::{Realm, Runtime, wait_until};

/// A group of its own, as systemd's `Delegate=cpu memory` makes one.
struct Delegated(PathBuf);

impl Delegated {
    fn new() -> Option<Delegated> {
        let mount = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .map(Path::new)
            .into_iter()
            .find(|mount| mount.join("cgroup.controllers").exists())?;
        let there = fs::read_to_string(mount.join("cgroup.controllers")).unwrap();
        let has = |name| there.split_whitespace().any(|word| word == name);
        let control = mount.join("cgroup.subtree_control");
        if !has("cpu") || !has("memory") || fs::write(control, "+cpu +memory").is_err() {
            return None;
        }
        let group = mount.join(format!("arena-test-{}", std::process::id()));
        fs::create_dir(&group).ok()?;
        Some(Delegated(group))
    }

    fn number(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.0.join(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for group in ["arena/modules", "arena", ""] {
            let _ = fs::remove_dir(self.0.join(group));
        }
    }
}

#[test]
fn all_modules_together_are_bounded() {
    let Some(group) = Delegated::new() else {
        println!(
            "NOT CHECKED: control groups, since none of version 2 with cpu and memory can be made here"
        );
        return;
    };
    let settings =
        "[runtime]\ngrace_time = \"50ms\"\n[limits]\ntotal_memory = \"256MiB\"\ntotal_cpu = 30\n";
    let mut enter = Command::new("/bin/sh");
    enter
        .args(["-c", "echo 0 >\"$0/cgroup.procs\" && exec \"$@\""])
        .args([group.0.as_os_str(), env!("CARGO_BIN_EXE_arena").as_ref()]);
    let realm = Realm::with("realm/#", 1, |port| {
        Runtime::start_by(enter, tempfile::tempdir().unwrap(), port, settings)
    });
    let registration = realm.client.wait("a registration", |got| {
        got.topic == "realm/proc/reg" && got.json()["action"] == "create"
    });
    let held = &registration.json()["data"]["metadata"]["limits"];
    assert_eq!(held["total_cpu"], 30, "{held}");
    assert_eq!(held["total_memory"], 256 << 20, "{held}");
    assert_eq!(group.number("arena/memory.max", ""), 256 << 20);

    // Two that never rest.
    let modules = [(); 2].map(|()| realm.run("spin.wasm", json!({})));
    let stat = "arena/modules/cpu.stat";
    wait_until("modules are held back", || {
        group.number(stat, "nr_throttled ") >= 3
    });
    let (begun, before) = (Instant::now(), group.number(stat, "usage_usec "));
    let throttled = group.number(stat, "nr_throttled ");
    wait_until("they are held back again", || {
        group.number(stat, "nr_throttled ") >= throttled + 5
    });
    let used = group.number(stat, "usage_usec ") - before;
    // What may be left of one period, and what cores have in hand.
    let slack = Duration::from_millis(60);
    let most = begun.elapsed().mul_f64(0.3) + slack;
    assert!(Duration::from_micros(used) <= most, "{used} us of {most:?}");
    for module in modules {
        let own = group.0.join("arena/modules").join(&module);
        assert!(own.join("cpu.max").exists());
        realm.delete(&module);
        wait_until("its group is gone", || !own.exists());
    }
}
