//! The monitor's HTTP server, spoken to byte by byte, and modules that are
//! really run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arena_runtime::monitor::{
    Health, HttpError, HttpServer, Kind, ModuleCounters, ModuleMonitor, ModuleProbe, Monitor, Page,
    Sample, StatusSource,
};

/// A name that tries to be more than a label's value.
const NASTY: &str = "a\"} 1\narena_forged 2\\\u{7}\r\n";

struct Source {
    monitor: Monitor,
    well: AtomicBool,
}

impl StatusSource for Source {
    fn sample(&self) -> Arc<Sample> {
        self.monitor.latest()
    }

    fn health(&self) -> Health {
        let ok = self.well.load(Ordering::Relaxed);
        let reasons = if ok {
            Vec::new()
        } else {
            vec!["no broker".to_owned()]
        };
        Health { ok, reasons }
    }

    fn status(&self) -> serde_json::Value {
        serde_json::json!({ "name": "rt1", "sample": &*self.sample() })
    }

    fn metrics(&self, page: &mut Page) {
        let help = "Runs of the test.";
        page.single("arena_test_runs_total", Kind::Counter, help, Some(1u64));
    }
}

/// A server with one module that has done a few things.
struct Fixture {
    server: HttpServer,
    source: Arc<Source>,
    module: ModuleMonitor,
}

impl Fixture {
    fn new() -> Fixture {
        let monitor = Monitor::new();
        let counters = ModuleCounters {
            memory: 131_072,
            messages_in: 3,
            last_activity: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)),
            ..ModuleCounters::default()
        };
        let module = monitor.add(ModuleProbe {
            uuid: "5f937916-d29d-4f66-801e-3d69f57728e2".parse().unwrap(),
            name: NASTY.to_owned(),
            guest_threads: false,
            counters: Arc::new(move || counters.clone()),
        });
        monitor.sample();
        let source = Arc::new(Source {
            monitor,
            well: AtomicBool::new(true),
        });
        let server = HttpServer::start(loopback(), Arc::clone(&source) as _).unwrap();
        Fixture {
            server,
            source,
            module,
        }
    }

    fn connect(&self) -> TcpStream {
        connect(self.server.local_addr())
    }

    /// What it answers to these bytes, until it closes the connection.
    fn answer(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        rest(&mut stream)
    }

    /// What it answers to a client that sends this and goes away.
    fn answer_to_bad(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // It may have seen enough, and closed, before all is sent.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        rest(&mut stream)
    }

    fn get(&self, path: &str) -> Answer {
        Answer::parse(&self.answer(request(path).as_bytes()))
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// All that comes until the connection is closed, however that happens.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        let kind = error.kind();
        assert_eq!(kind, std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8(bytes).unwrap()
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: arena\r\n\r\n")
}

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if let Some(length) = headers.get("content-length") {
            assert!(body.is_empty() || body.len().to_string() == *length);
        }
        Answer {
            status: status[..3].parse().unwrap(),
            headers,
            body: body.to_owned(),
        }
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }
}

#[test]
fn metrics_are_well_formed() {
    let fixture = Fixture::new();
    let answer = fixture.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(answer.headers["connection"], "close");
    let metrics = prometheus::parse(&answer.body);
    let value = |name: &str| metrics[name].samples[0].value;
    assert!(metrics.keys().all(|name| name.starts_with("arena_")));
    assert!(!metrics.contains_key("arena_forged"));
    assert_eq!(value("arena_modules"), 1.0);
    assert_eq!(value("arena_module_memory_bytes"), 131_072.0);
    assert_eq!(value("arena_module_received_messages_total"), 3.0);
    assert_eq!(value("arena_module_last_activity_timestamp_seconds"), 1.5);
    assert_eq!(value("arena_test_runs_total"), 1.0);
    assert!(value("arena_host_cores") >= 1.0);
    assert!(value("arena_process_cpu_seconds_total") > 0.0);
    assert!(value("arena_process_resident_memory_bytes") > 0.0);
    let labels = &metrics["arena_module_cpu_seconds_total"].samples[0].labels;
    assert_eq!(labels["uuid"], "5f937916-d29d-4f66-801e-3d69f57728e2");
    assert_eq!(labels["name"], "a\"} 1\narena_forged 2\\\u{fffd}\u{fffd}\n");
}

/// The list in the documentation is the page's.
#[test]
fn all_metrics_are_documented() {
    let fixture = Fixture::new();
    let page = fixture.get("/metrics").body;
    let operations = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let operations = std::fs::read_to_string(operations).unwrap();
    let metrics = prometheus::parse(&page);
    for (name, metric) in metrics {
        let row = format!("| `{name}` | {} |", metric.kind);
        assert!(
            name == "arena_test_runs_total" || operations.contains(&row),
            "docs/operations.md lacks {row}"
        );
    }
}

#[test]
fn modules_that_are_gone_are_not_in_the_metrics() {
    let Fixture {
        server,
        source,
        module,
    } = Fixture::new();
    assert_eq!(module.finish().counters.messages_in, 3);
    source.monitor.sample();
    let fixture = Fixture {
        server,
        module: source.monitor.add(ModuleProbe {
            uuid: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
            name: "other".to_owned(),
            guest_threads: false,
            counters: Arc::new(ModuleCounters::default),
        }),
        source,
    };
    let metrics = prometheus::parse(&fixture.get("/metrics").body);
    assert!(!metrics.contains_key("arena_module_cpu_seconds_total"));
    assert_eq!(metrics["arena_modules"].samples[0].value, 0.0);
    drop(fixture.module);
}

#[test]
fn health_is_a_status() {
    let fixture = Fixture::new();
    let answer = fixture.get("/healthz");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        serde_json::json!({"ok": true, "reasons": []})
    );
    fixture.source.well.store(false, Ordering::Relaxed);
    let answer = fixture.get("/healthz");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0], "no broker");
}

#[test]
fn status_is_json() {
    let fixture = Fixture::new();
    let answer = fixture.get("/status?of=all");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let status = answer.json();
    assert_eq!(status["name"], "rt1");
    assert_eq!(status["sample"]["modules"][0]["name"], NASTY);
    assert_eq!(
        status["sample"]["modules"][0]["last_activity"],
        "1970-01-01T00:00:01.500Z"
    );
}

#[test]
fn only_get_and_head_and_only_what_is_there() {
    let fixture = Fixture::new();
    for path in ["/", "/metrics/", "/metric", "/../etc/passwd", "/%00"] {
        assert_eq!(fixture.get(path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: arena\r\n\r\n");
        let answer = Answer::parse(&fixture.answer(request.as_bytes()));
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET,HEAD", "{method}");
    }
    let head = Answer::parse(&fixture.answer(b"HEAD /metrics HTTP/1.1\r\nHost: arena\r\n\r\n"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // One request a connection.
    let two = request("/healthz").repeat(2);
    let answer = fixture.answer(two.as_bytes());
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[test]
fn bad_requests_are_harmless() {
    let fixture = Fixture::new();
    let good = request("/healthz");
    let mut bad: Vec<Vec<u8>> = vec![
        b"\0\x01\x02\xff".repeat(100),
        b"GET".to_vec(),
        b"GET /healthz HTTP/9.9\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nHost arena\r\n\r\n".to_vec(),
        // Longer than a request may be: a path, a header, many headers, a body.
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100_000)).into_bytes(),
        format!(
            "POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{}",
            "a".repeat(1 << 20)
        )
        .into_bytes(),
        b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"
            .to_vec(),
        b"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n".to_vec(),
    ];
    bad.extend((0..good.len()).map(|length| good.as_bytes()[..length].to_vec()));
    for request in bad {
        let answer = fixture.answer_to_bad(&request);
        let start = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        // A GET with a body is a GET; nothing reads the body.
        assert!(
            answer.is_empty()
                || answer.starts_with("HTTP/1.1 4")
                || (answer.starts_with("HTTP/1.1 200") && start.starts_with("GET /metrics")),
            "{start:?}: {answer}"
        );
        assert_eq!(fixture.get("/healthz").status, 200, "after {start:?}");
    }
}

/// That they lose their places and their time is a unit test's.
#[test]
fn slow_clients_are_in_nobodys_way() {
    let fixture = Fixture::new();
    // Each sends a part of a request and waits; some all of it, and do not
    // read the answer.
    let slow: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = fixture.connect();
            let text = request("/metrics");
            let part = if number % 3 == 0 {
                text.as_str()
            } else {
                &text[..number % text.len()]
            };
            // The server may have closed it already.
            let _ = stream.write_all(part.as_bytes());
            stream
        })
        .collect();
    assert_eq!(fixture.get("/healthz").status, 200);
    drop(slow);
}

#[test]
fn a_dropped_server_is_gone() {
    let fixture = Fixture::new();
    let address = fixture.server.local_addr();
    let mut waiting = fixture.connect();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    assert_eq!(fixture.get("/healthz").status, 200);
    drop(fixture.server);
    assert_eq!(rest(&mut waiting), "");
    assert!(TcpStream::connect(address).is_err());
    // The port is free at once.
    let source = Arc::clone(&fixture.source) as _;
    drop(HttpServer::start(address, source).unwrap());
}

#[test]
fn an_address_in_use_is_an_error_that_says_so() {
    let taken = TcpListener::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let fixture = Fixture::new();
    let source = Arc::clone(&fixture.source) as _;
    let error = HttpServer::start(address, source).unwrap_err();
    assert!(matches!(error, HttpError::Bind { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot serve HTTP on {address}: ")),
        "{text}"
    );
}

/// Threads that WAMR makes for a guest have the worker's name, which is how
/// they are found.
#[test]
#[cfg(feature = "wasi-threads")]
fn threads_that_a_guest_starts_are_counted() {
    use arena_runtime::wamr::{Engine, Imports, Instance, InstanceConfig, Module};

    let text = r#"(module
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (import "env" "memory" (memory 1 1 shared))
        (func (export "wasi_thread_start") (param i32 i32) (loop br 0))
        (func (export "run")
            (if (i32.lt_s (call $spawn (i32.const 7)) (i32.const 0)) (then unreachable))))"#;
    let engine = Engine::new().unwrap();
    let wasm = wat::parse_str(text).unwrap();
    let module = Module::load(&engine, &wasm, &Imports::<()>::new()).unwrap();
    let monitor = Monitor::new();
    let watched = monitor.add(ModuleProbe {
        uuid: "5f937916-d29d-4f66-801e-3d69f57728e2".parse().unwrap(),
        name: "spinner".to_owned(),
        guest_threads: true,
        counters: Arc::new(ModuleCounters::default),
    });
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let worker = std::thread::Builder::new()
        .name("guest-spinner-1".to_owned())
        .spawn(move || {
            let guard = watched.enter();
            let instance = Instance::new(&module, (), InstanceConfig::default()).unwrap();
            instance.call("run", &[]).unwrap();
            let _ = ended.recv();
            drop(instance);
            drop(guard);
            watched.finish()
        })
        .unwrap();
    // The worker waits; what is used is used by the other thread.
    let begin = Instant::now();
    let seen = loop {
        let sample = monitor.sample();
        let module = &sample.modules[0];
        if module.threads == 2 && module.cpu_nanos > 100_000_000 {
            break module.cpu_nanos;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{module:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    drop(end);
    assert!(worker.join().unwrap().cpu_nanos >= seen);
}

/// A strict reader of the text format, version 0.0.4: what a scraper would
/// refuse or read differently is a panic.
mod prometheus {
    use super::{HashMap, HashSet};

    pub(super) struct Metric {
        pub(super) kind: String,
        pub(super) samples: Vec<Measured>,
    }

    pub(super) struct Measured {
        pub(super) labels: HashMap<String, String>,
        pub(super) value: f64,
    }

    pub(super) fn parse(text: &str) -> HashMap<String, Metric> {
        assert!(text.ends_with('\n'), "the last line is not ended");
        let mut metrics = HashMap::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line
                .strip_prefix("# HELP ")
                .unwrap_or_else(|| panic!("{line}"));
            let (name, help) = help.split_once(' ').unwrap();
            check_name(name);
            assert!(!help.is_empty() && !help.contains('\r'), "{line}");
            let kind = lines.next().unwrap();
            let kind = kind.strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{kind}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            let mut samples = Vec::new();
            let mut seen = HashSet::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("{line}"));
                let (labels, value) = labels(rest);
                let mut sorted: Vec<_> = labels.clone().into_iter().collect();
                sorted.sort();
                assert!(seen.insert(sorted), "twice: {line}");
                let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(kind == "gauge" || value >= 0.0, "{line}");
                samples.push(Measured { labels, value });
            }
            assert!(!samples.is_empty(), "{name} has no values");
            let metric = Metric {
                kind: kind.to_owned(),
                samples,
            };
            assert!(
                metrics.insert(name.to_owned(), metric).is_none(),
                "{name} twice"
            );
        }
        metrics
    }

    fn check_name(name: &str) {
        let mut characters = name.chars();
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        assert!(characters.next().is_some_and(letter), "{name}");
        assert!(
            characters.all(|c| letter(c) || c.is_ascii_digit()),
            "{name}"
        );
    }

    /// The labels, if there are any, and what follows them.
    fn labels(text: &str) -> (HashMap<String, String>, &str) {
        let mut labels = HashMap::new();
        let Some(mut rest) = text.strip_prefix('{') else {
            return (labels, text);
        };
        loop {
            let (name, after) = rest.split_once("=\"").unwrap();
            check_name(name);
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match characters.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        other => panic!("\\{other}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            assert!(
                labels.insert(name.to_owned(), value).is_none(),
                "{name} twice"
            );
            rest = &after[end + 1..];
            if let Some(after) = rest.strip_prefix('}') {
                return (labels, after);
            }
            rest = rest.strip_prefix(',').unwrap();
        }
    }
}
