//! The simulation as the library has it.

use arena_runtime::pubsub::{LinkConfig, Protocol};
use arena_runtime::simulate::{FleetConfig, ModulesConfig, SimulateConfig, Simulation};
use arena_runtime::supervisor::{ModuleState, RuntimeState, Supervisor};
use std::time::Duration;

use crate::arts::supervisor;
use crate::client::PATIENCE;
use crate::mosquitto::{Broker, eventually};

fn config(broker: &Broker, runtimes: usize, modules: usize) -> SimulateConfig {
    SimulateConfig {
        realm: "realm".to_owned(),
        link: LinkConfig::new(broker.url().parse().unwrap(), "simulate"),
        seed: 1,
        fleet: FleetConfig::new(runtimes),
        modules: ModulesConfig::new(modules, 1000.0),
        patience: PATIENCE,
    }
}

/// Modules that are not over.
fn running(supervisor: &Supervisor) -> usize {
    let modules = supervisor.modules();
    let running = modules.iter().filter(|m| m.state == ModuleState::Running);
    running.count()
}

fn alive(supervisor: &Supervisor) -> usize {
    let runtimes = supervisor.runtimes();
    let alive = runtimes.iter().filter(|r| r.state == RuntimeState::Alive);
    alive.count()
}

fn everything_is_gone(supervisor: &Supervisor) {
    eventually("the end of all", || {
        alive(supervisor) == 0 && supervisor.modules().iter().all(|m| m.state.is_final())
    });
}

#[test]
fn runtimes_register_and_modules_run_until_the_end() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let simulation = Simulation::start(config(&broker, 20, 60)).unwrap();
    eventually("all modules", || simulation.progress().whole);
    let runtimes = supervisor.runtimes();
    assert_eq!(runtimes.len(), 20);
    for runtime in &runtimes {
        assert_eq!(runtime.state, RuntimeState::Alive);
        assert_eq!(runtime.extra["runtime_type"], "simulated");
        assert_eq!(runtime.extra["platform"]["os"], "simulated");
    }
    assert_eq!(running(&supervisor), 60);
    eventually("figures of a module", || {
        let modules = supervisor.modules();
        modules.iter().all(|module| module.usage.memory > 0)
    });
    let report = simulation.stop().unwrap();
    assert_eq!((report.creates.asked, report.creates.granted), (60, 60));
    assert_eq!(report.deletes.granted, 60);
    assert_eq!(report.modules, 0);
    assert!(report.creates.times.min() <= report.creates.times.percentile(50));
    everything_is_gone(&supervisor);
    assert!(supervisor.stop(PATIENCE));
}

#[test]
fn failures_churn_and_ends() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let settings = ["restart.backoff_min=10ms", "restart.backoff_max=10ms"];
    let supervisor = supervisor(dir.path(), broker.port(), &settings);
    let mut config = config(&broker, 10, 40);
    config.fleet.fail = 0.2;
    config.fleet.crash = 1200.0;
    config.fleet.lifetime = Some(Duration::from_secs(2));
    config.fleet.start_time = Duration::from_millis(5);
    config.modules.churn = 20.0;
    let simulation = Simulation::start(config).unwrap();
    eventually("some of everything", || {
        let report = simulation.report();
        report.rejected > 5
            && report.crashed > 5
            && report.ended > 5
            && report.deletes.granted > 5
            && report.creates.granted > 60
    });
    let report = simulation.stop().unwrap();
    assert_eq!(report.modules, 0);
    let creates = &report.creates;
    assert_eq!(creates.asked, creates.granted + creates.refused);
    everything_is_gone(&supervisor);
    assert!(supervisor.stop(PATIENCE));
}

#[test]
fn runtimes_that_share_connections_die_and_come_back() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let mut config = config(&broker, 6, 30);
    config.link.protocol = Protocol::Mqtt5;
    config.fleet.connections = Some(2);
    config.fleet.away = Duration::from_millis(200);
    let simulation = Simulation::start(config).unwrap();
    eventually("all modules", || simulation.progress().whole);
    for runtime in 0..3 {
        assert!(simulation.lose(runtime));
    }
    assert!(!simulation.lose(6));
    eventually("three of them lost, and back", || {
        let report = simulation.report();
        report.registrations == 9 && report.will.open == 0 && report.alive == 6
    });
    let report = simulation.report();
    assert_eq!((report.will.runtimes, report.failures), (3, 0));
    eventually("all run", || running(&supervisor) == 30);
    assert_eq!(simulation.stop().unwrap().modules, 0);
    everything_is_gone(&supervisor);
    assert!(supervisor.stop(PATIENCE));
}

#[test]
fn a_broker_that_comes_back_finds_all_again() {
    let mut broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let simulation = Simulation::start(config(&broker, 10, 30)).unwrap();
    eventually("all modules", || simulation.progress().whole);
    broker.kill();
    eventually("the outage is noticed", || simulation.report().alive == 0);
    broker.restart();
    eventually("all register again", || simulation.report().alive == 10);
    assert_eq!(running(&supervisor), 30);
    assert!(simulation.report().failures >= 10);
    eventually("all are alive", || alive(&supervisor) == 10);
    assert_eq!(simulation.stop().unwrap().deletes.granted, 30);
    everything_is_gone(&supervisor);
    assert!(supervisor.stop(PATIENCE));
}

#[test]
fn a_runtime_that_is_told_to_stop_leaves_and_stays_away() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path(), broker.port(), &[]);
    let mut config = config(&broker, 3, 9);
    config.fleet.away = Duration::from_millis(50);
    let simulation = Simulation::start(config).unwrap();
    eventually("all modules", || simulation.progress().whole);
    let uuid = supervisor.runtimes()[0].uuid;
    supervisor.stop_runtime(uuid, Box::new(|_| ()));
    eventually("it has left", || alive(&supervisor) == 2);
    eventually("its modules run elsewhere", || {
        running(&supervisor) == 9 && simulation.report().modules == 9
    });
    let report = simulation.report();
    assert_eq!((report.stopped, report.alive), (1, 2));
    simulation.stop().unwrap();
    everything_is_gone(&supervisor);
    assert!(supervisor.stop(PATIENCE));
}
