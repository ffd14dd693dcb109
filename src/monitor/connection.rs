//! Connections that cannot take more than is theirs: there is a bounded number
//! of them, and each has a bounded time and may send a bounded request.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Sleep, sleep};

use crate::system::accept;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// How many there may be. When one more comes, the oldest is closed.
    pub(super) connections: usize,
    /// How long each may last, from being accepted to the end of the answer.
    pub(super) time: Duration,
    /// The bytes that each may send: the size of a request with its headers.
    pub(super) request: usize,
}

/// Accepts connections within their limits.
pub(super) struct BoundedListener {
    listener: TcpListener,
    limits: ConnectionLimits,
    permits: Arc<Semaphore>,
    /// The senders that close connections, from the oldest on. Those of
    /// connections that have ended are among them until they are the oldest.
    open: VecDeque<oneshot::Sender<()>>,
}

/// A connection within its limits.
pub(super) struct Connection {
    stream: TcpStream,
    over: Pin<Box<Sleep>>,
    closed: oneshot::Receiver<()>,
    /// Why it has to end.
    ended: Option<io::ErrorKind>,
    /// Bytes that it may still send.
    left: usize,
    _permit: OwnedSemaphorePermit,
}

impl BoundedListener {
    pub(super) fn new(listener: TcpListener, limits: ConnectionLimits) -> BoundedListener {
        BoundedListener {
            listener,
            limits,
            permits: Arc::new(Semaphore::new(limits.connections)),
            open: VecDeque::new(),
        }
    }

    /// A place for one more connection.
    async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        self.open.retain(|open| !open.is_closed());
        if self.permits.available_permits() == 0
            && let Some(oldest) = self.open.pop_front()
        {
            // It may just have ended by itself.
            let _ = oldest.send(());
        }
        // Nobody closes the semaphore.
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = accept(&self.listener).await;
            let Some(permit) = self.permit().await else {
                continue;
            };
            let (close, closed) = oneshot::channel();
            self.open.push_back(close);
            let connection = Connection {
                stream,
                over: Box::pin(sleep(self.limits.time)),
                closed,
                ended: None,
                left: self.limits.request,
                _permit: permit,
            };
            return (connection, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// An error once the connection has to end. It registers the task to be
    /// woken for that, whatever it waits for besides.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // Neither is polled again after its end.
        if self.ended.is_none() {
            if self.over.as_mut().poll(context).is_ready() {
                self.ended = Some(io::ErrorKind::TimedOut);
            } else if Pin::new(&mut self.closed).poll(context).is_ready() {
                self.ended = Some(io::ErrorKind::ConnectionAborted);
            }
        }
        match self.ended {
            Some(why) => Err(why.into()),
            None => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        // The last read may go beyond, by what the buffer has room for.
        let read = buffer.filled().len().saturating_sub(before);
        self.left = self.left.saturating_sub(read);
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
