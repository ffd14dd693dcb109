//! A runtime on a thread of its own.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use tracing::warn;
use uuid::Uuid;

use crate::cli::check;
use crate::cli::status::{Failure, Status};
use crate::config::{NamedFile, Settings};
use crate::runtime::{IdentityError, Node, NodeError, NodeHandle};

/// How long the runtime's thread may take to tell how it is.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct RunningNode {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    pub(super) realm: String,
    /// How long modules have to save.
    pub(super) grace: Duration,
    handle: NodeHandle,
    thread: JoinHandle<()>,
    /// Disconnected when the runtime has ended.
    ended: Receiver<()>,
}

fn cannot_start(files: &[NamedFile], error: &NodeError) -> Failure {
    let why = match error {
        NodeError::Identity(IdentityError::InUse { dir }) => super::settings::in_use(dir),
        other => other.to_string(),
    };
    check::cannot_start(files, error.is_of_settings(), &why)
}

impl RunningNode {
    pub(super) fn start(settings: Settings) -> Result<RunningNode, Failure> {
        let name = settings.runtime.name.clone();
        let realm = settings.runtime.realm.clone();
        let grace = settings.runtime.grace_time;
        let files = settings.files();
        let (node, handle) = Node::start(settings).map_err(|e| cannot_start(&files, &e))?;
        let uuid = node.uuid();
        let (running, ended) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("runtime".to_owned())
            .spawn(move || {
                let _running: crossbeam_channel::Sender<()> = running;
                node.run();
            })
            .map_err(|e| {
                Failure::new(Status::CannotStart, format!("cannot start a thread: {e}"))
            })?;
        Ok(RunningNode {
            uuid,
            name,
            realm,
            grace,
            handle,
            thread,
            ended,
        })
    }

    pub(super) fn is_registered(&self) -> bool {
        self.handle.is_registered(PATIENCE) == Some(true)
    }

    /// Whether the runtime goes on.
    pub(super) fn pulse(&self) -> (&'static str, bool) {
        ("the runtime", self.handle.status(PATIENCE).is_some())
    }

    /// Nothing ever comes; it is disconnected at the end.
    pub(super) fn ended(&self) -> &Receiver<()> {
        &self.ended
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Has modules save and end, and waits for it. They have their grace time.
    pub(super) fn stop(self) {
        self.handle.shut_down();
        if self.thread.join().is_err() {
            warn!("the runtime has not ended in order");
        }
    }
}
