//! From settings to a supervisor that runs.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crossbeam_channel::{Sender, bounded, unbounded};
use tracing::info;

use crate::config::{RestartWord, Settings, SupervisorSettings};
use crate::protocol::{RealmError, Topics};
use crate::pubsub::{
    Filter, Link, LinkConfig, LinkError, Qos, Router, Subscriber, Subscription, Topic, TopicError,
};
use crate::system::Pulse;

use super::actor::Actor;
use super::compiled::CompiledStore;
use super::events::Events;
use super::handle::{Figures, Shared, Supervisor};
use super::inbox::{Inbox, Input, Lines, Origin, Waiting};
use super::journal::{Journal, JournalError, Kept};
use super::model::{Model, ModelConfig, Now};
use super::output::{Output, OutputLimits};
use super::records::RestartPolicy;
use super::schedule;
use super::store::{ModuleStore, StoreError};

/// What a supervisor is made from.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// The realm.
    pub realm: String,
    /// How to reach the broker.
    pub link: LinkConfig,
    /// All else.
    pub settings: SupervisorSettings,
    /// How modules are compiled for runtimes.
    pub engine: crate::config::EngineSettings,
    /// How long modules wait before they are started again.
    pub restart: crate::config::RestartSettings,
}

impl SupervisorConfig {
    /// From the settings, and a link made of them.
    #[must_use]
    pub fn new(settings: &Settings, link: LinkConfig) -> SupervisorConfig {
        SupervisorConfig {
            realm: settings.runtime.realm.clone(),
            link,
            settings: settings.supervisor.clone(),
            engine: settings.engine.clone(),
            restart: settings.restart.clone(),
        }
    }
}

/// Why a supervisor cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// The registry cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The module store cannot be used.
    #[error("the module store: {0}")]
    Store(#[from] StoreError),
    /// The realm cannot be the beginning of a topic.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A topic of the realm is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The link to the broker cannot be set up.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A thread cannot be started, or the key that signs compiled code cannot be used.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl SupervisorError {
    /// Whether the settings alone are to blame, so that another attempt comes to the same.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        match self {
            SupervisorError::Realm(_) | SupervisorError::Topic(_) => true,
            SupervisorError::Link(error) => error.is_of_settings(),
            SupervisorError::Journal(_)
            | SupervisorError::Store(_)
            | SupervisorError::System(_) => false,
        }
    }
}

/// Deleted modules that are remembered.
const DELETED: usize = 20_000;
/// What a client may send: what MQTT can carry.
const LARGEST_REQUEST: usize = 256 << 20;
/// Keepalives, registrations, and answers of runtimes. Modules that move go past the supervisor.
const LARGEST_REPORT: usize = 4 << 20;
/// The stack of the supervisor's thread.
const STACK: usize = 2 << 20;

impl From<RestartWord> for RestartPolicy {
    fn from(word: RestartWord) -> RestartPolicy {
        match word {
            RestartWord::Never => RestartPolicy::Never,
            RestartWord::OnFailure => RestartPolicy::OnFailure,
            RestartWord::Always => RestartPolicy::Always,
        }
    }
}

fn model_config(config: &SupervisorConfig) -> ModelConfig {
    let settings = &config.settings;
    ModelConfig {
        keepalive: settings.keepalive_interval,
        answer_timeout: settings.answer_timeout,
        restart: settings.restart.into(),
        attempts: settings.attempts,
        max_runtimes: settings.max_runtimes,
        max_modules: settings.max_modules,
        ended_modules: settings.ended_modules,
        module_record: settings.module_record,
        inline_size: settings.inline_size,
        backoff_min: config.restart.backoff_min,
        backoff_max: config.restart.backoff_max,
        deleted_kept: DELETED,
    }
}

/// Has all messages come that the supervisor is about.
fn subscribe(
    router: &Router,
    topics: &Topics,
    waiting: &Arc<Waiting>,
    inputs: &Sender<Input>,
    output: &Arc<Output>,
) -> Result<Vec<Subscription>, TopicError> {
    let inbox = |origin, largest| {
        Arc::new(Inbox {
            origin,
            largest,
            waiting: Arc::clone(waiting),
            inputs: inputs.clone(),
        })
    };
    let one = |topic: &str| Topic::new(topic).map(Filter::from);
    let to = |filter: Filter, qos, subscriber: Arc<dyn Subscriber>| {
        router.subscribe(filter, qos, subscriber)
    };
    let control = topics.control_any();
    let lines = topics.stdout_any();
    Ok(vec![
        to(
            one(&topics.reg())?,
            Qos::AtLeastOnce,
            inbox(Origin::Registrations, LARGEST_REPORT),
        ),
        to(
            one(&topics.keepalive())?,
            Qos::AtLeastOnce,
            inbox(Origin::Keepalives, LARGEST_REPORT),
        ),
        to(
            one(&control)?,
            Qos::AtLeastOnce,
            inbox(Origin::Clients, LARGEST_REQUEST),
        ),
        to(
            Filter::new(&format!("{control}/+"))?,
            Qos::AtLeastOnce,
            inbox(Origin::Runtimes, LARGEST_REPORT),
        ),
        to(
            Filter::new(&format!("{lines}/#"))?,
            Qos::AtMostOnce,
            Arc::new(Lines {
                prefix: format!("{lines}/"),
                output: Arc::clone(output),
            }),
        ),
    ])
}

/// Has what the link tells come as inputs.
fn forward(link: &Link, to: Sender<Input>) -> io::Result<()> {
    let events = link.events();
    std::thread::Builder::new()
        .name("arts-link".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            for event in events {
                if to.send(Input::Link(event)).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

impl Supervisor {
    /// Starts a supervisor. It connects to the broker from now on, which need not be there yet.
    ///
    /// # Errors
    /// When the data directory or the module store cannot be used, or the realm cannot be.
    pub fn start(config: SupervisorConfig) -> Result<Supervisor, SupervisorError> {
        let topics = Topics::new(&config.realm)?;
        let settings = &config.settings;
        let kept = Kept {
            events: settings.events,
            deleted: DELETED,
        };
        let journal = Journal::open(&settings.data_dir, kept)?;
        let store = ModuleStore::open(
            &settings.data_dir.join("store"),
            settings.upload_size,
            settings.store_size,
        )?;
        let compiled = CompiledStore::open(&config.engine, &settings.data_dir)?.map(Arc::new);
        let mut loaded = journal.load()?;
        let output = Arc::new(Output::new(OutputLimits {
            lines: settings.output_lines,
            bytes: settings.output_bytes,
            total: settings.output_total,
        }));
        let history = loaded.events.clone();
        // The model needs the last one's id only.
        loaded.events.drain(..loaded.events.len().saturating_sub(1));
        let scheduler = schedule::by_name(settings.scheduler);
        let now = Now::of_clock();
        let model = Model::restore(model_config(&config), scheduler, loaded, now);

        let (inputs, receiver) = unbounded();
        let waiting = Arc::new(Waiting::default());
        let router = Router::new();
        let subscriptions = subscribe(&router, &topics, &waiting, &inputs, &output)?;
        let (running, ended) = bounded(0);
        info!(realm = config.realm, data = %settings.data_dir.display(), broker = %config.link.broker, "the supervisor begins");
        let shared = Arc::new(Shared {
            model: Mutex::new(model),
            events: Events::new(history, settings.events),
            output,
            store,
            compiled,
            waiting,
            inputs: inputs.clone(),
            figures: Mutex::new(Figures::default()),
            started: Instant::now(),
            realm: config.realm,
            settings: config.settings,
            ended,
            thread: Mutex::new(None),
            pulse: Pulse::default(),
        });
        let link = Link::start(config.link, router.clone())?;
        forward(&link, inputs)?;
        let actor = Actor::new(
            Arc::clone(&shared),
            topics,
            router,
            link,
            journal,
            subscriptions,
        );
        let thread = std::thread::Builder::new()
            .name("supervisor".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let _running = running;
                actor.run(&receiver);
            })?;
        *super::handle::lock(&shared.thread) = Some(thread);
        Ok(Supervisor { shared })
    }
}
