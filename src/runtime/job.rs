//! From a create message to what a worker is to run.

use bytes::Bytes;
use uuid::Uuid;

use crate::guest::{ChannelMode, ChannelSpec};
use crate::protocol::{self, CreateModule, FileType};
use crate::pubsub::{Lane, Qos};
use crate::wamr::Limits;

use super::files::Source;
use super::scheduling::Wanted;
use super::shared::Shared;

/// What a module is to be run with.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) uuid: Uuid,
    /// For its messages and its output.
    pub(super) lane: Lane,
    /// For people.
    pub(super) name: String,
    pub(super) source: Source,
    /// What the module sees as its own name.
    pub(super) argv0: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) channels: Vec<ChannelSpec>,
    pub(super) limits: Limits,
    pub(super) scheduling: Wanted,
}

/// What the message asks for, within what the node allows.
///
/// # Errors
/// When it asks for what no runtime of this kind can do, in words for whoever has sent it.
pub(super) fn of(create: &CreateModule, lane: Lane, shared: &Shared) -> Result<Job, String> {
    if create.filetype == FileType::Python {
        return Err("this runtime runs WebAssembly modules (filetype WA), not Python".to_owned());
    }
    let source = match (&create.wasm, &create.filename) {
        (Some(wasm), _) => Source::Inline(wasm.clone()),
        (None, Some(filename)) => Source::Named {
            name: create.name.clone(),
            filename: filename.clone(),
        },
        (None, None) => return Err("neither a filename nor the module itself is given".to_owned()),
    };
    if create.resources.cpu_ms == Some(0) {
        return Err("resources.cpu_ms is 0: no module can run without CPU time".to_owned());
    }
    let limits = &shared.settings.limits;
    let memory = create.resources.memory.unwrap_or(limits.module_memory);
    Ok(Job {
        uuid: create.uuid,
        lane,
        name: create.name.clone(),
        source,
        argv0: create
            .filename
            .clone()
            .unwrap_or_else(|| create.name.clone()),
        args: create.args.clone(),
        env: create.env.clone(),
        channels: create
            .channels
            .iter()
            .map(channel)
            .collect::<Result<_, _>>()?,
        limits: Limits {
            memory: Some(memory.min(limits.module_memory)),
            stack: limits.stack_size,
        },
        scheduling: scheduling(create)?,
    })
}

fn channel(channel: &protocol::Channel) -> Result<ChannelSpec, String> {
    if channel.kind != "pubsub" {
        return Err(format!(
            "channel {:?} is of type {:?}; this runtime has \"pubsub\"",
            channel.path, channel.kind
        ));
    }
    Ok(ChannelSpec {
        path: channel.path.clone(),
        topic: channel.topic.clone(),
        mode: match channel.mode {
            protocol::ChannelMode::Read => ChannelMode::Read,
            protocol::ChannelMode::Write => ChannelMode::Write,
            protocol::ChannelMode::ReadWrite => ChannelMode::ReadWrite,
        },
        qos: channel.qos.map(|qos| match qos {
            0 => Qos::AtMostOnce,
            _ => Qos::AtLeastOnce,
        }),
    })
}

fn scheduling(create: &CreateModule) -> Result<Wanted, String> {
    let resources = &create.resources;
    let deadline = match (resources.period, resources.runtime) {
        (Some(period), Some(runtime)) => Some((period, runtime)),
        (None, None) => None,
        _ => {
            return Err(
                "resources: period and runtime are given together or not at all".to_owned(),
            );
        }
    };
    let affinity = resources.affinity.iter().flatten();
    Ok(Wanted {
        deadline,
        affinity: affinity.map(|processor| *processor as usize).collect(),
    })
}

/// The linear memory that a module goes on with.
pub(super) type Snapshot = Bytes;
