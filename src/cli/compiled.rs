//! Compiled code of what `arena run` runs.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::artifacts::{self, Artifacts, Found, MakeError};
use crate::config::Settings;
use crate::wamr::StopHandle;

/// Finds, makes, or has made.
pub(super) struct Compiled {
    artifacts: Artifacts,
    /// What takes no longer to compile is compiled before it is run.
    first: Duration,
    /// Ends a compilation, too.
    stop: StopHandle,
    /// The file of settings that was named.
    config: Option<PathBuf>,
}

/// On a busy machine a compilation takes longer by the clock than was estimated.
const PATIENCE: u32 = 10;

impl Compiled {
    /// As the settings have it; `None` when modules are to be interpreted. `stop` is what stops the
    /// module.
    pub(super) fn new(
        settings: &Settings,
        config: Option<PathBuf>,
        stop: StopHandle,
    ) -> Option<Compiled> {
        Some(Compiled {
            artifacts: Artifacts::new(&settings.engine, &settings.store.cache_dir)?,
            first: settings.engine.compile_first,
            stop,
            config,
        })
    }

    /// The code of a module, however long it takes to make it.
    pub(super) fn made(&self, file: &Path, wasm: &[u8]) -> Result<Vec<u8>, MakeError> {
        let name = file.to_string_lossy();
        let go_on = &mut |_| !self.stop.is_stopped();
        self.artifacts.find_or_make(&name, wasm, go_on)
    }

    /// The code of a module if it is in the cache, or can be made quickly: by an estimate, which is
    /// believed only so long.
    pub(super) fn at_hand(&self, file: &Path, wasm: &[u8]) -> Option<Vec<u8>> {
        match self.artifacts.find(&artifacts::digest(wasm)) {
            Found::Code(code) => Some(code),
            Found::Refused => None,
            Found::Nothing => {
                // Where it cannot be kept it would be compiled at each start.
                let quick = artifacts::compile_time(wasm) <= self.first
                    && self.artifacts.can_compile()
                    && self.artifacts.cache().is_usable();
                let name = file.to_string_lossy();
                let most = self.first * PATIENCE;
                let go_on = &mut |passed| passed < most && !self.stop.is_stopped();
                let make = || self.artifacts.make(&name, wasm, go_on).ok();
                quick.then(make).flatten()
            }
        }
    }

    /// Has a process of its own compile a module, for its next start: this one may end first.
    pub(super) fn make_later(&self, file: &Path, wasm: &[u8]) {
        let known = self.artifacts.has(&artifacts::digest(wasm));
        if known
            || self.stop.is_stopped()
            || !self.artifacts.can_compile()
            || !self.artifacts.cache().is_usable()
        {
            return;
        }
        // The next start is as this one then, and tries again.
        let _ = self.start(file, wasm);
    }

    fn start(&self, file: &Path, wasm: &[u8]) -> io::Result<()> {
        let module = artifacts::in_memory("arena-module", wasm)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["compile", "--cache", "--background", "--name"]);
        command.arg(file);
        if let Some(config) = &self.config {
            command.arg("--config").arg(std::path::absolute(config)?);
        }
        let mut child = command
            .arg("-")
            .stdin(module)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the module.
            .process_group(0)
            .spawn()?;
        std::thread::Builder::new()
            .name("compiles".to_owned())
            .stack_size(32 * 1024)
            .spawn(move || child.wait())?;
        Ok(())
    }
}
