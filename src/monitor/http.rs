//! The HTTP server: `/metrics`, `/healthz` and `/status`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::oneshot;

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

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address cannot be used.
    #[error("cannot serve HTTP on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The system refuses a thread or what it needs.
    #[error("cannot start the HTTP server: {0}")]
    Start(io::Error),
}

/// The HTTP server, on a thread of its own. Dropping it ends all connections,
/// closes the port and ends the thread.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    /// Dropping it tells the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Every answer is small and at hand, and every connection is for one request,
/// so whoever is slow or idle is in the way of others.
const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 16,
    time: Duration::from_secs(10),
    request: 16 * 1024,
};

impl HttpServer {
    /// Starts to serve on `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// When the address cannot be used, or the system refuses a thread.
    pub fn start(
        address: SocketAddr,
        source: Arc<dyn StatusSource>,
    ) -> Result<HttpServer, HttpError> {
        HttpServer::with_limits(address, source, LIMITS)
    }

    fn with_limits(
        address: SocketAddr,
        source: Arc<dyn StatusSource>,
        limits: ConnectionLimits,
    ) -> Result<HttpServer, HttpError> {
        let bind_error = |error| HttpError::Bind { address, error };
        // The standard library sets SO_REUSEADDR.
        let listener = std::net::TcpListener::bind(address).map_err(bind_error)?;
        listener.set_nonblocking(true).map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(HttpError::Start)?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(HttpError::Start)?
        };
        let listener = BoundedListener::new(listener, limits);
        let router = router(source);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("arena-http".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || {
                // Without a graceful end: what is slow would hold it up.
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        // It goes on for ever.
                        _ = axum::serve(listener, router) => {}
                    }
                });
            })
            .map_err(HttpError::Start)?;
        Ok(HttpServer {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address that it serves on, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It panics only if the source does, and says so itself.
            let _ = thread.join();
        }
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
