//! Moves what was written from the log into the database.
//!
//! A checkpoint has the disk write what it holds back, which takes as long as it takes: on a thread
//! of its own, since all that the supervisor does waits for its commits.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tracing::warn;

use super::JournalError;

/// After so many rows, or pages of files, it is time for one.
const ROWS: u64 = 1000;
/// A log of so many pages begins anew, for which commits have to wait. Up to there it grows while
/// there is always something to write.
const LONG: i64 = 16_384;
/// If this does not go as it should, commits do it themselves from so many pages on.
const TOO_LONG: i64 = 4 * LONG;

/// The thread that makes checkpoints. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    rows: u64,
    /// `None` when it is to end.
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Takes over from `connection` to the database in this file.
    pub(super) fn start(connection: &Connection, file: PathBuf) -> io::Result<Checkpoints> {
        let set = connection.pragma_update(None, "wal_autocheckpoint", TOO_LONG);
        set.map_err(io::Error::other)?;
        let (wake, woken) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                if let Err(error) = run(&file, &woken) {
                    warn!("checkpoints of the registry have ended: {error}");
                }
            })?;
        Ok(Checkpoints {
            rows: 0,
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// So much was written.
    pub(super) fn written(&mut self, rows: u64) {
        self.rows += rows;
        if self.rows < ROWS {
            return;
        }
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                Ok(()) => self.rows = 0,
                // It is at it.
                Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // What went wrong there was told.
            let _ = thread.join();
        }
    }
}

fn run(file: &Path, woken: &Receiver<()>) -> Result<(), JournalError> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    while woken.recv().is_ok() {
        let pages = checkpoint(&connection, "PASSIVE")?;
        if pages > LONG {
            checkpoint(&connection, "RESTART")?;
        }
    }
    Ok(())
}

/// The number of pages in the log.
fn checkpoint(connection: &Connection, kind: &str) -> Result<i64, JournalError> {
    let done = connection.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| {
        row.get(1)
    });
    match done {
        Ok(pages) => Ok(pages),
        // A disk that is full may have room again later.
        Err(error) => {
            warn!("the registry: a checkpoint: {error}");
            Ok(0)
        }
    }
}
