//! The WebSocket handshake.

use async_tungstenite::tokio::accept_hdr_async_with_config;
use async_tungstenite::tungstenite;
use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use ws_stream_tungstenite::WsStream;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// What the bytes of a WebSocket's messages are read from and written to.
pub(super) type Bytes<S> = WsStream<async_tungstenite::tokio::TokioAdapter<S>>;

/// Answers the request for a WebSocket. What a client sends in one message may be as large as a
/// packet.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Send + Unpin>(
    stream: S,
    max_packet: usize,
) -> Result<Bytes<S>, tungstenite::Error> {
    // A packet with its fixed header, and what is put into one message with it.
    let largest = max_packet.saturating_add(64 << 10);
    let limits = WebSocketConfig::default()
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let socket = accept_hdr_async_with_config(stream, protocol, Some(limits)).await?;
    Ok(WsStream::new(socket))
}

/// Answers with the subprotocol that was asked for, if it is MQTT's.
#[expect(clippy::result_large_err, reason = "it is the library's")]
#[expect(clippy::unnecessary_wraps, reason = "it is the library's")]
fn protocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let asked = request.headers().get_all(PROTOCOL).into_iter();
    let mut asked = asked
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim);
    let known = asked.find(|name| matches!(*name, "mqtt" | "mqttv3.1"));
    if let Some(value) = known.and_then(|name| HeaderValue::from_str(name).ok()) {
        response.headers_mut().insert(PROTOCOL, value);
    }
    Ok(response)
}
