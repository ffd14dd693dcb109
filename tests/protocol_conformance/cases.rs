//! All cases, and how they are run. A new one is a function and a line here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::brokers::Kind;
use crate::messages::{check_all, check_nothing_retained};
use crate::realm::Setup::{Both, RuntimeAlone, SupervisorAlone};
use crate::realm::{Realm, Setup, Special};
use crate::{ends, modules, moves, registration, spellings, streams, wrong};

pub struct Case {
    name: &'static str,
    on: &'static [Setup],
    /// `None`: in the realm that most cases share, one after the other.
    own: Option<Special>,
    run: fn(&mut Realm),
}

const ALL: &[Setup] = &[Both, RuntimeAlone, SupervisorAlone];
const OUR_RUNTIME: &[Setup] = &[Both, RuntimeAlone];
const OUR_SUPERVISOR: &[Setup] = &[Both, SupervisorAlone];

const fn case(name: &'static str, on: &'static [Setup], run: fn(&mut Realm)) -> Case {
    Case {
        name,
        on,
        own: None,
        run,
    }
}

/// A case that needs a realm of its own, since it changes it, or since it is another one.
const fn alone(
    name: &'static str,
    on: &'static [Setup],
    own: Special,
    run: fn(&mut Realm),
) -> Case {
    Case {
        name,
        on,
        own: Some(own),
        run,
    }
}

/// No answer, and none about keepalives.
const UNSUPERVISED: Special = Special {
    unsupervised: true,
    ..Special::NONE
};
const OFTEN: &str = "keepalive_interval = \"1s\"\n";
const NO_KEEPALIVES: Special = Special {
    runtime: OFTEN,
    keepalive: Some(0),
    ..Special::NONE
};
const NOT_SAID: Special = Special {
    runtime: OFTEN,
    keepalive: None,
    ..Special::NONE
};

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("a registration and its answer", ALL, registration::fields),
    case("a runtime that registers again", OUR_SUPERVISOR, registration::again),
    case("registrations that are wrong", OUR_SUPERVISOR, registration::wrong),
    case("keepalives", ALL, registration::keepalives),
    case("a create and its answers", ALL, modules::create),
    case("a create without the realm in its topic", OUR_RUNTIME, modules::without_the_realm),
    case("a file that is not there", ALL, modules::missing_file),
    case("one uuid twice", ALL, modules::twice),
    case("as many modules as there are places", ALL, modules::places),
    case("a delete and its answers", ALL, modules::delete),
    case("deletes of what is not there", ALL, modules::delete_nothing),
    case("prepared by one create, started by another", ALL, modules::wait_state),
    case("every spelling of lists", ALL, spellings::lists),
    case("every spelling of the rest", ALL, spellings::others),
    case("requests that are wrong", ALL, wrong::requests),
    case("what is no request", ALL, wrong::no_requests),
    case("answers that nobody waits for", ALL, wrong::answers),
    case("lines out", ALL, streams::out),
    case("lines in", ALL, streams::input),
    case("reports of ends", ALL, ends::reports),
    alone("a registration that is answered late, and with errors", &[RuntimeAlone], UNSUPERVISED, registration::refused),
    alone("no keepalives are wanted", &[RuntimeAlone], NO_KEEPALIVES, registration::no_keepalives),
    alone("nothing is said of keepalives", &[RuntimeAlone], NOT_SAID, registration::usual_keepalives),
    alone("a module that moves", ALL, Special::NONE, moves::moves),
    alone("the last will", ALL, Special::NONE, ends::will),
    alone("a runtime that leaves", ALL, Special::NONE, ends::leaves),
];

/// Runs the cases of a setup; fails with all that failed.
pub fn run(setup: Setup, kind: Kind) {
    let cases = CASES.iter().filter(|case| case.on.contains(&setup));
    let (alone, shared): (Vec<_>, Vec<_>) = cases.partition(|case| case.own.is_some());
    // They wait for something most of their time.
    let failed = std::thread::scope(|scope| {
        let alone: Vec<_> = alone
            .into_iter()
            .map(|case| scope.spawn(move || run_alone(case, setup, kind)))
            .collect();
        let mut failed = run_shared(&shared, setup, kind);
        failed.extend(alone.into_iter().filter_map(|case| case.join().unwrap()));
        failed
    });
    assert!(failed.is_empty(), "{setup:?}, {kind:?}: {failed:?}");
}

/// One after the other. Returns what has failed.
fn run_shared(cases: &[&Case], setup: Setup, kind: Kind) -> Vec<&'static str> {
    let mut failed = Vec::new();
    let mut realm = Realm::start(setup, kind, Special::NONE);
    for case in cases {
        let run = || {
            (case.run)(&mut realm);
            realm.clean();
        };
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            failed.push(case.name);
        }
    }
    if catch_unwind(AssertUnwindSafe(|| finish(&realm))).is_err() {
        failed.push("what all messages have in common");
    }
    failed
}

fn run_alone(case: &Case, setup: Setup, kind: Kind) -> Option<&'static str> {
    let special = case.own?;
    let run = || {
        let mut realm = Realm::start(setup, kind, special);
        (case.run)(&mut realm);
        finish(&realm);
    };
    catch_unwind(AssertUnwindSafe(run))
        .is_err()
        .then_some(case.name)
}

fn finish(realm: &Realm) {
    check_all(realm);
    check_nothing_retained(realm);
}
