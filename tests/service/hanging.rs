//! Threads that hang: a tracer stops one, and the others go on.

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::mosquitto::Broker;
use crate::watched::Watched;

/// Threads that stand still until this is dropped.
struct Stopped(Vec<Pid>);

impl Stopped {
    fn new(threads: Vec<Pid>) -> Stopped {
        for thread in &threads {
            ptrace::seize(*thread, ptrace::Options::empty()).unwrap();
            ptrace::interrupt(*thread).unwrap();
            waitpid(*thread, Some(WaitPidFlag::__WALL)).unwrap();
        }
        Stopped(threads)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for thread in &self.0 {
            let _ = ptrace::detach(*thread, None);
        }
    }
}

/// Each of the threads with these names hangs for a while.
fn is_noticed(service: &Watched, names: &[&str]) {
    service.wait("READY=1\n");
    for name in names {
        service.fed(2);
        let threads = service.threads(name);
        assert!(!threads.is_empty(), "no thread {name}");
        let stopped = Stopped::new(threads);
        assert!(service.starves(), "{name} hangs, and the watchdog is fed");
        drop(stopped);
    }
    service.fed(2);
}

#[test]
fn a_thread_of_the_runtime() {
    let broker = Broker::start();
    let runtime = Watched::runtime(broker.port());
    is_noticed(&runtime, &["arena", "mqtt", "arena-monitor"]);
}

#[test]
fn the_link_of_a_runtime_without_a_broker() {
    let broker = Broker::absent(crate::mosquitto::Setup::default());
    is_noticed(&Watched::runtime(broker.port()), &["mqtt"]);
}

#[test]
fn a_thread_of_the_supervisor() {
    let broker = Broker::start();
    let arts = Watched::arts(broker.port());
    is_noticed(&arts, &["arena", "supervisor", "mqtt", "arts-http"]);
}

#[test]
fn the_threads_of_the_broker() {
    is_noticed(&Watched::broker(), &["arena", "broker"]);
}
