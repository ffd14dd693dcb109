//! What a simulation is made from.

use std::io;
use std::time::Duration;

use crate::config::RestartWord;
use crate::protocol::RealmError;
use crate::pubsub::{LinkConfig, PeerError, TopicError};

/// What a simulation is made from.
#[derive(Clone, Debug)]
pub struct SimulateConfig {
    /// The realm.
    pub realm: String,
    /// How to reach the broker. Each connection has a number behind the client id, and a will of its
    /// own.
    pub link: LinkConfig,
    /// What is drawn by chance is the same with the same seed, and so are all uuids.
    pub seed: u64,
    /// The runtimes.
    pub fleet: FleetConfig,
    /// What is asked of the supervisor.
    pub modules: ModulesConfig,
    /// How long to wait for the supervisor's first answer.
    pub patience: Duration,
}

/// The runtimes of a simulation.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// How many there are.
    pub runtimes: usize,
    /// How many connections they share. `None`: each has its own, with a last will.
    pub connections: Option<usize>,
    /// How many modules each takes at most; 0 is no limit.
    pub slots: u64,
    /// How often they send keepalives. `None`: as the supervisor says.
    pub keepalive: Option<Duration>,
    /// All have machines of the same size.
    pub alike: bool,
    /// How long they take to start a module.
    pub start_time: Duration,
    /// The share of creates that they answer with an error, from 0 to 1.
    pub fail: f64,
    /// How many of them lose their connection and all modules, in a minute.
    pub lose: f64,
    /// How many of them fall silent, in a minute.
    pub silent: f64,
    /// How many modules crash, in a minute.
    pub crash: f64,
    /// How long one that is gone stays away. Zero: for ever.
    pub away: Duration,
    /// How long modules run before they end by themselves: half as long to half as long again.
    pub lifetime: Option<Duration>,
}

impl FleetConfig {
    /// So many runtimes, to which nothing happens.
    #[must_use]
    pub fn new(runtimes: usize) -> FleetConfig {
        FleetConfig {
            runtimes,
            connections: None,
            slots: 100,
            keepalive: None,
            alike: false,
            start_time: Duration::ZERO,
            fail: 0.0,
            lose: 0.0,
            silent: 0.0,
            crash: 0.0,
            away: Duration::from_secs(30),
            lifetime: None,
        }
    }
}

/// What is asked of the supervisor.
#[derive(Clone, Debug)]
pub struct ModulesConfig {
    /// How many modules there are to be. One that ends for good is replaced.
    pub modules: usize,
    /// How many are asked for in a second, at most.
    pub rate: f64,
    /// How many are deleted, and replaced, in a second.
    pub churn: f64,
    /// What is to happen when they crash, or their runtime is lost.
    pub restart: RestartWord,
}

impl ModulesConfig {
    /// So many modules, asked for at this rate.
    #[must_use]
    pub fn new(modules: usize, rate: f64) -> ModulesConfig {
        ModulesConfig {
            modules,
            rate,
            churn: 0.0,
            restart: RestartWord::OnFailure,
        }
    }
}

/// Why there is no simulation, or not any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// The realm cannot be the beginning of a topic.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A topic of the realm is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// There may not be so many open files.
    #[error(
        "{wanted} connections want {wanted} open files, and this process may have {limit}; \
         let runtimes share connections: --connections N"
    )]
    OpenFiles {
        /// What is wanted.
        wanted: u64,
        /// What the system allows.
        limit: u64,
    },
    /// The thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
    /// The broker is not there, or does not let us in.
    #[error("cannot connect to {broker}: {source}")]
    Broker {
        /// The broker's address.
        broker: String,
        /// Why.
        source: PeerError,
    },
    /// No runtime can connect, though the client could.
    #[error("no runtime can connect to {broker}: {why}")]
    Runtimes {
        /// The broker's address.
        broker: String,
        /// Why.
        why: String,
    },
    /// No runtime's registration was answered.
    #[error(
        "no supervisor answers in the realm {realm} at {broker} within {}",
        humantime::format_duration(*patience)
    )]
    NoSupervisor {
        /// The realm.
        realm: String,
        /// The broker's address.
        broker: String,
        /// How long was waited.
        patience: Duration,
    },
    /// The supervisor does not take the runtimes.
    #[error("the supervisor refuses to register a runtime: {0}")]
    Refused(String),
}
