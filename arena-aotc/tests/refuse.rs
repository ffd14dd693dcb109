//! What cannot be compiled is refused in one line, and leaves nothing behind.

mod support;

use support::{Bench, HELLO, stderr, wasm};

#[test]
fn what_is_not_a_module_is_refused() {
    let bench = Bench::new();
    let component = [b"\0asm\x0d\0\x01\0".as_slice(), &[0; 8]].concat();
    for (bytes, reason) in [
        (&b""[..], "empty"),
        (b"garbage, garbage, garbage", "not WebAssembly"),
        (b"\x7fELF\x02\x01\x01\0", "not WebAssembly"),
        (b"\0aot\x06\0\0\0", "compiled already"),
        (b"\0asm", "invalid module"),
        (b"\0asm\x02\0\0\0", "invalid module"),
        (&component, "component"),
    ] {
        bench.write("in.wasm", bytes);
        bench.refuses(1, &["in.wasm", "-o", "out.aot"], reason);
    }
}

#[test]
fn every_truncation_is_refused_or_whole() {
    let bench = Bench::new();
    let whole = wasm(HELLO);
    for len in (8..whole.len()).step_by(7) {
        bench.write("in.wasm", &whole[..len]);
        let output = bench.run(&["in.wasm", "-o", "out.aot"]);
        // A cut between two sections may leave a module, as the first eight bytes do.
        match output.status.code() {
            Some(0) => std::fs::remove_file(bench.path("out.aot")).unwrap(),
            Some(1) => assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output)),
            other => panic!("cut at {len}: {other:?} {}", stderr(&output)),
        }
        assert_eq!(bench.files(), ["in.wasm"], "cut at {len}");
    }
}

#[test]
fn any_changed_byte_is_refused_or_compiled() {
    let bench = Bench::new();
    let whole = wasm(HELLO);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        bench.write("in.wasm", &bytes);
        let output = bench.run(&["--opt", "0", "in.wasm", "-o", "out.aot"]);
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "byte {at}: {:?} {}",
            output.status,
            stderr(&output)
        );
    }
}

#[test]
fn invalid_code_is_refused() {
    let bench = Bench::new();
    // A function that returns what it does not have.
    let mut bytes = wasm("(module (func (result i32) (i32.const 1)))");
    let end = bytes.len() - 3;
    bytes[end] = 0x01;
    bytes[end + 1] = 0x01;
    bench.write("in.wasm", &bytes);
    bench.refuses(1, &["in.wasm", "-o", "out.aot"], "invalid module");
}

#[test]
fn proposals_that_the_engine_lacks_are_refused() {
    let bench = Bench::new();
    for (text, reason) in [
        ("(module (func $f (return_call $f)))", "tail calls"),
        ("(module (memory i64 1))", "memory64"),
        ("(module (memory 1) (memory 1))", "multiple memories"),
        (
            "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
            "constant expression",
        ),
        ("(module (tag))", "exceptions"),
        ("(module (type (struct (field i32))))", "gc"),
        (
            "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
            "threads",
        ),
        (
            "(module (func (param v128 v128) (result v128)
                (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
            "relaxed SIMD",
        ),
    ] {
        bench.write("in.wasm", &wasm(text));
        bench.refuses(1, &["in.wasm", "-o", "out.aot"], reason);
    }
}

#[test]
fn simd_is_refused_where_it_is_unwanted_or_impossible() {
    let bench = Bench::new();
    bench.write(
        "in.wasm",
        &wasm("(module (func (result v128) (v128.const i64x2 1 2)))"),
    );
    bench.refuses(1, &["--no-simd", "in.wasm", "-o", "out.aot"], "SIMD");
    let old = ["--target", "x86_64", "--cpu", "x86-64"];
    bench.refuses(
        1,
        &[&old[..], &["in.wasm", "-o", "out.aot"]].concat(),
        "x86-64",
    );
}

#[test]
fn limits_of_wamr_are_refused() {
    let bench = Bench::new();
    let locals = "i64 ".repeat(40_000);
    bench.write(
        "in.wasm",
        &wasm(&format!("(module (func (local {locals})))")),
    );
    bench.refuses(1, &["in.wasm", "-o", "out.aot"], "local count too large");
}

#[test]
fn wrong_usage_has_its_own_status() {
    let bench = Bench::new();
    bench.write("in.wasm", &wasm(HELLO));
    let files = ["in.wasm", "-o", "out.aot"];
    for (options, reason) in [
        (&["--cpu", "pentium-pro-max"][..], "no"),
        (&["--target", "x86_64", "--cpu", "rpi4"], "rpi4"),
        (&["--target", "aarch64", "--features", "avx2"], "avx2"),
        (&["--target", "aarch64", "--segue"], "x86_64"),
    ] {
        bench.refuses(2, &[options, &files].concat(), reason);
    }
    for options in [
        &["--opt", "4"][..],
        &["--target", "mips"],
        &["--nonsense"],
        &["second.wasm"],
    ] {
        let output = bench.run(&[options, &files].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
    assert_eq!(bench.run(&["in.wasm"]).status.code(), Some(2));
    assert_eq!(bench.files(), ["in.wasm"]);
}

#[test]
fn native_is_for_this_architecture_only() {
    let other = if cfg!(target_arch = "x86_64") {
        "aarch64"
    } else {
        "x86_64"
    };
    let bench = Bench::new();
    bench.write("in.wasm", &wasm(HELLO));
    bench.refuses(
        2,
        &[
            "--target", other, "--cpu", "native", "in.wasm", "-o", "out.aot",
        ],
        "native",
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let bench = Bench::new();
    bench.refuses(1, &["missing.wasm", "-o", "out.aot"], "missing.wasm");
    bench.write("in.wasm", &wasm(HELLO));
    bench.refuses(3, &["in.wasm", "-o", "missing/out.aot"], "missing/out.aot");
}

#[test]
fn a_failure_leaves_the_old_output_alone() {
    let bench = Bench::new();
    bench.write("in.wasm", b"garbage");
    bench.write("out.aot", b"old");
    bench.refuses(1, &["in.wasm", "-o", "out.aot"], "not WebAssembly");
    assert_eq!(bench.read("out.aot"), b"old");
}
