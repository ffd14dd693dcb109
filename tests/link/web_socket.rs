//! WebSocket, plain and over TLS. Mosquitto's own WebSocket listener cannot be bound to the
//! loopback interface, so a bridge stands before its TCP listener.

use std::path::PathBuf;
use std::sync::Arc;

use arena_runtime::pubsub::Qos;
use async_tungstenite::tokio::accept_hdr_async_with_config;
use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use ws_stream_tungstenite::WsStream;

use crate::certificates::Authority;
use crate::harness::{Node, config};
use crate::mosquitto::{Broker, Peer};

/// Takes WebSockets and hands what is in them to the broker. Returns its port.
fn bridge(broker: u16, tls: Option<(PathBuf, PathBuf)>) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tls.map(|(cert, key)| {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).unwrap().collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.unwrap(), PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            // One after the other is enough here.
            while let Ok((stream, _)) = listener.accept().await {
                match &acceptor {
                    None => carry(stream, broker).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => carry(stream, broker).await,
                        Err(_) => continue,
                    },
                }
            }
        });
    });
    port
}

async fn carry(stream: impl AsyncRead + AsyncWrite + Send + Unpin, broker: u16) {
    #[expect(clippy::result_large_err, reason = "it is the library's")]
    let mqtt = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.uri().path(), "/mqtt");
        let protocol = request.headers()["Sec-WebSocket-Protocol"].clone();
        assert_eq!(protocol, "mqtt");
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        Ok(response)
    };
    let limits = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    let Ok(socket) = accept_hdr_async_with_config(stream, mqtt, Some(limits)).await else {
        return;
    };
    let mut tcp = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
    let _ = copy_bidirectional(&mut WsStream::new(socket), &mut tcp).await;
}

fn works(node: &Node, broker: &Broker) {
    let (inbox, _subscription) = node.subscribe("in");
    node.flush();
    let peer = Peer::connect(broker.port(), &["out"]);
    for size in [0, 1, 1000, 20 << 20] {
        node.publish("out", vec![b'x'; size], Qos::AtLeastOnce);
        assert_eq!(peer.next().1.len(), size);
        peer.publish("in", vec![b'x'; size]);
    }
    assert_eq!(inbox.sizes(4), [0, 1, 1000, 20 << 20]);
    node.flush();
}

#[test]
fn plain() {
    let broker = Broker::start();
    let port = bridge(broker.port(), None);
    let node = Node::connected(config(&format!("ws://127.0.0.1:{port}/mqtt"), "ws"));
    works(&node, &broker);
}

#[test]
fn over_tls() {
    let broker = Broker::start();
    let authority = Authority::new();
    let port = bridge(broker.port(), Some(authority.issue("localhost")));
    let mut config = config(&format!("wss://localhost:{port}/mqtt"), "wss");
    config.tls.ca = Some(authority.file());
    works(&Node::connected(config), &broker);
}
