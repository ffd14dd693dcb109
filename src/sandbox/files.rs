//! Files, TCP ports, signals and abstract sockets, by Landlock.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

use super::{Needs, SandboxError};

/// The newest version that is used here.
const NEWEST: ABI = ABI::V6;
/// The version from which on TCP ports are among it.
pub(super) const TCP: u32 = 4;
/// The version from which on the rest is.
const ALL: u32 = 6;

/// Files that somebody has to have a privilege, or a reason, to make.
const SPECIAL: [AccessFs; 6] = [
    AccessFs::Execute,
    AccessFs::IoctlDev,
    AccessFs::MakeBlock,
    AccessFs::MakeChar,
    AccessFs::MakeFifo,
    AccessFs::MakeSock,
];

/// Returns the version of Landlock that holds; 0 is none.
pub(super) fn restrict(needs: &Needs, missing: &mut Vec<String>) -> Result<u32, SandboxError> {
    let status = try_restrict(needs).map_err(|error| SandboxError::Refused {
        what: "files",
        source: std::io::Error::other(error),
    })?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            effective_abi as u32
        }
        _ => 0,
    };
    match version {
        0 => missing.push("this kernel has no Landlock (Linux 5.13), or not enabled".to_owned()),
        1..TCP => missing.push("TCP ports are not held (Linux 6.7)".to_owned()),
        TCP..ALL => {
            missing.push("signals and abstract sockets are not held (Linux 6.12)".to_owned())
        }
        _ => {}
    }
    Ok(version)
}

fn try_restrict(needs: &Needs) -> Result<landlock::RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let special: BitFlags<AccessFs> = SPECIAL.into_iter().collect();
    let write = AccessFs::from_all(NEWEST) & !special;
    let mut scopes = Scope::from_all(NEWEST);
    if needs.abstract_sockets {
        scopes.remove(Scope::AbstractUnixSocket);
    }
    let ports = |ports: &[u16], access: AccessNet| {
        let rules: Vec<_> = ports
            .iter()
            .map(|port| Ok::<_, RulesetError>(NetPort::new(*port, access)))
            .collect();
        rules
    };
    // What is not there is left out.
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scopes)?
        .create()?
        .add_rules(path_beneath_rules(&needs.read, read))?
        .add_rules(path_beneath_rules(&needs.write, write))?
        .add_rules(path_beneath_rules(
            &needs.execute,
            AccessFs::Execute | AccessFs::ReadFile,
        ))?
        .add_rules(ports(&needs.connect, AccessNet::ConnectTcp))?
        .add_rules(ports(&needs.bind, AccessNet::BindTcp))?
        .restrict_self()
}
