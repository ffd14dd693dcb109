use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Map;
use uuid::Uuid;

use super::*;
use crate::supervisor::records::Load;

fn runtime(number: u128) -> Runtime {
    Runtime {
        uuid: Uuid::from_u128(number),
        name: format!("rt{number}"),
        apis: String::new(),
        api_names: ["wasi:snapshot_preview1", "wasi:unstable"]
            .map(str::to_owned)
            .into(),
        max_nmodules: 10,
        state: RuntimeState::Alive,
        registered: SystemTime::UNIX_EPOCH,
        last_seen: SystemTime::UNIX_EPOCH,
        modules: BTreeSet::new(),
        load: Load {
            cores: Some(4.0),
            host_cpu_percent: Some(100.0),
            memory_total: Some(1 << 30),
            memory_available: Some(1 << 29),
            ..Load::default()
        },
        arch: Some("x86_64".to_owned()),
        labels: BTreeMap::from([("site".to_owned(), "lab".to_owned())]),
        extra: Map::new(),
    }
}

fn wish() -> Wish {
    Wish {
        apis: ["wasi:snapshot_preview1".to_owned()].into(),
        ..Wish::default()
    }
}

fn with_modules(number: u128, count: u128) -> Runtime {
    let mut runtime = runtime(number);
    runtime.modules = (0..count).map(Uuid::from_u128).collect();
    runtime
}

fn choose(scheduler: &mut dyn Scheduler, runtimes: &[Runtime]) -> u128 {
    choose_placed(scheduler, runtimes, &[])
}

fn choose_placed(scheduler: &mut dyn Scheduler, runtimes: &[Runtime], placed: &[Placed]) -> u128 {
    let candidates: Vec<_> = runtimes
        .iter()
        .enumerate()
        .map(|(at, runtime)| Candidate {
            runtime,
            placed: placed.get(at).copied().unwrap_or_default(),
        })
        .collect();
    let at = scheduler.choose(&wish(), &candidates).unwrap();
    runtimes[at].uuid.as_u128()
}

#[test]
fn each_in_its_turn() {
    let mut scheduler = by_name(SchedulerName::RoundRobin);
    let all = [runtime(3), runtime(1), runtime(2)];
    let chosen: Vec<_> = (0..5).map(|_| choose(&mut *scheduler, &all)).collect();
    assert_eq!(chosen, [1, 2, 3, 1, 2]);
    // One that has gone does not stop the round.
    assert_eq!(choose(&mut *scheduler, &all[1..2]), 1);
    assert_eq!(choose(&mut *scheduler, &all), 2);
    assert_eq!(scheduler.choose(&wish(), &[]), None);
}

#[test]
fn to_whoever_has_least() {
    let mut scheduler = by_name(SchedulerName::LeastModules);
    let all = [with_modules(1, 3), with_modules(2, 1), with_modules(3, 2)];
    assert_eq!(choose(&mut *scheduler, &all), 2);
    assert_eq!(scheduler.choose(&wish(), &[]), None);
}

#[test]
fn to_whoever_has_room() {
    let mut scheduler = by_name(SchedulerName::Resources);
    let mut busy = runtime(1);
    busy.load.host_cpu_percent = Some(390.0);
    let mut narrow = runtime(2);
    narrow.load.memory_available = Some(1 << 24);
    let free = runtime(3);
    let all = [busy, narrow, free];
    assert_eq!(choose(&mut *scheduler, &all), 3);
    // As much room: to whoever has fewer modules.
    assert_eq!(
        choose(&mut *scheduler, &[with_modules(1, 2), with_modules(2, 1)]),
        2
    );
    // What was placed since is counted, though nobody has told of it yet.
    let placed = Placed {
        modules: 30,
        memory: 400 << 20,
    };
    assert_eq!(
        choose_placed(
            &mut *scheduler,
            &[runtime(1), with_modules(2, 5)],
            &[placed]
        ),
        2
    );
    assert_eq!(scheduler.choose(&wish(), &[]), None);
}

#[test]
fn nonsense_of_runtimes_is_no_room() {
    let mut scheduler = by_name(SchedulerName::Resources);
    let mut mad = runtime(1);
    mad.load = Load {
        host_cpu_percent: Some(f64::INFINITY),
        cores: Some(-3.0),
        memory_total: Some(0),
        memory_available: Some(u64::MAX),
        ..Load::default()
    };
    assert_eq!(choose(&mut *scheduler, &[mad, runtime(2)]), 2);
}

#[test]
fn what_cannot_be_is_told() {
    let no = Placed::default();
    let runtime = runtime(1);
    assert_eq!(fits(&wish(), &runtime, no), Ok(()));
    let mut python = wish();
    python.apis.insert("python:python3".to_owned());
    assert_eq!(
        fits(&python, &runtime, no),
        Err(Misfit::Apis("python:python3".to_owned()))
    );
    let mut other = wish();
    other.parent = Some(Uuid::from_u128(7));
    assert_eq!(fits(&other, &runtime, no), Err(Misfit::NotTheParent));
    let mut arm = wish();
    arm.arch.insert("aarch64".to_owned());
    assert_eq!(fits(&arm, &runtime, no), Err(Misfit::Arch));
    arm.arch.insert("X86_64".to_owned());
    assert_eq!(fits(&arm, &runtime, no), Ok(()));
    let mut labelled = wish();
    labelled.labels.insert("site".to_owned(), "lab".to_owned());
    assert_eq!(fits(&labelled, &runtime, no), Ok(()));
    labelled.labels.insert("site".to_owned(), "roof".to_owned());
    assert_eq!(
        fits(&labelled, &runtime, no),
        Err(Misfit::Label("site".to_owned()))
    );
    let mut large = wish();
    large.memory = Some(1 << 29);
    assert_eq!(fits(&large, &runtime, no), Ok(()));
    let placed = Placed {
        modules: 1,
        memory: 1,
    };
    assert!(matches!(
        fits(&large, &runtime, placed),
        Err(Misfit::Memory { .. })
    ));
    assert_eq!(
        fits(&wish(), &with_modules(1, 10), no),
        Err(Misfit::Full { max: 10 })
    );
    let mut unlimited = with_modules(1, 10);
    unlimited.max_nmodules = 0;
    assert_eq!(fits(&wish(), &unlimited, no), Ok(()));
    unlimited.state = RuntimeState::Lost;
    assert_eq!(fits(&wish(), &unlimited, no), Err(Misfit::Lost));
}
