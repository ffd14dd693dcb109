//! The broker as a whole: its start and its end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use super::config::BrokerConfig;
use super::ending::Ending;
use super::engine::Engine;
use super::error::BrokerError;
use super::listener::{self, Front, Kind};
use super::{access, probe, tls};
use crate::system::TaskPulse;

/// More threads than that do not make it faster.
const MAX_THREADS: usize = 4;

/// How long connections get to end when a broker is dropped.
const AT_DROP: Duration = Duration::from_secs(1);

/// Where a broker listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// For MQTT over TCP.
    pub tcp: Option<SocketAddr>,
    /// For MQTT over TLS.
    pub tls: Option<SocketAddr>,
    /// For MQTT over WebSocket.
    pub ws: Option<SocketAddr>,
    /// For MQTT over WebSocket over TLS.
    pub wss: Option<SocketAddr>,
}

impl Addresses {
    /// The URLs of all of them, as in `mqtt://127.0.0.1:1883`.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let all = [
            ("mqtt", self.tcp),
            ("mqtts", self.tls),
            ("ws", self.ws),
            ("wss", self.wss),
        ];
        all.into_iter()
            .filter_map(|(scheme, address)| Some(format!("{scheme}://{}", address?)))
            .collect()
    }
}

/// A broker that runs. Dropping it stops it.
///
/// It has threads of its own, on which no code of its user runs. Its methods must not be called
/// within an async runtime: they wait.
#[derive(Debug)]
pub struct Broker {
    addresses: Addresses,
    /// Ends what is ours, and then the engine's connections.
    end: watch::Sender<bool>,
    shutdown: broadcast::Sender<()>,
    /// Is closed when all connections have.
    closed: mpsc::Receiver<()>,
    runtime: Option<Runtime>,
    /// Of the listeners, and of the router.
    pulses: Vec<Arc<TaskPulse>>,
}

impl Broker {
    /// Looks for what is wrong with a configuration, without starting anything: all that
    /// [`Broker::start`] would say of addresses and files, and of a certificate that no address uses.
    ///
    /// # Errors
    /// There is no address, or a file cannot be used.
    pub fn check(config: &BrokerConfig) -> Result<(), BrokerError> {
        config.check_addresses()?;
        if let Some(files) = &config.tls {
            tls::acceptor(files)?;
        }
        let (_end, ended) = watch::channel(false);
        access::provider(config, Ending::new(ended))?;
        Ok(())
    }

    /// Starts a broker. It accepts connections when this returns.
    ///
    /// # Errors
    /// An address cannot be listened on, a file of the configuration cannot be used, or the
    /// system refuses threads.
    pub fn start(config: BrokerConfig) -> Result<Broker, BrokerError> {
        config.check_addresses()?;
        let encrypted = config.tls_listen.or(config.wss).is_some();
        let files = config.tls.as_ref().filter(|_| encrypted);
        let tls = files.map(tls::acceptor).transpose()?;
        let (end, ended) = watch::channel(false);
        let mut ended = Ending::new(ended);
        let (shutdown, _) = broadcast::channel(1);
        let engine = Engine::new(&config, ended.clone())?;
        let threads = available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.min(MAX_THREADS))
            .thread_name("broker")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|e| BrokerError::Start(e.to_string()))?;
        let (open, closed) = mpsc::channel(1);
        let front = Arc::new(Front {
            engine,
            tls,
            max_packet: config.max_packet,
            places: Arc::new(Semaphore::new(config.max_connections)),
            end: ended.clone(),
            shutdown: shutdown.clone(),
            open,
        });
        let mut pulses = Vec::new();
        let addresses = listen(&config, &runtime, &front, &mut pulses)?;
        let running = Arc::clone(&front);
        runtime.spawn(async move {
            tokio::select! {
                () = running.engine.run() => {}
                () = ended.wait() => {}
            }
        });
        let pulse = Arc::new(TaskPulse::default());
        let answering = Arc::clone(&pulse);
        runtime.spawn(probe::answer(front.engine.router(), answering));
        pulses.push(pulse);
        for url in addresses.urls() {
            info!("listening on {url}");
        }
        warn_if_open(&config, addresses);
        Ok(Broker {
            addresses,
            end,
            shutdown,
            closed,
            runtime: Some(runtime),
            pulses,
        })
    }

    /// Where it listens, with the ports that it got.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Asks the listeners whether they still take connections, and the router whether a message still
    /// gets through; whether all have answered since they were asked before.
    #[must_use]
    pub fn pulse(&self) -> bool {
        // All are asked, also when one has not answered.
        self.pulses.iter().filter(|one| !one.ask()).count() == 0
    }

    /// Closes the ports, ends the connections, and returns when they have ended or the time is
    /// over; whether it was in time. Clients of MQTT 5 are told why.
    pub fn stop(mut self, within: Duration) -> bool {
        self.shut_down(within)
    }

    fn shut_down(&mut self, within: Duration) -> bool {
        let Some(runtime) = self.runtime.take() else {
            return true;
        };
        let deadline = Instant::now() + within;
        self.end.send_replace(true);
        // Nobody listens if nobody is there.
        let _ = self.shutdown.send(());
        let all = runtime.block_on(async {
            let closed = timeout(within, self.closed.recv()).await;
            closed.is_ok()
        });
        runtime.shutdown_timeout(deadline.saturating_duration_since(Instant::now()));
        all
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shut_down(AT_DROP);
    }
}

/// Binds all addresses, before anything is accepted on one of them.
fn listen(
    config: &BrokerConfig,
    runtime: &Runtime,
    front: &Arc<Front>,
    pulses: &mut Vec<Arc<TaskPulse>>,
) -> Result<Addresses, BrokerError> {
    let kind = |tls, web_socket| Kind { tls, web_socket };
    let asked = [
        (config.listen, kind(false, false)),
        (config.tls_listen, kind(true, false)),
        (config.ws, kind(false, true)),
        (config.wss, kind(true, true)),
    ];
    let mut bound = Vec::new();
    let mut addresses = [None; 4];
    for ((address, kind), got) in asked.into_iter().zip(&mut addresses) {
        let Some(address) = address else { continue };
        let failed = |error| BrokerError::Bind { address, error };
        // The standard library sets SO_REUSEADDR.
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        *got = Some(listener.local_addr().map_err(failed)?);
        bound.push((listener, kind));
    }
    let _context = runtime.enter();
    for (listener, kind) in bound {
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|e| BrokerError::Start(e.to_string()))?;
        let pulse = Arc::new(TaskPulse::default());
        pulses.push(Arc::clone(&pulse));
        runtime.spawn(listener::run(listener, kind, Arc::clone(front), pulse));
    }
    let [tcp, tls, ws, wss] = addresses;
    Ok(Addresses { tcp, tls, ws, wss })
}

fn warn_if_open(config: &BrokerConfig, addresses: Addresses) {
    let reachable = [addresses.tcp, addresses.tls, addresses.ws, addresses.wss]
        .into_iter()
        .flatten()
        .any(|address| !address.ip().is_loopback());
    let checked = config
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca.is_some());
    let plain = [("mqtt", addresses.tcp), ("ws", addresses.ws)];
    for (scheme, address) in plain {
        if let Some(address) = address.filter(|_| checked) {
            warn!(
                "mqtt_server.tls_client_ca does not hold for {scheme}://{address}, where nobody is asked \
                 for a certificate: take away mqtt_server.listen or ws if that is not wanted"
            );
        }
    }
    let tokens = config.jwt_public_key.is_some() || config.jwt_secret_file.is_some();
    if reachable && config.password_file.is_none() && !tokens && !checked {
        warn!(
            "everybody who reaches this host can use the broker: mqtt_server.password_file is not set, \
             and no tokens or certificates are asked for"
        );
    }
}
