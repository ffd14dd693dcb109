//! Native code for runtimes without a compiler. `ARENA_AOTC` names the supervisor's compiler; without
//! it only what needs none is tested.

use arena_runtime::artifacts::{Key, Target, open_signed};
use arena_runtime::config::PublicKey;
use serde_json::{Value, json};

use crate::arts::Arts;
use crate::http::Answer;
use crate::mosquitto::Broker;
use crate::runtime::{Runtime, wait_until};
use crate::schema::Description;

fn compiler() -> Option<String> {
    let compiler = std::env::var("ARENA_AOTC").ok();
    if compiler.is_none() {
        eprintln!("ARENA_AOTC is not set: not tested");
    }
    compiler.map(|path| format!("--set=engine.compiler={path}"))
}

fn hello() -> Vec<u8> {
    let built = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build");
    std::fs::read(built.join("hello.wasm")).expect("the samples are missing: scripts/build-samples")
}

fn key(arts: &Arts) -> PublicKey {
    let key = arts.api.get("/store/artifacts/key").granted(200);
    key["key"].as_str().unwrap().parse().unwrap()
}

/// The path of a file's code.
fn path(file: &Value, machine: &str) -> String {
    let sha256 = file["sha256"].as_str().unwrap();
    format!("/store/artifacts/{sha256}/{machine}")
}

fn wait_for_code(arts: &Arts, path: &str) -> Answer {
    wait_until("the module is compiled", || {
        arts.api.get(path).status == 200
    });
    arts.api.get(path)
}

#[test]
fn stored_modules_are_compiled_and_signed_on_request() {
    let Some(compiler) = compiler() else { return };
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[&compiler]);
    let api = &arts.api;
    let described = Description::of(api);
    let file = api.put("/store/users/me/hello.wasm", &hello()).granted(201);
    for (arch, cpu) in [("x86_64", "baseline"), ("aarch64", "rpi5")] {
        let path = path(&file, &format!("{arch}/{cpu}"));
        let first = api.get(&path);
        assert_eq!(first.status, 202, "{}", first.text());
        assert_eq!(first.headers["retry-after"], "1");
        described.check(
            "/store/artifacts/{sha256}/{arch}/{cpu}",
            "GET",
            202,
            &first.json(),
        );
        let got = wait_for_code(&arts, &path);
        assert_eq!(got.headers["content-type"], "application/octet-stream");
        let target = Target {
            arch: arch.to_owned(),
            ..Target::host(cpu)
        };
        let artifact = Key::new(&hello(), &target);
        let (code, about) = open_signed(&key(&arts), &artifact, &got.body).unwrap();
        assert!(code.starts_with(b"\0aot"));
        assert_eq!((&*about.arch, &*about.cpu), (arch, cpu));
        // It is good for no other module and no other processor.
        let other = Key::new(b"other", &target);
        assert!(open_signed(&key(&arts), &other, &got.body).is_none());
    }
    let told = api.get("/store/artifacts/key").granted(200);
    described.check("/store/artifacts/key", "GET", 200, &told);
}

#[test]
fn what_is_not_there_says_so() {
    let Some(compiler) = compiler() else { return };
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[&compiler]);
    let api = &arts.api;
    let absent = json!({"sha256": "00".repeat(32)});
    api.get(&path(&absent, "x86_64/baseline"))
        .refused(404, "unknown");
    let file = api.put("/store/users/me/hello.wasm", &hello()).granted(201);
    for machine in [
        "x86_64/native",
        "x86_64/rpi4",
        "riscv64/baseline",
        "x86_64/..%2f",
    ] {
        api.get(&path(&file, machine)).refused(404, "unknown");
    }
    for sha256 in ["00", "zz", "..%2f..%2fetc", &"g".repeat(64)] {
        let answer = api.get(&format!("/store/artifacts/{sha256}/x86_64/baseline"));
        answer.refused(400, "invalid");
    }

    let none = Arts::start(broker.port(), &["--set=engine.compiler=/nowhere"]);
    let api = &none.api;
    let file = api.put("/store/users/me/hello.wasm", &hello()).granted(201);
    api.get(&path(&file, "x86_64/baseline"))
        .refused(404, "unknown");
    api.get("/store/artifacts/key").refused(404, "unknown");
    assert!(!none.dir().join("data/artifact-key.der").exists());
}

/// A runtime without a compiler, with this supervisor's store.
fn runtime(broker: &Broker, arts: &Arts, key: PublicKey) -> Runtime {
    let settings = format!(
        "[engine]\nmode = \"auto\"\ncompiler = \"/nowhere\"\ntrusted_key = \"{key}\"\n\
         [store]\nurl = \"http://{}/store\"\n",
        arts.api.address
    );
    let runtime = Runtime::start(broker.port(), &settings);
    arts.wait_runtimes(1);
    runtime
}

/// A supervisor that compiles, with the module in its store, and a runtime without a compiler that
/// trusts this key, or else the supervisor's.
fn realm(trusted: Option<PublicKey>) -> Option<(Broker, Arts, Runtime)> {
    let compiler = compiler()?;
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[&compiler]);
    arts.api
        .put("/store/users/me/hello.wasm", &hello())
        .granted(201);
    let key = trusted.unwrap_or_else(|| key(&arts));
    let runtime = runtime(&broker, &arts, key);
    Some((broker, arts, runtime))
}

/// Starts the stored module, and waits for its end; what has executed it.
fn run(arts: &Arts) -> Value {
    let create = json!({"file": "me/hello.wasm"});
    let module = arts.api.post("/api/v1/modules", &create).granted(201)["modules"][0].clone();
    let path = format!("/api/v1/modules/{}", module["uuid"].as_str().unwrap());
    let record = || arts.api.get(&path).granted(200);
    wait_until("the module has ended", || record()["state"] == "exited");
    assert_eq!(record()["exit"]["code"], 0);
    record()["engine"].clone()
}

#[test]
fn a_runtime_without_a_compiler_fetches_what_its_supervisor_has_signed() {
    let Some((_broker, arts, runtime)) = realm(None) else {
        return;
    };
    assert_eq!(run(&arts), "interpreter");
    wait_until("the code has come", || {
        runtime.log().contains("native code is there")
    });
    assert_eq!(run(&arts), "aot");
}

#[test]
fn what_somebody_else_has_signed_is_not_run() {
    let Some((_broker, arts, runtime)) = realm(Some(PublicKey::new([7; 32]))) else {
        return;
    };
    assert_eq!(run(&arts), "interpreter");
    wait_until("the code is refused", || {
        runtime
            .log()
            .contains("is not signed with engine.trusted_key")
    });
    assert_eq!(run(&arts), "interpreter");
}
