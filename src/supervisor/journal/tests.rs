use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::protocol::ObjectId;
use crate::supervisor::events::EventKind;
use crate::supervisor::records::{
    Exit, Load, ModuleState, RestartPolicy, RuntimeState, Usage, Wish,
};

const KEPT: Kept = Kept {
    events: 1000,
    deleted: 100,
};

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

fn runtime(uuid: Uuid) -> Runtime {
    let extra = json!({"platform": {"arch": "x86_64", "cores": 2, "memory": 1024},
        "labels": {"site": "lab"}});
    Runtime {
        uuid,
        name: "rt".to_owned(),
        apis: "['a', 'b']".to_owned(),
        api_names: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
        max_nmodules: 3,
        state: RuntimeState::Alive,
        registered: at(1),
        last_seen: at(2),
        modules: BTreeSet::new(),
        load: Load {
            cores: Some(2.0),
            memory_total: Some(1024),
            ..Load::default()
        },
        arch: Some("x86_64".to_owned()),
        labels: [("site".to_owned(), "lab".to_owned())].into(),
        extra: extra.as_object().cloned().unwrap(),
    }
}

fn module(uuid: Uuid) -> Module {
    let data = json!({"type": "module", "uuid": uuid, "name": "m", "filename": "f.wasm",
        "apis": ["a"], "wait_state": true, "resources": {"memory": 5}});
    Module {
        uuid,
        name: "m".to_owned(),
        filename: Some("f.wasm".to_owned()),
        state: ModuleState::Starting,
        runtime: Some(Uuid::from_u128(9)),
        moves_to: None,
        restart: RestartPolicy::OnFailure,
        restarts: 2,
        created: at(3),
        started: Some(at(4)),
        changed: at(5),
        exit: Some(Exit {
            reason: "exited".to_owned(),
            code: Some(3),
            message: "bye".to_owned(),
            at: at(6),
        }),
        usage: Usage::default(),
        data: data.to_string().into(),
        wish: Wish {
            apis: BTreeSet::from(["a".to_owned()]),
            parent: Some(Uuid::from_u128(9)),
            memory: Some(5),
            ..Wish::default()
        },
        inline: 4,
        ran: true,
        waits: true,
        reply: ObjectId::new("request"),
    }
}

fn event(id: u64) -> Arc<Event> {
    Arc::new(Event {
        id,
        at: at(id),
        kind: EventKind::Placed,
        runtime: Some(Uuid::from_u128(1)),
        module: None,
        name: "m".to_owned(),
        message: "on rt".to_owned(),
    })
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, KEPT).unwrap()
}

#[test]
fn all_of_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let (runtime, module) = (runtime(Uuid::from_u128(9)), module(Uuid::from_u128(2)));
    let inline = Inline {
        wasm: Some(Bytes::from_static(b"wasm")),
        memory: None,
    };
    let mut batch = Batch {
        runtimes: vec![(runtime.uuid, Some(Arc::new(runtime.clone())))],
        modules: vec![(module.uuid, Some(Arc::new(module.clone())))],
        inline: vec![(module.uuid, inline.clone())],
        deleted: vec![Uuid::from_u128(3), Uuid::from_u128(4)],
        revived: vec![],
        events: vec![event(1), event(2)],
    };
    journal.commit(&batch).unwrap();
    // A change of the record leaves its file.
    batch.inline.clear();
    batch.deleted.clear();
    batch.revived = vec![Uuid::from_u128(3)];
    journal.commit(&batch).unwrap();
    assert!(matches!(
        Journal::open(dir.path(), KEPT),
        Err(JournalError::InUse(_))
    ));
    drop(journal);

    let mut journal = open(dir.path());
    let loaded = journal.load().unwrap();
    assert_eq!(loaded.runtimes, std::slice::from_ref(&runtime));
    assert_eq!(loaded.modules, std::slice::from_ref(&module));
    assert_eq!(loaded.deleted, [Uuid::from_u128(4)]);
    let events: Vec<_> = loaded.events.into_iter().map(Arc::new).collect();
    assert_eq!(events, [event(1), event(2)]);
    assert_eq!(journal.inline(module.uuid).unwrap(), inline);

    let batch = Batch {
        runtimes: vec![(runtime.uuid, None)],
        modules: vec![(module.uuid, None)],
        ..Batch::default()
    };
    journal.commit(&batch).unwrap();
    let loaded = journal.load().unwrap();
    assert!(loaded.runtimes.is_empty() && loaded.modules.is_empty());
    // Its file is gone with it.
    assert_eq!(journal.inline(module.uuid).unwrap(), Inline::default());
}

#[test]
fn history_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Kept {
        events: 10,
        deleted: 5,
    };
    let mut journal = Journal::open(dir.path(), limits).unwrap();
    for id in 1..=1000 {
        let batch = Batch {
            events: vec![event(id)],
            deleted: vec![Uuid::from_u128(id.into())],
            ..Batch::default()
        };
        journal.commit(&batch).unwrap();
    }
    let rows = |table| {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = journal
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap();
        count
    };
    assert!(rows("events") < 1000 && rows("deleted") < 1000);
    let loaded = journal.load().unwrap();
    let ids: Vec<_> = loaded.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (991..=1000).collect::<Vec<_>>());
    assert_eq!(loaded.deleted.len(), 5);
}

#[test]
fn older_formats_become_the_latest() {
    let mut connection = Connection::open_in_memory().unwrap();
    let steps = [
        "CREATE TABLE a (x); INSERT INTO a VALUES (1)",
        "ALTER TABLE a ADD COLUMN y DEFAULT 7",
    ];
    schema::migrate(&mut connection, &steps[..1]).unwrap();
    schema::migrate(&mut connection, &steps).unwrap();
    // A second time does nothing.
    schema::migrate(&mut connection, &steps).unwrap();
    let sum: i64 = connection
        .query_row("SELECT sum(x + y) FROM a", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, 8);
    let newer = schema::migrate(&mut connection, &steps[..1]);
    assert!(matches!(
        newer,
        Err(JournalError::Newer { found: 2, known: 1 })
    ));
    // A step that fails leaves everything as it was.
    let failing = [steps[0], steps[1], "CREATE TABLE b (x); nonsense"];
    assert!(schema::migrate(&mut connection, &failing).is_err());
    let tables: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_master WHERE name = 'b'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_file_that_is_no_registry_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("registry.db"), vec![b'x'; 8192]).unwrap();
    assert!(matches!(
        Journal::open(dir.path(), KEPT),
        Err(JournalError::Sqlite(_))
    ));
}
