//! Takes connections, and brings each to the point where MQTT begins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::transport::BrokerTransport;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::ending::{self, Ending};
use super::engine::Engine;
use super::stream::{Bounded, Checked, Connected};
use super::watched::Watched;
use super::web_socket;
use crate::system::TaskPulse;

/// How long the handshakes before MQTT's own may take together.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After an error that concerns the listener itself, such as too many open files, it waits for
/// better times.
const PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) tls: bool,
    pub(super) web_socket: bool,
}

/// What the listeners share.
pub(super) struct Front {
    pub(super) engine: Engine,
    pub(super) tls: Option<Watched<TlsAcceptor>>,
    pub(super) max_packet: usize,
    /// A place for each connection.
    pub(super) places: Arc<Semaphore>,
    /// Whether all is to end.
    pub(super) end: Ending,
    /// Tells the engine's connections, after `end` has become true.
    pub(super) shutdown: broadcast::Sender<()>,
    /// Each connection has one: when all are dropped, all have ended.
    pub(super) open: mpsc::Sender<()>,
}

/// Takes connections until the end, and answers whoever wants to know whether it still does.
pub(super) async fn run(
    listener: TcpListener,
    kind: Kind,
    front: Arc<Front>,
    pulse: Arc<TaskPulse>,
) {
    let mut end = front.end.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = pulse.asked() => {
                pulse.beat();
                continue;
            }
            () = end.wait() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!("no connection: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&front.places).try_acquire_owned() else {
            warn!("{peer} is not let in: there are as many connections as there may be");
            continue;
        };
        let (front, open) = (Arc::clone(&front), front.open.clone());
        tokio::spawn(async move {
            connection(stream, peer, kind, &front).await;
            drop((place, open));
        });
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, kind: Kind, front: &Front) {
    // In this order: whoever does not see the end now is told later.
    let for_engine = front.shutdown.subscribe();
    let mut end = front.end.clone();
    if end.is() {
        return;
    }
    let connected = Connected::default();
    let served = async {
        let handshake = transport(stream, peer, kind, front, connected.clone());
        match timeout(HANDSHAKE, handshake).await {
            Ok(Ok(transport)) => {
                ending::serve(front.engine.serve(transport, peer, for_engine)).await;
            }
            Ok(Err(error)) => debug!("the connection from {peer} ended: {error}"),
            Err(_) => debug!("the connection from {peer} ended: it took too long to begin"),
        }
    };
    tokio::pin!(served);
    tokio::select! {
        () = &mut served => {}
        // Those who are connected are told by the engine; it does not wait for the others either.
        () = end.wait() => if connected.is() {
            served.await;
        },
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn transport(
    stream: TcpStream,
    peer: SocketAddr,
    kind: Kind,
    front: &Front,
    connected: Connected,
) -> Result<BrokerTransport, Error> {
    // A message shall not wait for the acknowledgement of the one before it.
    stream.set_nodelay(true)?;
    let stream = Bounded::new(stream, connected.clone());
    let acceptor = front.tls.as_ref().filter(|_| kind.tls);
    Ok(match (acceptor, kind.web_socket) {
        (None, false) => Checked::transport(stream, peer, connected),
        (None, true) => {
            let stream = web_socket::accept(stream, front.max_packet).await?;
            Checked::transport(stream, peer, connected)
        }
        (Some(acceptor), false) => {
            let stream = acceptor.get().accept(stream).await?;
            Checked::transport(stream, peer, connected)
        }
        (Some(acceptor), true) => {
            let stream = acceptor.get().accept(stream).await?;
            let stream = web_socket::accept(stream, front.max_packet).await?;
            Checked::transport(stream, peer, connected)
        }
    })
}
