//! The functions of `shim/aotc.h`, which says what they promise and ask for.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

#[repr(C)]
pub(crate) struct aotc_options {
    pub(crate) arch: *const c_char,
    pub(crate) cpu: *const c_char,
    pub(crate) features: *const c_char,
    pub(crate) opt_level: u32,
    pub(crate) optimize_size: bool,
    pub(crate) simd: bool,
    pub(crate) shared_memory: bool,
    pub(crate) names: bool,
    pub(crate) call_stack: bool,
    pub(crate) segue: bool,
}

unsafe extern "C" {
    pub(crate) fn aotc_init();
    pub(crate) fn aotc_compile(
        wasm: *mut u8,
        wasm_len: u32,
        options: *const aotc_options,
        output: *mut *mut u8,
        output_len: *mut u32,
        error: *mut c_char,
        error_len: usize,
    ) -> bool;
    pub(crate) fn aotc_free(buffer: *mut u8);
    pub(crate) fn aotc_knows_cpu(arch: *const c_char, cpu: *const c_char) -> bool;
    pub(crate) fn aotc_knows_feature(arch: *const c_char, feature: *const c_char) -> bool;
    pub(crate) fn aotc_host_cpu() -> *mut c_char;
    pub(crate) fn aotc_host_features() -> *mut c_char;
    pub(crate) fn aotc_free_string(string: *mut c_char);
}
