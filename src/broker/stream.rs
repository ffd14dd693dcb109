//! Connections, which may send one CONNECT packet and no more before that is complete.
//!
//! There are two layers, since TLS and WebSocket are between: [`Bounded`] counts the bytes of the
//! network, so that nobody fills our memory with one frame; [`Checked`] sees the packet. The crate
//! ends a connection that has not said CONNECT after ten seconds.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use mqtt5::broker::transport::{BrokerTransport, WebSocketTransport};
use sync_wrapper::SyncWrapper;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes of a CONNECT packet: client id, user, password, and the topic and payload of a
/// will have at most 64 KiB each, and their properties are seldom used.
const CONNECT_BYTES: usize = 512 << 10;

/// The most bytes of the network before CONNECT is complete, with what TLS and HTTP add.
const NETWORK_BYTES: usize = CONNECT_BYTES + (128 << 10);

/// Whether the CONNECT packet is complete, as both layers of a connection know it.
#[derive(Clone, Debug, Default)]
pub(super) struct Connected(Arc<AtomicBool>);

impl Connected {
    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A connection that can send so many bytes only until it is connected.
pub(super) struct Bounded<S> {
    inner: S,
    left: usize,
    connected: Connected,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, connected: Connected) -> Bounded<S> {
        Bounded {
            inner,
            left: NETWORK_BYTES,
            connected,
        }
    }

    fn inner(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        if self.left > 0 && !self.connected.is() {
            let read = buffer.filled().len() - before;
            self.left = self.left.saturating_sub(read);
            if self.left == 0 {
                return Poll::Ready(Err(refused("too much before CONNECT")));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The first packet as far as it has come.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// Nothing.
    Nothing,
    /// So many bytes of its length, which is at least so much.
    Length { bytes: u32, length: usize },
    /// So much of its body is missing.
    Body(usize),
    /// All of it.
    Complete,
}

impl First {
    /// Takes what has come.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        loop {
            match self {
                First::Complete => return Ok(()),
                First::Body(missing) => {
                    *missing = missing.saturating_sub(bytes.len());
                    if *missing == 0 {
                        *self = First::Complete;
                    }
                    return Ok(());
                }
                First::Nothing | First::Length { .. } => {
                    let Some((byte, rest)) = bytes.split_first() else {
                        return Ok(());
                    };
                    bytes = rest;
                    self.header(*byte)?;
                }
            }
        }
    }

    /// Takes a byte of the fixed header.
    fn header(&mut self, byte: u8) -> Result<(), &'static str> {
        let (bytes, length) = match self {
            First::Length { bytes, length } => (*bytes, *length),
            // Type 1 with no flags.
            _ if byte == 0x10 => {
                *self = First::Length {
                    bytes: 0,
                    length: 0,
                };
                return Ok(());
            }
            _ => return Err("the first packet is not CONNECT"),
        };
        let length = length | usize::from(byte & 0x7f) << (7 * bytes);
        *self = match byte & 0x80 {
            0 if length > CONNECT_BYTES => return Err("the CONNECT packet is too large"),
            0 => First::Body(length),
            _ if bytes == 3 => return Err("the length of the first packet is malformed"),
            _ => First::Length {
                bytes: bytes + 1,
                length,
            },
        };
        Ok(())
    }
}

/// A connection whose first packet is CONNECT.
pub(super) struct Checked<S> {
    /// The crate wants it to be `Sync`, which a WebSocket is not; nobody shares it.
    inner: SyncWrapper<S>,
    peer: SocketAddr,
    first: First,
    connected: Connected,
}

impl<S> Checked<S> {
    fn inner(&mut self) -> &mut S {
        self.inner.get_mut()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Checked<S> {
    /// What the crate takes. It has a place for connections of any kind, which is called after
    /// WebSocket.
    pub(super) fn transport(inner: S, peer: SocketAddr, connected: Connected) -> BrokerTransport {
        BrokerTransport::WebSocket(Box::new(Checked {
            inner: SyncWrapper::new(inner),
            peer,
            first: First::Nothing,
            connected,
        }))
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> WebSocketTransport for Checked<S> {
    fn peer_addr(&self) -> mqtt5::error::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Checked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(self.inner()).poll_read(context, buffer))?;
        if self.first != First::Complete {
            let new = buffer.filled().get(before..).unwrap_or_default();
            self.first.take(new).map_err(refused)?;
            if self.first == First::Complete {
                self.connected.set();
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Writing is the inner connection's business.
macro_rules! writes_through {
    ($Stream:ident) => {
        impl<S: AsyncWrite + Unpin> AsyncWrite for $Stream<S> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(self.inner()).poll_write(context, bytes)
            }

            fn poll_flush(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(self.inner()).poll_flush(context)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(self.inner()).poll_shutdown(context)
            }
        }
    };
}

writes_through!(Bounded);
writes_through!(Checked);

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of these bytes, one by one and in one piece.
    fn first(bytes: &[u8]) -> Result<First, &'static str> {
        let mut single = First::Nothing;
        let singly: Result<(), _> = bytes.iter().try_for_each(|byte| single.take(&[*byte]));
        let mut whole = First::Nothing;
        let wholly = whole.take(bytes);
        assert_eq!(singly, wholly);
        if wholly.is_ok() {
            assert_eq!(single, whole);
        }
        wholly.map(|()| whole)
    }

    #[test]
    fn a_connect_packet() {
        assert_eq!(first(b""), Ok(First::Nothing));
        assert_eq!(
            first(&[0x10]),
            Ok(First::Length {
                bytes: 0,
                length: 0
            })
        );
        assert_eq!(first(&[0x10, 12, 0, 4]), Ok(First::Body(10)));
        assert_eq!(first(&[0x10, 2, 0, 4]), Ok(First::Complete));
        assert_eq!(first(&[0x10, 2, 0, 4, 0xff, 0xff]), Ok(First::Complete));
        assert_eq!(first(&[0x10, 0x80, 0x01, 0]), Ok(First::Body(127)));
        let largest = [0x10, 0x80, 0x80, 0x20];
        assert_eq!(first(&largest), Ok(First::Body(CONNECT_BYTES)));
    }

    #[test]
    fn anything_else() {
        let not_connect = Err("the first packet is not CONNECT");
        assert_eq!(first(b"GET / HTTP/1.1\r\n"), not_connect);
        assert_eq!(first(&[0x16, 3, 1]), not_connect);
        assert_eq!(first(&[0x11, 0]), not_connect);
        let large = Err("the CONNECT packet is too large");
        assert_eq!(first(&[0x10, 0x81, 0x80, 0x20]), large);
        assert_eq!(first(&[0x10, 0xff, 0xff, 0xff, 0x7f]), large);
        let malformed = Err("the length of the first packet is malformed");
        assert_eq!(first(&[0x10, 0xff, 0xff, 0xff, 0xff]), malformed);
    }
}
