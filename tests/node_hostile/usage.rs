//! What a runtime has of the system.

use crate::runtime::{Realm, wait_until};

#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub threads: usize,
    pub fds: usize,
    pub mappings: usize,
    pub memory: u64,
}

const MIB: u64 = 1 << 20;

impl Usage {
    pub fn of(realm: &Realm) -> Usage {
        let process = procfs::process::Process::new(realm.runtime.pid()).unwrap();
        Usage {
            threads: usize::try_from(process.stat().unwrap().num_threads).unwrap(),
            fds: process.fd_count().unwrap(),
            mappings: process.maps().unwrap().len(),
            memory: realm.runtime.memory(),
        }
    }

    /// Waits until a runtime has given back what it has taken since, but for so much memory.
    pub fn is_back(&self, realm: &Realm, what: &str, mib: u64) {
        let wanted = |now: &Usage| {
            now.threads <= self.threads
                && now.fds <= self.fds
                // Kept stacks and the allocator's own areas come and go.
                && now.mappings <= self.mappings + 128
                && now.memory <= self.memory + mib * MIB
        };
        let start = std::time::Instant::now();
        while !wanted(&Usage::of(realm)) && start.elapsed().as_secs() < 10 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let now = Usage::of(realm);
        println!("{what}: before {self:?}, after {now:?}");
        assert!(wanted(&now), "{what}: before {self:?}, after {now:?}");
    }
}

/// Nothing of ours has failed.
pub fn is_sound(realm: &mut Realm) {
    assert!(realm.runtime.is_running());
    let log = realm.runtime.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.contains("a fault in the runtime"), "{log}");
}

/// Waits until what was measured before a warm-up is settled.
pub fn settled(realm: &Realm) -> Usage {
    let threads = || Usage::of(realm).threads;
    wait_until("modules are gone", || {
        let before = threads();
        std::thread::sleep(std::time::Duration::from_millis(200));
        before == threads()
    });
    Usage::of(realm)
}
