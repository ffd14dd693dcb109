//! New privileges, capabilities, limits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

use super::{Capabilities, Needs, SandboxError};

/// What schedulers and ports below 1024 take.
const FEW: CapabilitySet = CapabilitySet::SYS_NICE.union(CapabilitySet::NET_BIND_SERVICE);

/// What root uses the files of others by.
const FILES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID);

pub(super) fn give_up(needs: &Needs) -> Result<(), SandboxError> {
    let refused = |what| {
        move |source: rustix::io::Errno| SandboxError::Refused {
            what,
            source: source.into(),
        }
    };
    set_no_new_privs(true).map_err(refused("new privileges"))?;
    let kept = match needs.capabilities {
        Capabilities::Few => FEW,
        Capabilities::Files => FEW | FILES,
    };
    let what = "capabilities";
    let had = capabilities(None).map_err(refused(what))?;
    // Containers may refuse the call, and have taken the capabilities.
    if let Some(left) = left(had, kept) {
        set_capabilities(None, left).map_err(refused(what))?;
    }
    for (resource, most, what) in LIMITS {
        let had = getrlimit(resource);
        setrlimit(resource, lower(&had, most)).map_err(refused(what))?;
    }
    Ok(())
}

/// Limits that are lowered, for good. Not those of files and memory, by which the system ends the process
/// or a module would take them from others, nor that of processes, which is the user's and not ours.
const LIMITS: [(Resource, u64, &str); 5] = [
    // Secrets and modules' memory would be in it.
    (Resource::Core, 0, "core dumps"),
    // Nothing is locked, and the memory would be missed elsewhere.
    (Resource::Memlock, 0, "locked memory"),
    (Resource::Msgqueue, 0, "message queues"),
    // Of no use without one, as for the lowest real-time priority, which modules may ask for.
    (Resource::Rtprio, 1, "real-time priorities"),
    (Resource::Nice, 0, "higher priorities"),
];

fn lower(had: &Rlimit, most: u64) -> Rlimit {
    let least = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
    Rlimit {
        current: least(had.current),
        maximum: least(had.maximum),
    }
}

/// What stays; `None` when that is all there was.
fn left(had: CapabilitySets, kept: CapabilitySet) -> Option<CapabilitySets> {
    let left = CapabilitySets {
        effective: had.effective & kept,
        permitted: had.permitted & kept,
        inheritable: had.inheritable & kept,
    };
    (left != had).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lowered_and_never_raised() {
        let limit = |current, maximum| Rlimit { current, maximum };
        for (had, most, left) in [
            (limit(None, None), 1, limit(Some(1), Some(1))),
            (limit(Some(0), None), 1, limit(Some(0), Some(1))),
            (limit(Some(0), Some(0)), 1, limit(Some(0), Some(0))),
        ] {
            let lowered = lower(&had, most);
            assert_eq!(
                (lowered.current, lowered.maximum),
                (left.current, left.maximum)
            );
        }
    }

    #[test]
    fn what_is_not_there_is_not_given_up() {
        let sets = |one| CapabilitySets {
            effective: one,
            permitted: one,
            inheritable: CapabilitySet::empty(),
        };
        assert_eq!(left(sets(CapabilitySet::empty()), FEW), None);
        assert_eq!(left(sets(FEW), FEW), None);
        assert_eq!(left(sets(FEW | FILES), FEW), Some(sets(FEW)));
        let inherited = CapabilitySets {
            inheritable: CapabilitySet::SYS_ADMIN,
            ..sets(FEW)
        };
        assert_eq!(left(inherited, FEW), Some(sets(FEW)));
    }
}
