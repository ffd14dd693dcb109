//! Channels and signals as files: `/ch/NAME/{data,info,ctl}` and `/sys/signals`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use crate::pubsub::{Mailbox, Watch};
use crate::wasi::{
    Access, EventWatch, Events, VirtualDir, VirtualError, VirtualFile, VirtualHandle, WasiConfig,
};

use super::channels::Descriptor;
use super::config::ChannelSpec;
use super::refusal::Refusal;
use super::signals::RECORD;
use super::state::Shared;

/// What the paths of channels with a directory begin with.
const CHANNELS: &str = "/ch/";

/// Adds `/sys`, then the channels' directories.
pub(super) fn add_to_wasi(shared: &Arc<Shared>, config: &mut WasiConfig) {
    let mut sys = VirtualDir::new();
    sys.file("signals", Arc::new(SignalsFile(Arc::clone(shared))));
    config.preopen_virtual("/sys", sys);
    for channel in shared.policy.declared() {
        let has_directory = channel
            .path
            .strip_prefix(CHANNELS)
            .is_some_and(|name| !name.is_empty());
        if has_directory {
            let file = ChannelFile {
                shared: Arc::clone(shared),
                channel: channel.clone(),
            };
            let mut dir = VirtualDir::new();
            dir.file("data", Arc::new(DataFile(file.clone())))
                .file("info", Arc::new(InfoFile(file)))
                .file("ctl", Arc::new(CtlFile));
            config.preopen_virtual(channel.path.clone(), dir);
        }
    }
}

impl From<Refusal> for VirtualError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooMany => Self::TooMany,
            Refusal::TooLong => Self::TooLarge,
            Refusal::Full => Self::NoRoom,
            _ => Self::Access,
        }
    }
}

impl Events for Mailbox {
    fn watch(&self) -> io::Result<Box<dyn EventWatch + '_>> {
        Ok(Box::new(MailboxWatch(Mailbox::watch(self)?)))
    }
}

struct MailboxWatch<'a>(Watch<'a>);

impl AsFd for MailboxWatch<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl EventWatch for MailboxWatch<'_> {
    fn clear(&self) {
        self.0.clear();
    }
}

/// A declared channel, of which a file is one side.
#[derive(Clone, Debug)]
struct ChannelFile {
    shared: Arc<Shared>,
    channel: ChannelSpec,
}

/// `data`: reads are messages, and writes are messages.
#[derive(Debug)]
struct DataFile(ChannelFile);

impl VirtualFile for DataFile {
    fn access(&self) -> Access {
        self.0.channel.mode.access()
    }

    fn open(&self, access: Access) -> Result<Box<dyn VirtualHandle>, VirtualError> {
        let ChannelFile { shared, channel } = &self.0;
        let descriptor = shared.open_file(&channel.path, access)?;
        Ok(Box::new(OpenData {
            shared: Arc::clone(shared),
            descriptor,
        }))
    }
}

#[derive(Debug)]
struct OpenData {
    shared: Arc<Shared>,
    descriptor: Descriptor,
}

impl VirtualHandle for OpenData {
    fn read(&self, max: usize) -> Result<Bytes, VirtualError> {
        let queue = self.descriptor.queue.as_ref().ok_or(VirtualError::Access)?;
        Ok(match queue.read(max) {
            Some(part) => {
                self.shared.active();
                part
            }
            None => Bytes::new(),
        })
    }

    /// A line's end that a library writes by itself is no message.
    fn write(&self, data: Bytes) -> Result<(), VirtualError> {
        if *data == *b"\n" {
            return Ok(());
        }
        Ok(self.shared.publish(&self.descriptor.channel, data)?)
    }

    fn readable(&self) -> Option<u64> {
        let length = self.descriptor.queue.as_ref()?.next_len()?;
        u64::try_from(length).ok()
    }

    fn events(&self) -> Option<&dyn Events> {
        Some(&*self.shared.mailbox)
    }
}

impl Drop for OpenData {
    fn drop(&mut self) {
        let Descriptor {
            channel, access, ..
        } = &self.descriptor;
        self.shared.channels.close_file(&channel.path, *access);
    }
}

/// `info`: what the channel is, and what it has counted.
#[derive(Debug)]
struct InfoFile(ChannelFile);

#[derive(Serialize)]
struct Info<'a> {
    path: &'a str,
    topic: &'a str,
    mode: &'static str,
    r#type: &'static str,
    received: u64,
    dropped: u64,
    waiting: usize,
    sent: u64,
    sent_bytes: u64,
    refused: u64,
}

impl VirtualFile for InfoFile {
    fn access(&self) -> Access {
        Access::READ
    }

    /// What is read is as it was now.
    fn open(&self, _access: Access) -> Result<Box<dyn VirtualHandle>, VirtualError> {
        let ChannelFile { shared, channel } = &self.0;
        let (counted, waiting) = shared.channels.counted(&channel.path);
        let info = Info {
            path: &channel.path,
            topic: &channel.topic,
            mode: channel.mode.as_str(),
            r#type: "pubsub",
            received: counted.received,
            dropped: counted.dropped,
            waiting,
            sent: counted.sent,
            sent_bytes: counted.sent_bytes,
            refused: counted.refused,
        };
        // Texts and numbers: that cannot fail.
        let mut text = serde_json::to_vec(&info).unwrap_or_default();
        text.push(b'\n');
        Ok(Box::new(OpenInfo(Mutex::new(text.into()))))
    }
}

/// What is left to be read.
#[derive(Debug)]
struct OpenInfo(Mutex<Bytes>);

impl VirtualHandle for OpenInfo {
    fn read(&self, max: usize) -> Result<Bytes, VirtualError> {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = rest.len().min(max);
        Ok(rest.split_to(part))
    }

    fn write(&self, _data: Bytes) -> Result<(), VirtualError> {
        Err(VirtualError::Access)
    }

    /// At the end too, as a file.
    fn readable(&self) -> Option<u64> {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        u64::try_from(rest.len()).ok()
    }

    fn events(&self) -> Option<&dyn Events> {
        None
    }
}

/// `ctl`: reserved.
#[derive(Debug)]
struct CtlFile;

impl VirtualFile for CtlFile {
    fn access(&self) -> Access {
        Access::WRITE
    }

    fn open(&self, _access: Access) -> Result<Box<dyn VirtualHandle>, VirtualError> {
        Ok(Box::new(OpenCtl))
    }
}

#[derive(Debug)]
struct OpenCtl;

impl VirtualHandle for OpenCtl {
    fn read(&self, _max: usize) -> Result<Bytes, VirtualError> {
        Err(VirtualError::Access)
    }

    fn write(&self, _data: Bytes) -> Result<(), VirtualError> {
        Err(VirtualError::NotSupported)
    }

    fn readable(&self) -> Option<u64> {
        None
    }

    fn events(&self) -> Option<&dyn Events> {
        None
    }
}

/// `/sys/signals`, open or not: all have the same pending signals.
#[derive(Clone, Debug)]
struct SignalsFile(Arc<Shared>);

impl VirtualFile for SignalsFile {
    fn access(&self) -> Access {
        Access::READ
    }

    fn open(&self, _access: Access) -> Result<Box<dyn VirtualHandle>, VirtualError> {
        Ok(Box::new(self.clone()))
    }
}

impl VirtualHandle for SignalsFile {
    fn read(&self, max: usize) -> Result<Bytes, VirtualError> {
        if max < RECORD {
            return Err(VirtualError::TooSmall);
        }
        Ok(self.0.signals.read(max).into())
    }

    fn write(&self, _data: Bytes) -> Result<(), VirtualError> {
        Err(VirtualError::Access)
    }

    fn readable(&self) -> Option<u64> {
        let pending = self.0.signals.pending();
        (pending > 0).then(|| u64::from(pending) * RECORD as u64)
    }

    fn events(&self) -> Option<&dyn Events> {
        Some(&*self.0.mailbox)
    }
}
