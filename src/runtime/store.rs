//! Module files from an HTTP(S) store, by way of the cache.

use std::io::Read;
use std::time::Duration;

use rustls::crypto::ring;
use tracing::{debug, warn};
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};
use url::Url;

use super::cache::Cache;
use super::fetch;

/// A store: `<base>/users/<name>/<filename>`.
#[derive(Clone, Debug)]
pub(super) struct Store {
    base: Url,
    agent: Agent,
    /// How long one download may take as a whole.
    timeout: Duration,
    cache: Cache,
}

/// Why a file does not come from the store.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("\"{0}\" cannot be a part of a store's URL")]
    Name(String),
    #[error("there is no {0}")]
    NotFound(Url),
    #[error("{url} is larger than the {limit} bytes that it may have")]
    TooLarge { url: Url, limit: u64 },
    #[error("cannot get {url}: {why}")]
    Failed { url: Url, why: String },
}

/// A version of a file, or that ours is the current one.
enum Answer {
    NotModified,
    File {
        bytes: Vec<u8>,
        etag: Option<String>,
    },
}

/// What a store says of the native code of a module.
#[derive(Debug)]
pub(super) enum Artifact {
    /// It has it, signed.
    Signed(Vec<u8>),
    /// It is being made.
    NotYet,
    /// It has none, and why.
    Unknown(String),
}

impl Store {
    /// The native code of the module with this SHA-256: `<base>/artifacts/<sha256>/<arch>/<cpu>`.
    pub(super) fn artifact(
        &self,
        digest: &[u8; 32],
        arch: &str,
        cpu: &str,
        limit: u64,
    ) -> Result<Artifact, StoreError> {
        let mut url = self.base.clone();
        let refused = || StoreError::Name(self.base.to_string());
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        url.path_segments_mut()
            .map_err(|()| refused())?
            .pop_if_empty()
            .extend(["artifacts", &sha256, arch, cpu]);
        let (status, bytes) = self.ask(&url, limit)?;
        Ok(match status {
            StatusCode::OK => Artifact::Signed(bytes),
            StatusCode::ACCEPTED => Artifact::NotYet,
            StatusCode::NOT_FOUND => {
                let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let why = answer["error"]
                    .as_str()
                    .unwrap_or("the store has no native code");
                Artifact::Unknown(why.to_owned())
            }
            status => {
                let why = format!("the store answers with status {status}");
                return Err(StoreError::Failed { url, why });
            }
        })
    }

    /// The status and the body of an answer.
    fn ask(&self, url: &Url, limit: u64) -> Result<(StatusCode, Vec<u8>), StoreError> {
        let failed = |why: String| StoreError::Failed {
            url: url.clone(),
            why,
        };
        let mut response = fetch::get(&self.agent, url, None, self.timeout).map_err(failed)?;
        let bytes = body(&mut response, url, limit)?;
        Ok((response.status(), bytes))
    }

    /// `timeout` bounds one download as a whole.
    pub(super) fn new(base: Url, timeout: Duration, cache: Cache) -> Store {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(ring::default_provider().into())
            .build();
        let config = Agent::config_builder()
            .user_agent(concat!("arena-runtime/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .http_status_as_error(false)
            // Where it leads is looked at: fetch.rs.
            .max_redirects(0)
            .max_idle_connections(2)
            .build();
        Store {
            base,
            agent: config.new_agent(),
            timeout,
            cache,
        }
    }

    /// The file `filename` of the module `name`, of at most `limit` bytes.
    ///
    /// The store is asked each time, with the ETag of what is in the cache; when it cannot be
    /// reached, what is in the cache serves.
    pub(super) fn get(
        &self,
        name: &str,
        filename: &str,
        limit: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let url = self.url(name, filename)?;
        let cached = self.cache.get(url.as_str());
        let etag = cached
            .as_ref()
            .and_then(|entry| entry.known.etag.as_deref());
        match (self.download(&url, etag, limit), cached) {
            (Ok(Answer::NotModified), Some(entry)) => Ok(entry.bytes),
            (Ok(Answer::NotModified), None) => Err(StoreError::Failed {
                url,
                why: "the store says that it has not changed, which nobody asked".to_owned(),
            }),
            (Ok(Answer::File { bytes, etag }), _) => {
                if let Err(e) = self.cache.put(url.as_str(), etag, &bytes) {
                    warn!("cannot keep {url} in the cache, and go on without: {e}");
                }
                Ok(bytes)
            }
            (Err(StoreError::Failed { url, why }), Some(entry)) => {
                warn!("cannot get {url}, and take what is in the cache: {why}");
                Ok(entry.bytes)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn url(&self, name: &str, filename: &str) -> Result<Url, StoreError> {
        let mut url = self.base.clone();
        let refused = |text: &str| StoreError::Name(text.to_owned());
        {
            let mut path = url.path_segments_mut().map_err(|()| refused(name))?;
            path.pop_if_empty().push("users");
            for text in [name, filename] {
                for segment in text.split('/') {
                    if matches!(segment, "" | "." | "..") || segment.contains(['\\', '\0']) {
                        return Err(refused(text));
                    }
                    path.push(segment);
                }
            }
        }
        Ok(url)
    }

    fn download(&self, url: &Url, etag: Option<&str>, limit: u64) -> Result<Answer, StoreError> {
        let failed = |why: String| StoreError::Failed {
            url: url.clone(),
            why,
        };
        let mut response = fetch::get(&self.agent, url, etag, self.timeout).map_err(failed)?;
        debug!(%url, status = response.status().as_u16(), "asked the store");
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Answer::NotModified),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(StoreError::NotFound(url.clone()));
            }
            status => return Err(failed(format!("the store answers with status {status}"))),
        }
        let etag = response.headers().get(header::ETAG);
        let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let bytes = body(&mut response, url, limit)?;
        Ok(Answer::File { bytes, etag })
    }
}

fn body(response: &mut Response<Body>, url: &Url, limit: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    response
        .body_mut()
        .as_reader()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| StoreError::Failed {
            url: url.clone(),
            why: e.to_string(),
        })?;
    if bytes.len() as u64 > limit {
        return Err(StoreError::TooLarge {
            url: url.clone(),
            limit,
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;

    use super::*;

    fn store(base: &str, dir: &tempfile::TempDir) -> Store {
        let cache = Cache::new(dir.path().to_owned(), 1 << 20);
        Store::new(base.parse().unwrap(), Duration::from_secs(10), cache)
    }

    #[test]
    fn urls() {
        let dir = tempfile::tempdir().unwrap();
        let with_path = store("http://host/store/", &dir);
        let url = |name, file| with_path.url(name, file).map(String::from);
        assert_eq!(
            url("me/prog", "a b.wasm").unwrap(),
            "http://host/store/users/me/prog/a%20b.wasm"
        );
        assert_eq!(
            url("m?e", "a#.wasm").unwrap(),
            "http://host/store/users/m%3Fe/a%23.wasm"
        );
        for (name, file) in [
            ("..", "a"),
            ("me", "../a"),
            ("me/", "a"),
            ("", "a"),
            ("me", "/a"),
            ("me", "x\\..\\a"),
        ] {
            assert!(
                matches!(url(name, file), Err(StoreError::Name(_))),
                "{name} {file}"
            );
        }
    }

    /// A server that gives each connection the next answer, and tells what was asked.
    fn serve(answers: Vec<Vec<u8>>) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/store", listener.local_addr().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                sender.send(request(&stream)).unwrap();
                (&stream).write_all(&answer).unwrap();
            }
        });
        (base, receiver)
    }

    fn request(stream: &TcpStream) -> String {
        let mut head = String::new();
        let mut reader = BufReader::new(stream);
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap() == 0 {
                break;
            }
        }
        head
    }

    fn ok(body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    fn status(line: &str) -> Vec<u8> {
        format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
    }

    #[test]
    fn downloads_once_and_serves_while_the_store_is_away() {
        let dir = tempfile::tempdir().unwrap();
        let (base, asked) = serve(vec![
            ok(b"module"),
            status("304 Not Modified"),
            status("500 Oh"),
        ]);
        let store = store(&base, &dir);
        for _ in 0..3 {
            assert_eq!(store.get("me", "a.wasm", 100).unwrap(), b"module");
        }
        assert!(
            !asked
                .recv()
                .unwrap()
                .to_lowercase()
                .contains("if-none-match")
        );
        assert!(
            asked
                .recv()
                .unwrap()
                .to_lowercase()
                .contains("if-none-match: \"v1\"")
        );
        asked.recv().unwrap();
        // Nobody listens any more.
        assert_eq!(store.get("me", "a.wasm", 100).unwrap(), b"module");
        assert!(matches!(
            store.get("me", "b.wasm", 100),
            Err(StoreError::Failed { .. })
        ));
    }

    fn redirect(to: &str) -> Vec<u8> {
        status(&format!("302 Found\r\nLocation: {to}"))
    }

    #[test]
    fn a_store_may_send_us_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (elsewhere, asked) = serve(vec![ok(b"module")]);
        let (base, _asked) = serve(vec![
            redirect("../b.wasm"),
            redirect(&format!("{elsewhere}/there")),
            redirect("file:///etc/passwd"),
            redirect("http://[nonsense"),
            status("302 Found"),
        ]);
        let store = store(&base, &dir);
        assert_eq!(store.get("me", "a.wasm", 100).unwrap(), b"module");
        assert!(asked.recv().unwrap().starts_with("GET /store/there "));
        for why in ["file:///etc/passwd", "no URL", "does not say where"] {
            let error = store.get("you", "a.wasm", 100).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn one_that_sends_us_about_for_ever_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (base, _asked) = serve(vec![redirect("again"); 10]);
        let error = store(&base, &dir).get("me", "a.wasm", 100).unwrap_err();
        assert!(error.to_string().contains("more than 5 times"), "{error}");
    }

    #[test]
    fn what_is_not_there_or_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let cut_off = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf".to_vec();
        let (base, _asked) = serve(vec![
            status("404 Not Found"),
            ok(&[0; 101]),
            cut_off,
            b"nonsense\r\n\r\n".to_vec(),
        ]);
        let store = store(&base, &dir);
        assert!(matches!(
            store.get("me", "a", 100),
            Err(StoreError::NotFound(_))
        ));
        assert!(matches!(
            store.get("me", "a", 100),
            Err(StoreError::TooLarge { .. })
        ));
        assert!(matches!(
            store.get("me", "a", 100),
            Err(StoreError::Failed { .. })
        ));
        assert!(matches!(
            store.get("me", "a", 100),
            Err(StoreError::Failed { .. })
        ));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_hindrance() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (base, _asked) = serve(vec![ok(b"module"), ok(b"module")]);
        let cache = Cache::new(file, 1 << 20);
        let store = Store::new(base.parse().unwrap(), Duration::from_secs(10), cache);
        for _ in 0..2 {
            assert_eq!(store.get("me", "a.wasm", 100).unwrap(), b"module");
        }
    }
}
