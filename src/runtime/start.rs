//! From settings to a node that can run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tracing::{info, warn};
use uuid::Uuid;

use crate::artifacts::Artifacts;
use crate::config::{EngineMode, Settings};
use crate::monitor::{HttpError, HttpServer, Monitor};
use crate::protocol::{RealmError, Topics};
use crate::pubsub::{Link, LinkError, Message, Qos, Router, Topic, TopicError};
use crate::sandbox;
use crate::trust::{Trust, TrustError};
use crate::wamr::{Engine, EngineError};

use super::broker::{BrokerError, link_config};
use super::cache::Cache;
use super::compiling::{Compiling, Remote};
use super::context;
use super::event::Event;
use super::files::Files;
use super::groups::Groups;
use super::identity::{Identity, IdentityError};
use super::loader::{Execution, Loader};
use super::node::{Helpers, Node, new_id};
use super::registration::{REGISTERED, Registration};
use super::shared::{Bounds, Shared, farewell};
use super::status::Source;
use super::stdin::Feeder;
use super::store::Store;
use super::table::Table;

/// Why a node cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The runtime has no uuid.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The realm cannot be the beginning of a topic.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A topic of the realm is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The settings of the broker cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Whom to trust cannot be known.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The link to the broker cannot be set up.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The HTTP server cannot be started.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl NodeError {
    /// Whether the settings alone are to blame, so that another attempt comes to the same.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        match self {
            NodeError::Realm(_)
            | NodeError::Topic(_)
            | NodeError::Broker(_)
            | NodeError::Trust(_) => true,
            NodeError::Link(error) => error.is_of_settings(),
            NodeError::Engine(_)
            | NodeError::Identity(_)
            | NodeError::Http(_)
            | NodeError::Thread(_) => false,
        }
    }
}

/// Tells a node to end, from any thread.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    events: Sender<Event>,
}

impl NodeHandle {
    /// Has modules end, and [`Node::run`] return after them.
    pub fn shut_down(&self) {
        // A node that is gone has ended already.
        let _ = self.events.send(Event::Shutdown);
    }

    /// What the node tells of itself, as `/status` has it. `None` when it has ended, or does not
    /// answer within that time.
    #[must_use]
    pub fn status(&self, within: Duration) -> Option<Value> {
        let (sender, answer) = bounded(1);
        self.events.send(Event::Status(sender)).ok()?;
        answer.recv_timeout(within).ok()
    }

    /// Whether ARTS has registered the runtime. `None` as for [`NodeHandle::status`].
    #[must_use]
    pub fn is_registered(&self, within: Duration) -> Option<bool> {
        let status = self.status(within)?;
        Some(status["runtime"]["registration"] == REGISTERED)
    }
}

/// Where module files come from.
fn files(settings: &Settings, trust: Arc<Trust>) -> Files {
    let store = settings.store.url.clone().map(|base| {
        let cache = Cache::new(settings.store.cache_dir.clone(), settings.store.cache_size);
        Store::new(base, settings.store.timeout, cache)
    });
    Files {
        app_dir: settings.runtime.app_dir.clone(),
        store,
        limit: settings.limits.module_size,
        trust,
    }
}

/// What executes modules.
fn execution(settings: &Settings, store: Option<&Store>) -> Execution {
    let engine = &settings.engine;
    let cache_dir = &settings.store.cache_dir;
    let artifacts = match sandbox::held() {
        Some(held) if !held.programs => Artifacts::without_compiler(engine, cache_dir),
        _ => Artifacts::new(engine, cache_dir),
    };
    let Some(artifacts) = artifacts else {
        return Execution::Interpreted;
    };
    let remote = store.zip(engine.trusted_key).map(|(store, key)| Remote {
        store: store.clone(),
        key,
        limit: engine.compile_memory,
        patience: 2 * engine.compile_time,
    });
    let compiling = Arc::new(Compiling::new(artifacts, remote));
    match settings.engine.mode {
        EngineMode::Aot => Execution::Compiled(compiling),
        EngineMode::Auto | EngineMode::Interpreter => Execution::Either(compiling),
    }
}

/// Modules have a few descriptors each, and 1024, which is what shells allow as a rule, would
/// be too few for some hundred of them.
fn raise_descriptor_limit() {
    let resource = Resource::RLIMIT_NOFILE;
    let raised = getrlimit(resource).and_then(|(_, hard)| setrlimit(resource, hard, hard));
    if let Err(error) = raised {
        warn!("cannot have more open files: {error}");
    }
}

/// Has what the link tells come as events.
fn forward(link: &Link, to: Sender<Event>) -> io::Result<()> {
    let events = link.events();
    std::thread::Builder::new()
        .name("link-events".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            for event in events {
                if to.send(Event::Link(event)).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

impl Node {
    /// Sets up a node with these settings. It connects to the broker from now on, and does the
    /// rest in [`Node::run`]. The broker need not be there yet.
    ///
    /// # Errors
    /// When the settings name what cannot be used: a state directory of another runtime, an
    /// address that is taken, a file that cannot be read.
    pub fn start(settings: Settings) -> Result<(Node, NodeHandle), NodeError> {
        let topics = Topics::new(&settings.runtime.realm)?;
        let identity = Identity::open(&settings.runtime.state_dir)?;
        let uuid = identity.uuid();
        let engine = Engine::new()?;
        let monitor = Monitor::new();
        let sampler = monitor.start(settings.runtime.monitor_interval)?;
        let router = Router::new();
        let trust = Arc::new(Trust::new(&settings.security)?);
        let files = files(&settings, Arc::clone(&trust));
        let execution = execution(&settings, files.store.as_ref());
        raise_descriptor_limit();

        let will = Message::new(
            Topic::new(&topics.reg())?,
            farewell(uuid, &settings.runtime.name),
            Qos::AtMostOnce,
        );
        let link = link_config(&settings.broker, uuid, will)?;
        let (sender, events) = unbounded();
        let registration = Registration::new(
            settings.runtime.register_retry,
            settings.runtime.keepalive_interval,
            new_id,
        );
        info!(%uuid, name = settings.runtime.name, realm = settings.runtime.realm, broker = %settings.broker.url, "the runtime begins");
        let http = settings.runtime.http;
        let shared = Arc::new(Shared {
            uuid,
            settings,
            topics,
            router: router.clone(),
            monitor: monitor.clone(),
            files,
            loader: Loader::new(engine, context::imports(), execution, trust),
            feeder: Feeder::new()?,
            groups: Groups::of_process(),
            bounds: Bounds::of_process(),
        });
        let http = http
            .map(|address| {
                let source = Source::new(
                    monitor,
                    NodeHandle {
                        events: sender.clone(),
                    },
                );
                HttpServer::start(address, Arc::new(source))
            })
            .transpose()?;
        if let Some(http) = &http {
            info!("http://{}/status", http.local_addr());
        }
        let link = Link::start(link, router)?;
        forward(&link, sender.clone())?;
        let mut node = Node {
            shared,
            link,
            registration,
            table: Table::default(),
            events,
            sender: sender.clone(),
            next_generation: 0,
            queued: Arc::new(AtomicUsize::new(0)),
            control: Vec::new(),
            registry: None,
            keepalives: None,
            tidy: None,
            is_new: true,
            stopping: false,
            helpers: Helpers {
                _identity: identity,
                sampler,
                http,
            },
            service: None,
        };
        // From the first connection on: ARTS may send a create right after its answer.
        let control = [
            node.shared.topics.control(uuid),
            Topics::control_without_realm(uuid),
        ];
        node.control = control
            .iter()
            .filter_map(|topic| node.subscribe(topic, Event::Control))
            .collect();
        Ok((node, NodeHandle { events: sender }))
    }

    /// The runtime's uuid.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.shared.uuid
    }

    /// Where status and metrics are served, if they are.
    #[must_use]
    pub fn http_addr(&self) -> Option<std::net::SocketAddr> {
        self.helpers.http.as_ref().map(HttpServer::local_addr)
    }
}
