//! The client: it has the supervisor start and delete modules.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use crate::config::RestartWord;
use crate::protocol::{
    CreateModule, DeleteModule, ExitReason, ExitReport, Incoming, ObjectId, Request, RequestData,
    Response, parse,
};
use crate::pubsub::{Peer, PeerError};

use super::config::SimulateError;
use super::crew::MAX_MESSAGE;
use super::line::at;
use super::population::Population;
use super::report::{Report, Requests};
use super::runtime::SIMULATED;
use super::shared::{Shared, filter, message};

/// A request that is not answered after that time is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// At the end so many deletes are under way at a time.
const DELETING: usize = 200;
/// And it is given up when none is answered for that long.
const STUCK: Duration = Duration::from_secs(10);
/// Before another attempt to connect.
const RECONNECT: Duration = Duration::from_millis(500);
/// Nothing is asked for while the broker has not taken so many bytes.
const QUEUED: usize = 256 * 1024;
/// It is looked at again after that time.
const FULL: Duration = Duration::from_millis(5);
/// What was not asked for in time is not all asked for at once.
const BEHIND: Duration = Duration::from_secs(1);

/// What the client is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing yet.
    Wait,
    /// Have as many modules as wanted.
    Run,
    /// Have them deleted.
    Remove,
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    Create(Uuid),
    Delete,
}

/// Asks for modules, and for their end.
pub(super) struct Client {
    shared: Arc<Shared>,
    rng: Rng,
    population: Population,
    asked: HashMap<ObjectId, (Instant, Wish)>,
    /// The same in the order of their time, with some that are answered.
    order: VecDeque<(Instant, ObjectId)>,
    deleting: usize,
    create: Pace,
    churn: Pace,
    first: Option<Instant>,
    phase: Phase,
    /// When something last went on.
    progress: Instant,
    number: u64,
}

/// How often something is done.
#[derive(Debug)]
struct Pace {
    interval: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: f64) -> Pace {
        let interval = (rate > 0.0).then(|| Duration::try_from_secs_f64(1.0 / rate));
        Pace {
            interval: interval.and_then(Result::ok),
            next: Instant::now(),
        }
    }

    fn due(&self) -> Option<Instant> {
        self.interval.map(|_| self.next)
    }

    /// Whether it is to be done now.
    fn is_due(&mut self, now: Instant) -> bool {
        let Some(interval) = self.interval else {
            return false;
        };
        if self.next > now {
            return false;
        }
        let behind = now.checked_sub(BEHIND).unwrap_or(now);
        self.next = self.next.max(behind) + interval;
        true
    }
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, rng: Rng) -> Client {
        let modules = &shared.config.modules;
        Client {
            population: Population::new(modules.modules),
            create: Pace::new(modules.rate),
            churn: Pace::new(modules.churn),
            shared,
            rng,
            asked: HashMap::new(),
            order: VecDeque::new(),
            deleting: 0,
            first: None,
            phase: Phase::Wait,
            progress: Instant::now(),
            number: 0,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// When the broker is not there, or does not let us in.
    pub(super) async fn connect(shared: &Shared) -> Result<Peer, SimulateError> {
        let failed = |source| SimulateError::Broker {
            broker: shared.config.link.broker.to_string(),
            source,
        };
        Self::peer(shared).await.map_err(failed)
    }

    async fn peer(shared: &Shared) -> Result<Peer, PeerError> {
        let mut peer = Peer::connect(&shared.link("client")).await?;
        peer.subscribe(&[filter(&shared.control)]).await?;
        Ok(peer)
    }

    /// Works until all is removed, or that is given up.
    pub(super) async fn run(mut self, mut peer: Peer, mut phases: watch::Receiver<Phase>) {
        loop {
            match self.serve(&mut peer, &mut phases).await {
                Ok(()) => return peer.leave().await,
                Err(error) => self.shared.failed(&error),
            }
            peer = loop {
                if *phases.borrow() == Phase::Remove && self.progress.elapsed() > STUCK {
                    return;
                }
                sleep(RECONNECT).await;
                match Self::peer(&self.shared).await {
                    Ok(peer) => break peer,
                    Err(error) => self.shared.failed(&error),
                }
            };
        }
    }

    async fn serve(
        &mut self,
        peer: &mut Peer,
        phases: &mut watch::Receiver<Phase>,
    ) -> Result<(), PeerError> {
        loop {
            let now = Instant::now();
            self.give_up(now);
            let phase = *phases.borrow_and_update();
            if phase != self.phase {
                self.phase = phase;
                self.progress = now;
                self.create.next = now;
                self.churn.next = now;
            }
            let due = match phase {
                Phase::Wait => None,
                Phase::Run => self.ask(now, peer)?,
                Phase::Remove => {
                    self.remove(now, peer)?;
                    let done = self.population.len() + self.deleting + self.population.pending();
                    if done == 0 || now.duration_since(self.progress) > STUCK {
                        return Ok(());
                    }
                    None
                }
            };
            // Also looks from time to time at what is not answered.
            let look = Some(now + Duration::from_secs(1));
            let due = [due, look].into_iter().flatten().min();
            tokio::select! {
                message = peer.next() => {
                    let payload = message?.payload;
                    self.shared.figures().report.received += 1;
                    match parse(&payload, MAX_MESSAGE) {
                        Ok(Incoming::Response(response)) => self.answered(&response),
                        Ok(Incoming::Request(request)) => self.heard(request),
                        // Others' business.
                        Err(_) => {}
                    }
                }
                () = at(due) => {}
                changed = phases.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Asks for what is missing. When to do it again, if that can be said.
    fn ask(&mut self, now: Instant, peer: &mut Peer) -> Result<Option<Instant>, PeerError> {
        while peer.queued() < QUEUED && self.population.wants(now) && self.create.is_due(now) {
            self.ask_for_one(now, peer)?;
        }
        let whole = self.shared.figures().report.placed_in.is_some();
        while whole && self.churn.is_due(now) {
            if let Some(module) = self.population.take_any(&mut self.rng) {
                self.delete(now, peer, module)?;
            }
        }
        let churn = self.churn.due().filter(|_| whole);
        let create = self.create.due().filter(|_| self.population.wants(now));
        let room = if peer.queued() < QUEUED {
            now
        } else {
            now + FULL
        };
        let create = create.map(|at| at.max(room));
        Ok([churn, create].into_iter().flatten().min())
    }

    fn ask_for_one(&mut self, now: Instant, peer: &mut Peer) -> Result<(), PeerError> {
        self.first.get_or_insert(now);
        self.number += 1;
        let random = self.rng.u128(..).to_le_bytes();
        let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
        let mut create = CreateModule::new(uuid);
        create.name = format!("simulate/m-{}", self.number);
        create.filename = Some("simulated.wasm".to_owned());
        let mut data = create.details();
        let restart = match self.shared.config.modules.restart {
            RestartWord::Never => "never",
            RestartWord::OnFailure => "on-failure",
            RestartWord::Always => "always",
        };
        data.insert("restart".to_owned(), restart.into());
        // Other runtimes of the realm have no such file.
        data.insert("labels".to_owned(), serde_json::json!({ SIMULATED: "yes" }));
        create.original = data;
        self.population.asked();
        let id = ObjectId::random();
        let payload = create.to_message(&id);
        self.send(now, peer, id, Wish::Create(uuid), payload)
    }

    fn delete(&mut self, now: Instant, peer: &mut Peer, module: Uuid) -> Result<(), PeerError> {
        self.deleting += 1;
        self.shared.figures().moving.forget(now, module);
        let id = ObjectId::random();
        let payload = DeleteModule::new(module).to_message(&id);
        self.send(now, peer, id, Wish::Delete, payload)
    }

    fn send(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        id: ObjectId,
        wish: Wish,
        payload: Vec<u8>,
    ) -> Result<(), PeerError> {
        self.asked.insert(id.clone(), (now, wish));
        self.order.push_back((now, id));
        {
            let mut figures = self.shared.figures();
            figures.report.sent += 1;
            requests(&mut figures.report, wish).asked += 1;
        }
        peer.publish(&message(&self.shared.control, payload))
    }

    fn remove(&mut self, now: Instant, peer: &mut Peer) -> Result<(), PeerError> {
        while self.deleting < DELETING
            && let Some(module) = self.population.take_any(&mut self.rng)
        {
            self.delete(now, peer, module)?;
        }
        Ok(())
    }

    fn answered(&mut self, response: &Response) {
        let Some((at, wish)) = self.asked.remove(&response.object_id) else {
            return;
        };
        let now = Instant::now();
        self.progress = now;
        let mut figures = self.shared.figures();
        let requests = requests(&mut figures.report, wish);
        requests.times.add(now.duration_since(at));
        if response.ok {
            requests.granted += 1;
        } else {
            requests.refused += 1;
            requests.last_refusal = Some(response.details_text());
        }
        drop(figures);
        match wish {
            Wish::Create(module) if response.ok => self.population.placed(module),
            Wish::Create(_) => self.population.not_placed(now),
            Wish::Delete => self.deleting = self.deleting.saturating_sub(1),
        }
        self.count(now);
    }

    /// Tells how many there are.
    fn count(&self, now: Instant) {
        let report = &mut self.shared.figures().report;
        report.placed = u64::try_from(self.population.len()).unwrap_or_default();
        let whole = self.population.len() >= self.shared.config.modules.modules;
        if whole && report.placed_in.is_none() {
            report.placed_in = self.first.map(|first| now.duration_since(first));
        }
    }

    /// Runtimes tell of modules that have ended on the topic of clients.
    fn heard(&mut self, request: Request) {
        let RequestData::DeleteModule(DeleteModule {
            uuid,
            exit: Some(exit),
            ..
        }) = request.data
        else {
            return;
        };
        if !self.comes_back(&exit) && self.population.remove(uuid) {
            self.count(Instant::now());
        }
    }

    fn comes_back(&self, exit: &ExitReport) -> bool {
        match self.shared.config.modules.restart {
            RestartWord::Never => false,
            RestartWord::OnFailure => exit.reason == ExitReason::Trapped,
            RestartWord::Always => true,
        }
    }

    /// Those who were not answered for too long are not waited for any more.
    fn give_up(&mut self, now: Instant) {
        while let Some((at, id)) = self.order.front() {
            let answered = !self.asked.contains_key(id);
            if !answered && now.duration_since(*at) < PATIENCE {
                return;
            }
            let wish = self.asked.remove(id).map(|(_, wish)| wish);
            self.order.pop_front();
            let Some(wish) = wish else {
                continue;
            };
            requests(&mut self.shared.figures().report, wish).unanswered += 1;
            match wish {
                Wish::Create(_) => self.population.not_placed(now),
                Wish::Delete => self.deleting = self.deleting.saturating_sub(1),
            }
        }
    }
}

fn requests(report: &mut Report, wish: Wish) -> &mut Requests {
    match wish {
        Wish::Create(_) => &mut report.creates,
        Wish::Delete => &mut report.deletes,
    }
}
