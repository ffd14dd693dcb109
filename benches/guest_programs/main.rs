//! Whole programs, compiled for this machine and to WebAssembly, in this engine and in others:
//! `scripts/bench-guests` builds what there is to build, and runs this.
//!
//! The CPU time of each process is counted from its start to its end. The engines take turns, and a
//! ratio is that of two runs which stand beside each other, so that what else the machine does weighs
//! on both. `docs/performance.md` says how to read the result.
#![allow(
    clippy::cast_precision_loss,
    reason = "figures for people, of which three digits are shown"
)]
#![allow(unreachable_pub, missing_docs, reason = "a program has no interface")]

mod chart;
mod engines;
mod figures;
mod measure;
mod programs;
mod report;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use engines::Engine;
use figures::Figures;
use measure::Sizes;

/// A failure that ends everything; one of a single engine is told and left out.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// Measures the programs of wasm-samples/bench in each engine that is there.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-guests")]
struct Args {
    /// Less work for each program, and three rounds
    #[arg(long)]
    quick: bool,

    /// The programs to run
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,

    /// The engines to run them in, beside native code
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    engines: Vec<String>,

    /// How often each program runs in each engine
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,

    /// One more engine: AOT code, with SIMD, of arena-aotc with these options. For example
    /// --aot 'avx2=--cpu x86-64-v3'
    #[arg(long, value_name = "NAME=OPTIONS")]
    aot: Vec<String>,

    /// Print the figures as JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Where the figures and the chart go, as guests.csv and guests.svg
    #[arg(
        long,
        value_name = "DIR",
        env = "BENCH_OUTPUT",
        default_value = "target/bench"
    )]
    output: PathBuf,

    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-guests: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all that ran gave the right result.
fn run(args: &Args) -> Fallible<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = programs::find(root, &args.only)?;
    let mut engines = engines::find(&args.engines, &args.aot)?;
    let work = args.output.join("made");
    fs::create_dir_all(&work)?;

    for engine in &mut engines {
        eprintln!("building for {}", engine.name);
        engine.prepare(root, &work, &programs);
    }
    engines.retain(Engine::has_programs);
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 5 });
    let outcome = measure::all(&programs, &engines, &Sizes::of(args.quick), rounds)?;
    let figures = Figures::of(&programs, &engines, &outcome.samples);

    fs::write(args.output.join("guests.csv"), report::csv(&figures))?;
    fs::write(args.output.join("guests.svg"), chart::svg(&figures))?;
    if args.json {
        println!("{}", report::json(&figures)?);
    } else {
        println!("{}", report::table(&figures));
        println!("{}", report::means(&figures));
    }
    eprintln!(
        "figures and chart: guests.csv and guests.svg in {}",
        args.output.display()
    );
    for wrong in &outcome.wrong {
        eprintln!("WRONG: {wrong}");
    }
    Ok(outcome.wrong.is_empty())
}
