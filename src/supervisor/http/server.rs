//! The HTTP server: connections, and what each may take.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};
use tracing::{info, warn};

use crate::config::{BrokerAddress, Settings};
use crate::supervisor::Supervisor;
use crate::system::{Server, ServerError, Threads, accept};
use crate::trust::TokenKeyError;

use super::auth::Keys;
use super::routes::{Api, router};

/// What the API is made from.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    listen: SocketAddr,
    keys: Option<Keys>,
    broker: BrokerAddress,
}

/// Why there is no API.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] TokenKeyError),
    /// Everybody could use it.
    #[error(
        "supervisor.listen: {0} can be reached from other machines, and there are no keys that \
         tokens are checked with: set supervisor.jwt_secret_file or supervisor.jwt_public_key, \
         or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The address cannot be used, or the system refuses what it needs.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl HttpConfig {
    /// From the settings. Files of keys are read.
    ///
    /// # Errors
    /// When a key cannot be used, or there is none and the address is not a loopback one.
    pub fn new(settings: &Settings) -> Result<HttpConfig, HttpError> {
        let listen = settings.supervisor.listen;
        let config = HttpConfig {
            listen,
            keys: Keys::load(&settings.supervisor)?,
            broker: settings.broker.url.clone(),
        };
        config.with_address(listen)
    }

    /// The same on another address.
    ///
    /// # Errors
    /// When there are no keys and the address is not a loopback one.
    pub fn with_address(mut self, listen: SocketAddr) -> Result<HttpConfig, HttpError> {
        if self.keys.is_none() && !listen.ip().is_loopback() {
            return Err(HttpError::Open(listen));
        }
        self.listen = listen;
        Ok(self)
    }
}

/// The HTTP API of a supervisor, on a thread of its own. Dropping it ends all connections, closes
/// the port and ends the thread.
#[derive(Debug)]
pub struct HttpServer(Server);

/// How many connections there may be. More are closed at once.
const CONNECTIONS: usize = 1024;
/// How long the head of a request may take, and a connection be idle.
const HEAD: Duration = Duration::from_secs(20);
/// The bytes of a request's head.
const HEAD_SIZE: usize = 32 * 1024;
/// How long a client may not read.
const STALL: Duration = Duration::from_secs(30);
const THREADS: Threads = Threads {
    name: "arts-http",
    stack: 1 << 20,
    // Those that check and read files.
    blocking: ("arts-files", 4),
};

impl HttpServer {
    /// Starts to serve a supervisor. Port 0 is any that is free.
    ///
    /// # Errors
    /// When the address cannot be used, or the system refuses a thread.
    pub fn start(config: HttpConfig, supervisor: Supervisor) -> Result<HttpServer, HttpError> {
        let has_keys = config.keys.is_some();
        let router = router(Arc::new(Api::new(supervisor, config.keys, config.broker)));
        let server = Server::start(config.listen, &THREADS, |listener| serve(listener, router))?;
        let address = server.local_addr();
        if has_keys {
            info!(%address, "the HTTP API listens; it asks for tokens");
        } else {
            info!(%address, "the HTTP API listens; without keys, everybody on this machine may use it, and nobody else");
        }
        Ok(HttpServer(server))
    }

    /// The address that it serves on, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// Asks the thread of the connections to show that it goes on; whether it has since it was
    /// asked before.
    #[must_use]
    pub fn pulse(&self) -> bool {
        self.0.pulse()
    }
}

/// Takes connections for ever.
async fn serve(listener: TcpListener, router: axum::Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut told = false;
    loop {
        let (stream, _) = accept(&listener).await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if !std::mem::replace(&mut told, true) {
                warn!("there are {CONNECTIONS} HTTP connections already: more are closed");
            }
            continue;
        };
        told = false;
        // Lines of output are small, and are to come at once.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let _place = place;
            let mut server = http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(HEAD_SIZE);
            let stream = TokioIo::new(Connection::new(stream));
            // Errors are those of clients, who are gone.
            let _ = server.serve_connection(stream, service).await;
        });
    }
}

/// A connection whose other end has to read what it is sent.
struct Connection {
    stream: TcpStream,
    /// Set while bytes wait that the other end does not take.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        Connection {
            stream,
            stalled: None,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        match std::future::Future::poll(stalled.as_mut(), context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
