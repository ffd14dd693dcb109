//! A simulation from its beginning to its end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use fastrand::Rng;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::pubsub::Topic;

use super::client::{Client, Phase};
use super::config::{SimulateConfig, SimulateError};
use super::crew::{Crew, Order};
use super::fate;
use super::line::Line;
use super::machine::Machine;
use super::report::{Progress, Report};
use super::runtime::SimulatedRuntime;
use super::shared::Shared;

/// Open files beside the runtimes' connections.
const FILES: u64 = 64;
/// How often registrations are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Runtimes that do not register are not waited for when no other has registered for so long.
const STRAGGLERS: Duration = Duration::from_secs(10);
/// How long runtimes may take to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// A simulation that runs. When it is dropped it ends without a word: its runtimes are lost.
#[derive(Debug)]
pub struct Simulation {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<Result<(), SimulateError>>>,
}

impl Simulation {
    /// Starts a simulation. It does not wait for the broker.
    ///
    /// # Errors
    /// When the realm is none, or the system does not give what it needs.
    pub fn start(config: SimulateConfig) -> Result<Simulation, SimulateError> {
        let shared = Arc::new(Shared::new(config)?);
        let connections = connections(&shared.config);
        allow_open_files(u64::try_from(connections).unwrap_or(u64::MAX))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopping) = watch::channel(false);
        let (running, ended) = bounded(0);
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("simulate".to_owned())
            .spawn(move || {
                let _running = running;
                let lived = runtime.block_on(live(&of_thread, stopping));
                runtime.shutdown_background();
                lived
            })?;
        Ok(Simulation {
            shared,
            stop,
            ended,
            thread: Some(thread),
        })
    }

    /// What it has seen so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let time = self.shared.begin.elapsed();
        self.shared.figures().report(time)
    }

    /// How it goes: what [`Simulation::report`] says that costs little.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let wanted = self.shared.config.modules.modules;
        let figures = self.shared.figures();
        let report = &figures.report;
        let registered = report.registered_in.is_some();
        Progress {
            time: self.shared.begin.elapsed(),
            alive: report.alive,
            placed: report.placed,
            refused: report.creates.refused,
            unanswered: report.creates.unanswered,
            messages: report.received + report.sent,
            whole: report.placed_in.is_some() || (wanted == 0 && registered),
        }
    }

    /// Has a runtime die, with its connection and its modules. Whether there is one with this
    /// number, counted from 0.
    pub fn lose(&self, runtime: usize) -> bool {
        self.shared.order(runtime, Order::Lose)
    }

    /// Has a runtime fall silent. Whether there is one with this number, counted from 0.
    pub fn fall_silent(&self, runtime: usize) -> bool {
        self.shared.order(runtime, Order::FallSilent)
    }

    /// Has a runtime go on that is silent. Whether there is one with this number, counted from 0.
    pub fn wake(&self, runtime: usize) -> bool {
        self.shared.order(runtime, Order::Wake)
    }

    /// Disconnected when it has ended, of itself or by [`Simulation::stop`].
    #[must_use]
    pub fn ended(&self) -> Receiver<()> {
        self.ended.clone()
    }

    /// Has modules deleted and runtimes leave, and waits for that.
    ///
    /// # Errors
    /// Why it has ended before.
    pub fn stop(mut self) -> Result<Report, SimulateError> {
        // It may have ended.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && let Ok(lived) = thread.join()
        {
            lived?;
        }
        Ok(self.report())
    }
}

fn connections(config: &SimulateConfig) -> usize {
    let runtimes = config.fleet.runtimes;
    let most = config.fleet.connections.unwrap_or(runtimes);
    most.clamp(1, runtimes.max(1))
}

/// Each connection is an open file, and the usual limit is for programs that have few.
fn allow_open_files(connections: u64) -> Result<(), SimulateError> {
    let wanted = connections + FILES;
    let limits = getrlimit(Resource::RLIMIT_NOFILE).map_err(std::io::Error::from)?;
    match limits {
        (now, _) if now >= wanted => Ok(()),
        (_, hard) if hard >= wanted => {
            let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
            Ok(raised.map_err(std::io::Error::from)?)
        }
        (_, limit) => Err(SimulateError::OpenFiles { wanted, limit }),
    }
}

async fn live(shared: &Arc<Shared>, mut stop: watch::Receiver<bool>) -> Result<(), SimulateError> {
    let mut rng = Rng::with_seed(shared.config.seed);
    let client_rng = rng.fork();
    let fate_rng = rng.fork();
    let peer = Client::connect(shared).await?;
    let (phase, phases) = watch::channel(Phase::Wait);
    let client = Client::new(Arc::clone(shared), client_rng);
    let client = tokio::spawn(client.run(peer, phases));
    let mut lines = fleet(shared, &mut rng)?;
    let registered = tokio::select! {
        registered = registered(shared) => registered,
        // The other end is gone: nobody wants it any more.
        _ = stop.changed() => Ok(()),
    };
    if registered.is_ok() && !*stop.borrow() {
        let fate = tokio::spawn(fate::run(Arc::clone(shared), fate_rng));
        let _ = phase.send(Phase::Run);
        let dropped = stop.changed().await.is_err();
        fate.abort();
        if dropped {
            return Ok(());
        }
    }
    let _ = phase.send(Phase::Remove);
    // A task that has panicked has said so.
    let _ = client.await;
    for runtime in 0..shared.config.fleet.runtimes {
        shared.order(runtime, |_| Order::Leave);
    }
    let _ = timeout(LEAVE, async { while lines.join_next().await.is_some() {} }).await;
    registered
}

/// Starts the runtimes.
fn fleet(shared: &Arc<Shared>, rng: &mut Rng) -> Result<JoinSet<()>, SimulateError> {
    let config = &shared.config.fleet;
    let count = connections(&shared.config);
    let mut crews: Vec<Vec<(SimulatedRuntime, Topic)>> = Vec::new();
    crews.resize_with(count, Vec::new);
    for number in 0..config.runtimes {
        let random = rng.u128(..).to_le_bytes();
        let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
        let machine = Machine::draw(rng, config.alike);
        let name = format!("sim-{}", number + 1);
        let runtime = SimulatedRuntime::new(uuid, name, machine, config.slots);
        let topic = Topic::new(&shared.topics.control(uuid))?;
        if let Some(crew) = crews.get_mut(number % count) {
            crew.push((runtime, topic));
        }
    }
    let mut lines = JoinSet::new();
    let mut reach = Vec::new();
    for (number, crew) in (1..).zip(crews) {
        let (orders, received) = unbounded_channel();
        reach.extend((0..crew.len()).map(|at| (orders.clone(), at)));
        let has_will = config.connections.is_none();
        let line = Line {
            number,
            crew: Crew::new(Arc::clone(shared), crew, rng.fork(), has_will),
            orders: received,
            rng: rng.fork(),
            has_will,
        };
        lines.spawn(line.run());
    }
    // It is set once.
    let _ = shared.reach.set(reach);
    Ok(lines)
}

/// Waits until the runtimes are registered, or as many as do so.
async fn registered(shared: &Shared) -> Result<(), SimulateError> {
    let wanted = u64::try_from(shared.config.fleet.runtimes).unwrap_or(u64::MAX);
    let mut last = (0, Instant::now());
    loop {
        let (count, refused, failure) = {
            let figures = shared.figures();
            (
                figures.report.registrations,
                figures.last_registration_refusal.clone(),
                figures.report.last_failure.clone(),
            )
        };
        if count >= wanted {
            let time = shared.begin.elapsed();
            shared.figures().report.registered_in = Some(time);
            return Ok(());
        }
        if count > last.0 {
            last = (count, Instant::now());
        }
        let patience = shared.config.patience;
        if count == 0 && last.1.elapsed() > patience {
            let broker = shared.config.link.broker.to_string();
            return Err(match (refused, failure) {
                (Some(why), _) => SimulateError::Refused(why),
                (None, Some(why)) => SimulateError::Runtimes { broker, why },
                (None, None) => SimulateError::NoSupervisor {
                    realm: shared.config.realm.clone(),
                    broker,
                    patience,
                },
            });
        }
        if count > 0 && last.1.elapsed() > STRAGGLERS {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}
