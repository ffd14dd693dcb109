//! The crate's parts that serve connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::AuthProvider;
use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::{BrokerConfig as EngineConfig, StorageBackend as Kind, StorageConfig};
use mqtt5::broker::resource_monitor::{ResourceLimits, ResourceMonitor};
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{DynamicStorage, MemoryBackend, QueueLimits, StorageBackend as _};
use mqtt5::broker::sys_topics::{BrokerStats, SysTopicsProvider};
use mqtt5::broker::transport::BrokerTransport;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::access;
use super::config::BrokerConfig;
use super::ending::Ending;
use super::error::BrokerError;

/// How often the broker tells about itself below `$SYS`.
const SYSTEM_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked for sessions that are over.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);

/// How many messages of QoS 2 a client may have begun, and how many of QoS 1 and 2 may be on
/// their way to one.
const IN_FLIGHT: u16 = 1024;

/// How many filters a client may have subscribed to.
const SUBSCRIPTIONS: usize = 100_000;

/// What all connections share.
pub(super) struct Engine {
    config: Arc<EngineConfig>,
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    access: Arc<dyn AuthProvider>,
    stats: Arc<BrokerStats>,
    resources: Arc<ResourceMonitor>,
}

impl Engine {
    pub(super) fn new(config: &BrokerConfig, end: Ending) -> Result<Engine, BrokerError> {
        let engine = engine_config(config);
        let limits = QueueLimits {
            max_messages: engine.storage_config.max_queued_messages_per_client,
            max_bytes: engine.storage_config.max_queued_bytes_per_client,
        };
        let storage = MemoryBackend::with_queue_limits(limits);
        let storage = Arc::new(DynamicStorage::Memory(storage));
        let router = MessageRouter::with_storage(Arc::clone(&storage))
            .with_fallback_queue_limits(limits)
            .with_retained_limits(
                engine.max_retained_messages,
                engine.max_retained_message_size,
            );
        Ok(Engine {
            config: Arc::new(engine),
            router: Arc::new(router),
            storage,
            access: access::provider(config, end)?,
            stats: Arc::new(BrokerStats::new()),
            resources: Arc::new(ResourceMonitor::new(no_rates())),
        })
    }

    /// What messages go through.
    pub(super) fn router(&self) -> Arc<MessageRouter> {
        Arc::clone(&self.router)
    }

    /// Prepares what connections use, and begins to tell about it. Runs until it is aborted.
    pub(super) async fn run(&self) {
        if let Err(error) = self.router.initialize().await {
            warn!("the broker's messages: {error}");
        }
        let provider = SysTopicsProvider::new(Arc::clone(&self.router), Arc::clone(&self.stats))
            .with_update_interval(SYSTEM_INTERVAL);
        // It ends with the runtime.
        drop(provider.start());
        let mut cleanup = interval(CLEANUP_INTERVAL);
        cleanup.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            cleanup.tick().await;
            if let Err(error) = self.storage.cleanup_expired().await {
                warn!("sessions that are over: {error}");
            }
            self.router.sweep_sessions().await;
        }
    }

    /// Serves a connection until it ends, or `end` says that all do.
    pub(super) async fn serve(
        &self,
        transport: BrokerTransport,
        peer: SocketAddr,
        end: broadcast::Receiver<()>,
    ) {
        let handler = ClientHandler::new(
            transport,
            peer,
            Arc::clone(&self.config),
            Arc::clone(&self.router),
            Arc::clone(&self.access),
            Some(Arc::clone(&self.storage)),
            Arc::clone(&self.stats),
            Arc::clone(&self.resources),
            end,
        );
        if let Err(error) = handler.run().await {
            debug!("the connection from {peer} ended: {error}");
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

fn engine_config(config: &BrokerConfig) -> EngineConfig {
    EngineConfig {
        // Its own listeners are not used.
        bind_addresses: Vec::new(),
        max_clients: config.max_connections,
        session_expiry_interval: config.session_expiry,
        max_packet_size: config.max_packet,
        max_subscriptions_per_client: SUBSCRIPTIONS,
        max_retained_messages: config.retained_messages,
        client_channel_capacity: config.queue_messages,
        max_outbound_inflight: IN_FLIGHT,
        server_receive_maximum: Some(IN_FLIGHT),
        storage_config: StorageConfig {
            backend: Kind::Memory,
            max_queued_messages_per_client: config.queue_messages.saturating_mul(10),
            max_queued_bytes_per_client: config.queue_bytes,
            ..StorageConfig::default()
        },
        ..EngineConfig::default()
    }
}

/// How fast clients may be is their and the network's business.
fn no_rates() -> ResourceLimits {
    ResourceLimits {
        max_connections: usize::MAX,
        max_connections_per_ip: usize::MAX,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 0,
        max_connection_rate: u32::MAX,
        rate_limit_window: Duration::from_secs(1),
    }
}
