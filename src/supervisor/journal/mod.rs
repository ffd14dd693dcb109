//! The registry on disk: SQLite.
//!
//! What is in memory is the registry; the journal follows it, so that a supervisor that was
//! killed goes on where it was. A batch of changes is one transaction.

mod checkpoints;
mod rows;
mod schema;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use uuid::Uuid;

use crate::system::{DirLock, DirLockError};

use super::events::Event;
use super::records::{Module, Runtime};

use checkpoints::Checkpoints;

pub(super) use rows::Loaded;

/// Why the registry on disk cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another supervisor uses it.
    #[error(
        "another supervisor uses the data directory {}; give this one its own: --data-dir DIR",
        .0.display()
    )]
    InUse(PathBuf),
    /// The directory or a file in it cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What cannot be used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It was written by a later version of this program.
    #[error("the registry has the format {found}, and this program knows those up to {known}")]
    Newer {
        /// Its format.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// SQLite cannot do what it should.
    #[error("the registry: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What has changed since the last commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// `None` for what is gone.
    pub(super) runtimes: Vec<(Uuid, Option<Arc<Runtime>>)>,
    pub(super) modules: Vec<(Uuid, Option<Arc<Module>>)>,
    /// Inline files and memories of new modules.
    pub(super) inline: Vec<(Uuid, Inline)>,
    /// Modules that were deleted.
    pub(super) deleted: Vec<Uuid>,
    /// Modules that are asked for again, though they were deleted.
    pub(super) revived: Vec<Uuid>,
    pub(super) events: Vec<Arc<Event>>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// How much there is to write, in rows.
    fn weight(&self) -> u64 {
        let files = self.inline.iter().map(|(_, inline)| inline.size());
        let rows = u64::try_from(self.rows()).unwrap_or(u64::MAX);
        rows.saturating_add(files.sum::<u64>() / PAGE)
    }

    /// How many rows it changes.
    fn rows(&self) -> usize {
        self.runtimes.len()
            + self.modules.len()
            + self.inline.len()
            + self.deleted.len()
            + self.revived.len()
            + self.events.len()
    }
}

/// Bytes of a file that are as much to write as a row.
const PAGE: u64 = 4096;

/// What came with a module in its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inline {
    pub(super) wasm: Option<Bytes>,
    pub(super) memory: Option<Bytes>,
}

impl Inline {
    pub(super) fn size(&self) -> u64 {
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |b| b.len() as u64);
        size(&self.wasm) + size(&self.memory)
    }
}

/// The registry on disk.
#[derive(Debug)]
pub(super) struct Journal {
    connection: Connection,
    checkpoints: Checkpoints,
    limits: Kept,
    since_pruned: usize,
    _lock: DirLock,
}

/// How much history is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) events: usize,
    pub(super) deleted: usize,
}

/// After how many events the oldest are deleted.
const PRUNE: usize = 512;

impl Journal {
    /// Opens the registry in a directory, which is made if it is not there.
    pub(super) fn open(dir: &Path, limits: Kept) -> Result<Journal, JournalError> {
        let lock = DirLock::take(dir).map_err(|error| match error {
            DirLockError::InUse => JournalError::InUse(dir.to_owned()),
            DirLockError::Io { path, source } => JournalError::Io { path, source },
        })?;
        let path = dir.join("registry.db");
        let mut connection = Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        schema::migrate(&mut connection, schema::MIGRATIONS)?;
        connection.set_prepared_statement_cache_capacity(32);
        let checkpoints = Checkpoints::start(&connection, path.clone())
            .map_err(|source| JournalError::Io { path, source })?;
        Ok(Journal {
            connection,
            checkpoints,
            limits,
            since_pruned: PRUNE,
            _lock: lock,
        })
    }

    /// All that is in it.
    pub(super) fn load(&self) -> Result<Loaded, JournalError> {
        rows::load(&self.connection, self.limits)
    }

    /// Writes a batch, as a whole or not at all.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        rows::write(&transaction, batch)?;
        self.since_pruned += batch.events.len() + batch.deleted.len();
        if self.since_pruned >= PRUNE {
            self.since_pruned = 0;
            rows::prune(&transaction, self.limits)?;
        }
        transaction.commit()?;
        self.checkpoints.written(batch.weight());
        Ok(())
    }

    /// The inline file and memory of a module.
    pub(super) fn inline(&self, module: Uuid) -> Result<Inline, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT wasm, memory FROM inline WHERE module = ?1")?;
        let found = statement
            .query_row(params![module.as_bytes()], |row| {
                let wasm: Option<Vec<u8>> = row.get(0)?;
                let memory: Option<Vec<u8>> = row.get(1)?;
                Ok(Inline {
                    wasm: wasm.map(Bytes::from),
                    memory: memory.map(Bytes::from),
                })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
