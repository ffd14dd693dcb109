//! The way to the broker: TCP, TLS, WebSocket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_tungstenite::tungstenite;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio::io::{AsyncRead, AsyncWrite};
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

/// Connects, up to where MQTT begins.
pub(super) async fn connect(config: &LinkConfig) -> Result<Box<dyn Stream>, Failure> {
    let broker = &config.broker;
    let tcp = tcp(broker, config.connect_timeout).await?;
    let stream: Box<dyn Stream> = if broker.transport().is_secure() {
        Box::new(tls::encrypt(tcp, broker.host(), &config.tls).await?)
    } else {
        Box::new(tcp)
    };
    if broker.transport().is_web_socket() {
        return web_socket(broker, stream).await;
    }
    Ok(stream)
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
