//! Runtimes with a hundred modules die, or fall silent.

use std::time::Duration;

use arena_runtime::pubsub::LinkConfig;
use arena_runtime::simulate::{FleetConfig, ModulesConfig, SimulateConfig, Simulation};
use arena_runtime::supervisor::{ModuleState, RuntimeState, Supervisor};

use crate::arts::supervisor;
use crate::client::PATIENCE;
use crate::mosquitto::Broker;
use crate::runtime::wait_until;

const MODULES: usize = 300;

/// Three runtimes with a hundred modules each.
fn start(broker: &Broker) -> Simulation {
    let config = SimulateConfig {
        realm: "realm".to_owned(),
        link: LinkConfig::new(broker.url().parse().unwrap(), "simulate"),
        seed: 1,
        fleet: FleetConfig {
            slots: 0,
            away: Duration::ZERO,
            ..FleetConfig::new(3)
        },
        modules: ModulesConfig::new(MODULES, 2000.0),
        patience: PATIENCE,
    };
    let simulation = Simulation::start(config).unwrap();
    wait_until("all modules run", || simulation.progress().whole);
    simulation
}

/// All modules run, on runtimes that are alive.
fn all_run(supervisor: &Supervisor) -> bool {
    let modules = supervisor.modules();
    let well = modules.iter().filter(|module| {
        let runtime = module.runtime.and_then(|uuid| supervisor.runtime(uuid));
        module.state == ModuleState::Running
            && runtime.is_some_and(|runtime| runtime.state == RuntimeState::Alive)
    });
    well.count() == MODULES && modules.len() == MODULES
}

#[test]
fn a_hundred_modules_run_elsewhere_after_the_will() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        "supervisor.scheduler=round-robin",
        "supervisor.keepalive_interval=10s",
    ];
    let supervisor = supervisor(dir.path(), broker.port(), &settings);
    let simulation = start(&broker);
    simulation.lose(0);
    wait_until("its modules run elsewhere", || {
        let will = simulation.report().will;
        will.modules == 100 && will.open == 0
    });
    wait_until("the registry says so", || all_run(&supervisor));
    let report = simulation.report();
    println!(
        "100 modules run elsewhere after {:?}",
        report.will.times.max()
    );
    wait_until("none runs twice", || simulation.report().modules == 300);
    simulation.stop().unwrap();
    assert!(supervisor.stop(PATIENCE));
}

#[test]
fn a_hundred_modules_run_elsewhere_after_silence_and_once_when_it_is_over() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        "supervisor.scheduler=round-robin",
        "supervisor.keepalive_interval=500ms",
    ];
    let supervisor = supervisor(dir.path(), broker.port(), &settings);
    let simulation = start(&broker);
    simulation.fall_silent(1);
    wait_until("its modules run elsewhere", || {
        let silence = simulation.report().silence;
        silence.modules == 100 && silence.open == 0
    });
    let report = simulation.report();
    println!(
        "100 modules run elsewhere after {:?}",
        report.silence.times.max()
    );
    // It still has those that run elsewhere by now, and is told to delete them.
    assert!(simulation.wake(1));
    wait_until("it is back", || simulation.report().alive == 3);
    wait_until("none runs twice", || simulation.report().modules == 300);
    wait_until("the registry says so", || all_run(&supervisor));
    simulation.stop().unwrap();
    assert!(supervisor.stop(PATIENCE));
}
