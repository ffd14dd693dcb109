//! The dashboard: that it is served, and, in Chromium, that it works.

use std::path::Path;

use serde_json::json;

use crate::arts::Arts;
use crate::browser::{self, Browser};
use crate::mosquitto::Broker;
use crate::runtime::Runtime;
use crate::tokens;

const FILES: [(&str, &str); 6] = [
    ("/", "text/html; charset=utf-8"),
    ("/dashboard/style.css", "text/css; charset=utf-8"),
    ("/dashboard/app.js", "text/javascript; charset=utf-8"),
    ("/dashboard/api.js", "text/javascript; charset=utf-8"),
    ("/dashboard/parts.js", "text/javascript; charset=utf-8"),
    ("/dashboard/icon.svg", "image/svg+xml"),
];

#[test]
fn files_have_their_types_and_a_policy() {
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[]);
    for (path, kind) in FILES {
        let answer = arts.api.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["content-type"], kind, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        // Nothing is asked of others, and nobody's text becomes HTML.
        let text = answer.text().replace("http://www.w3.org/", "");
        for not in [
            "http:",
            "https:",
            "innerHTML",
            "insertAdjacentHTML",
            " style=",
            " onclick=",
        ] {
            assert!(!text.contains(not), "{not} in {path}");
        }
        // All that the page wants is there.
        for part in text
            .split('"')
            .filter(|part| part.starts_with("/dashboard/"))
        {
            assert!(FILES.iter().any(|(path, _)| *path == part), "{part}");
        }
        arts.api.send("POST", path, &[], b"").refused(405, "method");
        let foreign = [("Host", "evil.example")];
        arts.api
            .send("GET", path, &foreign, b"")
            .refused(403, "forbidden");
    }
    // Answers that are no page run nothing.
    let answer = arts.api.get("/api/v1/modules");
    let policy = &answer.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
}

/// A browser; without one the test says so, and ends.
fn browser() -> Option<Browser> {
    let program = browser::find();
    if program.is_none() {
        eprintln!("SKIPPED: there is no Chromium in PATH, so the dashboard is not tried");
    }
    program.map(|program| Browser::start(&program))
}

#[test]
fn a_module_from_the_form_to_its_end() {
    let Some(mut page) = browser() else {
        return;
    };
    let broker = Broker::start();
    let arts = Arts::start(broker.port(), &[]);
    let runtime = Runtime::start(broker.port(), "[runtime]\ngrace_time = \"100ms\"\n");
    arts.wait_runtimes(1);
    page.look(1200, 900, false);
    page.open(&format!("http://{}/", arts.api.address));
    page.wait("document.querySelector('#link').textContent === 'live'");
    page.wait("document.querySelectorAll('#rows tr.runtime').length === 1");
    page.wait("document.querySelector('#events').textContent.includes('registered')");

    // By the form, with a name that would be an element.
    page.choose("#file", &runtime.apps().join("hello.wasm"));
    page.eval("document.querySelector('#name').value = '<img src=x> hello'");
    page.eval("document.querySelector('#start').click()");
    page.wait("document.querySelector('#output-name').textContent === '<img src=x> hello'");
    page.wait("document.querySelector('#lines').textContent.includes('Hello from WebAssembly!')");
    page.wait("document.querySelector('#output-state').textContent.startsWith('exited')");
    assert_eq!(page.eval("document.querySelectorAll('main img').length"), 0);

    // Of somebody else, and stopped by keys: the first press asks, the second does it.
    let wait = json!({"filename": "wait.wasm", "name": "waits"});
    arts.api.post("/api/v1/modules", &wait).granted(201);
    let button = "document.querySelector('button[aria-label$=\" waits\"]')";
    page.wait(&format!("{button} !== null"));
    page.wait(&format!(
        "{button}.closest('tr').children[5].textContent === 'interpreter'"
    ));
    page.eval(&format!("{button}.focus()"));
    page.enter();
    page.wait(&format!("{button}.textContent === 'Sure?'"));
    page.enter();
    page.wait(&format!("{button} === null"));
    assert_eq!(arts.modules().len(), 1);
    assert_eq!(page.complaints(), Vec::<serde_json::Value>::new());

    // For who wants to see it: nothing is wider than the window.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, width, dark) in [
        ("light", 1200, false),
        ("dark", 1200, true),
        ("phone", 390, false),
    ] {
        page.look(width, 900, dark);
        page.wait("document.documentElement.scrollWidth <= innerWidth");
        std::fs::write(dir.join(format!("dashboard-{name}.png")), page.picture()).unwrap();
    }

    // What is no module is refused, and the page says why.
    let bad = arts.dir().join("bad.wasm");
    std::fs::write(&bad, "no wasm").unwrap();
    page.choose("#file", &bad);
    page.eval("document.querySelector('#start').click()");
    page.wait("document.querySelector('#notice.bad').textContent.includes('not WebAssembly')");
}

#[test]
fn a_token_is_asked_for() {
    let Some(mut page) = browser() else {
        return;
    };
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), tokens::SECRET).unwrap();
    let arts = Arts::start_in(dir, broker.port(), &["--jwt-secret-file=secret"]);
    page.open(&format!("http://{}/", arts.api.address));
    page.wait("!document.querySelector('#login').hidden");
    let submit = |token: &str| {
        format!(
            "document.querySelector('#token').value = '{token}'; \
             document.querySelector('#login button').click()"
        )
    };
    page.eval(&submit("wrong"));
    page.wait("!document.querySelector('#login').hidden");
    page.eval(&submit(&tokens::reader()));
    page.wait("document.querySelector('#link').textContent === 'live'");
    assert_eq!(page.eval("document.querySelector('#login').hidden"), true);
}
