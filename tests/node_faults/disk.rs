//! A cache that cannot be written costs the cache, not the module.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::runtime::Realm;

/// Serves one file for every request.
fn serve(file: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                file.len()
            );
            (&stream)
                .write_all(&[head.as_bytes(), &file].concat())
                .unwrap();
        }
    });
    port
}

fn runs_without(cache: &Path) {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-samples/build");
    let port = serve(std::fs::read(samples.join("hello.wasm")).unwrap());
    let realm = Realm::start(&format!(
        "[store]\nurl = \"http://127.0.0.1:{port}/\"\ncache_dir = {cache:?}"
    ));
    for _ in 0..2 {
        let id = realm.run("of-store.wasm", json!({"name": "me/prog"}));
        assert_eq!(realm.exit(&id)["code"], 0);
        assert_eq!(realm.client.lines(&id), ["Hello from WebAssembly!"]);
    }
    let log = realm.runtime.log();
    assert!(
        log.contains("in the cache, and go on without"),
        "no warning:\n{log}"
    );
}

#[test]
fn a_cache_that_is_no_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    runs_without(file.path());
}

/// A file system of one page, gone when it is dropped.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"])
        .arg(dir.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("NOT TESTED: a file system can only be mounted by root");
        return;
    }
    let small = Small(dir.path().to_owned());
    runs_without(&small.0);
    // Not even a part of the file is left.
    assert_eq!(std::fs::read_dir(&small.0).unwrap().count(), 0);
}
