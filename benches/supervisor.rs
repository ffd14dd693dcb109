//! The supervisor under load: `arena arts` as a process, a real Mosquitto, and simulated runtimes
//! in this process, each with its connection.
//!
//! `cargo bench --bench supervisor` prints figures. Nothing here asserts a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    reason = "a measurement ends where its fixture does"
)]

#[path = "../tests/supervisor/arts.rs"]
mod arts;
#[path = "../tests/node/client.rs"]
mod client;
#[path = "../tests/support/mosquitto.rs"]
mod mosquitto;

use std::time::{Duration, Instant};

use arena_runtime::pubsub::LinkConfig;
use arena_runtime::simulate::{FleetConfig, ModulesConfig, SimulateConfig, Simulation, Times};

use arts::{Arts, CONTROL};

const RUNTIMES: usize = 1000;
const MODULES: usize = 10_000;
/// Creates in a second.
const RATE: u32 = 500;
/// How often the runtimes tell what they have.
const KEEPALIVE: Duration = Duration::from_secs(5);

fn main() {
    let broker = mosquitto::Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let settings = ["supervisor.keepalive_interval=5s", "log.level=warn"];
    let arts = Arts::start(dir.path(), broker.port(), &settings);
    let probe = client::Client::connect(broker.port());
    probe.subscribe(CONTROL);
    arts::wait_for_supervisor(&probe);
    drop(probe);

    at_rest(&broker, &arts);
    load(&broker, &arts);
    losses(&broker);
    arts.stop();
}

fn simulate(broker: &mosquitto::Broker, runtimes: usize, modules: usize) -> Simulation {
    let url = broker.url().parse().expect("a broker's address");
    let config = SimulateConfig {
        realm: "realm".to_owned(),
        link: LinkConfig::new(url, "simulate"),
        seed: 1,
        fleet: FleetConfig {
            alike: true,
            slots: 0,
            ..FleetConfig::new(runtimes)
        },
        modules: ModulesConfig::new(modules, RATE.into()),
        patience: Duration::from_secs(60),
    };
    Simulation::start(config).expect("it starts")
}

fn wait(what: &str, is: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runtimes without modules.
fn at_rest(broker: &mosquitto::Broker, arts: &Arts) {
    let simulation = simulate(broker, RUNTIMES, 0);
    wait("registrations", || {
        simulation.report().registered_in.is_some()
    });
    let time = simulation.report().registered_in.expect("they are");
    println!(
        "{RUNTIMES} runtimes registered in {:.2} s",
        time.as_secs_f64()
    );
    watch(arts, "no modules");
    simulation.stop().expect("it runs");
}

/// What the supervisor costs while nothing but keepalives comes.
fn watch(arts: &Arts, with: &str) {
    let before = arts.cpu();
    std::thread::sleep(KEEPALIVE * 2);
    println!(
        "watching {RUNTIMES} runtimes with {with}: {:.1} % of a core, RSS {:.1} MB",
        (arts.cpu() - before).as_secs_f64() / (KEEPALIVE * 2).as_secs_f64() * 100.0,
        megabytes(arts)
    );
}

fn megabytes(arts: &Arts) -> f64 {
    f64::from(u32::try_from(arts.memory() >> 10).unwrap_or(u32::MAX)) / 1024.0
}

fn millis(times: &Times) -> String {
    let millis = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e3;
    format!(
        "median {:.2} ms, 99 % {:.2} ms, worst {:.2} ms",
        millis(times.percentile(50)),
        millis(times.percentile(99)),
        millis(times.max())
    )
}

fn load(broker: &mosquitto::Broker, arts: &Arts) {
    let simulation = simulate(broker, RUNTIMES, MODULES);
    wait("registrations", || {
        simulation.report().registered_in.is_some()
    });
    let (before, begin) = (arts.cpu(), Instant::now());
    wait("modules", || simulation.progress().whole);
    let (cpu, wall) = (arts.cpu() - before, begin.elapsed());
    let report = simulation.report();
    println!(
        "{} creates at {RATE}/s placed and answered in {:.1} s: {}",
        report.creates.granted,
        wall.as_secs_f64(),
        millis(&report.creates.times)
    );
    println!(
        "the supervisor: {:.0} % of a core, RSS {:.1} MB",
        cpu.as_secs_f64() / wall.as_secs_f64() * 100.0,
        megabytes(arts)
    );
    watch(arts, &format!("{MODULES} modules"));
    let report = simulation.stop().expect("it runs");
    println!(
        "{} deletes: {}",
        report.deletes.granted,
        millis(&report.deletes.times)
    );
}

/// Runtimes with a hundred modules each die, one by its will and one in silence.
fn losses(broker: &mosquitto::Broker) {
    let simulation = simulate(broker, 10, 1000);
    wait("modules", || simulation.progress().whole);
    simulation.lose(0);
    wait("the will's modules elsewhere", || {
        let will = simulation.report().will;
        will.runtimes == 1 && will.open == 0
    });
    simulation.fall_silent(1);
    wait("the silent one's modules elsewhere", || {
        let silence = simulation.report().silence;
        silence.runtimes == 1 && silence.open == 0
    });
    let report = simulation.stop().expect("it runs");
    for (how, moves) in [("its will", report.will), ("silence", report.silence)] {
        println!(
            "a runtime with {} modules is lost by {how}: all run elsewhere after {:.3} s",
            moves.modules,
            moves.times.max().unwrap_or_default().as_secs_f64()
        );
    }
    println!("(keepalives every {} s)", KEEPALIVE.as_secs());
}
