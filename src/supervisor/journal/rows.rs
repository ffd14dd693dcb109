//! Records as rows.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row, Transaction, params};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Batch, JournalError, Kept};
use crate::protocol::ObjectId;
use crate::supervisor::events::{Event, EventKind};
use crate::supervisor::records::{
    Exit, Load, Module, ModuleState, RestartPolicy, Runtime, RuntimeState, Usage, api_names,
};
use crate::supervisor::wishes;

/// What a journal holds.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Loaded {
    pub(in crate::supervisor) runtimes: Vec<Runtime>,
    pub(in crate::supervisor) modules: Vec<Module>,
    /// Oldest first.
    pub(in crate::supervisor) deleted: Vec<Uuid>,
    /// Oldest first.
    pub(in crate::supervisor) events: Vec<Event>,
}

fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct Time(SystemTime);

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let millis = u64::try_from(value.as_i64()?).unwrap_or_default();
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
        at.map(Time).ok_or(FromSqlError::OutOfRange(i64::MAX))
    }
}

struct Id(Uuid);

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?)
            .map(Id)
            .map_err(|_| FromSqlError::InvalidType)
    }
}

struct Number(u64);

impl FromSql for Number {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Number(u64::try_from(value.as_i64()?).unwrap_or_default()))
    }
}

/// A text that is one of some words, or JSON.
struct Text<T>(T);

trait FromText: Sized {
    fn from_text(text: &str) -> Option<Self>;
}

impl<T: FromText> FromSql for Text<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        T::from_text(value.as_str()?)
            .map(Text)
            .ok_or(FromSqlError::InvalidType)
    }
}

impl FromText for RuntimeState {
    fn from_text(text: &str) -> Option<Self> {
        [Self::Alive, Self::Lost]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

impl FromText for ModuleState {
    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl FromText for RestartPolicy {
    fn from_text(text: &str) -> Option<Self> {
        Self::from_name(text)
    }
}

impl FromText for EventKind {
    fn from_text(text: &str) -> Option<Self> {
        Self::from_name(text)
    }
}

impl FromText for Map<String, Value> {
    fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl FromText for ObjectId {
    fn from_text(text: &str) -> Option<Self> {
        ObjectId::from_value(&serde_json::from_str(text).ok()?)
    }
}

impl FromText for Exit {
    fn from_text(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Exit {
            reason: value.get("reason")?.as_str()?.to_owned(),
            code: value.get("code").and_then(Value::as_i64),
            message: value.get("message")?.as_str()?.to_owned(),
            at: humantime::parse_rfc3339_weak(value.get("at")?.as_str()?).ok()?,
        })
    }
}

pub(super) fn load(connection: &Connection, limits: Kept) -> Result<Loaded, JournalError> {
    let mut loaded = Loaded::default();
    let mut statement = connection.prepare("SELECT * FROM runtimes")?;
    for runtime in statement.query_map([], runtime)? {
        loaded.runtimes.push(runtime?);
    }
    let mut statement = connection.prepare("SELECT * FROM modules")?;
    for module in statement.query_map([], module)? {
        loaded.modules.push(module?);
    }
    let mut statement = connection.prepare(
        "SELECT module FROM (SELECT * FROM deleted ORDER BY number DESC LIMIT ?1) ORDER BY number",
    )?;
    let deleted = signed(limits.deleted as u64);
    for id in statement.query_map([deleted], |row| row.get::<_, Id>(0))? {
        loaded.deleted.push(id?.0);
    }
    let mut statement = connection
        .prepare("SELECT * FROM (SELECT * FROM events ORDER BY id DESC LIMIT ?1) ORDER BY id")?;
    for event in statement.query_map([signed(limits.events as u64)], event)? {
        loaded.events.push(event?);
    }
    Ok(loaded)
}

fn runtime(row: &Row<'_>) -> rusqlite::Result<Runtime> {
    let apis: String = row.get("apis")?;
    let extra = row.get::<_, Text<Map<String, Value>>>("extra")?.0;
    let about = wishes::about(&extra);
    Ok(Runtime {
        uuid: row.get::<_, Id>("uuid")?.0,
        name: row.get("name")?,
        api_names: api_names(&apis),
        apis,
        max_nmodules: row.get::<_, Number>("max_nmodules")?.0,
        state: row.get::<_, Text<_>>("state")?.0,
        registered: row.get::<_, Time>("registered")?.0,
        last_seen: row.get::<_, Time>("last_seen")?.0,
        modules: BTreeSet::new(),
        load: Load {
            cores: about.cores,
            memory_total: about.memory,
            ..Load::default()
        },
        arch: about.arch,
        labels: about.labels,
        extra,
    })
}

fn module(row: &Row<'_>) -> rusqlite::Result<Module> {
    let data: String = row.get("data")?;
    let map: Map<String, Value> = Map::from_text(&data).unwrap_or_default();
    let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Module {
        uuid: row.get::<_, Id>("uuid")?.0,
        name: text("name").unwrap_or_default(),
        filename: text("filename"),
        state: row.get::<_, Text<_>>("state")?.0,
        runtime: row.get::<_, Option<Id>>("runtime")?.map(|id| id.0),
        moves_to: row.get::<_, Option<Id>>("moves_to")?.map(|id| id.0),
        restart: row.get::<_, Text<_>>("restart")?.0,
        restarts: row.get::<_, Number>("restarts")?.0,
        created: row.get::<_, Time>("created")?.0,
        started: row.get::<_, Option<Time>>("started")?.map(|at| at.0),
        changed: row.get::<_, Time>("changed")?.0,
        exit: row.get::<_, Option<Text<_>>>("exit")?.map(|exit| exit.0),
        usage: Usage::default(),
        wish: wishes::of_record(&map, row.get::<_, Option<Id>>("pinned")?.map(|id| id.0)),
        inline: row.get::<_, Number>("inline_bytes")?.0,
        ran: row.get("ran")?,
        waits: map.get("wait_state") == Some(&Value::Bool(true)),
        reply: row.get::<_, Option<Text<_>>>("reply")?.map(|id| id.0),
        data: data.into(),
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get::<_, Number>("id")?.0,
        at: row.get::<_, Time>("at")?.0,
        kind: row.get::<_, Text<_>>("kind")?.0,
        runtime: row.get::<_, Option<Id>>("runtime")?.map(|id| id.0),
        module: row.get::<_, Option<Id>>("module")?.map(|id| id.0),
        name: row.get("name")?,
        message: row.get("message")?,
    })
}

fn bytes(uuid: Option<&Uuid>) -> Option<&[u8]> {
    uuid.map(|uuid| &uuid.as_bytes()[..])
}

pub(super) fn write(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), JournalError> {
    for (uuid, runtime) in &batch.runtimes {
        let Some(runtime) = runtime else {
            transaction
                .prepare_cached("DELETE FROM runtimes WHERE uuid = ?1")?
                .execute([uuid.as_bytes()])?;
            continue;
        };
        transaction
            .prepare_cached("INSERT OR REPLACE INTO runtimes VALUES (?1,?2,?3,?4,?5,?6,?7,?8)")?
            .execute(params![
                uuid.as_bytes(),
                runtime.name,
                runtime.apis,
                signed(runtime.max_nmodules),
                runtime.state.as_str(),
                millis(runtime.registered),
                millis(runtime.last_seen),
                Value::Object(runtime.extra.clone()).to_string(),
            ])?;
    }
    for (uuid, module) in &batch.modules {
        match module {
            Some(module) => write_module(transaction, module)?,
            None => {
                transaction
                    .prepare_cached("DELETE FROM modules WHERE uuid = ?1")?
                    .execute([uuid.as_bytes()])?;
            }
        }
    }
    for (uuid, inline) in &batch.inline {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO inline VALUES (?1,?2,?3)")?
            .execute(params![
                uuid.as_bytes(),
                inline.wasm.as_deref(),
                inline.memory.as_deref()
            ])?;
    }
    for uuid in &batch.revived {
        transaction
            .prepare_cached("DELETE FROM deleted WHERE module = ?1")?
            .execute([uuid.as_bytes()])?;
    }
    for uuid in &batch.deleted {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO deleted (module) VALUES (?1)")?
            .execute([uuid.as_bytes()])?;
    }
    for event in &batch.events {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO events VALUES (?1,?2,?3,?4,?5,?6,?7)")?
            .execute(params![
                signed(event.id),
                millis(event.at),
                event.kind.as_str(),
                bytes(event.runtime.as_ref()),
                bytes(event.module.as_ref()),
                event.name,
                event.message,
            ])?;
    }
    Ok(())
}

/// An update of a row that is there, since replacing it would take the inline file along.
fn write_module(transaction: &Transaction<'_>, module: &Module) -> Result<(), JournalError> {
    transaction
        .prepare_cached(
            "INSERT INTO modules VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)
             ON CONFLICT (uuid) DO UPDATE SET state = ?2, runtime = ?3, moves_to = ?4,
             restart = ?5, restarts = ?6, created = ?7, started = ?8, changed = ?9, exit = ?10,
             data = ?11, pinned = ?12, inline_bytes = ?13, ran = ?14, reply = ?15",
        )?
        .execute(params![
            module.uuid.as_bytes(),
            module.state.as_str(),
            bytes(module.runtime.as_ref()),
            bytes(module.moves_to.as_ref()),
            module.restart.as_str(),
            signed(module.restarts),
            millis(module.created),
            module.started.map(millis),
            millis(module.changed),
            module.exit.as_ref().map(|exit| exit.to_value().to_string()),
            &*module.data,
            bytes(module.wish.parent.as_ref()),
            signed(module.inline),
            module.ran,
            module.reply.as_ref().map(|id| id.to_value().to_string()),
        ])?;
    Ok(())
}

/// Deletes what is beyond the limits.
pub(super) fn prune(transaction: &Transaction<'_>, limits: Kept) -> Result<(), JournalError> {
    for (sql, limit) in [
        (
            "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?1",
            limits.events,
        ),
        (
            "DELETE FROM deleted WHERE number <= (SELECT max(number) FROM deleted) - ?1",
            limits.deleted,
        ),
    ] {
        transaction
            .prepare_cached(sql)?
            .execute([signed(limit as u64)])?;
    }
    Ok(())
}
