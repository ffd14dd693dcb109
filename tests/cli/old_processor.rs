//! A processor from before 2012, whose programs cannot write the base of GS themselves (FSGSBASE).
//! It takes an emulator, `qemu-x86_64` (Debian: qemu-user), without which this is skipped.

use std::ffi::OsStr;
use std::process::Command;

use crate::aot::compiled;
use crate::harness::{Place, sample};

#[test]
fn modules_run_on_an_old_processor() {
    const EMULATOR: [&str; 3] = ["qemu-x86_64", "-cpu", "Nehalem"];
    let there = Command::new(EMULATOR[0]).arg("--version").output();
    if there.is_err() || crate::program::arch() != "x86_64" {
        eprintln!(
            "SKIPPED: there is no {} for {}",
            EMULATOR[0],
            crate::program::arch()
        );
        return;
    }
    let place = Place::new();
    let run = |options: &[&str], file: &OsStr| {
        let mut arena = place.arena([OsStr::new("run")]);
        let program = arena.command.get_program().to_owned();
        let mut command = Command::new(EMULATOR[0]);
        command
            .args(&EMULATOR[1..])
            .arg(program)
            .args(arena.command.get_args())
            .args(options)
            .arg(file)
            .current_dir(place.path(""))
            .env_remove("ARENA_ENGINE")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        arena.command = command;
        arena.outcome().prints("Hello from WebAssembly!\n");
    };
    run(&["--engine=interpreter"], sample("hello.wasm").as_os_str());
    if let Some(native) = compiled(&place, "hello.wasm") {
        run(&["--trust-aot"], native.as_os_str());
    }
}
