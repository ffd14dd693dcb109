//! Machines that are made up, and what modules take of them.

use fastrand::Rng;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const MIB: u64 = 1 << 20;
/// What a machine without modules uses.
const IDLE_CPU: f64 = 2.0;
const IDLE_MEMORY: u64 = 256 * MIB;

/// The machine of a simulated runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    arch: &'static str,
    cores: u32,
    memory: u64,
}

/// What a module takes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Appetite {
    /// Of a core.
    pub(super) cpu_percent: f64,
    pub(super) memory: u64,
}

impl Appetite {
    /// It is the module's own, and so the same on each runtime: up to 4 % of a core, and from 1 to
    /// 16 MiB.
    pub(super) fn of(module: Uuid) -> Appetite {
        let mut rng = Rng::with_seed(module.as_u64_pair().1);
        Appetite {
            cpu_percent: rng.f64() * 4.0,
            memory: rng.u64(1..=16) * MIB,
        }
    }
}

impl Machine {
    /// Between a small board and a server, or the same each time.
    pub(super) fn draw(rng: &mut Rng, alike: bool) -> Machine {
        let (arch, cores) = if alike {
            ("x86_64", 4)
        } else {
            let arch = if rng.bool() { "x86_64" } else { "aarch64" };
            (arch, 1 << rng.u32(0..=4))
        };
        Machine {
            arch,
            cores,
            memory: u64::from(cores) * 1024 * MIB,
        }
    }

    /// As runtimes tell of it when they register.
    pub(super) fn platform(&self) -> Value {
        json!({
            "arch": self.arch,
            "os": "simulated",
            "cpu": "simulated",
            "cores": self.cores,
            "memory": self.memory,
        })
    }

    /// What is left of the memory.
    pub(super) fn memory_left(&self, taken: Appetite) -> u64 {
        self.memory.saturating_sub(IDLE_MEMORY + taken.memory)
    }

    /// As runtimes tell of it in keepalives.
    pub(super) fn host(&self, taken: Appetite) -> Map<String, Value> {
        let most = f64::from(self.cores) * 100.0;
        let host = json!({
            "cpu_percent": (IDLE_CPU + taken.cpu_percent).min(most),
            "cores": self.cores,
            "memory_total": self.memory,
            "memory_available": self.memory_left(taken),
        });
        Map::from_iter([("host".to_owned(), host)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_machines() {
        let draw = |seed, alike| {
            let mut rng = Rng::with_seed(seed);
            let machines: Vec<_> = (0..20).map(|_| Machine::draw(&mut rng, alike)).collect();
            machines
        };
        assert_eq!(draw(1, false), draw(1, false));
        assert_ne!(draw(1, false), draw(2, false));
        assert_eq!(draw(1, true), draw(2, true));
    }

    #[test]
    fn a_machine_has_no_more_than_it_has() {
        let machine = Machine::draw(&mut Rng::with_seed(1), true);
        let much = Appetite {
            cpu_percent: 1e6,
            memory: 1 << 50,
        };
        let host = &machine.host(much)["host"];
        assert_eq!(host["memory_available"], 0);
        assert_eq!(host["cpu_percent"], 400.0);
        let module = Uuid::new_v4();
        assert_eq!(Appetite::of(module), Appetite::of(module));
    }
}
