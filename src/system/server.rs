//! A TCP server on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::warn;

use super::pulse::TaskPulse;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
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

/// The threads of a server.
pub(crate) struct Threads {
    /// What that of the connections is called.
    pub(crate) name: &'static str,
    /// The bytes of its stack.
    pub(crate) stack: usize,
    /// What those are called that may block, and how many there may be.
    pub(crate) blocking: (&'static str, usize),
}

/// A server. Dropping it ends all connections, closes the port and ends the thread.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// Dropping it tells the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    alive: Arc<TaskPulse>,
}

impl Server {
    /// Listens on `address`, of which port 0 is any that is free, and runs what `serve` makes of
    /// that, which does not end by itself.
    pub(crate) fn start<S, F>(
        address: SocketAddr,
        threads: &Threads,
        serve: S,
    ) -> Result<Server, ServerError>
    where
        S: FnOnce(TcpListener) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let bind_error = |error| ServerError::Bind { address, error };
        // The standard library sets SO_REUSEADDR.
        let listener = std::net::TcpListener::bind(address).map_err(bind_error)?;
        listener.set_nonblocking(true).map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let (blocking, most) = threads.blocking;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(most)
            .thread_name(blocking)
            .build()
            .map_err(ServerError::Start)?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener).map_err(ServerError::Start)?
        };
        let (stop, stopped) = oneshot::channel();
        let alive = Arc::new(TaskPulse::default());
        let answering = Arc::clone(&alive);
        let thread = std::thread::Builder::new()
            .name(threads.name.to_owned())
            .stack_size(threads.stack)
            .spawn(move || {
                // Without a graceful end: what is slow, or goes on for ever, would hold it up.
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = serve(listener) => {}
                        () = answering.answer() => {}
                    }
                });
                // What just blocks is not waited for.
                runtime.shutdown_background();
            })
            .map_err(ServerError::Start)?;
        Ok(Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
            alive,
        })
    }

    /// Asks the thread to show that it goes on; whether it has since it was asked before.
    pub(crate) fn pulse(&self) -> bool {
        self.alive.ask()
    }

    /// The address that it serves on, with the port that it got.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It cannot panic: a fault of a handler ends one connection.
            let _ = thread.join();
        }
    }
}

/// After an error of the listener itself, such as too many open files.
const RETRY: Duration = Duration::from_millis(100);

/// The next connection, however long that takes.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept an HTTP connection");
                sleep(RETRY).await;
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
