//! New privileges, capabilities, core dumps.

use rustix::process::{Resource, Rlimit, setrlimit};
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
    // Secrets and modules' memory would be in it.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(refused("core dumps"))
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
