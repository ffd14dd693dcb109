//! The way to the broker: TCP, TLS, WebSocket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_tungstenite::tungstenite;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio::io::{AsyncRead, AsyncWrite, WriteHalf};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpStream, lookup_host};
use ws_stream_tungstenite::WsStream;

use super::super::broker_url::BrokerUrl;
use super::config::LinkConfig;
use super::failure::Failure;
use super::outbox::MAX_PACKET;
use super::tls;

/// Bytes to and from the broker.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Both ends of a stream of bytes, which are used apart.
pub(super) struct Ends {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

/// What comes from the broker.
pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// What goes to the broker.
pub(super) enum Writer {
    /// Without anything in between.
    Tcp(OwnedWriteHalf),
    /// By TLS or WebSocket.
    Wrapped(WriteHalf<Box<dyn Stream>>),
}

impl Writer {
    /// Whether [`Writer::try_write`] can write.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self, Writer::Tcp(_))
    }

    /// Whether what was written may wait for a flush.
    pub(super) fn holds_back(&self) -> bool {
        matches!(self, Writer::Wrapped(_))
    }

    /// Writes what can be written without waiting, on any thread.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Tcp(tcp) => tcp.try_write(bytes),
            Writer::Wrapped(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Writer::Tcp(tcp) => Pin::new(tcp),
            Writer::Wrapped(stream) => Pin::new(stream),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}

/// Connects, up to where MQTT begins.
pub(super) async fn connect(config: &LinkConfig) -> Result<Ends, Failure> {
    let broker = &config.broker;
    let tcp = tcp(broker, config.connect_timeout).await?;
    let stream: Box<dyn Stream> = match (
        broker.transport().is_secure(),
        broker.transport().is_web_socket(),
    ) {
        (false, false) => {
            let (reader, writer) = tcp.into_split();
            return Ok(Ends {
                reader: Box::new(reader),
                writer: Writer::Tcp(writer),
            });
        }
        (true, false) => Box::new(tls::encrypt(tcp, broker.host(), &config.tls).await?),
        (false, true) => web_socket(broker, Box::new(tcp)).await?,
        (true, true) => {
            let tls = tls::encrypt(tcp, broker.host(), &config.tls).await?;
            web_socket(broker, Box::new(tls)).await?
        }
    };
    let (reader, writer) = tokio::io::split(stream);
    Ok(Ends {
        reader: Box::new(reader),
        writer: Writer::Wrapped(writer),
    })
}

async fn tcp(broker: &BrokerUrl, timeout: Duration) -> Result<TcpStream, Failure> {
    let host = broker.host();
    let addresses: Vec<SocketAddr> = lookup_host((host, broker.port()))
        .await
        .map_err(|e| Failure::network(format!("cannot find the host {host}: {e}")))?
        .collect();
    let mut failure = Failure::network(format!("the host {host} has no address"));
    // One that does not answer must not use up the time of the others.
    let share = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|e| Failure::io(&e))?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = Failure::io(&error),
            Err(_) => failure = Failure::network("it does not answer"),
        }
    }
    Err(failure)
}

async fn web_socket(
    broker: &BrokerUrl,
    stream: Box<dyn Stream>,
) -> Result<Box<dyn Stream>, Failure> {
    let mut request = broker
        .web_socket_request()
        .into_client_request()
        .map_err(|e| Failure::refused(format!("no WebSocket can be asked for: {e}")))?;
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    // A message of WebSocket may hold a whole packet.
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * MAX_PACKET))
        .max_frame_size(Some(2 * MAX_PACKET));
    let (socket, _) =
        async_tungstenite::tokio::client_async_with_config(request, stream, Some(config))
            .await
            .map_err(no_web_socket)?;
    Ok(Box::new(WsStream::new(socket)))
}

fn no_web_socket(error: tungstenite::Error) -> Failure {
    match error {
        tungstenite::Error::Io(error) => Failure::io(&error),
        tungstenite::Error::ConnectionClosed => {
            Failure::io(&io::Error::from(io::ErrorKind::UnexpectedEof))
        }
        tungstenite::Error::Http(answer) => Failure::refused(format!(
            "no WebSocket there: HTTP status {}; is the path right?",
            answer.status()
        )),
        error => Failure::refused(format!("no WebSocket there: {error}")),
    }
}
