//! Valid modules become AOT files.

mod support;

use support::{Bench, HELLO, contains, is_aot, stderr, wasm};

#[test]
fn hello_compiles_for_every_target() {
    let bench = Bench::new();
    let mut outputs = Vec::new();
    for options in [
        ["--target", "host"],
        ["--target", "x86_64"],
        ["--target", "aarch64"],
    ] {
        let aot = bench.compile(HELLO, &options);
        assert!(is_aot(&aot), "{options:?}");
        outputs.push(aot);
    }
    assert_ne!(outputs[1], outputs[2]);
    assert_eq!(bench.files(), ["in.wasm", "out.aot"]);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for target in ["x86_64", "aarch64"] {
        let options = ["--target", target];
        let first = Bench::new().compile(HELLO, &options);
        let second = Bench::new().compile(HELLO, &options);
        assert!(first == second, "{target}");
    }
    let native = ["--cpu", "native"];
    assert!(Bench::new().compile(HELLO, &native) == Bench::new().compile(HELLO, &native));
}

#[test]
fn every_option_makes_code() {
    let bench = Bench::new();
    for options in [
        &["--cpu", "native"][..],
        &["--target", "x86_64", "--cpu", "x86-64-v3"],
        &["--target", "x86_64", "--features", "avx2,-bmi"],
        &["--target", "x86_64", "--features=-sse4.2"],
        &["--target", "x86_64", "--segue"],
        &["--target", "x86_64", "--no-segue"],
        &["--target", "aarch64", "--cpu", "rpi3"],
        &["--target", "aarch64", "--cpu", "rpi4"],
        &["--target", "arm64", "--cpu", "rpi5"],
        &["--target", "arm64", "--cpu", "raspberry-pi-5"],
        &["--target", "arm64", "--cpu", "pi4"],
        &["--target", "amd64"],
        &["--opt", "0"],
        &["--opt", "1"],
        &["--opt", "2"],
        &["--size"],
        &["--simd"],
        &["--no-simd"],
        &["--no-names"],
        &["--no-call-stack"],
    ] {
        assert!(is_aot(&bench.compile(HELLO, options)), "{options:?}");
    }
}

/// LLVM likes to make calls of `memset` and `memcpy` of these, which cannot reach linear memory.
const FILLS_AND_COPIES: &str = r#"(module (memory 1)
    (func (export "fill") (param $at i32) (param $end i32)
        (loop $next
            (i32.store8 (local.get $at) (i32.const 0))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
    (func (export "copy") (param $from i32) (param $to i32) (param $left i32)
        (loop $next
            (i32.store8 (local.get $to) (i32.load8_u (local.get $from)))
            (local.set $from (i32.add (local.get $from) (i32.const 1)))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))
            (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    (func (export "clear") (param $at i32)
        (i64.store (local.get $at) (i64.const 0))
        (i64.store offset=8 (local.get $at) (i64.const 0))
        (i64.store offset=16 (local.get $at) (i64.const 0))
        (i64.store offset=24 (local.get $at) (i64.const 0))
        (i64.store offset=32 (i32.const 0) (i64.const 0))))"#;

#[test]
fn loops_that_fill_and_copy_memory_compile() {
    let bench = Bench::new();
    for options in [&[][..], &["--opt", "1"], &["--size"], &["--no-segue"]] {
        assert!(
            is_aot(&bench.compile(FILLS_AND_COPIES, options)),
            "{options:?}"
        );
    }
}

#[test]
fn a_module_without_memory_compiles() {
    let module = r#"(module (func (export "half") (param f32) (result f32)
        (f32.mul (local.get 0) (f32.const 0.5))))"#;
    assert!(is_aot(&Bench::new().compile(module, &[])));
}

#[test]
fn standard_input_and_output_take_the_same_bytes_as_files() {
    let bench = Bench::new();
    let from_files = bench.compile(HELLO, &[]);
    let output = bench.run_with_input(&["-", "-o", "-"], &wasm(HELLO));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout == from_files);
}

#[test]
fn an_old_output_is_replaced() {
    let bench = Bench::new();
    bench.write("out.aot", b"old");
    assert!(is_aot(&bench.compile(HELLO, &[])));
    assert_eq!(bench.files(), ["in.wasm", "out.aot"]);
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    let bench = Bench::new();
    bench.write("in.wasm", &wasm(HELLO));
    let output = bench.run(&["in.wasm", "-o", "/dev/null"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        !std::fs::metadata("/dev/null").unwrap().is_file(),
        "/dev/null became a file"
    );
}

#[test]
fn the_summary_is_one_line_on_stderr() {
    let bench = Bench::new();
    bench.write("in.wasm", &wasm(HELLO));
    let output = bench.run(&["in.wasm", "-o", "out.aot", "--target", "aarch64"]);
    let line = stderr(&output);
    assert_eq!(line.lines().count(), 1, "{line}");
    for word in ["in.wasm", "out.aot", "bytes", "aarch64"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn the_summary_can_be_json() {
    let bench = Bench::new();
    bench.write("in.wasm", &wasm(HELLO));
    let output = bench.run(&["--json", "in.wasm", "-o", "out.aot", "--target", "x86_64"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(summary["target"], "x86_64");
    assert_eq!(summary["cpu"], "x86-64-v2");
    assert_eq!(summary["opt"], 3);
    assert_eq!(summary["wasm_bytes"], wasm(HELLO).len());
    assert_eq!(summary["aot_bytes"], bench.read("out.aot").len());
    assert!(summary["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn function_names_are_kept_unless_unwanted() {
    let bench = Bench::new();
    let text = r#"(module (func $quite_a_name (export "f")))"#;
    assert!(contains(&bench.compile(text, &[]), b"quite_a_name"));
    assert!(!contains(
        &bench.compile(text, &["--no-names"]),
        b"quite_a_name"
    ));
}

#[test]
fn a_function_without_a_name_has_that_of_its_export() {
    let bench = Bench::new();
    let text = r#"(module (func (export "what_others_call_it")))"#;
    // Once as an export, and once as a name.
    let named = bench.compile(text, &[]);
    let count = |aot: &[u8]| {
        let name = b"what_others_call_it";
        aot.windows(name.len()).filter(|part| part == name).count()
    };
    assert_eq!(
        count(&named),
        count(&bench.compile(text, &["--no-names"])) + 1
    );
}

#[test]
fn other_custom_sections_do_not_matter() {
    let plain = Bench::new().compile(HELLO, &[]);
    let with_section = HELLO.trim_end().strip_suffix(')').unwrap().to_owned()
        + r#"(@custom "producers" "not what it should be"))"#;
    assert!(plain == Bench::new().compile(&with_section, &[]));
}

#[test]
fn broken_names_do_not_matter() {
    // A name section whose only subsection claims more than there is.
    let mut bytes = wasm(r#"(module (func (export "f")))"#);
    bytes.extend([0, 7, 4, b'n', b'a', b'm', b'e', 1, 100]);
    let output = Bench::new().run_with_input(&["-", "-o", "-"], &bytes);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(is_aot(&output.stdout));
}

#[test]
fn every_proposal_of_the_engine_compiles() {
    let bench = Bench::new();
    for text in [
        "(module (func (param i32) (result i32) (i32.extend8_s (local.get 0))))",
        "(module (func (param f64) (result i64) (i64.trunc_sat_f64_u (local.get 0))))",
        "(module (func (result i32 i64) (i32.const 1) (i64.const 2)))",
        "(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 9) (i32.const 5))
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 5))))",
        r#"(module (memory 1) (data $d "abc")
            (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop $d)))"#,
        "(module (table $t 3 externref) (func (param externref)
            (table.set $t (i32.const 0) (local.get 0))
            (drop (table.grow $t (ref.null extern) (i32.const 2)))))",
        "(module (memory 1) (func (param i32) (result v128)
            (f32x4.ceil (v128.load (local.get 0)))))",
        r#"(module (import "env" "memory" (memory 1 2 shared)) (func (result i32)
            (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))"#,
        "(module (memory 1 2 shared) (func (result i32)
            (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1))))",
        "(module)",
    ] {
        for target in ["x86_64", "aarch64"] {
            assert!(
                is_aot(&bench.compile(text, &["--target", target])),
                "{text}"
            );
        }
    }
}

#[test]
fn a_huge_function_compiles() {
    let mut text = String::from("(module (memory 1) (func (export \"f\") (param i32)\n");
    for i in 0..1200 {
        text += &format!(
            "local.get 0 local.get 0 i32.load offset={} i32.const {i} i32.mul i32.store offset={}\n",
            i * 7 % 60_000,
            i * 13 % 60_000
        );
    }
    text += "))";
    for target in ["x86_64", "aarch64"] {
        assert!(is_aot(&Bench::new().compile(&text, &["--target", target])));
    }
}

#[test]
fn deep_nesting_compiles() {
    let text = format!(
        "(module (func (export \"f\") (param i32)\n{}{}))",
        "block local.get 0 br_if 0\n".repeat(3000),
        "end\n".repeat(3000)
    );
    assert!(is_aot(&Bench::new().compile(&text, &[])));
}
