//! Which files of WAMR are compiled, with which options.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::source::Source;

/// The options of WAMR that cargo features choose.
pub struct Options {
    pub classic_interp: bool,
    pub aot: bool,
    pub simd: bool,
    pub wasi_threads: bool,
}

impl Options {
    fn from_features() -> Self {
        let on = |name: &str| std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
        let classic_interp = on("CLASSIC_INTERP");
        Options {
            classic_interp,
            aot: on("AOT"),
            // The classic interpreter does not compile with it.
            simd: on("SIMD") && !classic_interp,
            wasi_threads: on("WASI_THREADS"),
        }
    }

    /// The options' names, for people and for dependents' build scripts.
    pub fn names(&self) -> Vec<&'static str> {
        let interpreter = if self.classic_interp {
            "classic-interp"
        } else {
            "fast-interp"
        };
        [
            (true, interpreter),
            (self.aot, "aot"),
            (self.simd, "simd"),
            (self.wasi_threads, "wasi-threads"),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect()
    }
}

/// The processors that WAMR's build knows and we support.
struct Arch {
    /// Suffix of the files under `arch/`.
    file: &'static str,
    /// The assembly of the call from C into native functions, whose layout of
    /// the arguments differs with SIMD.
    invoke_native: &'static str,
    invoke_native_simd: &'static str,
    define: &'static str,
}

const ARCHS: &[(&str, Arch)] = &[
    (
        "x86_64",
        Arch {
            file: "x86_64",
            invoke_native: "invokeNative_em64.s",
            invoke_native_simd: "invokeNative_em64_simd.s",
            define: "BUILD_TARGET_X86_64",
        },
    ),
    (
        "aarch64",
        Arch {
            file: "aarch64",
            invoke_native: "invokeNative_aarch64.s",
            invoke_native_simd: "invokeNative_aarch64_simd.s",
            define: "BUILD_TARGET_AARCH64",
        },
    ),
];

pub struct Build<'a> {
    pub options: Options,
    source: &'a Source,
    arch: &'static Arch,
    arch_name: &'static str,
    simde: Option<PathBuf>,
}

impl<'a> Build<'a> {
    pub fn new(source: &'a Source, out_dir: &Path) -> Result<Self, String> {
        let target_arch = super::env("CARGO_CFG_TARGET_ARCH")?;
        let target_os = super::env("CARGO_CFG_TARGET_OS")?;
        if target_os != "linux" {
            return Err(format!(
                "this runtime is for Linux, and the target's system is {target_os}"
            ));
        }
        let (arch_name, arch) = ARCHS
            .iter()
            .find(|(name, _)| *name == target_arch)
            .map(|(name, arch)| (*name, arch))
            .ok_or_else(|| {
                format!("the processor {target_arch} is not supported; x86_64 and aarch64 are")
            })?;
        let options = Options::from_features();
        let simde = if options.simd {
            Some(simde_dir(out_dir)?)
        } else {
            None
        };
        Ok(Build {
            options,
            source,
            arch,
            arch_name,
            simde,
        })
    }

    pub fn compile(&self) -> Result<(), String> {
        let mut build = self.configured();
        check_compiler(&build)?;
        for file in self.files()? {
            build.file(file);
        }
        build.try_compile("iwasm").map_err(|_| {
            "WAMR's C sources do not compile; the compiler's messages are above.\n  \
                 If a system header is missing, on Debian: apt-get install gcc libc6-dev"
        })?;
        for library in ["m", "dl", "pthread"] {
            println!("cargo::rustc-link-lib={library}");
        }
        Ok(())
    }

    fn configured(&self) -> cc::Build {
        let core = &self.source.core;
        let iwasm = core.join("iwasm");
        let mut build = cc::Build::new();
        // WAMR's own warnings are not ours to mend, and the interpreter is
        // unusable without optimisation, so it has it in debug builds too.
        build.warnings(false).std("gnu99").opt_level(3).pic(true);
        build.flag("-ffunction-sections").flag("-fdata-sections");
        build.flag_if_supported("-fno-strict-aliasing");
        if self.arch_name == "x86_64" {
            // Rounding and many vector operations are single instructions from
            // here on; AOT code is made for no less either.
            build.flag("-march=x86-64-v2");
            build.flag("-include").flag("memory_base.h");
        }
        // The assembly says nothing about the stack, which makes the linker
        // take it for one that executes code from it.
        build.asm_flag("-Wa,--noexecstack");
        for dir in [
            core.to_path_buf(),
            core.join("shared/platform/linux"),
            core.join("shared/platform/include"),
            core.join("shared/platform/common/posix"),
            core.join("shared/mem-alloc"),
            core.join("shared/utils"),
            iwasm.join("include"),
            iwasm.join("common"),
            iwasm.join("interpreter"),
            iwasm.join("aot"),
            iwasm.join("libraries/thread-mgr"),
            iwasm.join("libraries/lib-wasi-threads"),
            PathBuf::from("shim"),
        ] {
            build.include(dir);
        }
        if let Some(simde) = &self.simde {
            build.include(simde);
        }
        if std::env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none()
            || std::env::var("PROFILE").as_deref() == Ok("release")
        {
            build.define("NDEBUG", None);
        }
        for (name, value) in self.defines() {
            build.define(name, value);
        }
        build
    }

    fn defines(&self) -> Vec<(&'static str, &'static str)> {
        let on = |on: bool| if on { "1" } else { "0" };
        let options = &self.options;
        let mut defines = vec![
            (self.arch.define, "1"),
            ("BH_PLATFORM_LINUX", "1"),
            ("_GNU_SOURCE", "1"),
            ("BH_MALLOC", "wasm_runtime_malloc"),
            ("BH_FREE", "wasm_runtime_free"),
            // WAMR's log and its printed call stacks: shim/host.c.
            ("BH_VPRINTF", "arena_wamr_vprintf"),
            ("WASM_HAVE_MREMAP", "1"),
            // WAMR does not see that clang has them as well, and what takes
            // their place locks up when shared memory grows.
            ("CLANG_GCC_HAS_ATOMIC_BUILTIN", ""),
            ("WASM_ENABLE_INTERP", "1"),
            ("WASM_ENABLE_FAST_INTERP", on(!options.classic_interp)),
            ("WASM_ENABLE_AOT", on(options.aot)),
            ("WASM_ENABLE_AOT_INTRINSICS", on(options.aot)),
            ("WASM_ENABLE_QUICK_AOT_ENTRY", on(options.aot)),
            // What modules may call is written in Rust, above this crate.
            ("WASM_ENABLE_LIBC_BUILTIN", "0"),
            ("WASM_ENABLE_LIBC_WASI", "0"),
            ("WASM_ENABLE_LIB_WASI_THREADS", on(options.wasi_threads)),
            (
                "WASM_ENABLE_HEAP_AUX_STACK_ALLOCATION",
                on(options.wasi_threads),
            ),
            // Stopping a module from another thread needs the thread manager.
            ("WASM_ENABLE_THREAD_MGR", "1"),
            ("WASM_ENABLE_SHARED_MEMORY", on(options.wasi_threads)),
            ("WASM_ENABLE_BULK_MEMORY", "1"),
            ("WASM_ENABLE_BULK_MEMORY_OPT", "1"),
            ("WASM_ENABLE_CALL_INDIRECT_OVERLONG", "1"),
            ("WASM_ENABLE_REF_TYPES", "1"),
            ("WASM_ENABLE_MODULE_INST_CONTEXT", "1"),
            // Memory costs what is used of it, so there is nothing to gain by
            // cutting it off at the heap, which the standard does not know.
            ("WASM_ENABLE_SHRUNK_MEMORY", "0"),
            ("WASM_ENABLE_SIMD", on(options.simd)),
            ("WASM_ENABLE_SIMDE", on(options.simd)),
            // Traps carry the wasm call stack.
            ("WASM_ENABLE_DUMP_CALL_STACK", "1"),
            ("WASM_ENABLE_AOT_STACK_FRAME", on(options.aot)),
            ("WASM_ENABLE_LOAD_CUSTOM_SECTION", "1"),
            // Memory accesses are checked by guard pages; stacks are checked
            // by software, so that no stack page is touched or protected.
            ("WASM_DISABLE_HW_BOUND_CHECK", "0"),
            ("WASM_DISABLE_STACK_HW_BOUND_CHECK", "1"),
            // What AOT code and the interpreter leave of a thread's stack for
            // the host function that they call last.
            ("WASM_STACK_GUARD_SIZE", "98304"),
            ("WASM_DISABLE_WAKEUP_BLOCKING_OP", "0"),
            // In its place there is shim/memory_base.h.
            ("WASM_DISABLE_WRITE_GS_BASE", "1"),
        ];
        if self.arch_name == "aarch64" {
            defines.push(("BUILD_TARGET", "\"AARCH64\""));
        }
        defines
    }

    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let core = &self.source.core;
        let mut files = Vec::new();
        let mut add = |dir: &str, names: &[&str]| {
            files.extend(names.iter().map(|name| core.join(dir).join(name)));
        };
        add("shared/platform/linux", &["platform_init.c"]);
        add(
            "shared/platform/common/posix",
            &[
                "posix_blocking_op.c",
                "posix_malloc.c",
                "posix_memmap.c",
                "posix_sleep.c",
                "posix_time.c",
            ],
        );
        add("shared/mem-alloc", &["mem_alloc.c"]);
        add(
            "iwasm/common",
            &[
                "wasm_application.c",
                "wasm_blocking_op.c",
                "wasm_c_api.c",
                "wasm_loader_common.c",
                "wasm_memory.c",
                "wasm_native.c",
                "wasm_runtime_common.c",
                "wasm_shared_memory.c",
            ],
        );
        // The interpreters' own files, and that of wasi-threads, are in shim/.
        add("iwasm/interpreter", &["wasm_loader.c", "wasm_runtime.c"]);
        if self.options.aot {
            add(
                "iwasm/aot",
                &["aot_intrinsic.c", "aot_loader.c", "aot_runtime.c"],
            );
            add(
                "iwasm/aot/arch",
                &[&format!("aot_reloc_{}.c", self.arch.file)],
            );
        }
        let invoke_native = if self.options.simd {
            self.arch.invoke_native_simd
        } else {
            self.arch.invoke_native
        };
        add("iwasm/common/arch", &[invoke_native]);
        add("iwasm/libraries/thread-mgr", &["thread_manager.c"]);
        if self.options.wasi_threads {
            add("iwasm/libraries/lib-wasi-threads", &["tid_allocator.c"]);
        }
        for dir in ["shared/mem-alloc/ems", "shared/utils"] {
            files.extend(c_files(&core.join(dir))?);
        }
        // These include the file of WAMR that has their name.
        files.extend(c_files(Path::new("shim"))?);
        if let Some(missing) = files.iter().find(|file| !file.is_file()) {
            return Err(format!(
                "the file {} is missing: these are not the sources of WAMR 2.4 ({} has version {})",
                missing.display(),
                self.source.root.display(),
                self.source.version
            ));
        }
        Ok(files)
    }
}

fn c_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |e: std::io::Error| {
        format!(
            "cannot read {}: {e}\n  \
             If WAMR_ROOT is set, it has to name a checkout of WAMR 2.4.",
            dir.display()
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Says what to install when there is no C compiler, and warns when it is one
/// that makes a slow interpreter.
fn check_compiler(build: &cc::Build) -> Result<(), String> {
    let compiler = build.try_get_compiler().map_err(|e| {
        format!("there is no C compiler: {e}\n  On Debian: apt-get install gcc libc6-dev (or gcc-aarch64-linux-gnu for aarch64)")
    })?;
    Command::new(compiler.path())
        .arg("--version")
        .output()
        .map_err(|e| {
            format!(
                "the C compiler {} cannot be run: {e}\n  On Debian: apt-get install gcc libc6-dev, or set CC",
                compiler.path().display()
            )
        })?;
    if !compiler.is_like_gnu() {
        println!(
            "cargo::warning={} compiles WAMR's interpreter to code that is about two times slower than gcc's; set CC=gcc for release builds",
            compiler.path().display()
        );
    }
    Ok(())
}

/// A folder that holds only a link to the simde headers, which can be searched
/// in cross builds without bringing the host's other headers along.
fn simde_dir(out_dir: &Path) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-env-changed=SIMDE_ROOT");
    let root =
        std::env::var_os("SIMDE_ROOT").map_or_else(|| PathBuf::from("/usr/include"), PathBuf::from);
    let headers = root.join("simde");
    if !headers.join("wasm/simd128.h").is_file() {
        return Err(format!(
            "the header {}/wasm/simd128.h, which SIMD in the interpreter needs, is missing.\n  \
             On Debian: apt-get install libsimde-dev; elsewhere set SIMDE_ROOT to the folder that holds simde/",
            headers.display()
        ));
    }
    let dir = out_dir.join("simde-include");
    let link = dir.join("simde");
    std::fs::create_dir_all(&dir).map_err(|e| format!("cannot create {}: {e}", dir.display()))?;
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link)
            .map_err(|e| format!("cannot replace {}: {e}", link.display()))?;
    }
    std::os::unix::fs::symlink(&headers, &link)
        .map_err(|e| format!("cannot link {}: {e}", link.display()))?;
    Ok(dir)
}
