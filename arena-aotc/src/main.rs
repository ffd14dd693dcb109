//! `arena-aotc`: compiles a WebAssembly module to native code for arena-runtime's engine.
//!
//! A program of its own, so that the runtime stays small, starts fast, and does not fall when the
//! compiler does. It reads one module, writes one file, and ends.

mod calls;
mod cli;
mod compiler;
mod confine;
mod error;
mod ffi;
mod input;
mod module;
mod output;
mod report;
mod target;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::Parser;

use crate::cli::Args;
use crate::error::{Error, Result};
use crate::report::Report;

/// LLVM recurses over what it compiles; this is reserved, and used only as far as it is needed.
const STACK_SIZE: usize = 64 << 20;

fn main() -> ExitCode {
    let args = Args::parse();
    let input = args.input.clone();
    let outcome = confined(&args).and_then(|()| on_large_stack(args));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error {
                Error::Input(_) => eprintln!("arena-aotc: {}: {error}", input.display()),
                Error::Usage(_) | Error::Internal(_) => eprintln!("arena-aotc: {error}"),
            }
            error.exit_code()
        }
    }
}

/// Takes no more than was allowed, and needs no more than it has.
fn confined(args: &Args) -> Result<()> {
    if let Some(parent) = args.parent {
        confine::end_with(parent)?;
    }
    confine::bound(args.bounds())?;
    if args.is_pipe() {
        confine::seal()?;
    }
    Ok(())
}

fn on_large_stack(args: Args) -> Result<()> {
    thread::Builder::new()
        .stack_size(STACK_SIZE)
        .spawn(move || run(&args))
        .map_err(|error| Error::Internal(format!("cannot start a thread: {error}")))
        .and_then(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Error::Internal("it panicked".into())))
        })
}

fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let compiler = compiler::Compiler::new();
    let options = args.options(&compiler)?;

    let wasm = input::read(&args.input)?;
    let checked = module::check(&wasm, options.simd)?;
    let mut stripped = checked.strip(options.names);
    let aot = compiler.compile(&mut stripped, &options, checked.shared_memory)?;
    output::write(&args.output, &aot)?;

    let report = Report {
        input: &args.input,
        output: &args.output,
        wasm_bytes: wasm.len(),
        aot_bytes: aot.len(),
        seconds: started.elapsed().as_secs_f64(),
        wamr: env!("ARENA_AOTC_WAMR_VERSION"),
        llvm: env!("ARENA_AOTC_LLVM_VERSION"),
        options: &options,
    };
    report.print(args.json);
    Ok(())
}
