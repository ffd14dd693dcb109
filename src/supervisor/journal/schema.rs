//! The tables, and how older ones become them.

use rusqlite::{Connection, TransactionBehavior};

use super::JournalError;

/// Each step makes the next format of the one before. A step that was released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: uuids are their 16 bytes, times milliseconds since 1970.
    "CREATE TABLE runtimes (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        apis TEXT NOT NULL,
        max_nmodules INTEGER NOT NULL,
        state TEXT NOT NULL,
        registered INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        extra TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE modules (
        uuid BLOB PRIMARY KEY,
        state TEXT NOT NULL,
        runtime BLOB,
        moves_to BLOB,
        restart TEXT NOT NULL,
        restarts INTEGER NOT NULL,
        created INTEGER NOT NULL,
        started INTEGER,
        changed INTEGER NOT NULL,
        exit TEXT,
        data TEXT NOT NULL,
        pinned BLOB,
        inline_bytes INTEGER NOT NULL,
        ran INTEGER NOT NULL,
        reply TEXT
    ) WITHOUT ROWID;
    CREATE TABLE inline (
        module BLOB PRIMARY KEY REFERENCES modules (uuid) ON DELETE CASCADE,
        wasm BLOB,
        memory BLOB
    );
    CREATE TABLE deleted (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        module BLOB NOT NULL UNIQUE
    );
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        runtime BLOB,
        module BLOB,
        name TEXT NOT NULL,
        message TEXT NOT NULL
    );",
];

/// Brings the tables to the latest format, in one transaction.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), JournalError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let Some(missing) = usize::try_from(found).ok().and_then(|n| steps.get(n..)) else {
        return Err(JournalError::Newer { found, known });
    };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
