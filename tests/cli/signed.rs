//! Signed modules.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Outcome, Place, sample};

/// With keys "ops" and "stranger", and a module.
fn place() -> Place {
    let place = Place::new();
    for key in ["ops", "stranger"] {
        arena(&place, &["sign", "--new-key", key]).exits(0);
    }
    fs::copy(sample("hello.wasm"), place.path("hello.wasm")).unwrap();
    place
}

fn arena(place: &Place, args: &[&str]) -> Outcome {
    place.arena(args).outcome()
}

/// Settings that want signatures of "ops".
fn strict(place: &Place) {
    place.file(
        "strict.toml",
        "[security]\nrequire_signed_modules = true\ntrusted_keys = [\"ops.pub\"]\n",
    );
}

const RUN: &[&str] = &["run", "--config", "strict.toml", "hello.wasm"];
const HELLO: &str = "Hello from WebAssembly!\n";

#[test]
fn only_what_is_signed_runs_where_the_settings_want_it() {
    let place = place();
    strict(&place);
    let unsigned = arena(&place, RUN);
    unsigned.fails(
        126,
        &["not signed", "(ops.pub)", "security.require_signed_modules"],
    );
    arena(&place, &["sign", "--key", "stranger", "hello.wasm"]).stdout_has("signed by");
    arena(&place, RUN).fails(126, &["is signed by", "(ops.pub)"]);
    // Another key adds its own.
    arena(&place, &["sign", "--key", "ops", "hello.wasm"]).exits(0);
    arena(&place, RUN).prints(HELLO);
    let verify = ["verify", "--key", "stranger.pub", "hello.wasm"];
    arena(&place, &verify)
        .stdout_has("trusted: signed by")
        .exits(0);
    // Who does not ask for signatures does not see them.
    arena(&place, &["run", "hello.wasm"]).prints(HELLO);

    let mut changed = fs::read(place.path("hello.wasm")).unwrap();
    let at = changed.len() - 100;
    changed[at] ^= 1;
    place.file("hello.wasm", changed);
    arena(&place, RUN).fails(126, &["is not what", "has signed"]);
    arena(&place, &["verify", "--config", "strict.toml", "hello.wasm"])
        .stdout_has("NOT trusted: it is not what")
        .exits(126);
    // Not even what is trusted in another way.
    place.file("native.aot", b"\0aot\x05\0\0\0rest");
    arena(
        &place,
        &[
            "run",
            "--config",
            "strict.toml",
            "--trust-aot",
            "native.aot",
        ],
    )
    .fails(126, &["native code", "not signed"]);
}

#[test]
fn a_signature_may_lie_beside_the_module() {
    let place = place();
    strict(&place);
    let before = fs::read(place.path("hello.wasm")).unwrap();
    arena(
        &place,
        &["sign", "--key", "ops", "--detached", "hello.wasm"],
    )
    .stdout_has("hello.wasm.sig");
    assert_eq!(fs::read(place.path("hello.wasm")).unwrap(), before);
    arena(&place, RUN).prints(HELLO);
    arena(&place, &["verify", "--config", "strict.toml", "hello.wasm"]).exits(0);
    place.file("hello.wasm.sig", "x".repeat(20_000));
    arena(&place, RUN).fails(126, &["hello.wasm.sig", "larger than the 16384 bytes"]);
    place.file("hello.wasm.sig", "nonsense");
    arena(&place, RUN).fails(126, &["cannot be read"]);
    arena(
        &place,
        &["sign", "--key", "ops", "--detached", "hello.wasm"],
    )
    .fails(126, &["cannot be read"]);
}

#[test]
fn a_signature_that_no_longer_counts_is_named() {
    let place = place();
    let sign = ["sign", "--key", "ops", "hello.wasm"];
    let output = |args: &[&str]| arena(&place, args).stderr;
    assert_eq!(output(&[&sign[..], &["--detached"]].concat()), "");
    let said = output(&sign);
    assert!(said.contains("hello.wasm.sig counts no more"), "{said}");
    fs::remove_file(place.path("hello.wasm.sig")).unwrap();
    assert_eq!(output(&sign), "");
}

#[test]
fn a_signature_that_nobody_would_look_at_is_not_made() {
    let place = place();
    let path = place.path("hello.wasm");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    arena(&place, &["sign", "--key", "ops", "hello.wasm"]).exits(0);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "who may read it stays");
    let detached = ["sign", "--key", "stranger", "--detached", "hello.wasm"];
    arena(&place, &detached).fails(126, &["a signature in it", "without --detached"]);
    assert!(!place.path("hello.wasm.sig").exists());
}

#[test]
fn inspect_says_what_is_wrong_with_a_signature() {
    let place = place();
    let inspect = |args: &[&str]| arena(&place, &[&["inspect"], args].concat()).stdout();
    place.file("hello.wasm.sig", "nonsense");
    let text = inspect(&["hello.wasm"]);
    assert!(text.contains("NOT VALID: in hello.wasm.sig: "), "{text}");
    assert!(text.contains("wasi_snapshot_preview1"), "{text}");
    // A section "signature" with a byte in it.
    let mut module = b"\0asm\x01\0\0\0\0\x0b\x09signature\x01".to_vec();
    module.extend(&fs::read(place.path("hello.wasm")).unwrap()[8..]);
    place.file("bad.wasm", module);
    let text = inspect(&["bad.wasm"]);
    assert!(
        text.contains("NOT VALID: its signature cannot be read"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&inspect(&["--json", "bad.wasm"])).unwrap();
    let why = json["signature_error"].as_str().unwrap();
    assert!(why.contains("cannot be read"), "{why}");
    assert_eq!(json["signatures"], serde_json::json!([]));
}

#[test]
fn inspect_says_who_has_signed() {
    let place = place();
    strict(&place);
    let signed = ["sign", "--key", "ops", "hello.wasm", "-o", "signed.wasm"];
    let told = arena(&place, &signed).stdout();
    let key = told.trim().rsplit(' ').next().unwrap().to_owned();
    let inspect = |args: &[&str]| arena(&place, &[&["inspect"], args].concat()).stdout();
    assert!(!inspect(&["hello.wasm"]).contains("signed"));
    let text = inspect(&["signed.wasm"]);
    assert!(text.contains("which is not trusted here"), "{text}");
    let text = inspect(&["--config", "strict.toml", "signed.wasm"]);
    assert!(text.contains("valid, trusted"), "{text}");
    let json = inspect(&["--config", "strict.toml", "--json", "signed.wasm"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["signatures"][0]["key"], *key);
    assert_eq!(json["signatures"][0]["trusted"], true);
}

#[test]
fn what_cannot_be_signed_and_keys_that_cannot_sign() {
    let place = place();
    arena(&place, &["sign", "--new-key", "ops"]).fails(2, &["ops is there already"]);
    place.file("text.wat", "(module)");
    arena(&place, &["sign", "--key", "ops", "text.wat"]).fails(126, &["no WebAssembly module"]);
    arena(&place, &["sign", "--key", "missing", "hello.wasm"]).fails(2, &["missing"]);
    arena(&place, &["sign", "--key", "ops.pub", "hello.wasm"]).fails(2, &["chmod"]);
    arena(&place, &["sign", "hello.wasm"]).fails(2, &["--key"]);
    fs::set_permissions(place.path("ops"), fs::Permissions::from_mode(0o644)).unwrap();
    arena(&place, &["sign", "--key", "ops", "hello.wasm"]).fails(2, &["others can read"]);
    arena(&place, &["verify", "hello.wasm"]).fails(2, &["no key is trusted"]);
    arena(&place, &["verify", "--key", "ops", "hello.wasm"]).fails(2, &["no public key"]);
    place.file("none.toml", "[security]\nrequire_signed_modules = true\n");
    arena(&place, &["run", "--config", "none.toml", "hello.wasm"])
        .fails(2, &["security.trusted_keys"]);
    place.file("bad.toml", "[security]\ntrusted_keys = [1]\n");
    arena(&place, &["run", "--config", "bad.toml", "hello.wasm"])
        .fails(2, &["security.trusted_keys", "a path"]);
}

/// `openssl` makes such keys, too.
#[test]
fn keys_of_openssl() {
    let place = place();
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl")
            .args(args)
            .current_dir(place.path(""))
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    if !openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs"]) {
        eprintln!("there is no openssl: not tested");
        return;
    }
    assert!(openssl(&[
        "pkey",
        "-in",
        "theirs",
        "-pubout",
        "-out",
        "theirs.pub"
    ]));
    assert!(
        openssl(&["pkey", "-in", "ops", "-noout"]),
        "ours is one of theirs"
    );
    arena(&place, &["sign", "--key", "theirs", "hello.wasm"]).exits(0);
    arena(&place, &["verify", "--key", "theirs.pub", "hello.wasm"]).exits(0);
}

/// The cache of compiled code is no way around: what is in it may have been put there before
/// signatures were wanted.
#[test]
fn the_cache_is_no_way_around() {
    let place = place();
    strict(&place);
    let Some(compiler) = std::env::var_os("ARENA_AOTC") else {
        eprintln!("ARENA_AOTC is not set: not tested");
        return;
    };
    let run = |args: &[&str]| {
        let mut arena = place.arena([&["run", "--engine=aot"], args].concat());
        arena
            .command
            .env("ARENA_COMPILER", &compiler)
            // Also where the compiler's machine is another than that of the program.
            .env("ARENA_ENGINE_CPU", "baseline")
            .env("XDG_CACHE_HOME", place.path("cache"));
        arena.outcome()
    };
    run(&["hello.wasm"]).prints(HELLO);
    run(&["--config", "strict.toml", "hello.wasm"]).fails(126, &["not signed"]);
    arena(&place, &["sign", "--key", "ops", "hello.wasm"]).exits(0);
    run(&["--config", "strict.toml", "hello.wasm"]).prints(HELLO);

    // Native code runs when it is signed, or named.
    let mut compile = place.arena(["compile", "hello.wasm"]);
    compile.command.env("ARENA_COMPILER", &compiler);
    compile.outcome().exits(0);
    run(&["hello.aot"]).fails(126, &["--trust-aot"]);
    run(&["--config", "strict.toml", "hello.aot"]).fails(126, &["not signed"]);
    let digest = Command::new("sha256sum")
        .arg(place.path("hello.aot"))
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    let digest = digest.split(' ').next().unwrap();
    place.file(
        "named.toml",
        format!("[security]\ntrusted_files = [\"{digest}\"]\n"),
    );
    run(&["--config", "named.toml", "hello.aot"]).prints(HELLO);
    arena(&place, &["sign", "--key", "ops", "hello.aot"]).exits(0);
    run(&["--config", "strict.toml", "hello.aot"]).prints(HELLO);
    run(&["--trust-aot", "hello.aot"]).prints(HELLO);
    run(&["--config", "named.toml", "hello.aot"]).fails(126, &["native code"]);
}
