//! The command line, and how it becomes compiler options.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::compiler::{Compiler, Options};
use crate::confine::Bounds;
use crate::error::{Error, Result};
use crate::target::{Arch, Target};

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (WAMR ",
    env!("ARENA_AOTC_WAMR_VERSION"),
    ", LLVM ",
    env!("ARENA_AOTC_LLVM_VERSION"),
    ")"
);

const EXAMPLES: &str = "\
Examples:
  arena-aotc hello.wasm -o hello.aot
      for any machine of this architecture
  arena-aotc --cpu native hello.wasm -o hello.aot
      for this machine's processor, perhaps faster
  arena-aotc --target aarch64 --cpu rpi5 hello.wasm -o hello.aot
      for a Raspberry Pi 5
  arena-aotc --json - -o - < hello.wasm > hello.aot
      in a pipe, with the summary as JSON

Exit status: 0 compiled; 1 the module cannot be read, is invalid or cannot be compiled;
2 wrong usage; 3 any other failure. Without success no output file is left or changed.

In a pipe (\"- -o -\") the program gives up its right to open files and sockets, to start programs,
and to call whatever else of the system compiling does not take, before it reads the module, where the
kernel has Landlock and seccomp. --limit-time and --limit-memory bound what a hostile module
can cost.

The output is native code: it runs only with the WAMR version it was made for, and a file from
somebody else deserves the trust of a program, not that of a WebAssembly module.";

/// Compile a WebAssembly module ahead of time for arena-runtime.
#[derive(Debug, Parser)]
#[command(name = "arena-aotc", version = VERSION, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The module to compile; "-" reads it from standard input
    pub(crate) input: PathBuf,

    /// Where the native code goes; "-" writes it to standard output
    #[arg(short, long, value_name = "OUTPUT")]
    pub(crate) output: PathBuf,

    /// The architecture to compile for
    #[arg(long, value_enum, default_value = "host", value_name = "ARCH")]
    target: Target,

    /// The processor to compile for: "baseline" runs on every machine of the architecture, "native"
    /// is this machine's, "rpi3", "rpi4" and "rpi5" are Raspberry Pis (also as "pi4" or
    /// "raspberrypi4"); else a name that LLVM knows
    #[arg(long, default_value = "baseline", value_name = "NAME")]
    cpu: String,

    /// Processor features to add or take away, as "+avx2,-bmi"
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    features: Vec<String>,

    /// How much to optimize, 0 (compile fast) to 3 (run fast)
    #[arg(long, default_value_t = 3, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=3))]
    opt: u8,

    /// Prefer small code to fast code
    #[arg(long)]
    size: bool,

    /// Accept modules that use SIMD (the default)
    #[arg(long, overrides_with = "no_simd")]
    simd: bool,

    /// Refuse modules that use SIMD
    #[arg(long, overrides_with = "simd")]
    no_simd: bool,

    /// Leave out the names of functions, which traps and profiles show
    #[arg(long)]
    no_names: bool,

    /// Do not keep track of active functions, so that traps do not show who called whom: as much as
    /// 5 % faster where a program does little but call
    #[arg(long)]
    no_call_stack: bool,

    /// Reach linear memory through the GS register, which the engine sets: faster (x86_64 only, and
    /// the default there)
    #[arg(long, overrides_with = "no_segue")]
    segue: bool,

    /// Reach linear memory by its address in a register like any other
    #[arg(long, overrides_with = "segue")]
    no_segue: bool,

    /// Take at most this much CPU time, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit_time: Option<u64>,

    /// Take at most this much memory, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    limit_memory: Option<u64>,

    /// Let everything else on the machine go first
    #[arg(long)]
    background: bool,

    /// End when the process that has started this one, PID, does
    #[arg(long, value_name = "PID")]
    pub(crate) parent: Option<u32>,

    /// Print the summary as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// What the process may take.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            time: self.limit_time,
            memory: self.limit_memory,
            background: self.background,
        }
    }

    /// Whether no file is opened by its name.
    pub(crate) fn is_pipe(&self) -> bool {
        self.input == Path::new("-") && self.output == Path::new("-")
    }

    /// Resolves names and checks that the options fit each other.
    pub(crate) fn options(&self, compiler: &Compiler) -> Result<Options> {
        let arch = self.target.arch();
        if self.segue && arch != Arch::X86_64 {
            return Err(Error::Usage(format!(
                "--segue is for x86_64 only, not for {arch}"
            )));
        }
        let (cpu, mut features) = if self.cpu == "native" {
            if arch != Arch::HOST {
                return Err(Error::Usage(format!(
                    "--cpu native is a processor of {}, not of {arch}: name one, or use baseline",
                    Arch::HOST
                )));
            }
            (compiler.host_cpu(), compiler.host_features())
        } else {
            let cpu = arch.cpu(&self.cpu);
            (cpu.to_owned(), arch.tuning(cpu))
        };
        if !compiler.knows_cpu(arch, &cpu) {
            return Err(Error::Usage(format!(
                "LLVM knows no {arch} processor {cpu:?}"
            )));
        }
        for feature in self.features.iter().filter(|feature| !feature.is_empty()) {
            features.push(signed_feature(compiler, arch, feature)?);
        }
        Ok(Options {
            arch,
            cpu,
            features,
            opt_level: self.opt,
            optimize_size: self.size,
            simd: !self.no_simd,
            names: !self.no_names,
            call_stack: !self.no_call_stack,
            segue: arch == Arch::X86_64 && !self.no_segue,
        })
    }
}

/// `avx2` means `+avx2`.
fn signed_feature(compiler: &Compiler, arch: Arch, feature: &str) -> Result<String> {
    let (sign, name) = match feature.strip_prefix('-') {
        Some(name) => ('-', name),
        None => ('+', feature.strip_prefix('+').unwrap_or(feature)),
    };
    if compiler.knows_feature(arch, name) {
        Ok(format!("{sign}{name}"))
    } else {
        Err(Error::Usage(format!(
            "LLVM knows no {arch} feature {name:?}"
        )))
    }
}
