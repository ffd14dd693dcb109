//! Where WAMR's sources are, and which of them the compiler needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::Result;

/// The package that carries WAMR's sources.
const SOURCE_PACKAGE: &str = "wamrx-sys";
/// What pins it, for the engine and for us: compiled code fits only the WAMR it was made with.
const SOURCE_MANIFEST: &str = "../wamr-sys/source/Cargo.toml";
/// The folder inside that package which is WAMR's own root.
const FOLDER_IN_PACKAGE: &str = "wasm-micro-runtime";

/// What WAMR is told to be: its loader for the proposals that the engine runs, and its compiler.
///
/// The proposals must be those of the engine (and of `src/input.rs`, which validates before WAMR
/// sees a module). Everything that only runs modules is left out.
pub(crate) const DEFINITIONS: &[(&str, Option<&str>)] = &[
    ("WASM_ENABLE_WAMR_COMPILER", Some("1")),
    ("WASM_ENABLE_INTERP", Some("1")),
    ("WASM_ENABLE_FAST_INTERP", Some("0")),
    // The compiler refers to functions of the runtime, which it never calls.
    ("WASM_ENABLE_AOT", Some("1")),
    ("WASM_ENABLE_BULK_MEMORY", Some("1")),
    // memory.copy and memory.fill are a switch of their own in WAMR.
    ("WASM_ENABLE_BULK_MEMORY_OPT", Some("1")),
    ("WASM_ENABLE_REF_TYPES", Some("1")),
    // Clang writes call_indirect's table index in five bytes once reference types are on.
    ("WASM_ENABLE_CALL_INDIRECT_OVERLONG", Some("1")),
    ("WASM_ENABLE_SIMD", Some("1")),
    ("WASM_ENABLE_SHARED_MEMORY", Some("1")),
    ("WASM_ENABLE_SHRUNK_MEMORY", Some("0")),
    ("WASM_ENABLE_MODULE_INST_CONTEXT", Some("1")),
    // Function names for traps, and what writes them into the output.
    ("WASM_ENABLE_CUSTOM_NAME_SECTION", Some("1")),
    ("WASM_ENABLE_LOAD_CUSTOM_SECTION", Some("1")),
    ("WASM_ENABLE_DUMP_CALL_STACK", Some("1")),
    ("WASM_ENABLE_AOT_STACK_FRAME", Some("1")),
    // Nothing runs here, so no signal handlers and no guard pages.
    ("WASM_DISABLE_HW_BOUND_CHECK", Some("1")),
    ("WASM_DISABLE_STACK_HW_BOUND_CHECK", Some("1")),
    ("WASM_DISABLE_WAKEUP_BLOCKING_OP", Some("1")),
    ("BH_PLATFORM_LINUX", None),
    ("BH_MALLOC", Some("wasm_runtime_malloc")),
    ("BH_FREE", Some("wasm_runtime_free")),
    // WAMR prints to stdout, which may be where the result goes: the shim keeps its messages.
    ("BH_VPRINTF", Some("aotc_vprintf")),
    ("WASM_HAVE_MREMAP", Some("1")),
    ("NDEBUG", None),
];

/// Folders of which every C file is needed.
const WHOLE_FOLDERS: &[&str] = &[
    "iwasm/compilation",
    "iwasm/compilation/simd",
    "iwasm/common",
    "shared/mem-alloc",
    "shared/mem-alloc/ems",
    "shared/utils",
];

/// Single files needed from folders that hold more.
const SINGLE_FILES: &[&str] = &[
    "iwasm/aot/aot_intrinsic.c",
    "iwasm/aot/aot_loader.c",
    "iwasm/aot/aot_runtime.c",
    "iwasm/aot/arch/aot_reloc_dummy.c",
    "iwasm/common/arch/invokeNative_general.c",
    "iwasm/interpreter/wasm_interp_classic.c",
    "iwasm/interpreter/wasm_loader.c",
    "iwasm/interpreter/wasm_runtime.c",
    "shared/platform/common/posix/posix_blocking_op.c",
    "shared/platform/common/posix/posix_clock.c",
    "shared/platform/common/posix/posix_malloc.c",
    "shared/platform/common/posix/posix_memmap.c",
    "shared/platform/common/posix/posix_sleep.c",
    "shared/platform/common/posix/posix_thread.c",
    "shared/platform/common/posix/posix_time.c",
    "shared/platform/linux/platform_init.c",
];

/// Files in which a function of ours takes the place of one of WAMR's that they call, as
/// (file, WAMR's function, ours).
pub(crate) const REPLACED_CALLS: &[(&str, &str, &str)] = &[
    // How floating-point arithmetic is made: shim/arithmetic.c.
    (
        "iwasm/compilation/aot_emit_numberic.c",
        "aot_call_llvm_intrinsic_v",
        "aotc_call_llvm_intrinsic_v",
    ),
    // Which passes run: shim/optimize.cpp.
    (
        "iwasm/compilation/aot_compiler.c",
        "aot_apply_llvm_new_pass_manager",
        "aotc_optimize",
    ),
];

const COMPILER_CXX_FILES: &[&str] = &[
    "iwasm/compilation/aot_llvm_extra.cpp",
    "iwasm/compilation/aot_llvm_extra2.cpp",
    "iwasm/compilation/aot_orc_extra.cpp",
    "iwasm/compilation/aot_orc_extra2.cpp",
];

const INCLUDE_DIRS: &[&str] = &[
    "",
    "iwasm/include",
    "iwasm/common",
    "iwasm/aot",
    "iwasm/compilation",
    "iwasm/interpreter",
    "shared/mem-alloc",
    "shared/platform/include",
    "shared/platform/linux",
    "shared/platform/common/libc-util",
    "shared/utils",
];

/// A WAMR source tree.
pub(crate) struct Sources {
    /// WAMR's `core` folder.
    core: PathBuf,
    /// What its version.h says, as "2.4.3".
    pub(crate) version: String,
}

impl Sources {
    /// Takes `WAMR_ROOT` if it is set, else asks cargo for the pinned package.
    pub(crate) fn locate() -> Result<Self> {
        println!("cargo::rerun-if-env-changed=WAMR_ROOT");
        let root = match env::var_os("WAMR_ROOT") {
            Some(root) => PathBuf::from(root),
            None => package_folder()?.join(FOLDER_IN_PACKAGE),
        };
        let core = root.join("core");
        let version_file = core.join("version.h");
        println!("cargo::rerun-if-changed={}", version_file.display());
        let text = fs::read_to_string(&version_file).map_err(|error| {
            format!(
                "no WAMR sources: cannot read {}: {error}. Set WAMR_ROOT to a WAMR checkout, \
                 or unset it to use the package {SOURCE_PACKAGE}",
                version_file.display()
            )
        })?;
        Ok(Self {
            core,
            version: version(&text)?,
        })
    }

    pub(crate) fn include_dirs(&self) -> impl Iterator<Item = PathBuf> + '_ {
        INCLUDE_DIRS.iter().map(|folder| self.core.join(folder))
    }

    pub(crate) fn compiler_cxx_files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        COMPILER_CXX_FILES.iter().map(|file| self.core.join(file))
    }

    pub(crate) fn c_files(&self) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = SINGLE_FILES
            .iter()
            .map(|file| self.core.join(file))
            .collect();
        for folder in WHOLE_FOLDERS {
            files.extend(c_files_in(&self.core.join(folder))?);
        }
        files.retain(|file| {
            REPLACED_CALLS
                .iter()
                .all(|(name, ..)| *file != self.file(name))
        });
        Ok(files)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.core.join(name)
    }
}

/// The C definition that names the machine this program is built for.
pub(crate) fn host_definition() -> Result<&'static str> {
    match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => Ok("BUILD_TARGET_X86_64"),
        Ok("aarch64") => Ok("BUILD_TARGET_AARCH64"),
        other => Err(format!(
            "cannot be built for {other:?}, only for x86_64 and aarch64"
        )),
    }
}

fn package_folder() -> Result<PathBuf> {
    println!("cargo::rerun-if-changed={SOURCE_MANIFEST}");
    let metadata = MetadataCommand::new()
        .manifest_path(SOURCE_MANIFEST)
        .other_options(["--locked".to_owned()])
        .exec()
        .map_err(|error| {
            format!(
                "cannot ask cargo where {SOURCE_PACKAGE}, which carries WAMR's sources, is: \
                 {error}. Run `cargo fetch --manifest-path {SOURCE_MANIFEST}` with network access, \
                 or set WAMR_ROOT to a WAMR checkout"
            )
        })?;
    metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == SOURCE_PACKAGE)
        .and_then(|package| package.manifest_path.parent())
        .map(|folder| folder.to_path_buf().into_std_path_buf())
        .ok_or_else(|| format!("{SOURCE_MANIFEST} does not name {SOURCE_PACKAGE}"))
}

/// The C files directly in `folder`, sorted, so that two builds see the same order.
fn c_files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| format!("cannot list {}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn version(version_h: &str) -> Result<String> {
    let part = |name: &str| {
        version_h
            .lines()
            .filter_map(|line| line.strip_prefix("#define "))
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
            .ok_or_else(|| format!("WAMR's version.h does not define {name}"))
    };
    Ok(format!(
        "{}.{}.{}",
        part("WAMR_VERSION_MAJOR")?,
        part("WAMR_VERSION_MINOR")?,
        part("WAMR_VERSION_PATCH")?
    ))
}
