//! The HTTP server: `/metrics`, `/healthz` and `/status`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::system::{Server, ServerError, Threads};

use super::connection::{BoundedListener, ConnectionLimits};
use super::metrics;
use super::page::Page;
use super::sample::Sample;

/// What the server tells. It is asked on the server's thread, once a request,
/// and must not block.
pub trait StatusSource: Send + Sync {
    /// The figures for `/metrics`; usually [`Monitor::latest`](super::Monitor::latest).
    fn sample(&self) -> Arc<Sample>;

    /// For `/healthz`: whether all is well.
    fn health(&self) -> Health;

    /// For `/status`: all that is worth knowing.
    fn status(&self) -> serde_json::Value;

    /// Adds metrics of its own to `/metrics`. Their names begin with `arena_`
    /// and are none of those that a sample has.
    fn metrics(&self, page: &mut Page) {
        let _ = page;
    }
}

/// Whether all is well, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether it does what it is there for: `/healthz` answers 200, or 503.
    pub ok: bool,
    /// What is wrong, or deserves a look.
    pub reasons: Vec<String>,
}

/// The HTTP server, on a thread of its own. Dropping it ends all connections,
/// closes the port and ends the thread.
#[derive(Debug)]
pub struct HttpServer(Server);

/// Every answer is small and at hand, and every connection is for one request,
/// so whoever is slow or idle is in the way of others.
const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 16,
    time: Duration::from_secs(10),
    request: 16 * 1024,
};

/// Nothing blocks.
const THREADS: Threads = Threads {
    name: "arena-http",
    stack: 512 * 1024,
    blocking: ("arena-http", 1),
};

impl HttpServer {
    /// Starts to serve on `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// When the address cannot be used, or the system refuses a thread.
    pub fn start(
        address: SocketAddr,
        source: Arc<dyn StatusSource>,
    ) -> Result<HttpServer, ServerError> {
        HttpServer::with_limits(address, source, LIMITS)
    }

    fn with_limits(
        address: SocketAddr,
        source: Arc<dyn StatusSource>,
        limits: ConnectionLimits,
    ) -> Result<HttpServer, ServerError> {
        let server = Server::start(address, &THREADS, move |listener| async move {
            let listener = BoundedListener::new(listener, limits);
            // It goes on for ever.
            let _ = axum::serve(listener, router(source)).await;
        })?;
        Ok(HttpServer(server))
    }

    /// The address that it serves on, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }
}

type Source = State<Arc<dyn StatusSource>>;

fn router(source: Arc<dyn StatusSource>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/status", get(status))
        .fallback(nothing_here)
        .layer(axum::middleware::map_response(with_headers))
        .with_state(source)
}

async fn metrics(State(source): Source) -> impl IntoResponse {
    let mut page = Page::new();
    metrics::write(&mut page, &source.sample());
    source.metrics(&mut page);
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], page.into_text())
}

async fn healthz(State(source): Source) -> impl IntoResponse {
    let health = source.health();
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}

async fn status(State(source): Source) -> impl IntoResponse {
    Json(source.status())
}

async fn nothing_here() -> impl IntoResponse {
    let text = "There are /metrics, /healthz and /status.\n";
    (StatusCode::NOT_FOUND, text)
}

/// Of every answer: it is the last one on its connection, of this moment, and
/// not for a browser to guess what it is.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONNECTION, "close"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::Monitor;
    use super::*;
    use std::io::{self, Read as _, Write as _};
    use std::net::TcpStream;

    /// A source whose status is large, and whose metrics are a fault.
    struct Large(Monitor);

    impl StatusSource for Large {
        fn sample(&self) -> Arc<Sample> {
            self.0.latest()
        }

        fn health(&self) -> Health {
            Health {
                ok: true,
                reasons: Vec::new(),
            }
        }

        fn status(&self) -> serde_json::Value {
            "x".repeat(LARGE).into()
        }

        fn metrics(&self, _: &mut Page) {
            panic!("a fault of the source");
        }
    }

    /// More than the sockets' buffers hold.
    const LARGE: usize = 16 << 20;

    const HOUR: Duration = Duration::from_secs(3600);

    fn server(limits: ConnectionLimits) -> HttpServer {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        HttpServer::with_limits(any, Arc::new(Large(Monitor::new())), limits).unwrap()
    }

    fn connect(server: &HttpServer, text: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        // It may be closed already.
        let _ = stream.write_all(text);
        stream
    }

    /// How much comes until the connection is closed.
    fn rest(mut stream: TcpStream) -> usize {
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
        bytes.len()
    }

    const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\n\r\n";
    const STATUS: &[u8] = b"GET /status HTTP/1.1\r\n\r\n";

    #[test]
    fn the_oldest_connection_gives_way() {
        let server = server(ConnectionLimits {
            connections: 4,
            time: HOUR,
            request: 1024,
        });
        let slow: Vec<TcpStream> = (0..40)
            .map(|number| match number {
                5 | 30 => connect(&server, STATUS),
                odd if odd % 2 == 1 => connect(&server, b"GET /healthz HT"),
                _ => connect(&server, b""),
            })
            .collect();
        assert!(rest(connect(&server, HEALTH)) > 0);
        for stream in slow.into_iter().take(36) {
            assert!(rest(stream) < LARGE);
        }
    }

    #[test]
    fn a_connections_time_is_bounded() {
        let server = server(ConnectionLimits {
            connections: 4,
            time: Duration::from_millis(20),
            request: 1024,
        });
        assert_eq!(rest(connect(&server, b"GET /healthz HT")), 0);
        // Some of it came before it was given up.
        let unread = connect(&server, STATUS);
        let idle = connect(&server, b"");
        assert_eq!(rest(idle), 0);
        assert!(rest(unread) < LARGE);
    }

    #[test]
    fn a_fault_of_the_source_ends_one_connection() {
        let server = server(LIMITS);
        let metrics = connect(&server, b"GET /metrics HTTP/1.1\r\n\r\n");
        assert_eq!(rest(metrics), 0);
        assert!(rest(connect(&server, HEALTH)) > 0);
    }

    #[test]
    fn a_request_is_bounded() {
        let server = server(ConnectionLimits {
            connections: 4,
            time: HOUR,
            request: 1024,
        });
        let endless = b"GET /healthz HTTP/1.1\r\na: "
            .iter()
            .copied()
            .chain(std::iter::repeat_n(b'a', 1 << 20))
            .collect::<Vec<u8>>();
        assert!(rest(connect(&server, &endless)) < 1024);
        assert!(rest(connect(&server, HEALTH)) > 0);
    }
}
