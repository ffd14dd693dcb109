//! Whole processes, side by side: `cargo bench --bench process [-- RUNS]`.
//!
//! `arena run hello.wasm` against the same C program compiled for this machine,
//! and against other runtimes if they are installed (`wasmtime`, `node`), or in
//! `BENCH_PEERS`, where scripts/bench-guests builds a program that is nothing
//! but wasmtime's library. The programs take turns, so that whatever else the
//! machine does meets all alike.
//!
//! Then the services: how long each takes until it tells systemd that it is ready.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod guests;

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs a WASI command in node.
const NODE: &str = r"
const { WASI } = require('node:wasi');
const wasi = new WASI({ version: 'preview1' });
WebAssembly.compile(require('node:fs').readFileSync(process.argv[1]))
  .then(m => WebAssembly.instantiate(m, wasi.getImportObject()))
  .then(i => wasi.start(i));";

fn main() {
    // cargo bench adds an option that is for harnesses.
    let runs = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let runs = runs.unwrap_or(50);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut programs = programs(dir.path());
    println!("hello: {runs} runs each in turn, medians");
    for _ in 0..runs {
        for program in &mut programs {
            program.run();
        }
    }
    let native = programs
        .first_mut()
        .map(Program::median)
        .unwrap_or_default();
    println!(
        "{:<36} {:>9} {:>13} {:>9} {:>9}",
        "", "wall", "- native", "x native", "peak RSS"
    );
    for program in &mut programs {
        let median = program.median();
        println!(
            "{:<36} {:>6.2} ms {:>10.2} ms {:>9.2} {:>6.2} MB",
            program.name,
            ms(median),
            ms(median) - ms(native),
            ms(median) / ms(native),
            program.peak_kib as f64 * 1024.0 / 1e6,
        );
    }
    if let Some(compiler) = std::env::var_os("ARENA_AOTC") {
        compilations(Path::new(&compiler), dir.path(), runs);
    }
    println!("\nservices, until they are ready: {runs} runs each, medians and slowest");
    for args in SERVICES {
        let mut times: Vec<Duration> = (0..runs).map(|_| ready(args)).collect();
        times.sort();
        let [name, ..] = args else { continue };
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let slowest = times.last().copied().unwrap_or_default();
        println!(
            "{:<36} {:>6.2} ms {:>10.2} ms",
            format!("arena {name}"),
            ms(median),
            ms(slowest)
        );
    }
}

/// How long the compiler's process takes, for modules of several sizes.
fn compilations(compiler: &Path, dir: &Path, runs: usize) {
    println!("\ncompilations: {runs} runs each in turn, medians");
    let output = dir.join("compiled.aot");
    let mut programs = ["hello", "compute", "hello-rust"].map(|name| {
        guests::sample(name);
        let wasm = samples().join(format!("build/{name}.wasm"));
        // What it says goes to stdout then, where nobody reads it.
        let args: [&Path; 4] = [&wasm, "-o".as_ref(), &output, "--json".as_ref()];
        (wasm.clone(), Program::new(name, compiler, &args))
    });
    for _ in 0..runs {
        for (_, program) in &mut programs {
            program.run();
        }
    }
    for (wasm, program) in &mut programs {
        let bytes = std::fs::metadata(wasm).map_or(0, |file| file.len());
        let median = program.median();
        println!(
            "{:<36} {:>6.1} ms {:>8.1} KB {:>8.2} MB",
            program.name,
            ms(median),
            bytes as f64 / 1e3,
            program.peak_kib as f64 * 1024.0 / 1e6,
        );
    }
}

/// Without a broker, which a service does not wait for.
const SERVICES: [&[&str]; 3] = [
    &["runtime", "--broker=mqtt://127.0.0.1:9"],
    &[
        "arts",
        "--broker=mqtt://127.0.0.1:9",
        "--listen=127.0.0.1:0",
    ],
    &["broker", "--listen=127.0.0.1:0"],
];

/// From the start of a service to its `READY=1`, with a home of its own.
fn ready(args: &[&str]) -> Duration {
    let home = tempfile::tempdir().expect("a temporary directory");
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let limit = Some(Duration::from_secs(30));
    socket.set_read_timeout(limit).expect("a time limit");
    let mut command = Command::new(arena());
    command
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .env("NOTIFY_SOCKET", &path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let mut message = [0; 1024];
    let length = socket.recv(&mut message).expect("it tells something");
    let time = begin.elapsed();
    let told = message.get(..length).unwrap_or_default();
    assert!(told.starts_with(b"READY=1\n"), "{args:?}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    time
}

/// Features that only tests and benchmarks want of a dependency are in the
/// binary that cargo builds for them, so scripts/bench names another one.
fn arena() -> PathBuf {
    let named = std::env::var_os("ARENA_BIN");
    named.unwrap_or(env!("CARGO_BIN_EXE_arena").into()).into()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples")
}

/// Those that are there, the native one first.
fn programs(dir: &Path) -> Vec<Program> {
    let samples = samples();
    // Says what to do if it is not built.
    guests::sample("hello");
    let wasm = samples.join("build/hello.wasm");
    let native = dir.join("hello");
    let compiled = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&native, &samples.join("c/hello.c")])
        .status();
    assert!(
        compiled.is_ok_and(|status| status.success()),
        "cc does not compile the native program"
    );
    let arena = arena();
    let mut programs = vec![
        Program::new("native C", &native, &[]),
        Program::new(
            "arena run hello.wasm, interpreted",
            &arena,
            &["run".as_ref(), "--engine=interpreter".as_ref(), &wasm],
        ),
    ];
    if let Some(compiler) = std::env::var_os("ARENA_AOTC") {
        let aot = dir.join("hello.aot");
        let mut cached = Program::new(
            "arena run hello.wasm, from the cache",
            &arena,
            &["run".as_ref(), "--engine=aot".as_ref(), &wasm],
        );
        cached.env = vec![
            ("ARENA_COMPILER", PathBuf::from(&compiler)),
            ("ARENA_STORE_CACHE_DIR", dir.join("cache")),
        ];
        cached.fill_cache();
        programs.push(cached);
        let made = Command::new(compiler)
            .arg(&wasm)
            .arg("-o")
            .arg(&aot)
            .status();
        assert!(
            made.is_ok_and(|s| s.success()),
            "ARENA_AOTC does not compile hello"
        );
        programs.push(Program::new(
            "arena run hello.aot",
            &arena,
            &["run".as_ref(), "--trust-aot".as_ref(), &aot],
        ));
    }
    programs.extend(wasmtime_cached(dir, &wasm));
    let others = [
        Program::new(
            "wasmtime hello.wasm",
            "wasmtime".as_ref(),
            &["run".as_ref(), &wasm],
        ),
        Program::new(
            "node hello.wasm",
            "node".as_ref(),
            &[
                "--no-warnings".as_ref(),
                "-e".as_ref(),
                NODE.as_ref(),
                &wasm,
            ],
        ),
    ];
    programs.extend(others.into_iter().filter(|other| other.is_installed()));
    programs
}

/// Wasmtime's library, which keeps what it compiles in its own cache.
fn wasmtime_cached(dir: &Path, wasm: &Path) -> Option<Program> {
    let program = PathBuf::from(std::env::var_os("BENCH_PEERS")?).join("wasmtime");
    if !program.is_file() {
        return None;
    }
    let settings = dir.join("wasmtime.toml");
    let cache = format!("[cache]\ndirectory = {:?}\n", dir.join("wasmtime-cache"));
    std::fs::write(&settings, cache).expect("its settings");
    let mut cached = Program::new(
        "wasmtime's library, its cache",
        &program,
        &["cached".as_ref(), &settings, wasm],
    );
    cached.fill_cache();
    Some(cached)
}

struct Program {
    name: &'static str,
    path: PathBuf,
    args: Vec<PathBuf>,
    env: Vec<(&'static str, PathBuf)>,
    times: Vec<Duration>,
    peak_kib: i64,
}

impl Program {
    fn new(name: &'static str, path: &Path, args: &[&Path]) -> Program {
        Program {
            name,
            path: path.to_path_buf(),
            args: args.iter().map(|arg| arg.to_path_buf()).collect(),
            env: Vec::new(),
            times: Vec::new(),
            peak_kib: 0,
        }
    }

    fn is_installed(&self) -> bool {
        Command::new(&self.path).arg("--version").output().is_ok()
    }

    /// Runs it once, which does not count: it compiles.
    fn fill_cache(&mut self) {
        self.run();
        self.times.clear();
        self.peak_kib = 0;
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let begin = Instant::now();
        let (status, peak_kib) = run(&mut command).expect("the program starts");
        self.times.push(begin.elapsed());
        assert!(status.success(), "{}: {status}", self.name);
        self.peak_kib = self.peak_kib.max(peak_kib);
    }

    fn median(&mut self) -> Duration {
        self.times.sort();
        self.times
            .get(self.times.len() / 2)
            .copied()
            .unwrap_or_default()
    }
}

/// Runs a process to its end; returns its peak resident memory as well, which
/// counts from the fork, so that it is never less than that of this process.
fn run(command: &mut Command) -> io::Result<(ExitStatus, i64)> {
    use std::os::unix::process::ExitStatusExt;
    let child = command.spawn()?;
    let id = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: all zero is a valid rusage; wait4 gets two valid places to write
    // to, and waits for our own child, for which nothing else waits.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(id, &raw mut status, 0, &raw mut usage), usage)
    };
    if waited != id {
        return Err(io::Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), usage.ru_maxrss))
}
