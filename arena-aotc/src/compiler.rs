//! WAMR's compiler behind a safe face.

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::ptr;
use std::slice;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ffi;
use crate::target::Arch;

/// What code to make.
#[derive(Debug, Serialize)]
pub(crate) struct Options {
    #[serde(rename = "target")]
    pub(crate) arch: Arch,
    /// As LLVM calls it.
    pub(crate) cpu: String,
    /// Each with its sign.
    pub(crate) features: Vec<String>,
    #[serde(rename = "opt")]
    pub(crate) opt_level: u8,
    #[serde(rename = "size")]
    pub(crate) optimize_size: bool,
    pub(crate) simd: bool,
    pub(crate) names: bool,
    pub(crate) call_stack: bool,
    pub(crate) segue: bool,
}

/// LLVM and WAMR, started once and used by the thread that started them.
pub(crate) struct Compiler {
    /// Not `Send`, not `Sync`: the shim may be called from one thread only.
    _one_thread: PhantomData<*mut ()>,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        // SAFETY: only registers LLVM's targets and handlers. The program makes one Compiler, and
        // nothing else calls LLVM.
        unsafe { ffi::aotc_init() };
        Self {
            _one_thread: PhantomData,
        }
    }

    /// Compiles a module that has been checked. WAMR changes the bytes while it works.
    ///
    /// # Errors
    /// `Error::Input` with WAMR's reason.
    pub(crate) fn compile(
        &self,
        wasm: &mut [u8],
        options: &Options,
        shared_memory: bool,
    ) -> Result<Vec<u8>> {
        let arch = c_string(options.arch.name())?;
        let cpu = c_string(&options.cpu)?;
        let features = c_string(&options.features.join(","))?;
        let wasm_len = u32::try_from(wasm.len())
            .map_err(|_| Error::Internal("the module is larger than 4 GiB".into()))?;
        let raw = ffi::aotc_options {
            arch: arch.as_ptr(),
            cpu: cpu.as_ptr(),
            features: features.as_ptr(),
            opt_level: u32::from(options.opt_level),
            optimize_size: options.optimize_size,
            simd: options.simd,
            shared_memory,
            names: options.names,
            call_stack: options.call_stack,
            segue: options.segue,
        };
        let mut output: *mut u8 = ptr::null_mut();
        let mut output_len: u32 = 0;
        let mut message: [c_char; 512] = [0; 512];
        // SAFETY: every pointer refers to a local or borrowed value that outlives the call, with
        // the length passed beside it; `raw` has the layout of the C struct.
        let compiled = unsafe {
            ffi::aotc_compile(
                wasm.as_mut_ptr(),
                wasm_len,
                &raw,
                &mut output,
                &mut output_len,
                message.as_mut_ptr(),
                message.len(),
            )
        };
        if !compiled {
            return Err(Error::Input(format!("cannot compile: {}", text(&message))));
        }
        let len =
            usize::try_from(output_len).map_err(|error| Error::Internal(error.to_string()))?;
        // SAFETY: on success `output` holds `output_len` initialized bytes that belong to us.
        let aot = unsafe { slice::from_raw_parts(output, len) }.to_vec();
        // SAFETY: the buffer came from aotc_compile, and the copy above was its last use.
        unsafe { ffi::aotc_free(output) };
        Ok(aot)
    }

    pub(crate) fn knows_cpu(&self, arch: Arch, cpu: &str) -> bool {
        match (c_string(arch.name()), c_string(cpu)) {
            // SAFETY: both are C strings that outlive the call.
            (Ok(arch), Ok(cpu)) => unsafe { ffi::aotc_knows_cpu(arch.as_ptr(), cpu.as_ptr()) },
            _ => false,
        }
    }

    pub(crate) fn knows_feature(&self, arch: Arch, feature: &str) -> bool {
        match (c_string(arch.name()), c_string(feature)) {
            // SAFETY: both are C strings that outlive the call.
            (Ok(arch), Ok(feature)) => unsafe {
                ffi::aotc_knows_feature(arch.as_ptr(), feature.as_ptr())
            },
            _ => false,
        }
    }

    pub(crate) fn host_cpu(&self) -> String {
        // SAFETY: takes nothing, and returns a string that is ours.
        take_string(unsafe { ffi::aotc_host_cpu() })
    }

    pub(crate) fn host_features(&self) -> Vec<String> {
        // SAFETY: takes nothing, and returns a string that is ours.
        let list = take_string(unsafe { ffi::aotc_host_features() });
        let mut features: Vec<String> = list
            .split(',')
            .filter(|feature| !feature.is_empty())
            .map(str::to_owned)
            .collect();
        // LLVM keeps them in a hash table; the same machine shall always give the same bytes.
        features.sort_unstable();
        features
    }
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Usage(format!("a zero byte in {text:?}")))
}

/// The text in a buffer that C wrote, whether or not it ended it.
fn text(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer
        .iter()
        .take_while(|&&byte| byte != 0)
        .map(|byte| byte.to_ne_bytes()[0])
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Copies a string that LLVM allocated, and frees it.
fn take_string(string: *mut c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: not null, so a C string of LLVM's, which nobody changes before it is freed below.
    let copy = unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: the string came from LLVM, and the copy above was its last use.
    unsafe { ffi::aotc_free_string(string) };
    copy
}
